//! Batches from rows in PostgreSQL's binary form.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
    UInt32Type,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, SchemaRef};

use super::fault::unexpected;
use super::numeric::{self, Misfit};
use super::row::Cells;
use super::types::{Kind, misfit};
use crate::calendar::MICROS_PER_DAY;
use crate::error::Result;

/// Days and microseconds from 1970-01-01 to PostgreSQL's first day, 2000-01-01.
pub const EPOCH_DAYS: i32 = 10_957;
pub const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// A batch is full with so many bytes of variable length, whatever its rows.
const BATCH_BYTES: usize = 8 << 20;

/// Builds record batches row by row.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl BatchBuilder {
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], rows: usize) -> Self {
        let columns = kinds.iter().map(|kind| Column::new(kind, rows)).collect();
        Self { schema, columns, rows: 0 }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.columns.iter().map(Column::bytes).sum::<usize>() >= BATCH_BYTES
    }

    /// Appends a row.
    ///
    /// # Errors
    /// `value-out-of-range` with the column, for what Arrow cannot say.
    #[inline]
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        let mut cells = Cells::new(row);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let cell = cells.next().ok_or_else(|| unexpected("a row with fewer columns"))??;
            if let Err(what) = column.push(cell) {
                return Err(misfit(self.schema.field(index).name(), what));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Takes the batch; the builder starts anew.
    ///
    /// # Errors
    /// `value-out-of-range` where text is not UTF-8, which PostgreSQL does not let happen.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter_mut().enumerate() {
            let array = column.finish();
            arrays.push(array.ok_or_else(|| misfit(self.schema.field(index).name(), "it is not UTF-8"))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

struct Column {
    kind: Kind,
    rows: usize,
    len: usize,
    /// Present once there was a NULL.
    validity: Option<BooleanBufferBuilder>,
    data: Data,
}

enum Data {
    Bool(BooleanBufferBuilder),
    I16(Vec<i16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    I256(Vec<i256>),
    Interval(Vec<IntervalMonthDayNano>),
    Fixed(Vec<u8>),
    Bytes { offsets: Vec<i32>, values: Vec<u8> },
    List { offsets: Vec<i32>, items: Box<Column> },
}

impl Data {
    fn new(kind: &Kind, rows: usize, bytes: usize) -> Self {
        let offsets = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            offsets
        };
        match kind {
            Kind::Bool => Self::Bool(BooleanBufferBuilder::new(rows)),
            Kind::Int2 => Self::I16(Vec::with_capacity(rows)),
            Kind::Int4 | Kind::Date | Kind::Enum(_) => Self::I32(Vec::with_capacity(rows)),
            Kind::Oid => Self::U32(Vec::with_capacity(rows)),
            Kind::Int8 | Kind::Time | Kind::Timestamp | Kind::TimestampTz => {
                Self::I64(Vec::with_capacity(rows))
            }
            Kind::Float4 => Self::F32(Vec::with_capacity(rows)),
            Kind::Float8 => Self::F64(Vec::with_capacity(rows)),
            Kind::Decimal(..) => Self::I128(Vec::with_capacity(rows)),
            Kind::BigDecimal(..) => Self::I256(Vec::with_capacity(rows)),
            Kind::Interval => Self::Interval(Vec::with_capacity(rows)),
            Kind::Uuid => Self::Fixed(Vec::with_capacity(rows * 16)),
            Kind::Text | Kind::Json | Kind::Jsonb | Kind::Bytea | Kind::AsText => {
                Self::Bytes { offsets: offsets(), values: Vec::with_capacity(bytes) }
            }
            Kind::List(item) => Self::List { offsets: offsets(), items: Box::new(Column::new(item, rows)) },
        }
    }
}

/// What is wrong with a cell.
type Wrong = &'static str;

const LENGTH: Wrong = "its binary form has another length";

#[inline]
fn fixed<const N: usize>(cell: &[u8]) -> Result<[u8; N], Wrong> {
    cell.try_into().map_err(|_| LENGTH)
}

impl Column {
    fn new(kind: &Kind, rows: usize) -> Self {
        let data = Data::new(kind, rows, rows * 16);
        Self { kind: kind.clone(), rows, len: 0, validity: None, data }
    }

    fn bytes(&self) -> usize {
        match &self.data {
            Data::Bytes { values, .. } => values.len(),
            Data::List { items, .. } => items.len * 8 + items.bytes(),
            _ => 0,
        }
    }

    #[inline]
    fn push(&mut self, cell: Option<&[u8]>) -> Result<(), Wrong> {
        let Some(cell) = cell else {
            self.push_null();
            return Ok(());
        };
        self.push_value(cell)?;
        if let Some(validity) = &mut self.validity {
            validity.append(true);
        }
        self.len += 1;
        Ok(())
    }

    #[inline]
    fn push_value(&mut self, cell: &[u8]) -> Result<(), Wrong> {
        match (&mut self.data, &self.kind) {
            (Data::I32(out), Kind::Int4) => out.push(i32::from_be_bytes(fixed(cell)?)),
            (Data::I64(out), Kind::Int8) => out.push(i64::from_be_bytes(fixed(cell)?)),
            (Data::I128(out), Kind::Decimal(precision, scale)) => {
                let value = numeric::to_i128(cell, *scale).map_err(wrong)?;
                if value.unsigned_abs() >= 10_u128.pow(u32::from(*precision)) {
                    return Err("it has more digits");
                }
                out.push(value);
            }
            (Data::Bytes { offsets, values }, kind) => {
                let text = match kind {
                    // A version, which has been 1 since there is jsonb.
                    Kind::Jsonb => cell.strip_prefix(&[1]).ok_or("its jsonb has another version")?,
                    _ => cell,
                };
                values.extend_from_slice(text);
                offsets.push(i32::try_from(values.len()).map_err(|_| "a batch would pass 2 GiB")?);
            }
            (Data::I32(out), Kind::Date) => {
                out.push(match i32::from_be_bytes(fixed(cell)?) {
                    i32::MIN | i32::MAX => return Err("infinity is no date"),
                    days => days.checked_add(EPOCH_DAYS).ok_or("a date beyond Arrow's")?,
                });
            }
            (Data::I64(out), Kind::Timestamp | Kind::TimestampTz) => {
                out.push(match i64::from_be_bytes(fixed(cell)?) {
                    i64::MIN | i64::MAX => return Err("infinity is no time"),
                    micros => micros.checked_add(EPOCH_MICROS).ok_or("a time beyond Arrow's")?,
                });
            }
            (Data::F64(out), _) => out.push(f64::from_be_bytes(fixed(cell)?)),
            (Data::F32(out), _) => out.push(f32::from_be_bytes(fixed(cell)?)),
            (Data::I16(out), _) => out.push(i16::from_be_bytes(fixed(cell)?)),
            (Data::U32(out), _) => out.push(u32::from_be_bytes(fixed(cell)?)),
            (Data::Bool(out), _) => out.append(fixed::<1>(cell)?[0] != 0),
            (Data::I64(out), _) => {
                let micros = i64::from_be_bytes(fixed(cell)?);
                if micros >= MICROS_PER_DAY {
                    return Err("24:00:00 is no time of a day");
                }
                out.push(micros);
            }
            (Data::I256(out), Kind::BigDecimal(precision, scale)) => {
                let value = numeric::to_i256(cell, *scale).map_err(wrong)?;
                if value.to_string().trim_start_matches('-').len() > usize::from(*precision) {
                    return Err("it has more digits");
                }
                out.push(value);
            }
            (Data::Fixed(out), _) => out.extend_from_slice(&fixed::<16>(cell)?),
            (Data::Interval(out), _) => {
                let (micros, rest) = cell.split_first_chunk::<8>().ok_or(LENGTH)?;
                let (days, months) = rest.split_first_chunk::<4>().ok_or(LENGTH)?;
                let nanos = i64::from_be_bytes(*micros)
                    .checked_mul(1000)
                    .ok_or("more than 292 years of nanoseconds")?;
                let months = i32::from_be_bytes(fixed(months)?);
                out.push(IntervalMonthDayNano::new(months, i32::from_be_bytes(*days), nanos));
            }
            (Data::I32(out), Kind::Enum(labels)) => {
                out.push(*labels.keys.get(cell).ok_or("a label that came while it was read")?);
            }
            (Data::List { offsets, items }, _) => {
                push_items(items, cell)?;
                offsets.push(i32::try_from(items.len).map_err(|_| "a batch would pass 2 GiB")?);
            }
            _ => return Err(LENGTH),
        }
        Ok(())
    }

    #[cold]
    fn push_null(&mut self) {
        let (len, rows) = (self.len, self.rows);
        self.validity
            .get_or_insert_with(|| {
                let mut builder = BooleanBufferBuilder::new(rows.max(len + 1));
                builder.append_n(len, true);
                builder
            })
            .append(false);
        self.len += 1;
        match &mut self.data {
            Data::Bool(out) => out.append(false),
            Data::I16(out) => out.push(0),
            Data::I32(out) => out.push(0),
            Data::U32(out) => out.push(0),
            Data::I64(out) => out.push(0),
            Data::F32(out) => out.push(0.0),
            Data::F64(out) => out.push(0.0),
            Data::I128(out) => out.push(0),
            Data::I256(out) => out.push(i256::ZERO),
            Data::Interval(out) => out.push(IntervalMonthDayNano::ZERO),
            Data::Fixed(out) => out.extend_from_slice(&[0; 16]),
            Data::Bytes { offsets, .. } | Data::List { offsets, .. } => {
                offsets.push(offsets.last().copied().unwrap_or(0));
            }
        }
    }

    /// `None` where text is not UTF-8.
    fn finish(&mut self) -> Option<ArrayRef> {
        let bytes = match &self.data {
            Data::Bytes { values, .. } => values.len(),
            _ => 0,
        };
        let data = std::mem::replace(&mut self.data, Data::new(&self.kind, self.rows, bytes + bytes / 16));
        let nulls = self.validity.take().map(|mut builder| NullBuffer::new(builder.finish()));
        self.len = 0;
        Some(match data {
            Data::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::I16(values) => primitive::<Int16Type>(values, nulls),
            Data::U32(values) => primitive::<UInt32Type>(values, nulls),
            Data::F32(values) => primitive::<Float32Type>(values, nulls),
            Data::F64(values) => primitive::<Float64Type>(values, nulls),
            Data::Interval(values) => primitive::<IntervalMonthDayNanoType>(values, nulls),
            Data::I32(values) => match &self.kind {
                Kind::Date => primitive::<Date32Type>(values, nulls),
                Kind::Enum(labels) => {
                    let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::from(values), nulls);
                    Arc::new(DictionaryArray::try_new(keys, labels.values.clone()).ok()?)
                }
                _ => primitive::<Int32Type>(values, nulls),
            },
            Data::I64(values) => match self.kind {
                Kind::Time => primitive::<Time64MicrosecondType>(values, nulls),
                Kind::Timestamp => primitive::<TimestampMicrosecondType>(values, nulls),
                Kind::TimestampTz => {
                    let values = ScalarBuffer::from(values);
                    let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
                    Arc::new(array.with_timezone("UTC"))
                }
                _ => primitive::<Int64Type>(values, nulls),
            },
            Data::I128(values) => {
                let Kind::Decimal(precision, scale) = self.kind else { return None };
                let array = PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Data::I256(values) => {
                let Kind::BigDecimal(precision, scale) = self.kind else { return None };
                let array = PrimitiveArray::<Decimal256Type>::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Data::Fixed(values) => Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(values), nulls)),
            Data::Bytes { offsets, values } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let values = Buffer::from_vec(values);
                match self.kind {
                    Kind::Bytea => Arc::new(BinaryArray::try_new(offsets, values, nulls).ok()?),
                    // Validates all values of the batch in one pass.
                    _ => Arc::new(StringArray::try_new(offsets, values, nulls).ok()?),
                }
            }
            Data::List { offsets, mut items } => {
                let DataType::List(field) = self.kind.data_type() else { return None };
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::try_new(field, offsets, items.finish()?, nulls).ok()?)
            }
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}

/// The items of an array: dimensions, a flag, the type, then length and first index of each
/// dimension, then the items as the cells of a row.
fn push_items(items: &mut Column, cell: &[u8]) -> Result<(), Wrong> {
    let (head, mut rest) = cell.split_first_chunk::<12>().ok_or(LENGTH)?;
    match i32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
        0 => return Ok(()),
        1 => {}
        _ => return Err("an array of several dimensions"),
    }
    let (dimension, tail) = rest.split_first_chunk::<8>().ok_or(LENGTH)?;
    rest = tail;
    if dimension[4..] != [0, 0, 0, 1] {
        return Err("an array that does not begin at 1");
    }
    let count = i32::from_be_bytes([dimension[0], dimension[1], dimension[2], dimension[3]]);
    for _ in 0..count {
        let (length, tail) = rest.split_first_chunk::<4>().ok_or(LENGTH)?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => {
                items.push(None)?;
                rest = tail;
            }
            Ok(length) => {
                let (item, tail) = tail.split_at_checked(length).ok_or(LENGTH)?;
                items.push(Some(item))?;
                rest = tail;
            }
        }
    }
    Ok(())
}

#[cold]
fn wrong(misfit: Misfit) -> Wrong {
    match misfit {
        Misfit::NotANumber => "NaN is no decimal",
        Misfit::Infinite => "infinity is no decimal",
        Misfit::TooLong => "it has more digits",
        Misfit::Malformed => "its binary form is malformed",
    }
}
