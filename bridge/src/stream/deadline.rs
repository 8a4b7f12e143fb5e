//! Time limits that hold even where an engine does not look at the clock.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::threads;

type Act = Box<dyn FnOnce() + Send>;

/// The watcher leaves after so long without anything to watch.
const IDLE: Duration = Duration::from_secs(10);

struct Watch {
    /// By time, then in the order they came.
    acts: BTreeMap<(Instant, u64), Act>,
    count: u64,
    /// When the watcher looks again by itself.
    next_look: Option<Instant>,
    /// The process whose thread watches; a forked child has none.
    watched_by: Option<u32>,
}

static WATCH: Mutex<Watch> =
    Mutex::new(Watch { acts: BTreeMap::new(), count: 0, next_look: None, watched_by: None });
static CHANGED: Condvar = Condvar::new();

fn watch() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An act that is called off by dropping this.
pub(super) struct Deadline((Instant, u64));

impl Deadline {
    /// Runs `act` once `at` has passed, on a thread of the bridge; `act` must not block.
    pub fn at(at: Instant, act: impl FnOnce() + Send + 'static) -> Self {
        let mut watch = watch();
        watch.count += 1;
        let key = (at, watch.count);
        watch.acts.insert(key, Box::new(act));
        let process = Some(std::process::id());
        if watch.watched_by != process {
            // Without a thread the engine's own look at the clock remains.
            watch.watched_by = threads::spawn(keep_watch).is_ok().then_some(process).flatten();
        } else if watch.next_look.is_some_and(|look| at < look) {
            CHANGED.notify_one();
        }
        Self(key)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let act = watch().acts.remove(&self.0);
        drop(act);
    }
}

fn keep_watch() {
    let mut idle = false;
    let mut guard = watch();
    loop {
        let now = Instant::now();
        let next = guard.acts.first_key_value().map(|((at, _), _)| *at);
        match next {
            Some(at) if at <= now => {
                let act = guard.acts.pop_first();
                drop(guard);
                if let Some((_, act)) = act {
                    act();
                }
                guard = watch();
                continue;
            }
            None if idle => {
                guard.watched_by = None;
                return;
            }
            _ => idle = next.is_none(),
        }
        let patience = next.map_or(IDLE, |at| at.saturating_duration_since(now));
        guard.next_look = now.checked_add(patience);
        guard = CHANGED.wait_timeout(guard, patience).unwrap_or_else(PoisonError::into_inner).0;
        guard.next_look = None;
    }
}
