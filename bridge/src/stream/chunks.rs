//! Encoded bytes of one read, in chunks of about 1 MiB.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::channel::{Channel, Wake};
use super::deadline::Deadline;
use super::{guard, late, limit, threads};
use crate::database::{Cancel, Part, Sink};
use crate::error::{Code, Error, Result};
use crate::formats::{self, EncodeOptions, Encoder, Format, PartEncoder};

/// A chunk is sent once it is this long, and pieces are not merged beyond it.
const CHUNK: usize = 1 << 20;
/// The first chunk leaves earlier, for the sake of the time to the first byte.
const FIRST: usize = 256 << 10;
/// The producer runs at most this far ahead, and one chunk more.
const AHEAD: usize = 2 << 20;

/// Encoded bytes of one read, produced ahead on a thread of its own.
///
/// Dropping it stops the producer. A result shorter than the first chunk arrives as one chunk
/// after which [`ChunkStream::complete`] is true.
pub struct ChunkStream {
    shared: Arc<Shared>,
    _deadline: Option<Deadline>,
}

/// How the rows of a read are wanted.
pub struct Wanted {
    pub format: Format,
    pub options: EncodeOptions,
    /// Gets a result of more than one chunk as well: each chunk is there before it can be taken.
    pub spool: Option<File>,
}

pub(super) struct Shared {
    pub(super) channel: Channel<Vec<u8>>,
    pub(super) cancel: Cancel,
    rows: AtomicU64,
    truncated: AtomicBool,
    version: OnceLock<String>,
}

impl ChunkStream {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        let shared = Arc::new(Shared {
            channel: Channel::new(AHEAD, Vec::len),
            cancel: Cancel::new(timeout),
            rows: AtomicU64::new(0),
            truncated: AtomicBool::new(false),
            version: OnceLock::new(),
        });
        let deadline = limit(&shared, &shared.cancel, |shared| {
            shared.channel.finish(Err(late()));
            shared.cancel.cancel();
        });
        Self { shared, _deadline: deadline }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts `job`, which pushes rows into the sink it is given.
    ///
    /// # Errors
    /// `database-unavailable` if the system gives no thread; all others come from the stream.
    pub fn rows_of(
        wanted: Wanted,
        timeout: Option<Duration>,
        job: impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let stream = Self::new(timeout);
        let shared = Arc::clone(&stream.shared);
        threads::spawn(move || {
            let outcome = guard(&shared.cancel, || {
                let sink = EncodingSink::new(&shared, wanted);
                job(&sink, &shared.cancel)?;
                sink.finish()
            });
            shared.channel.finish(outcome);
        })?;
        Ok(stream)
    }

    /// Starts `job`, which makes a small document in one piece.
    ///
    /// # Errors
    /// As [`ChunkStream::rows_of`].
    pub fn document(job: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Self> {
        let stream = Self::new(None);
        let shared = Arc::clone(&stream.shared);
        threads::spawn(move || {
            let outcome = guard(&shared.cancel, || job().map(Some));
            shared.channel.finish(outcome);
        })?;
        Ok(stream)
    }

    /// The next chunk, or `None` at the proven end; or leaves what `wake` makes behind, which is
    /// then called once. Never blocks.
    pub fn poll(&self, wake: impl FnOnce() -> Wake) -> Poll<Result<Option<Vec<u8>>>> {
        self.shared.channel.poll(wake)
    }

    /// The next chunk, waiting up to `patience` for it; `None` at the proven end.
    pub fn wait(&self, patience: Option<Duration>) -> Poll<Result<Option<Vec<u8>>>> {
        self.shared.channel.wait(patience)
    }

    /// Stops the producer; what is queued is dropped, and whoever waits is woken.
    pub fn close(&self) {
        if let Some(wake) = self.leave() {
            wake();
        }
    }

    fn leave(&self) -> Option<Wake> {
        let (open, wake) = self.shared.channel.close();
        if open {
            self.shared.cancel.cancel();
        }
        wake
    }

    /// True once the last chunk has been taken.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.shared.channel.complete()
    }

    /// True if the row limit is known to have cut the result.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.shared.truncated.load(Ordering::Acquire)
    }

    /// The data version of what is read; it is known once the first chunk has been taken.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.shared.version.get().map(String::as_str)
    }

    /// Rows encoded so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shared.rows.load(Ordering::Acquire)
    }
}

impl Drop for ChunkStream {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// Encodes what is pushed, for one reader.
pub(super) struct EncodingSink<'a> {
    shared: &'a Shared,
    format: Format,
    options: EncodeOptions,
    parts: OnceLock<Arc<dyn PartEncoder>>,
    spool: Mutex<Option<File>>,
    ordered: Mutex<Option<Ordered>>,
}

struct Ordered {
    encoder: Box<dyn Encoder>,
    chunker: Chunker,
}

impl<'a> EncodingSink<'a> {
    pub(super) fn new(shared: &'a Shared, wanted: Wanted) -> Self {
        let Wanted { format, options, spool } = wanted;
        Self {
            shared,
            format,
            options,
            parts: OnceLock::new(),
            spool: Mutex::new(spool),
            ordered: Mutex::new(None),
        }
    }

    fn ordered(&self) -> MutexGuard<'_, Option<Ordered>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last chunk, with the encoder's proof of the end in it.
    pub(super) fn finish(&self) -> Result<Option<Vec<u8>>> {
        let mut ordered = self.ordered();
        let Ordered { encoder, chunker } = ordered.as_mut().ok_or_else(unstarted)?;
        encoder.finish(&mut |bytes| chunker.push(self.shared, bytes))?;
        let last = std::mem::take(&mut chunker.buffer);
        if chunker.started {
            chunker.keep(&last)?;
        }
        Ok((!last.is_empty()).then_some(last))
    }
}

impl Sink for EncodingSink<'_> {
    fn version(&self, version: String) {
        self.shared.version.get_or_init(|| version);
    }

    fn start(&self, schema: SchemaRef) -> Result<()> {
        self.shared.cancel.check()?;
        let mut ordered = self.ordered();
        if ordered.is_some() {
            return Err(Error::new(Code::Internal, "the engine started its rows twice"));
        }
        let mut encoder = formats::encoder(self.format, &schema, self.options)?;
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut chunker = Chunker { buffer: Vec::new(), started: false, spool };
        encoder.start(&mut |bytes| chunker.push(self.shared, bytes))?;
        self.parts.get_or_init(|| encoder.parts());
        *ordered = Some(Ordered { encoder, chunker });
        Ok(())
    }

    fn prepare(&self, batch: RecordBatch) -> Result<Part> {
        self.shared.cancel.check()?;
        self.parts.get().ok_or_else(unstarted)?.encode(batch)
    }

    fn ahead(&self, schema: &SchemaRef) -> Result<Option<Arc<dyn PartEncoder>>> {
        if self.format == Format::Parquet {
            return Ok(None); // row groups are cut across batches
        }
        Ok(Some(formats::encoder(self.format, schema, self.options)?.parts()))
    }

    fn put(&self, part: Part) -> Result<()> {
        let rows = match &part {
            Part::Bytes(rows, _) => *rows,
            Part::Batch(batch) => batch.num_rows() as u64,
            Part::Several(_) => return Err(Part::undivided()),
        };
        let mut ordered = self.ordered();
        let Ordered { encoder, chunker } = ordered.as_mut().ok_or_else(unstarted)?;
        encoder.write(part, &mut |bytes| chunker.push(self.shared, bytes))?;
        self.shared.rows.fetch_add(rows, Ordering::AcqRel);
        Ok(())
    }

    fn truncated(&self) {
        self.shared.truncated.store(true, Ordering::Release);
    }
}

fn unstarted() -> Error {
    Error::new(Code::Internal, "the engine gave no schema")
}

/// Where the chunks of a read are kept, from the first byte on. What is there already is written over.
///
/// # Errors
/// `spool-full` if there can be no such file.
pub fn spool(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).map_err(unwritable)
}

fn unwritable(error: io::Error) -> Error {
    Error::new(Code::SpoolFull, format!("the spool cannot be written: {error}")).with_source(error)
}

/// Merges what an encoder writes to chunks; a long piece goes through uncopied.
struct Chunker {
    buffer: Vec<u8>,
    started: bool,
    spool: Option<File>,
}

impl Chunker {
    fn push(&mut self, shared: &Shared, bytes: Vec<u8>) -> Result<()> {
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else if self.buffer.len() + bytes.len() <= CHUNK {
            self.buffer.extend_from_slice(&bytes);
        } else {
            let full = std::mem::replace(&mut self.buffer, bytes);
            self.send(shared, full)?;
        }
        if self.buffer.len() >= if self.started { CHUNK } else { FIRST } {
            let full = std::mem::take(&mut self.buffer);
            self.send(shared, full)?;
        }
        Ok(())
    }

    fn send(&mut self, shared: &Shared, chunk: Vec<u8>) -> Result<()> {
        self.started = true;
        self.keep(&chunk)?;
        shared.channel.send(chunk, &shared.cancel)
    }

    fn keep(&mut self, chunk: &[u8]) -> Result<()> {
        self.spool.as_mut().map_or(Ok(()), |file| file.write_all(chunk)).map_err(unwritable)
    }
}
