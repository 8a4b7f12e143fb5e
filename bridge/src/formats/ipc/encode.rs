//! The encoders of both IPC forms. A file is a stream between two magics, with a footer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::{self, DictionaryHandling, DictionaryTracker, IpcWriteOptions, StreamWriter};
use arrow_ipc::{Block, CompressionType, FooterBuilder, MessageHeader, MetadataVersion, root_as_message};
use arrow_schema::{DataType, SchemaRef};
use flatbuffers::FlatBufferBuilder;

use super::unify::Unifier;
use super::{ALIGNMENT, END_OF_STREAM, MAGIC, message};
use crate::database::Part;
use crate::error::{Code, Error, Result};
use crate::formats::{EncodeOptions, Encoder, IpcCodec, Out, PartEncoder};

/// Encodes batches to messages on any thread; those with dictionaries must keep their order.
struct Messages {
    schema: SchemaRef,
    options: IpcWriteOptions,
    kind: Kind,
    /// Encoders between two uses, each past its schema message.
    idle: Mutex<Vec<writer::StreamEncoder>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Flat columns without compression: our own encoder.
    Flat,
    /// Nested or view columns, or compression: arrow's, whose buffers are copied once as well.
    General,
    /// Dictionary messages depend on those before them.
    Ordered,
}

impl Messages {
    fn new(schema: &SchemaRef, options: EncodeOptions, dictionaries: DictionaryHandling) -> Result<Self> {
        let codec = options.ipc_codec.map(|codec| match codec {
            IpcCodec::Lz4 => CompressionType::LZ4_FRAME,
            IpcCodec::Zstd => CompressionType::ZSTD,
        });
        let kind = if schema.fields().iter().any(|field| has_dictionary(field.data_type())) {
            Kind::Ordered
        } else if codec.is_none() && message::is_flat(schema.fields()) {
            Kind::Flat
        } else {
            Kind::General
        };
        let mut options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?
            .try_with_compression(codec)?
            .with_dictionary_handling(dictionaries);
        if codec == Some(CompressionType::ZSTD) {
            options = options.try_with_compression_level(Some(1))?;
        }
        Ok(Self { schema: Arc::clone(schema), options, kind, idle: Mutex::default() })
    }

    fn general(&self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut encoder = if let Some(encoder) = idle {
            encoder
        } else {
            let mut encoder =
                writer::StreamEncoder::try_new_with_options(&self.schema, self.options.clone())?;
            // Takes the schema message out of the way.
            encoder.encode(&RecordBatch::new_empty(Arc::clone(&self.schema)))?;
            encoder
        };
        let buffers = encoder.encode(batch)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
        let mut out = Vec::with_capacity(buffers.iter().map(Buffer::len).sum());
        for buffer in &buffers {
            out.extend_from_slice(buffer);
        }
        Ok(out)
    }
}

impl PartEncoder for Messages {
    fn encode(&self, batch: RecordBatch) -> Result<Part> {
        let rows = batch.num_rows() as u64;
        Ok(match self.kind {
            _ if rows == 0 => Part::Bytes(0, Vec::new()),
            Kind::Flat => Part::Bytes(rows, message::encode(&batch)?),
            Kind::General => Part::Bytes(rows, self.general(&batch)?),
            Kind::Ordered => Part::Batch(batch),
        })
    }
}

fn has_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => has_dictionary(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_dictionary(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_dictionary(field.data_type())),
        _ => false,
    }
}

/// The ordered half that both forms share.
struct Ordered {
    parts: Arc<Messages>,
    /// Starts with the schema message, then holds what was written since the last take.
    writer: StreamWriter<Vec<u8>>,
}

impl Ordered {
    fn new(schema: &SchemaRef, options: EncodeOptions, dictionaries: DictionaryHandling) -> Result<Self> {
        let parts = Arc::new(Messages::new(schema, options, dictionaries)?);
        let writer = StreamWriter::try_new_with_options(Vec::new(), schema, parts.options.clone())
            .map_err(|error| Error::new(Code::Unsupported, error.to_string()).with_source(error))?;
        Ok(Self { parts, writer })
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    fn bytes(&mut self, part: Part) -> Result<Vec<u8>> {
        match part {
            Part::Bytes(_, bytes) => Ok(bytes),
            Part::Batch(batch) if batch.num_rows() == 0 => Ok(Vec::new()),
            Part::Batch(batch) => {
                self.writer.write(&batch)?;
                Ok(self.take())
            }
            Part::Several(_) => Err(Part::undivided()),
        }
    }
}

/// The IPC stream. `finish` writes the end-of-stream marker, and nothing else does.
pub(in crate::formats) struct StreamEncoder(Ordered);

impl StreamEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, options: EncodeOptions) -> Result<Self> {
        Ok(Self(Ordered::new(schema, options, DictionaryHandling::Resend)?))
    }
}

impl Encoder for StreamEncoder {
    fn parts(&self) -> Arc<dyn PartEncoder> {
        Arc::clone(&self.0.parts) as _
    }

    fn start(&mut self, out: Out<'_>) -> Result<()> {
        out(self.0.take())
    }

    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()> {
        let bytes = self.0.bytes(part)?;
        if bytes.is_empty() { Ok(()) } else { out(bytes) }
    }

    fn finish(&mut self, out: Out<'_>) -> Result<()> {
        out(END_OF_STREAM.to_vec())
    }
}

/// The IPC file. Its footer says where every message is; until it is written there is no file.
pub(in crate::formats) struct FileEncoder {
    ordered: Ordered,
    unifier: Unifier,
    position: usize,
    batches: Vec<Block>,
    dictionaries: Vec<Block>,
    /// Dictionaries that have been written, by identifier.
    seen: HashSet<i64>,
}

impl FileEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, options: EncodeOptions) -> Result<Self> {
        Ok(Self {
            ordered: Ordered::new(schema, options, DictionaryHandling::Delta)?,
            unifier: Unifier::new(schema),
            position: 0,
            batches: Vec::new(),
            dictionaries: Vec::new(),
            seen: HashSet::new(),
        })
    }

    /// Notes the place of each message in `bytes`, which we framed ourselves.
    fn index(&mut self, bytes: &[u8]) -> Result<()> {
        let broken = || Error::new(Code::Internal, "an encoded Arrow message does not read back");
        let mut rest = bytes;
        while !rest.is_empty() {
            let (prefix, after) = rest.split_at_checked(8).ok_or_else(broken)?;
            let length = i32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
            let metadata = usize::try_from(length).ok().and_then(|n| after.get(..n)).ok_or_else(broken)?;
            let message = root_as_message(metadata).map_err(|_| broken())?;
            let body = usize::try_from(message.bodyLength()).map_err(|_| broken())?;
            let total = 8 + metadata.len() + body;
            let block = Block::new(self.position as i64, length + 8, body as i64);
            match message.header_type() {
                MessageHeader::RecordBatch => self.batches.push(block),
                MessageHeader::DictionaryBatch => {
                    let dictionary = message.header_as_dictionary_batch().ok_or_else(broken)?;
                    if !self.seen.insert(dictionary.id()) && !dictionary.isDelta() {
                        return Err(Error::new(
                            Code::Unsupported,
                            "an Arrow file cannot carry a dictionary that changes; read the stream instead",
                        ));
                    }
                    self.dictionaries.push(block);
                }
                _ => return Err(broken()),
            }
            self.position += total;
            rest = rest.get(total..).ok_or_else(broken)?;
        }
        Ok(())
    }

    fn footer(&self) -> Result<Vec<u8>> {
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector(&self.dictionaries);
        let batches = builder.create_vector(&self.batches);
        let schema = IpcSchemaEncoder::new()
            .with_dictionary_tracker(&mut DictionaryTracker::new(true))
            .schema_to_fb_offset(&mut builder, &self.ordered.parts.schema);
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        let root = footer.finish();
        builder.finish(root, None);
        let footer = builder.finished_data();
        let length = i32::try_from(footer.len())
            .map_err(|_| Error::new(Code::Unsupported, "more record batches than an Arrow file can index"))?;
        let mut out = Vec::with_capacity(footer.len() + END_OF_STREAM.len() + 10);
        out.extend_from_slice(&END_OF_STREAM);
        out.extend_from_slice(footer);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        Ok(out)
    }
}

impl Encoder for FileEncoder {
    fn parts(&self) -> Arc<dyn PartEncoder> {
        Arc::clone(&self.ordered.parts) as _
    }

    fn start(&mut self, out: Out<'_>) -> Result<()> {
        let schema = self.ordered.take();
        let mut head = Vec::with_capacity(ALIGNMENT + schema.len());
        head.extend_from_slice(&MAGIC);
        head.resize(ALIGNMENT, 0);
        head.extend_from_slice(&schema);
        self.position = head.len();
        out(head)
    }

    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()> {
        let part = match part {
            Part::Batch(batch) => Part::Batch(self.unifier.unify(batch)?),
            other => other,
        };
        let bytes = self.ordered.bytes(part)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.index(&bytes)?;
        out(bytes)
    }

    fn finish(&mut self, out: Out<'_>) -> Result<()> {
        out(self.footer()?)
    }
}
