//! Record batches of one read, unencoded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::channel::Channel;
use super::deadline::Deadline;
use super::{guard, late, limit, threads};
use crate::database::{Cancel, Part, Sink};
use crate::error::{Code, Error, Result};

/// The producer runs at most this many batches ahead.
const AHEAD: usize = 4;

/// Record batches of one read, produced ahead on a thread of its own. Dropping it stops the
/// producer.
pub struct BatchStream {
    shared: Arc<Shared>,
    _deadline: Option<Deadline>,
}

struct Shared {
    channel: Channel<Item>,
    cancel: Cancel,
    truncated: AtomicBool,
}

/// The schema comes first, and once.
enum Item {
    Schema(SchemaRef),
    Batch(RecordBatch),
}

impl BatchStream {
    /// Starts `job`, which pushes rows into the sink it is given.
    ///
    /// # Errors
    /// `database-unavailable` if the system gives no thread; all others come from the stream.
    pub fn rows_of(
        timeout: Option<Duration>,
        job: impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            channel: Channel::new(AHEAD, |_| 1),
            cancel: Cancel::new(timeout),
            truncated: AtomicBool::new(false),
        });
        let deadline = limit(&shared, &shared.cancel, |shared| {
            shared.channel.finish(Err(late()));
            shared.cancel.cancel();
        });
        let stream = Self { shared: Arc::clone(&shared), _deadline: deadline };
        threads::spawn(move || {
            let outcome = guard(&shared.cancel, || {
                let sink = BatchSink { shared: &shared, schema: OnceLock::new() };
                job(&sink, &shared.cancel)?;
                sink.schema.get().ok_or_else(unstarted)?;
                Ok(None)
            });
            shared.channel.finish(outcome);
        })?;
        Ok(stream)
    }

    /// Waits for the schema. To be called once, before [`BatchStream::next`].
    ///
    /// # Errors
    /// Whatever kept the read from starting.
    pub fn schema(&self) -> Result<SchemaRef> {
        match self.shared.channel.wait(None) {
            Poll::Ready(Ok(Some(Item::Schema(schema)))) => Ok(schema),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => {
                Err(Error::new(Code::Internal, "the schema of this stream was taken before"))
            }
        }
    }

    /// Waits for the next batch; `None` at the proven end.
    ///
    /// # Errors
    /// What stopped the read.
    pub fn next(&self) -> Result<Option<RecordBatch>> {
        match self.shared.channel.wait(None) {
            Poll::Ready(Ok(Some(Item::Batch(batch)))) => Ok(Some(batch)),
            Poll::Ready(Ok(None)) => Ok(None),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(Some(Item::Schema(_)))) | Poll::Pending => {
                Err(Error::new(Code::Internal, "the schema of this stream was not taken"))
            }
        }
    }

    /// True if the row limit is known to have cut the result.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.shared.truncated.load(Ordering::Acquire)
    }

    /// Stops the producer; what is queued is dropped.
    pub fn close(&self) {
        if self.shared.channel.close().0 {
            self.shared.cancel.cancel();
        }
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.close();
    }
}

struct BatchSink<'a> {
    shared: &'a Shared,
    schema: OnceLock<SchemaRef>,
}

impl Sink for BatchSink<'_> {
    fn start(&self, schema: SchemaRef) -> Result<()> {
        self.shared.cancel.check()?;
        self.schema
            .set(Arc::clone(&schema))
            .map_err(|_| Error::new(Code::Internal, "the engine started its rows twice"))?;
        self.shared.channel.send(Item::Schema(schema), &self.shared.cancel)
    }

    fn prepare(&self, batch: RecordBatch) -> Result<Part> {
        self.shared.cancel.check()?;
        Ok(Part::Batch(batch))
    }

    fn put(&self, part: Part) -> Result<()> {
        self.schema.get().ok_or_else(unstarted)?;
        match part {
            Part::Batch(batch) => self.shared.channel.send(Item::Batch(batch), &self.shared.cancel),
            Part::Bytes(..) => Err(Error::new(Code::Internal, "encoded bytes among record batches")),
            Part::Several(_) => Err(Part::undivided()),
        }
    }

    fn truncated(&self) {
        self.shared.truncated.store(true, Ordering::Release);
    }
}

fn unstarted() -> Error {
    Error::new(Code::Internal, "the engine gave no schema")
}
