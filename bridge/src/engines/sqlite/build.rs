//! Column builders: cells in, one record batch out.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::SchemaRef;

use super::exact::Decimal;
use super::scalar::Scalar;
use super::types::Kind;
use crate::calendar;
use crate::error::{Code, Error, Result};

/// A batch is handed on when it holds so many bytes, whatever its rows.
pub const BATCH_BYTES: usize = 4 << 20;

/// Builds batches of one schema, column by column.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl BatchBuilder {
    /// `rows` is what a batch is expected to hold; builders are sized ahead for it.
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], rows: usize) -> Self {
        let columns = kinds.iter().map(|&kind| Column::new(kind, rows)).collect();
        Self { schema, columns, rows: 0 }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held in variable-length values, the part of a batch that rows do not bound.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.columns.iter().map(Column::value_bytes).sum::<usize>() >= BATCH_BYTES
    }

    /// Appends one row: a cell for each column.
    ///
    /// # Errors
    /// `internal` where a value does not fit the kind that was decided for its column.
    #[inline]
    pub fn push<'c>(&mut self, cells: impl Iterator<Item = Scalar<'c>>) -> Result<()> {
        let mut fits = true;
        for (column, scalar) in self.columns.iter_mut().zip(cells) {
            fits &= column.push(scalar);
        }
        self.rows += 1;
        if fits { Ok(()) } else { Err(self.misfits()) }
    }

    #[cold]
    fn misfits(&self) -> Error {
        self.misfit(self.columns.iter().position(|column| column.len < self.rows).unwrap_or(0))
    }

    #[cold]
    fn misfit(&self, column: usize) -> Error {
        Error::new(Code::Internal, "a value does not fit the type that its column was found to have")
            .with_column(self.schema.field(column).name())
    }

    /// Takes the batch; the builder starts anew with the same capacity.
    ///
    /// # Errors
    /// `internal` where text is not UTF-8 although its column was found to be.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let Some(array) = self.columns[index].finish(rows) else { return Err(self.misfit(index)) };
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

struct Column {
    kind: Kind,
    len: usize,
    capacity: usize,
    /// What the values of a decimal column are held to.
    decimal: Decimal,
    /// Present once there was a NULL.
    validity: Option<BooleanBufferBuilder>,
    data: Data,
}

enum Data {
    I32(Vec<i32>),
    I64(Vec<i64>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    Bool(BooleanBufferBuilder),
    Bytes { offsets: Vec<i32>, values: Vec<u8> },
}

impl Data {
    fn new(kind: Kind, rows: usize, bytes: usize) -> Self {
        match kind {
            Kind::Date => Self::I32(Vec::with_capacity(rows)),
            Kind::Int | Kind::Time | Kind::Timestamp => Self::I64(Vec::with_capacity(rows)),
            Kind::Real => Self::F64(Vec::with_capacity(rows)),
            Kind::Decimal(..) => Self::I128(Vec::with_capacity(rows)),
            Kind::Bool => Self::Bool(BooleanBufferBuilder::new(rows)),
            Kind::Text | Kind::Json | Kind::Any | Kind::Blob => {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Self::Bytes { offsets, values: Vec::with_capacity(bytes) }
            }
        }
    }
}

impl Column {
    fn new(kind: Kind, rows: usize) -> Self {
        let decimal = match kind {
            Kind::Decimal(precision, scale) => Decimal::new(precision, scale),
            _ => Decimal::new(1, 0),
        };
        let data = Data::new(kind, rows, rows * 16);
        Self { kind, len: 0, capacity: rows, decimal, validity: None, data }
    }

    fn value_bytes(&self) -> usize {
        match &self.data {
            Data::Bytes { values, .. } => values.len(),
            _ => 0,
        }
    }

    #[inline]
    fn push(&mut self, scalar: Scalar<'_>) -> bool {
        let valid = match (&mut self.data, scalar) {
            (Data::I64(out), Scalar::Int(value)) if self.kind == Kind::Int => {
                out.push(value);
                true
            }
            (Data::F64(out), Scalar::Real(value)) => {
                out.push(value);
                true
            }
            (Data::Bytes { offsets, values }, Scalar::Text(bytes) | Scalar::Blob(bytes)) => {
                values.extend_from_slice(bytes);
                let Ok(end) = i32::try_from(values.len()) else { return false };
                offsets.push(end);
                true
            }
            (Data::I128(out), Scalar::Real(value)) => {
                let Some(value) = self.decimal.of_real(value) else { return false };
                out.push(value);
                true
            }
            (Data::I128(out), Scalar::Int(value)) => {
                let Some(value) = self.decimal.of_int(value) else { return false };
                out.push(value);
                true
            }
            (Data::I32(out), Scalar::Text(text)) => {
                let Some(days) = calendar::parse_date(text) else { return false };
                out.push(days);
                true
            }
            (_, Scalar::Null) => {
                self.push_null();
                false
            }
            (_, scalar) => {
                if !self.push_rare(scalar) {
                    return false;
                }
                true
            }
        };
        if let Some(validity) = &mut self.validity
            && valid
        {
            validity.append(true);
        }
        self.len += 1;
        true
    }

    #[cold]
    fn push_null(&mut self) {
        let len = self.len;
        let capacity = self.capacity;
        self.validity
            .get_or_insert_with(|| {
                let mut builder = BooleanBufferBuilder::new(capacity.max(len + 1));
                builder.append_n(len, true);
                builder
            })
            .append(false);
        match &mut self.data {
            Data::I32(out) => out.push(0),
            Data::I64(out) => out.push(0),
            Data::F64(out) => out.push(0.0),
            Data::I128(out) => out.push(0),
            Data::Bool(out) => out.append(false),
            Data::Bytes { offsets, .. } => offsets.push(offsets.last().copied().unwrap_or(0)),
        }
    }

    /// The pairings that clean columns of the common types do not have.
    fn push_rare(&mut self, scalar: Scalar<'_>) -> bool {
        match (&mut self.data, scalar) {
            (Data::I64(out), Scalar::Text(text)) => {
                let parsed = match self.kind {
                    Kind::Timestamp => calendar::parse_timestamp(text),
                    Kind::Time => calendar::parse_time(text),
                    _ => None,
                };
                parsed.map(|value| out.push(value)).is_some()
            }
            (Data::I128(out), Scalar::Text(text)) => {
                self.decimal.of_text(text).map(|value| out.push(value)).is_some()
            }
            (Data::Bool(out), Scalar::Int(value @ (0 | 1))) => {
                out.append(value == 1);
                true
            }
            (Data::F64(out), Scalar::Int(value)) => int_to_real(value).map(|value| out.push(value)).is_some(),
            (Data::Bytes { offsets, values }, Scalar::Int(_) | Scalar::Real(_)) => {
                let written = match scalar {
                    Scalar::Int(value) => write!(values, "{value}"),
                    Scalar::Real(value) => write!(values, "{value:?}"),
                    _ => Ok(()),
                };
                let Ok(end) = i32::try_from(values.len()) else { return false };
                offsets.push(end);
                written.is_ok()
            }
            _ => false,
        }
    }

    fn finish(&mut self, rows: usize) -> Option<ArrayRef> {
        let capacity = self.capacity;
        let bytes = self.value_bytes();
        let data = std::mem::replace(&mut self.data, Data::new(self.kind, capacity, bytes + bytes / 16));
        let nulls = self.validity.take().map(|mut builder| NullBuffer::new(builder.finish()));
        self.len = 0;
        Some(match data {
            Data::I32(values) => {
                Arc::new(PrimitiveArray::<Date32Type>::new(ScalarBuffer::from(values), nulls))
            }
            Data::I64(values) => {
                let values = ScalarBuffer::from(values);
                match self.kind {
                    Kind::Time => Arc::new(PrimitiveArray::<Time64MicrosecondType>::new(values, nulls)),
                    Kind::Timestamp => {
                        Arc::new(PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls))
                    }
                    _ => Arc::new(PrimitiveArray::<Int64Type>::new(values, nulls)),
                }
            }
            Data::F64(values) => {
                Arc::new(PrimitiveArray::<Float64Type>::new(ScalarBuffer::from(values), nulls))
            }
            Data::I128(values) => {
                let Kind::Decimal(precision, scale) = self.kind else { return None };
                let array = PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Data::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::Bytes { offsets, values } => {
                debug_assert_eq!(offsets.len(), rows + 1);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let values = Buffer::from_vec(values);
                if self.kind == Kind::Blob {
                    Arc::new(BinaryArray::try_new(offsets, values, nulls).ok()?)
                } else {
                    // Validates all values of the batch in one pass.
                    Arc::new(StringArray::try_new(offsets, values, nulls).ok()?)
                }
            }
        })
    }
}

/// The double that is this integer, if there is one.
#[must_use]
#[inline]
pub fn int_to_real(value: i64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    let (real, back) = (value as f64, value as f64 as i128);
    (back == i128::from(value)).then_some(real)
}
