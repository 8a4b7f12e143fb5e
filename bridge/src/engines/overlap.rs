//! Encoding beside reading: batches are encoded on a thread of their own while the next is built.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;

use crate::database::Sink;
use crate::error::{Code, Error, Result};

/// Batches that wait to be encoded, at most.
const WAITING: usize = 1;

/// Runs `read`, which hands batches on, in order, to `sink` by way of another thread.
///
/// # Errors
/// The sink's, else `read`'s.
pub fn overlapped(sink: &dyn Sink, read: impl FnOnce(&Batches) -> Result<()>) -> Result<()> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<RecordBatch>(WAITING);
        let encode = move || receiver.into_iter().try_for_each(|batch| sink.push(batch));
        let encoding = thread::Builder::new()
            .name("fsspec-db encode".to_owned())
            .spawn_scoped(scope, encode)
            .map_err(|error| Error::new(Code::Internal, "no thread to encode on").with_source(error))?;
        let read = read(&Batches(sender));
        let encoded = encoding
            .join()
            .unwrap_or_else(|_| Err(Error::new(Code::Internal, "a panic on the encoding thread")));
        encoded.and(read)
    })
}

/// The way of batches to the other thread.
pub struct Batches(SyncSender<RecordBatch>);

impl Batches {
    /// Blocks while the other thread is behind.
    ///
    /// # Errors
    /// `cancelled` where the sink failed, which is then what matters.
    pub fn push(&self, batch: RecordBatch) -> Result<()> {
        self.0.send(batch).map_err(|_| Error::new(Code::Cancelled, "the sink takes no more"))
    }
}
