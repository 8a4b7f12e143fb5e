//! Rows on their way out: from an engine's sink to bounded chunks or batches.
//!
//! A job runs on a thread of its own and pushes into a bounded channel; whoever reads takes from
//! the other end. The end of a stream is proven: it is set only after the job and its encoder
//! have finished without an error.

mod batches;
mod channel;
mod chunks;
mod deadline;
mod several;
mod task;
#[cfg(test)]
mod tests;
mod threads;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub use batches::BatchStream;
pub use channel::Wake;
pub use chunks::{ChunkStream, Wanted, spool};
pub use several::several;
pub use task::Task;

use self::deadline::Deadline;
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Runs `job` so that a passed deadline comes out as an error of its own, and a panic as one too.
fn guard<T>(cancel: &Cancel, job: impl FnOnce() -> Result<T>) -> Result<T> {
    match calm(job) {
        Err(error) if error.code() == Code::Cancelled && cancel.timed_out() => Err(late()),
        outcome => outcome,
    }
}

/// Runs `expire` once the deadline has passed, if there is one and the stream is still there.
fn limit<S: Send + Sync + 'static>(shared: &Arc<S>, cancel: &Cancel, expire: fn(&S)) -> Option<Deadline> {
    let shared = Arc::downgrade(shared);
    let act = move || shared.upgrade().into_iter().for_each(|shared| expire(&shared));
    cancel.deadline().map(|at| Deadline::at(at, act))
}

/// Runs `job` on this thread, and cancels it when its time is up.
///
/// # Errors
/// `query-timeout`, and what `job` fails with.
pub fn timed<T>(timeout: Option<Duration>, job: impl FnOnce(&Cancel) -> Result<T>) -> Result<T> {
    let cancel = Arc::new(Cancel::new(timeout));
    let _deadline = limit(&cancel, &cancel, Cancel::cancel);
    guard(&cancel, || job(&cancel))
}

fn late() -> Error {
    Error::new(Code::QueryTimeout, "the statement took longer than its time limit")
}

/// Runs `job` so that a panic comes out as an error.
///
/// # Errors
/// What `job` fails with, or `internal`.
pub fn calm<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// What a caught panic says, as an error.
#[must_use]
pub fn panicked(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::new(Code::Internal, format!("a fault of the program: {said}"))
}
