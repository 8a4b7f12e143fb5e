//! File formats: each a streaming encoder and a streaming decoder. A format knows no engine.

mod csv;
mod guard;
mod ipc;
mod json;
mod parquet;
mod text;

use std::io::{self, SeekFrom};
use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::body::Body;
pub use crate::database::PartEncoder;
use crate::database::{Part, Rows};
use crate::error::{Code, Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    ArrowStream,
    ArrowFile,
    Parquet,
    Csv,
    Jsonl,
    Json,
}

impl Format {
    pub const ALL: &'static [Format] =
        &[Self::ArrowStream, Self::ArrowFile, Self::Parquet, Self::Csv, Self::Jsonl, Self::Json];

    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "arrow" | "arrows" => Self::ArrowStream,
            "feather" => Self::ArrowFile,
            "parquet" => Self::Parquet,
            "csv" => Self::Csv,
            "jsonl" => Self::Jsonl,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// The extension that listings use.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::ArrowStream => "arrow",
            Self::ArrowFile => "feather",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
        }
    }

    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::ArrowFile => "application/vnd.apache.arrow.file",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Csv => "text/csv; header=present",
            Self::Jsonl => "application/jsonl",
            Self::Json => "application/json",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcCodec {
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct EncodeOptions {
    /// Compression of Arrow IPC buffers; none unless asked.
    pub ipc_codec: Option<IpcCodec>,
}

/// Where an encoder puts bytes; an error means that the reader has gone.
pub type Out<'a> = &'a mut dyn FnMut(Vec<u8>) -> Result<()>;

/// The ordered half of an encoder.
pub trait Encoder: Send {
    fn parts(&self) -> Arc<dyn PartEncoder>;
    /// What comes before the first row.
    fn start(&mut self, out: Out<'_>) -> Result<()>;
    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()>;
    /// What proves that the file is whole.
    fn finish(&mut self, out: Out<'_>) -> Result<()>;
}

/// # Errors
/// `unsupported` where the format cannot carry the schema.
pub fn encoder(format: Format, schema: &SchemaRef, options: EncodeOptions) -> Result<Box<dyn Encoder>> {
    Ok(match format {
        Format::ArrowStream => Box::new(ipc::StreamEncoder::new(schema, options)?),
        Format::ArrowFile => Box::new(ipc::FileEncoder::new(schema, options)?),
        Format::Parquet => Box::new(parquet::ParquetEncoder::new(schema)?),
        Format::Csv => Box::new(csv::CsvEncoder::new(schema)?),
        Format::Jsonl => Box::new(json::JsonEncoder::new(schema, false)?),
        Format::Json => Box::new(json::JsonEncoder::new(schema, true)?),
    })
}

/// The bytes of a part, encoded now if no other thread has done so.
fn part_of_text(encoder: &dyn PartEncoder, part: Part) -> Result<Vec<u8>> {
    match part {
        Part::Bytes(_, bytes) => Ok(bytes),
        Part::Batch(batch) => match encoder.encode(batch)? {
            Part::Bytes(_, bytes) => Ok(bytes),
            Part::Batch(_) | Part::Several(_) => {
                Err(Error::new(Code::Internal, "a text encoder gave no text"))
            }
        },
        Part::Several(_) => Err(Part::undivided()),
    }
}

/// Opens a body. Sniffs: an Arrow file is accepted as a stream and the reverse.
///
/// Text formats are parsed to `target` (the relation's schema; its columns in any order, some
/// may be missing); without a target, types are inferred from the whole body.
///
/// Rows come while the body is still arriving, their end only once it is proven to be whole.
/// Rows come while the body is still arriving, their end only once it is proven to be whole.
///
/// # Errors
/// `malformed-body`, `incomplete-body`, `schema-mismatch`, `value-out-of-range`.
pub fn decode(format: Format, mut body: Box<dyn Body>, target: Option<&SchemaRef>) -> Result<Box<dyn Rows>> {
    if body.seek(SeekFrom::End(0)).map_err(body_error)? == 0 {
        return Err(Error::new(Code::MalformedBody, "the body is empty"));
    }
    body.rewind().map_err(body_error)?;
    let arriving = body.arriving();
    let rows = guard::guarded(|| match format {
        Format::ArrowStream | Format::ArrowFile => ipc::open(body),
        Format::Parquet => parquet::open(body),
        Format::Csv => csv::open(body, target),
        Format::Jsonl => json::open(body, false, target),
        Format::Json => json::open(body, true, target),
    })?;
    Ok(Box::new(guard::Guarded::new(rows, arriving)))
}

/// The spool failed, not the body.
fn body_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::new(Code::IncompleteBody, "the body ends before its end"),
        _ => Error::new(Code::Internal, format!("the body cannot be read: {error}")),
    }
    .with_source(error)
}

#[cfg(test)]
mod tests;
