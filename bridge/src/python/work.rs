//! What a thread does for a Python database: how it is told to stop, and what broke it.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use pyo3::prelude::*;

use super::attach::{attach, detached};
use crate::database::Cancel;
use crate::error::{Error, Result};

thread_local! {
    /// The work that this thread does for a Python database.
    static WORK: RefCell<Option<Arc<Work>>> = const { RefCell::new(None) };
}

#[derive(Default)]
pub struct Work {
    state: Mutex<State>,
    done: Condvar,
    /// What broke rows that foreign code reads: it only hears the text of it.
    failure: Mutex<Option<Error>>,
}

#[derive(Default)]
struct State {
    /// Somebody wants the work to stop.
    fired: bool,
    /// The callback is being called.
    running: bool,
    callback: Option<Py<PyAny>>,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks, and never asks for Python's lock: whoever cancels may hold it.
    fn fire(self: &Arc<Self>) {
        self.lock().fired = true;
        let this = Arc::clone(self);
        // Without a thread the work is stopped where it next hands a batch on.
        drop(thread::Builder::new().name("fsspec-db-cancel".to_owned()).spawn(move || this.call()));
    }

    fn call(&self) {
        let callback = {
            let mut state = self.lock();
            state.running = state.callback.is_some();
            state.callback.take()
        };
        if let Some(callback) = callback {
            attach(|py| {
                // What stops a statement has nobody to fail for: the statement says how it ended.
                drop(callback.bind(py).call0());
                drop(callback);
            });
            self.lock().running = false;
            self.done.notify_all();
        }
    }

    /// What this thread does, if it is for a Python database.
    pub fn current() -> Option<Arc<Self>> {
        WORK.with_borrow(Clone::clone)
    }

    /// Keeps the first of them: a reader of a reader hears only the text of what went wrong before.
    pub fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(self: &Arc<Self>, callback: Option<Py<PyAny>>) {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.callback, callback);
        let fired = state.fired && state.callback.is_some();
        // What stopped the work before is over before other work begins.
        drop(self.done.wait_while(state, |state| state.running).unwrap_or_else(PoisonError::into_inner));
        if let Some(before) = before {
            attach(|_| drop(before));
        }
        if fired {
            self.fire();
        }
    }
}

/// Runs `job`, during which [`on_cancel`] means `cancel`. Its outcome is why it was stopped, if it was.
pub fn interruptible<T>(cancel: &Cancel, job: impl FnOnce() -> Result<T>) -> Result<T> {
    cancel.check()?;
    let work = Arc::new(Work::default());
    let told = Arc::clone(&work);
    cancel.on_cancel(move || told.fire());
    let before = WORK.replace(Some(Arc::clone(&work)));
    let outcome = job();
    WORK.set(before);
    cancel.clear();
    work.set(None);
    let outcome = work.take_failure().map_or(outcome, Err);
    outcome.map_err(|error| cancel.check().err().unwrap_or(error))
}

/// Calls `callback` when the work of this thread is to stop, from another thread, at most once.
///
/// A second call replaces what the first one set. Outside of such work nothing happens.
#[pyfunction]
pub fn on_cancel(py: Python<'_>, callback: Py<PyAny>) {
    if let Some(work) = Work::current() {
        detached(py, || work.set(Some(callback)));
    }
}
