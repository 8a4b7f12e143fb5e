//! Threads for jobs that block: kept warm for a while, never queued behind each other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Code, Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// An idle thread leaves after this long.
const IDLE: Duration = Duration::from_secs(10);

/// One warm thread: its next job, and how to tell it.
#[derive(Default)]
struct Desk {
    job: Mutex<Option<Job>>,
    given: Condvar,
}

struct Pool {
    /// A forked child inherits the list but not its threads.
    process: u32,
    idle: Vec<Arc<Desk>>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { process: 0, idle: Vec::new() });

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most recently idle thread; it is taken from the list, so that nobody else gives it a job.
fn idle_desk() -> Option<Arc<Desk>> {
    let mut pool = lock(&POOL);
    let process = std::process::id();
    if pool.process != process {
        pool.process = process;
        pool.idle.clear();
    }
    pool.idle.pop()
}

/// Runs `job` on a warm thread, or on a new one. `job` must not panic.
///
/// # Errors
/// `database-unavailable` if the system gives no thread.
pub(super) fn spawn(job: impl FnOnce() + Send + 'static) -> Result<()> {
    let job: Job = Box::new(job);
    if let Some(desk) = idle_desk() {
        *lock(&desk.job) = Some(job);
        desk.given.notify_one();
        return Ok(());
    }
    thread::Builder::new()
        .name("fsspec-db".to_owned())
        .spawn(move || {
            job();
            work(&Arc::new(Desk::default()));
        })
        .map(drop)
        .map_err(|error| {
            Error::new(Code::DatabaseUnavailable, "the system gives no more threads").with_source(error)
        })
}

/// Takes jobs until none has come for a while.
fn work(desk: &Arc<Desk>) {
    loop {
        lock(&POOL).idle.push(Arc::clone(desk));
        let (mut job, _) = desk
            .given
            .wait_timeout_while(lock(&desk.job), IDLE, |job| job.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if job.is_none() {
            drop(job);
            let mut pool = lock(&POOL);
            let place = pool.idle.iter().position(|other| Arc::ptr_eq(other, desk));
            if let Some(place) = place {
                pool.idle.remove(place);
                return;
            }
            // Not in the list: a job is on its way to this desk.
            drop(pool);
            job = desk
                .given
                .wait_while(lock(&desk.job), |job| job.is_none())
                .unwrap_or_else(PoisonError::into_inner);
        }
        let next = job.take();
        drop(job);
        if let Some(next) = next {
            next();
        }
    }
}
