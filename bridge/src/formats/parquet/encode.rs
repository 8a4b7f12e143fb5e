use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::intervals;
use crate::database::Part;
use crate::error::{Code, Error, Result};
use crate::formats::guard::guarded;
use crate::formats::{Encoder, Out, PartEncoder};

/// A row group ends at whichever comes first; it is what the encoder holds in memory.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_BYTES: usize = 16 << 20;

/// Pages depend on those before them, so batches are handed on as they are.
struct Batches;

impl PartEncoder for Batches {
    fn encode(&self, batch: RecordBatch) -> Result<Part> {
        Ok(Part::Batch(batch))
    }
}

/// The same batches give the same bytes. The footer, written last, proves the file whole.
pub(in crate::formats) struct ParquetEncoder {
    writer: ArrowWriter<Vec<u8>>,
    /// Where columns are not what they were.
    carried: Option<SchemaRef>,
}

impl ParquetEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("fsspec-db-gateway ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(failed)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let carried = intervals::with_texts(schema);
        let schema = carried.as_ref().unwrap_or(schema);
        let writer = guarded(|| {
            ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)).map_err(unsupported)
        })
        .map_err(|error| match error.code() {
            Code::Unsupported => error,
            _ => Error::new(Code::Unsupported, "Parquet has no type for one of the columns"),
        })?;
        probe(schema)?;
        Ok(Self { writer, carried })
    }

    fn flush(&mut self, out: Out<'_>) -> Result<()> {
        let bytes = std::mem::take(self.writer.inner_mut());
        if bytes.is_empty() { Ok(()) } else { out(bytes) }
    }
}

/// Some types are only refused once a row comes; by then the response has begun.
fn probe(schema: &SchemaRef) -> Result<()> {
    for field in schema
        .fields()
        .iter()
        .filter(|field| field.data_type().is_nested() || field.data_type().is_temporal())
    {
        let nullable = Arc::new(Schema::new(vec![field.as_ref().clone().with_nullable(true)]));
        let row = new_null_array(field.data_type(), 1);
        let written = guarded(|| {
            let batch = RecordBatch::try_new(Arc::clone(&nullable), vec![row])?;
            let mut writer = ArrowWriter::try_new(Vec::new(), nullable, None).map_err(unsupported)?;
            writer.write(&batch).map_err(unsupported)
        });
        written
            .map_err(|error| Error::new(Code::Unsupported, error.to_string()).with_column(field.name()))?;
    }
    Ok(())
}

fn unsupported(error: ParquetError) -> Error {
    Error::new(Code::Unsupported, format!("Parquet: {error}")).with_source(error)
}

fn failed(error: ParquetError) -> Error {
    Error::new(Code::Internal, format!("Parquet: {error}")).with_source(error)
}

impl Encoder for ParquetEncoder {
    fn parts(&self) -> Arc<dyn PartEncoder> {
        Arc::new(Batches)
    }

    fn start(&mut self, out: Out<'_>) -> Result<()> {
        self.writer.sync().map_err(|error| failed(error.into()))?;
        self.flush(out)
    }

    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()> {
        let Part::Batch(batch) = part else {
            return Err(Error::new(Code::Internal, "Parquet takes batches"));
        };
        let batch = match &self.carried {
            Some(schema) => intervals::carried(&batch, schema)?,
            None => batch,
        };
        self.writer.write(&batch).map_err(failed)?;
        self.flush(out)
    }

    fn finish(&mut self, out: Out<'_>) -> Result<()> {
        self.writer.finish().map_err(failed)?;
        self.flush(out)
    }
}
