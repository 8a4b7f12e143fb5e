//! A bounded channel between one producer, who blocks, and one consumer, who need not.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Called once, on the producer's thread, when it pays to poll again.
pub type Wake = Box<dyn FnOnce() + Send>;

pub(super) struct Channel<T> {
    state: Mutex<State<T>>,
    /// Something to take, or the end.
    filled: Condvar,
    /// Room to send into, or nobody to send to.
    drained: Condvar,
    /// Sending blocks while the queue weighs this much; one item more than that may wait.
    capacity: usize,
    weigh: fn(&T) -> usize,
}

struct State<T> {
    queue: VecDeque<T>,
    weight: usize,
    /// Set once by the producer, after its last item.
    end: Option<Result<()>>,
    /// The consumer has left.
    closed: bool,
    wake: Option<Wake>,
}

impl<T> Channel<T> {
    pub fn new(capacity: usize, weigh: fn(&T) -> usize) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                weight: 0,
                end: None,
                closed: false,
                wake: None,
            }),
            filled: Condvar::new(),
            drained: Condvar::new(),
            capacity,
            weigh,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `item` on; blocks while the queue is full.
    ///
    /// # Errors
    /// `cancelled` once the consumer has left, `query-timeout` once the deadline has passed.
    pub fn send(&self, item: T, cancel: &Cancel) -> Result<()> {
        let mut state = self.lock();
        loop {
            if state.closed || state.end.is_some() {
                return Err(left());
            }
            if state.weight < self.capacity {
                break;
            }
            cancel.check()?;
            state = wait(&self.drained, state, cancel.deadline());
        }
        state.weight += (self.weigh)(&item);
        state.queue.push_back(item);
        self.announce(state);
        Ok(())
    }

    /// Ends the channel: with its last item, or with what stopped it; once. Never blocks.
    pub fn finish(&self, outcome: Result<Option<T>>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(match outcome {
            Ok(last) => {
                if !state.closed {
                    state.queue.extend(last);
                }
                Ok(())
            }
            Err(error) => Err(error),
        });
        self.announce(state);
        self.drained.notify_all();
    }

    fn announce(&self, mut state: MutexGuard<'_, State<T>>) {
        let wake = state.wake.take();
        drop(state);
        self.filled.notify_one();
        if let Some(wake) = wake {
            wake();
        }
    }

    /// The next item, `None` at the end; or leaves `wake` behind. Never blocks.
    pub fn poll(&self, wake: impl FnOnce() -> Wake) -> Poll<Result<Option<T>>> {
        let mut state = self.lock();
        let taken = self.take(&mut state);
        if taken.is_pending() {
            let before = state.wake.replace(wake());
            drop(state);
            // Dropping it may run foreign code, which must not find the channel locked.
            drop(before);
        }
        taken
    }

    /// The next item, waiting for it; `None` at the end. Pending once `patience` is over.
    pub fn wait(&self, patience: Option<Duration>) -> Poll<Result<Option<T>>> {
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut state = self.lock();
        loop {
            let taken = self.take(&mut state);
            if taken.is_ready() || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return taken;
            }
            state = wait(&self.filled, state, deadline);
        }
    }

    fn take(&self, state: &mut State<T>) -> Poll<Result<Option<T>>> {
        if let Some(item) = state.queue.pop_front() {
            state.weight = state.weight.saturating_sub((self.weigh)(&item));
            self.drained.notify_one();
            return Poll::Ready(Ok(Some(item)));
        }
        if state.closed {
            return Poll::Ready(Err(Error::new(Code::Cancelled, "the stream is closed")));
        }
        match &state.end {
            None => Poll::Pending,
            Some(Ok(())) => Poll::Ready(Ok(None)),
            Some(Err(error)) => {
                let again = error.again();
                match state.end.replace(Err(again)) {
                    Some(Err(error)) => Poll::Ready(Err(error)),
                    _ => Poll::Ready(Ok(None)),
                }
            }
        }
    }

    /// True once everything up to the proven end has been taken.
    pub fn complete(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && matches!(state.end, Some(Ok(())))
    }

    /// The consumer leaves: what is queued is dropped, and the producer's next send fails. Whoever
    /// was to be woken is given back.
    ///
    /// False if everything had been taken, or the consumer had left before.
    pub fn close(&self) -> (bool, Option<Wake>) {
        let mut state = self.lock();
        let queue = std::mem::take(&mut state.queue);
        let wake = state.wake.take();
        state.weight = 0;
        let ended = matches!(state.end, Some(Ok(()))) && queue.is_empty();
        let open = !state.closed && !ended;
        state.closed |= open;
        drop(state);
        self.drained.notify_all();
        self.filled.notify_all();
        drop(queue);
        (open, wake)
    }
}

fn left() -> Error {
    Error::new(Code::Cancelled, "the reader went away")
}

fn wait<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> MutexGuard<'a, T> {
    match deadline {
        None => condition.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            condition.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
