//! Rows on their way out: from an engine's sink to bounded chunks or batches.
//!
//! A job runs on a thread of its own and pushes into a bounded channel; whoever reads takes from
//! the other end. The end of a stream is proven: it is set only after the job and its encoder
//! have finished without an error.

mod batches;
mod channel;
mod chunks;
#[cfg(test)]
mod tests;
mod threads;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use batches::BatchStream;
pub use channel::Wake;
pub use chunks::ChunkStream;

use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Runs `job` so that a panic or a passed deadline comes out as an error of its own.
fn guard<T>(cancel: &Cancel, job: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(Err(error)) if error.code() == Code::Cancelled && cancel.timed_out() => {
            Err(Error::new(Code::QueryTimeout, "the statement took longer than its time limit"))
        }
        Ok(outcome) => outcome,
        Err(panic) => Err(panicked(panic.as_ref())),
    }
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
