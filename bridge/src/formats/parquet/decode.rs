//! Row groups are read page by page; no page is unpacked before its sizes have been looked at.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::{footer, intervals, pages};
use crate::body::Body;
use crate::database::Rows;
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

const BATCH_ROWS: usize = 8_192;
const MAGIC: &[u8; 4] = b"PAR1";

pub(super) fn malformed(detail: impl std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("not a Parquet body: {detail}"))
}

/// A body that several column readers share; each knows its own position.
#[derive(Clone)]
pub(super) struct Source {
    body: Arc<Mutex<Box<dyn Body>>>,
    length: u64,
}

impl Source {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        body.seek(SeekFrom::Start(position))?;
        body.read(buffer)
    }
}

/// Reads a body from a position on.
pub(super) struct At {
    source: Source,
    position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(self.position, buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(1_024, At { source: self.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if self.length.checked_sub(start).is_none_or(|rest| rest < length as u64) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are outside the body")));
        }
        let mut bytes = vec![0; length];
        At { source: self.clone(), position: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

pub(in crate::formats) fn open(mut body: Box<dyn Body>) -> Result<Box<dyn Rows>> {
    let length = body.seek(SeekFrom::End(0)).map_err(body_error)?;
    let source = Source { body: Arc::new(Mutex::new(body)), length };
    let magic = |position| -> Result<bool> {
        let mut magic = [0; MAGIC.len()];
        At { source: source.clone(), position }.read_exact(&mut magic).map_err(body_error)?;
        Ok(magic == *MAGIC)
    };
    if length < 12 || !magic(0)? {
        return Err(malformed("it does not start as one"));
    }
    if !magic(length - 4)? {
        return Err(Error::new(Code::IncompleteBody, "the Parquet body ends before its footer"));
    }
    footer::check(&source, length)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(source.clone()).map_err(malformed)?;
    let mut unread = length;
    for column in builder.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let packed = pages::check(&source, column)?;
        unread = unread.checked_sub(packed).ok_or_else(|| malformed("columns that overlap"))?;
    }
    let schema = Arc::clone(builder.schema());
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(malformed)?;
    let restored = intervals::with_intervals(&schema);
    Ok(Box::new(ParquetRows { schema, restored, reader }))
}

struct ParquetRows {
    schema: SchemaRef,
    /// Where columns are more than Parquet can say.
    restored: Option<SchemaRef>,
    reader: ParquetRecordBatchReader,
}

impl Iterator for ParquetRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?.map_err(|error| match error {
            ArrowError::IoError(detail, source) => {
                Error::new(Code::Internal, format!("the body cannot be read: {detail}")).with_source(source)
            }
            other => malformed(&other).with_source(other),
        });
        // The reader leaves the metadata of the schema out of its batches.
        Some(batch.and_then(|batch| {
            let (_, columns, _) = batch.into_parts();
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(malformed)?;
            match &self.restored {
                Some(schema) => intervals::carried(&batch, schema),
                None => Ok(batch),
            }
        }))
    }
}

impl Rows for ParquetRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.restored.as_ref().unwrap_or(&self.schema))
    }
}
