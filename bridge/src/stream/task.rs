//! One piece of work on a thread of its own, that can be waited for in steps and called off.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::channel::Channel;
use super::{guard, limit, threads};
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Work under way. Unlike a stream it goes on when this is dropped: its outcome may have to stand.
pub struct Task<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    channel: Channel<T>,
    cancel: Cancel,
}

impl<T: Send + 'static> Task<T> {
    /// # Errors
    /// `database-unavailable` if the system gives no thread; all others come from the task.
    pub fn start(
        timeout: Option<Duration>,
        job: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared { channel: Channel::new(1, |_| 1), cancel: Cancel::new(timeout) });
        let task = Self { shared: Arc::clone(&shared) };
        let deadline = limit(&shared, &shared.cancel, |shared| shared.cancel.cancel());
        threads::spawn(move || {
            let _deadline = deadline;
            let outcome = guard(&shared.cancel, || job(&shared.cancel));
            shared.channel.finish(outcome.map(Some));
        })?;
        Ok(task)
    }

    /// The outcome, once; pending when `patience` is over before it.
    pub fn wait(&self, patience: Duration) -> Poll<Result<T>> {
        self.shared
            .channel
            .wait(Some(patience))
            .map(|outcome| outcome?.ok_or_else(|| Error::new(Code::Internal, "the outcome was taken before")))
    }

    /// Asks the job to stop. It is still to be waited for.
    pub fn cancel(&self) {
        self.shared.cancel.cancel();
    }
}
