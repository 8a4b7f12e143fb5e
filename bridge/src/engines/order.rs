//! Parts that were made side by side, handed on in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::database::{Part, Sink};
use crate::error::{Code, Error, Result};

/// Hands the parts of numbered tickets to a sink in the order of the tickets.
///
/// Whoever brings the part whose turn it is hands it on, and all that wait behind it. Others leave
/// theirs and go on, until `window` parts wait; then they wait too. So memory is bounded, and the
/// one whose turn it is never waits for anybody but the sink.
pub struct InOrder<'a> {
    sink: &'a dyn Sink,
    window: usize,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    turn: u64,
    emitting: bool,
    waiting: BTreeMap<u64, Ticket>,
    held: usize,
    failed: bool,
}

#[derive(Default)]
struct Ticket {
    parts: VecDeque<Part>,
    done: bool,
}

impl<'a> InOrder<'a> {
    #[must_use]
    pub fn new(sink: &'a dyn Sink, window: usize) -> Self {
        Self { sink, window, state: Mutex::default(), moved: Condvar::new() }
    }

    #[must_use]
    pub fn sink(&self) -> &'a dyn Sink {
        self.sink
    }

    /// Hands a part of `ticket` on; `done` with its last one, which may be none.
    ///
    /// # Errors
    /// The sink's, for the one who met it; `cancelled` for the others.
    pub fn put(&self, ticket: u64, part: Option<Part>, done: bool) -> Result<()> {
        let mut state = self.state();
        loop {
            if state.failed {
                return Err(Error::new(Code::Cancelled, "another part failed"));
            }
            let turn = state.turn == ticket && !state.emitting;
            if turn || state.held < self.window || (done && part.is_none()) {
                state.held += usize::from(part.is_some());
                let entry = state.waiting.entry(ticket).or_default();
                entry.parts.extend(part);
                entry.done = done;
                return if turn { self.emit(state) } else { Ok(()) };
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes all others stop.
    pub fn fail(&self) {
        self.state().failed = true;
        self.moved.notify_all();
    }

    /// For a thread whose panic must not leave the others waiting.
    #[must_use]
    pub fn watch(&self) -> Watch<'_> {
        Watch(self)
    }

    fn emit<'s>(&'s self, mut state: MutexGuard<'s, State>) -> Result<()> {
        state.emitting = true;
        let outcome = loop {
            let turn = state.turn;
            let Some(ticket) = state.waiting.get_mut(&turn) else { break Ok(()) };
            if let Some(part) = ticket.parts.pop_front() {
                state.held -= 1;
                drop(state);
                let outcome = self.sink.put(part);
                state = self.state();
                self.moved.notify_all();
                if outcome.is_err() {
                    state.failed = true;
                    break outcome;
                }
            } else if ticket.done {
                state.waiting.remove(&turn);
                state.turn += 1;
            } else {
                break Ok(());
            }
        };
        state.emitting = false;
        drop(state);
        self.moved.notify_all();
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes all others stop when dropped by a panic.
pub struct Watch<'a>(&'a InOrder<'a>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Numbers(Mutex<Vec<u64>>);

    impl Sink for Numbers {
        fn start(&self, _: arrow_schema::SchemaRef) -> Result<()> {
            Ok(())
        }
        fn prepare(&self, _: arrow_array::RecordBatch) -> Result<Part> {
            Err(Error::new(Code::Internal, "not asked for"))
        }
        fn put(&self, part: Part) -> Result<()> {
            if let Part::Bytes(number, _) = part {
                self.0.lock().unwrap().push(number);
            }
            Ok(())
        }
        fn truncated(&self) {}
    }

    #[test]
    fn parts_of_racing_tickets_come_out_in_order() {
        let sink = Numbers::default();
        let order = InOrder::new(&sink, 3);
        let next = Mutex::new(0..500_u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(ticket) = { next.lock().unwrap().next() } {
                        if ticket % 3 == 0 {
                            order.put(ticket, Some(Part::Bytes(ticket * 2, Vec::new())), false).unwrap();
                        }
                        order
                            .put(ticket, Some(Part::Bytes(ticket * 2 + 1, Vec::new())), ticket % 2 == 0)
                            .unwrap();
                        if ticket % 2 != 0 {
                            order.put(ticket, None, true).unwrap();
                        }
                    }
                });
            }
        });
        let expected: Vec<u64> = (0..500)
            .flat_map(|t| if t % 3 == 0 { vec![t * 2, t * 2 + 1] } else { vec![t * 2 + 1] })
            .collect();
        assert_eq!(*sink.0.lock().unwrap(), expected);
    }

    #[test]
    fn parts_out_of_turn_wait_in_a_window() {
        let sink = Numbers::default();
        let order = InOrder::new(&sink, 2);
        let put = |ticket| order.put(ticket, Some(Part::Bytes(ticket, Vec::new())), true).unwrap();
        put(1);
        put(2);
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                put(3);
                tell.send(()).unwrap();
            });
            assert!(told.recv_timeout(std::time::Duration::from_millis(200)).is_err(), "a third one waits");
            put(0);
        });
        assert_eq!(*sink.0.lock().unwrap(), [0, 1, 2, 3]);
    }
}
