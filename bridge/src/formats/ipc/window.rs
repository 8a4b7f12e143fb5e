//! A large record batch, read some rows at a time: writers make one of a whole table.
//!
//! Buffers of flat columns are read where the rows are, so that memory does not grow with the
//! batch. Nested columns, views and compressed buffers have to be read whole.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array, new_empty_array};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_ipc::{self as ipc};
use arrow_schema::{DataType, Field, SchemaRef};

use super::decode::{Source, invalid, malformed};
use crate::error::{Code, Error, Result};

/// Smaller batches are read whole.
const LARGE: u64 = 16 << 20;
/// Rows are read so that they take about this much.
const STEP_BYTES: u64 = 8 << 20;
/// What one buffer of such rows may take, where a few values are much longer than the others.
const MAX_BUFFER: u64 = 1 << 28;

/// A batch that stays in the body.
pub(super) struct Window {
    columns: Vec<Column>,
    rows: u64,
    row: u64,
    step: u64,
    /// Where the message ends in the body.
    end: u64,
}

struct Column {
    nulls: bool,
    /// Start and length of each buffer in the body.
    buffers: Vec<(u64, u64)>,
}

fn buffers_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Null => Some(0),
        DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => Some(3),
        DataType::Boolean | DataType::FixedSizeBinary(_) | DataType::Dictionary(..) => Some(2),
        primitive if primitive.is_primitive() => Some(2),
        _ => None,
    }
}

/// The bytes of one value of a column with a values buffer.
fn width(data_type: &DataType) -> u64 {
    match data_type {
        DataType::FixedSizeBinary(width) => width.unsigned_abs().into(),
        DataType::Dictionary(key, _) => width(key),
        other => other.primitive_width().unwrap_or(0) as u64,
    }
}

impl Window {
    /// `None` where the batch is small, or has to be read whole. The header has been checked
    /// for lengths in range; `start` and `length` are those of the body, which is there.
    pub(super) fn open(
        batch: &ipc::RecordBatch<'_>,
        schema: &SchemaRef,
        start: u64,
        length: u64,
    ) -> Result<Option<Self>> {
        let flat = schema.fields().iter().all(|field| buffers_of(field.data_type()).is_some());
        if length < LARGE || !flat || batch.compression().is_some() {
            return Ok(None);
        }
        let short = || malformed("a batch with too few buffers");
        let rows = batch.length().unsigned_abs();
        let mut nodes = batch.nodes().into_iter().flatten();
        let mut places = batch.buffers().into_iter().flatten();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let node = nodes.next().ok_or_else(short)?;
            if node.length() != batch.length() {
                return Err(malformed("columns of different lengths"));
            }
            let mut buffers = Vec::with_capacity(3);
            for _ in 0..buffers_of(field.data_type()).unwrap_or(0) {
                let place = places.next().ok_or_else(short)?;
                buffers.push((start + place.offset().unsigned_abs(), place.length().unsigned_abs()));
            }
            columns.push(Column { nulls: node.null_count() > 0, buffers });
        }
        let step = (STEP_BYTES / (length / rows.max(1)).max(1)).clamp(64, 65_536).next_multiple_of(64);
        Ok(Some(Self { columns, rows, row: 0, step, end: start + length }))
    }

    /// The next rows. After the last, the source stands at the end of the message.
    pub(super) fn next(
        &mut self,
        source: &mut Source,
        schema: &SchemaRef,
        dictionaries: &HashMap<i64, ArrayRef>,
    ) -> Result<Option<RecordBatch>> {
        let rows = self.step.min(self.rows - self.row);
        if rows == 0 {
            source.seek(self.end)?;
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(schema.fields()) {
            let mut rows = Slice { source, column, first: self.row, rows };
            arrays.push(rows.array(field, dictionaries)?);
        }
        self.row += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map(Some).map_err(invalid)
    }
}

/// Some rows of a column; the first is a multiple of eight.
struct Slice<'a> {
    source: &'a mut Source,
    column: &'a Column,
    first: u64,
    rows: u64,
}

impl Slice<'_> {
    /// Reads a part of a buffer.
    fn read(&mut self, buffer: usize, from: u64, length: u64) -> Result<Buffer> {
        let (start, whole) = self.column.buffers[buffer];
        if from.checked_add(length).is_none_or(|end| end > whole) {
            return Err(malformed("a buffer shorter than its column"));
        }
        if length > MAX_BUFFER {
            let detail = format!("values of {length} bytes in a few rows; at most {MAX_BUFFER} are read");
            return Err(Error::new(Code::BodyTooLarge, detail));
        }
        self.source.seek(start + from)?;
        self.source.bytes(length)
    }

    fn bits(&mut self, buffer: usize) -> Result<Buffer> {
        self.read(buffer, self.first / 8, self.rows.div_ceil(8))
    }

    fn array(&mut self, field: &Field, dictionaries: &HashMap<i64, ArrayRef>) -> Result<ArrayRef> {
        let data_type = field.data_type();
        let mut builder = ArrayData::builder(data_type.clone()).len(self.rows as usize);
        if self.column.nulls && !self.column.buffers.is_empty() {
            builder = builder.null_bit_buffer(Some(self.bits(0)?));
        }
        builder = match data_type {
            DataType::Null => builder,
            DataType::Boolean => builder.add_buffer(self.bits(1)?),
            DataType::Utf8 | DataType::Binary => {
                let (offsets, values) = self.values::<i32>()?;
                builder.add_buffer(offsets).add_buffer(values)
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                let (offsets, values) = self.values::<i64>()?;
                builder.add_buffer(offsets).add_buffer(values)
            }
            other => {
                let width = width(other);
                let values = self.read(1, self.first * width, self.rows * width)?;
                let builder = builder.add_buffer(values);
                match other {
                    DataType::Dictionary(_, value) => {
                        #[expect(
                            deprecated,
                            reason = "the reader of whole batches finds dictionaries so too"
                        )]
                        let known = field.dict_id().and_then(|id| dictionaries.get(&id)).cloned();
                        let known = known.unwrap_or_else(|| new_empty_array(value));
                        builder.add_child_data(known.to_data())
                    }
                    _ => builder,
                }
            }
        };
        Ok(make_array(builder.build().map_err(invalid)?))
    }

    /// Offsets that start at zero, and the values between the first and the last.
    fn values<O: ArrowNativeType + std::ops::Sub<Output = O>>(&mut self) -> Result<(Buffer, Buffer)> {
        let width = size_of::<O>() as u64;
        let offsets = self.read(1, self.first * width, (self.rows + 1) * width)?;
        let offsets: ScalarBuffer<O> = offsets.into();
        let broken = || malformed("offsets that go backwards");
        let (Some(first), Some(last)) = (offsets.first().copied(), offsets.last().copied()) else {
            return Err(broken());
        };
        let from = first.to_usize().ok_or_else(broken)?;
        let to = last.to_usize().filter(|to| *to >= from).ok_or_else(broken)?;
        if offsets.windows(2).any(|pair| pair[1] < pair[0]) {
            return Err(broken());
        }
        let values = self.read(2, from as u64, (to - from) as u64)?;
        let offsets: Vec<O> = offsets.iter().map(|offset| *offset - first).collect();
        Ok((Buffer::from_vec(offsets), values))
    }
}
