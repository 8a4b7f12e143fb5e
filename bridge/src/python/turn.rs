//! One caller at a time, for a Python database that is not concurrent.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A lock that its holder may take again: a backend may use the filesystem it is wrapped in.
#[derive(Default)]
pub struct Turn {
    holder: Mutex<Option<(ThreadId, usize)>>,
    free: Condvar,
}

/// Gives the turn back when dropped.
pub struct Taken<'a>(&'a Turn);

impl Turn {
    fn lock(&self) -> MutexGuard<'_, Option<(ThreadId, usize)>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn. Never to be called with Python's lock held: the holder may wait for it.
    pub fn take(&self) -> Taken<'_> {
        let me = thread::current().id();
        let mut holder = self
            .free
            .wait_while(self.lock(), |holder| holder.is_some_and(|(other, _)| other != me))
            .unwrap_or_else(PoisonError::into_inner);
        *holder = Some((me, holder.map_or(1, |(_, depth)| depth + 1)));
        Taken(self)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut holder = self.0.lock();
        *holder = holder.and_then(|(me, depth)| (depth > 1).then(|| (me, depth - 1)));
        if holder.is_none() {
            self.0.free.notify_one();
        }
    }
}
