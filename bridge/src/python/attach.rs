//! Python's lock: taken for a moment, given away while working, and left alone at the end.
//!
//! A thread that asks for the lock of an interpreter that has ended is ended by it, in the middle
//! of its Rust frames, and the process aborts. So before the end all threads of the bridge are
//! seen out of Python, and from then on kept out.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;

use super::errors::caught;
use crate::error::{Code, Error, Result};

/// A backend that does not come back from a call for this long at the end is not waited for.
const GRACE: Duration = Duration::from_secs(10);

struct Threads {
    /// Calls that hold Python's lock, or will ask for it again.
    inside: usize,
    /// The thread that ends the interpreter, once it does.
    ending: Option<ThreadId>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads { inside: 0, ending: None });
static LEFT: Condvar = Condvar::new();

fn threads() -> MutexGuard<'static, Threads> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call until it is dropped.
pub struct Inside;

impl Inside {
    pub fn enter() -> Self {
        threads().inside += 1;
        Self
    }

    fn enter_unless_ending() -> Option<Self> {
        let mut threads = threads();
        threads.ending.is_none().then(|| {
            threads.inside += 1;
            Self
        })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut threads = threads();
        threads.inside = threads.inside.saturating_sub(1);
        if threads.ending.is_some() && threads.inside == 0 {
            LEFT.notify_all();
        }
    }
}

/// Keeps threads out of Python from now on, and waits for those inside. For `atexit`.
#[pyfunction]
pub fn end(py: Python<'_>) {
    py.detach(|| {
        let mut threads = threads();
        threads.ending = Some(thread::current().id());
        drop(LEFT.wait_timeout_while(threads, GRACE, |threads| threads.inside > 0));
    });
}

/// Runs `work` with Python's lock, from a thread without it; `None` at the end of the interpreter.
pub fn attach<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _inside = Inside::enter_unless_ending()?;
    Python::try_attach(work)
}

/// As [`attach`], for work that raises. `value` is what a `ValueError` means there.
pub fn attached<T>(value: Code, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T> {
    attach(|py| work(py).map_err(|raised| caught(py, raised, value)))
        .unwrap_or_else(|| Err(Error::new(Code::DatabaseUnavailable, "Python is shutting down")))
}

/// Runs `work` without Python's lock, which this thread holds and takes again.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let inside = Inside::enter();
    py.detach(|| {
        let outcome = work();
        stay_out_at_the_end(&inside);
        outcome
    })
}

/// Stops a daemon thread for good where it would ask for the lock of an ending interpreter, which
/// is what Python itself does from 3.14 on.
fn stay_out_at_the_end(_: &Inside) {
    let mut threads = threads();
    if threads.ending.is_some_and(|ender| ender != thread::current().id()) {
        threads.inside = threads.inside.saturating_sub(1);
        LEFT.notify_all();
        drop(threads);
        loop {
            thread::park();
        }
    }
}

/// Runs `work` without Python's lock, on a thread that will not ask for it again unless `work`
/// calls foreign code that does.
pub fn foreign<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(_inside) = Inside::enter_unless_ending() else {
        return Err(Error::new(Code::DatabaseUnavailable, "Python is shutting down"));
    };
    work()
}
