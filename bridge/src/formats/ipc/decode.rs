//! The decoders of both IPC forms. No length in a body is believed before it is compared with
//! the bytes that are there.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{self as ipc, Message, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;

use super::window::Window;
use super::{CONTINUATION, MAGIC};
use crate::body::{Arriving, Body};
use crate::buffers;
use crate::database::Rows;
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

/// Rows handed on at once, so that run-ends and dictionaries unfold in bounded memory.
const SLICE_ROWS: usize = 65_536;
/// What one message may hold that cannot be read in parts.
const MAX_WHOLE: u64 = 1 << 29;
/// What the buffers of one compressed message may unfold to; a short one to less.
const MAX_UNCOMPRESSED: u64 = 1 << 28;
const MIN_UNCOMPRESSED: u64 = 1 << 26;
const MAX_RATIO: u64 = 256;
/// Rows of one message; run-ends and nulls could otherwise claim any number in a few bytes.
const MAX_BATCH_ROWS: i64 = i32::MAX as i64;

/// Opens a stream or a file, whichever the body is.
pub(in crate::formats) fn open(mut body: Box<dyn Body>) -> Result<Box<dyn Rows>> {
    let end = body.seek(SeekFrom::End(0)).map_err(body_error)?;
    body.rewind().map_err(body_error)?;
    let mut source = Source { arriving: body.arriving(), body, position: 0, end };
    let magic = MAGIC.len() as u64;
    if end >= magic && source.bytes(magic)?.as_slice() == MAGIC {
        return Ok(Box::new(FileRows::open(source)?));
    }
    source.seek(0)?;
    Ok(Box::new(StreamRows::open(source)?))
}

pub(super) fn malformed(detail: impl std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("not an Arrow body: {detail}"))
}

fn incomplete(detail: impl std::fmt::Display) -> Error {
    Error::new(Code::IncompleteBody, format!("the Arrow body ends before its end: {detail}"))
}

pub(super) fn invalid(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(_) => error.into(),
        other => malformed(&other).with_source(other),
    }
}

/// A body and what is left of it.
pub(super) struct Source {
    body: Box<dyn Body>,
    arriving: Option<Arc<Arriving>>,
    position: u64,
    end: u64,
}

impl Source {
    fn remaining(&self) -> u64 {
        self.end - self.position
    }

    pub(super) fn seek(&mut self, position: u64) -> Result<()> {
        self.position = self.body.seek(SeekFrom::Start(position)).map_err(body_error)?;
        Ok(())
    }

    /// Reads exactly `length` bytes; refuses before allocating if they are not there.
    pub(super) fn bytes(&mut self, length: u64) -> Result<Buffer> {
        if length > self.remaining() {
            return Err(self.short(length));
        }
        if let Some(arriving) = &self.arriving {
            arriving.wait(self.position + length)?;
        }
        let size = usize::try_from(length).map_err(|_| malformed("a length beyond this machine"))?;
        let buffer = if let Some(mut buffer) = buffers::to_fill(size) {
            self.body.read_exact(buffer.as_mut()).map_err(body_error)?;
            Bytes::from_owner(buffer).into()
        } else {
            let mut buffer = MutableBuffer::try_from_len_zeroed(size).map_err(malformed)?;
            self.body.read_exact(&mut buffer).map_err(body_error)?;
            buffer.into()
        };
        self.position += length;
        Ok(buffer)
    }

    fn word(&mut self) -> Result<[u8; 4]> {
        let bytes = self.bytes(4)?;
        Ok([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// The metadata of the next message, or `None` at an end-of-stream marker.
    fn metadata(&mut self) -> Result<Option<Buffer>> {
        let mut word = self.word()?;
        if word == CONTINUATION {
            word = self.word()?;
        }
        match i32::from_le_bytes(word) {
            0 => Ok(None),
            length => {
                let length = u64::try_from(length).map_err(|_| malformed("a negative metadata length"))?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// The length of a message's body, which is there.
    fn body_length(&self, message: &Message<'_>) -> Result<u64> {
        let length = u64::try_from(message.bodyLength()).map_err(|_| malformed("a negative body length"))?;
        if length > self.remaining() { Err(self.short(length)) } else { Ok(length) }
    }

    fn short(&self, length: u64) -> Error {
        incomplete(format_args!("{length} bytes are announced where {} remain", self.remaining()))
    }
}

fn parse(metadata: &Buffer) -> Result<Message<'_>> {
    root_as_message(metadata).map_err(malformed)
}

fn schema_of(schema: ipc::Schema<'_>) -> Result<SchemaRef> {
    if schema.endianness() != ipc::Endianness::Little {
        return Err(malformed("big-endian values"));
    }
    Ok(Arc::new(try_fb_to_schema(schema).map_err(invalid)?))
}

/// What decoding carries from message to message.
struct Decoder {
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Slices of the last batch, or the place of one that is too large for that.
    ready: VecDeque<RecordBatch>,
    window: Option<Window>,
}

impl Decoder {
    fn new(schema: SchemaRef) -> Self {
        Self { schema, dictionaries: HashMap::new(), ready: VecDeque::new(), window: None }
    }

    /// Takes in the message whose metadata was just read.
    fn accept(&mut self, source: &mut Source, metadata: &Buffer) -> Result<()> {
        let message = parse(metadata)?;
        let version = message.version();
        let length = source.body_length(&message)?;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| malformed("no record batch"))?;
                check(&batch, length)?;
                self.window = Window::open(&batch, &self.schema, source.position, length)?;
                if self.window.is_some() {
                    return Ok(());
                }
                let body = whole(source, &batch, length)?;
                let schema = Arc::clone(&self.schema);
                let batch = read_record_batch(&body, batch, schema, &self.dictionaries, None, &version);
                self.slice(&batch.map_err(invalid)?);
                Ok(())
            }
            MessageHeader::DictionaryBatch => {
                let dictionary =
                    message.header_as_dictionary_batch().ok_or_else(|| malformed("no dictionary"))?;
                let batch = dictionary.data().ok_or_else(|| malformed("a dictionary without data"))?;
                check(&batch, length)?;
                let body = whole(source, &batch, length)?;
                read_dictionary(&body, dictionary, &self.schema, &mut self.dictionaries, &version)
                    .map_err(invalid)
            }
            other => Err(malformed(format_args!("an unexpected message, {other:?}"))),
        }
    }

    /// The next rows of the batch last accepted.
    fn next(&mut self, source: &mut Source) -> Result<Option<RecordBatch>> {
        if let Some(window) = &mut self.window {
            let rows = window.next(source, &self.schema, &self.dictionaries)?;
            if rows.is_none() {
                self.window = None;
            }
            return Ok(rows);
        }
        Ok(self.ready.pop_front())
    }

    fn slice(&mut self, batch: &RecordBatch) {
        let mut first = 0;
        while first < batch.num_rows() {
            let rows = SLICE_ROWS.min(batch.num_rows() - first);
            self.ready.push_back(batch.slice(first, rows));
            first += rows;
        }
    }
}

/// Checks what the header of a batch claims against the length of its body.
fn check(batch: &ipc::RecordBatch<'_>, length: u64) -> Result<()> {
    let rows = 0..=MAX_BATCH_ROWS;
    if !rows.contains(&batch.length()) {
        return Err(malformed(format_args!("a batch of {} rows", batch.length())));
    }
    for node in batch.nodes().into_iter().flatten() {
        if !rows.contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(malformed("a column whose length is out of range"));
        }
    }
    for buffer in batch.buffers().into_iter().flatten() {
        u64::try_from(buffer.offset())
            .ok()
            .zip(u64::try_from(buffer.length()).ok())
            .and_then(|(offset, bytes)| offset.checked_add(bytes))
            .filter(|end| *end <= length)
            .ok_or_else(|| malformed("a buffer outside its message"))?;
    }
    Ok(())
}

/// Reads the body of a batch that has been checked, and checks what it unfolds to.
fn whole(source: &mut Source, batch: &ipc::RecordBatch<'_>, length: u64) -> Result<Buffer> {
    if length > MAX_WHOLE {
        return Err(too_large(length, MAX_WHOLE));
    }
    let body = source.bytes(length)?;
    if batch.compression().is_none() {
        return Ok(body);
    }
    let mut unfolded = 0_u64;
    for buffer in batch.buffers().into_iter().flatten().filter(|buffer| buffer.length() > 0) {
        let bytes = &body[buffer.offset() as usize..][..buffer.length() as usize];
        let prefix =
            bytes.first_chunk::<8>().ok_or_else(|| malformed("a compressed buffer without length"))?;
        unfolded = unfolded.saturating_add(match i64::from_le_bytes(*prefix) {
            -1 => bytes.len() as u64,
            length => u64::try_from(length).map_err(|_| malformed("a negative length"))?,
        });
    }
    let limit = (MAX_RATIO * length).clamp(MIN_UNCOMPRESSED, MAX_UNCOMPRESSED);
    if unfolded > limit { Err(too_large(unfolded, limit)) } else { Ok(body) }
}

fn too_large(length: u64, limit: u64) -> Error {
    let detail =
        format!("a record batch of {length} bytes where at most {limit} are read; write smaller ones");
    Error::new(Code::BodyTooLarge, detail)
}

struct StreamRows {
    source: Source,
    decoder: Decoder,
    ended: bool,
}

impl StreamRows {
    fn open(mut source: Source) -> Result<Self> {
        let metadata = source.metadata()?.ok_or_else(|| malformed("a stream without a schema"))?;
        let message = parse(&metadata)?;
        let length = source.body_length(&message)?;
        source.seek(source.position + length)?;
        let schema = message.header_as_schema().ok_or_else(|| malformed("a stream without a schema"))?;
        Ok(Self { decoder: Decoder::new(schema_of(schema)?), source, ended: false })
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decoder.next(&mut self.source)? {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            if self.source.remaining() == 0 {
                return Err(incomplete("there is no end-of-stream marker"));
            }
            match self.source.metadata()? {
                Some(metadata) => self.decoder.accept(&mut self.source, &metadata)?,
                None if self.source.remaining() > 0 => {
                    return Err(malformed("bytes after the end-of-stream marker"));
                }
                None => self.ended = true,
            }
        }
    }
}

impl Iterator for StreamRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Rows for StreamRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.decoder.schema)
    }
}

struct FileRows {
    source: Source,
    decoder: Decoder,
    batches: VecDeque<ipc::Block>,
    /// Bytes that messages may still take: they lie side by side.
    unread: u64,
}

impl FileRows {
    fn open(mut source: Source) -> Result<Self> {
        let tail = MAGIC.len() as u64 + 4;
        let no_footer = || incomplete("there is no footer");
        let at = source.end.checked_sub(tail).ok_or_else(no_footer)?;
        source.seek(at)?;
        let length = i32::from_le_bytes(source.word()?);
        if source.bytes(MAGIC.len() as u64)?.as_slice() != MAGIC {
            return Err(no_footer());
        }
        let length = u64::try_from(length).map_err(|_| malformed("a negative footer length"))?;
        let start = at.checked_sub(length).ok_or_else(|| malformed("a footer longer than the file"))?;
        source.seek(start)?;
        let bytes = source.bytes(length)?;
        let footer = root_as_footer(&bytes).map_err(malformed)?;
        let schema = schema_of(footer.schema().ok_or_else(|| malformed("a footer without a schema"))?)?;
        source.end = start;
        let decoder = Decoder::new(schema);
        let mut rows = Self { decoder, source, batches: VecDeque::new(), unread: start };
        for block in footer.dictionaries().into_iter().flatten() {
            rows.block(*block, MessageHeader::DictionaryBatch)?;
        }
        rows.batches = footer.recordBatches().into_iter().flatten().copied().collect();
        Ok(rows)
    }

    fn block(&mut self, block: ipc::Block, expected: MessageHeader) -> Result<()> {
        let outside = || malformed("the footer names a message outside the file");
        let offset = u64::try_from(block.offset()).map_err(|_| outside())?;
        if offset > self.source.end {
            return Err(outside());
        }
        self.source.seek(offset)?;
        let metadata = self.source.metadata()?.ok_or_else(outside)?;
        let message = parse(&metadata)?;
        if message.header_type() != expected {
            return Err(malformed("the footer and a message disagree"));
        }
        let length = metadata.len() as u64 + self.source.body_length(&message)?;
        self.unread = self.unread.checked_sub(length).ok_or_else(|| malformed("messages that overlap"))?;
        self.decoder.accept(&mut self.source, &metadata)
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decoder.next(&mut self.source)? {
                return Ok(Some(batch));
            }
            let Some(block) = self.batches.pop_front() else {
                return Ok(None);
            };
            self.block(block, MessageHeader::RecordBatch)?;
        }
    }
}

impl Iterator for FileRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Rows for FileRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.decoder.schema)
    }
}
