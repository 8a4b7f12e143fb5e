//! One read, encoded in several formats at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::chunks::{ChunkStream, EncodingSink, Shared, Wanted};
use super::{guard, threads};
use crate::database::{Cancel, Part, Sink};
use crate::error::{Code, Error, Result};

/// Starts `job` once, and gives a stream for each way in which its rows are wanted, in that order.
///
/// The slowest reader sets the pace. One that leaves, or whose rows cannot be encoded or kept, is
/// left out from then on; the job is stopped once there is none left.
///
/// # Errors
/// `database-unavailable` if the system gives no thread; all others come from the streams.
pub fn several(
    wanted: Vec<Wanted>,
    timeout: Option<Duration>,
    job: impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static,
) -> Result<Vec<ChunkStream>> {
    let streams: Vec<_> = wanted.iter().map(|_| ChunkStream::new(timeout)).collect();
    let shared: Vec<_> = streams.iter().map(|stream| Arc::clone(stream.shared())).collect();
    let cancel = Arc::new(Cancel::new(timeout));
    let left = Arc::new(AtomicUsize::new(shared.len()));
    for one in &shared {
        let (cancel, left, gone) = (Arc::clone(&cancel), Arc::clone(&left), AtomicBool::new(false));
        one.cancel.on_cancel(move || {
            if !gone.swap(true, Ordering::AcqRel) && left.fetch_sub(1, Ordering::AcqRel) == 1 {
                cancel.cancel();
            }
        });
    }
    threads::spawn(move || {
        let sinks = shared.iter().zip(wanted).map(|(shared, wanted)| Reader::new(shared, wanted));
        let sink = Several { readers: sinks.collect(), cancel: &cancel };
        sink.finish(&guard(&cancel, || job(&sink, &cancel)));
    })?;
    Ok(streams)
}

struct Reader<'a> {
    shared: &'a Shared,
    sink: EncodingSink<'a>,
    gone: AtomicBool,
}

impl<'a> Reader<'a> {
    fn new(shared: &'a Shared, wanted: Wanted) -> Self {
        Self { shared, sink: EncodingSink::new(shared, wanted), gone: AtomicBool::new(false) }
    }

    /// What comes of an act for this reader, unless it is gone, or is now.
    fn try_to<T>(&self, act: impl FnOnce() -> Result<T>) -> Option<T> {
        if self.gone.load(Ordering::Acquire) {
            return None;
        }
        match guard(&self.shared.cancel, act) {
            Ok(made) => Some(made),
            Err(error) => {
                self.gone.store(true, Ordering::Release);
                self.shared.channel.finish(Err(error));
                self.shared.cancel.cancel();
                None
            }
        }
    }
}

struct Several<'a> {
    readers: Vec<Reader<'a>>,
    cancel: &'a Cancel,
}

impl Several<'_> {
    fn finish(&self, outcome: &Result<()>) {
        for reader in &self.readers {
            match outcome {
                Ok(()) => {
                    if let Some(last) = reader.try_to(|| reader.sink.finish()) {
                        reader.shared.channel.finish(Ok(last));
                    }
                }
                Err(error) => reader.shared.channel.finish(Err(error.again())),
            }
        }
    }
}

impl Sink for Several<'_> {
    fn version(&self, version: String) {
        for reader in &self.readers {
            reader.sink.version(version.clone());
        }
    }

    fn start(&self, schema: SchemaRef) -> Result<()> {
        for reader in &self.readers {
            reader.try_to(|| reader.sink.start(Arc::clone(&schema)));
        }
        self.cancel.check()
    }

    fn prepare(&self, batch: RecordBatch) -> Result<Part> {
        self.cancel.check()?;
        let prepare = |reader: &Reader<'_>| reader.try_to(|| reader.sink.prepare(batch.clone()));
        Ok(Part::Several(self.readers.iter().map(prepare).collect()))
    }

    fn put(&self, part: Part) -> Result<()> {
        let Part::Several(parts) = part else {
            return Err(Error::new(Code::Internal, "a part for one reader came to several"));
        };
        for (reader, part) in self.readers.iter().zip(parts) {
            if let Some(part) = part {
                reader.try_to(|| reader.sink.put(part));
            }
        }
        self.cancel.check()
    }

    fn truncated(&self) {
        for reader in &self.readers {
            reader.sink.truncated();
        }
    }
}
