//! Arrow columns that grow value by value, whatever the wire that the values come from.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    ListArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

/// A batch is full with so many bytes of variable length, whatever its rows.
pub const BATCH_BYTES: usize = 8 << 20;

/// What is wrong with a cell.
pub type Wrong = &'static str;

/// A column that is being built. Whoever appends a value to `data` calls [`Column::appended`].
pub struct Column {
    data_type: DataType,
    /// Of a dictionary: what its keys mean.
    labels: Option<Arc<StringArray>>,
    rows: usize,
    len: usize,
    /// Present once there was a NULL.
    validity: Option<BooleanBufferBuilder>,
    pub data: Data,
}

/// The values, in the layout that Arrow has for them.
pub enum Data {
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    I256(Vec<i256>),
    Interval(Vec<IntervalMonthDayNano>),
    Fixed(i32, Vec<u8>),
    Bytes { offsets: Vec<i32>, values: Vec<u8> },
    List { offsets: Vec<i32>, items: Box<Column> },
}

impl Data {
    /// Room for `rows` values, and for `bytes` of those without a length of their own.
    fn new(data_type: &DataType, rows: usize, bytes: usize) -> Self {
        let offsets = || {
            let mut offsets = Vec::with_capacity(rows + 1);
            offsets.push(0);
            offsets
        };
        match data_type {
            DataType::Boolean => Self::Bool(BooleanBufferBuilder::new(rows)),
            DataType::Int8 => Self::I8(Vec::with_capacity(rows)),
            DataType::Int16 => Self::I16(Vec::with_capacity(rows)),
            DataType::Int32 | DataType::Date32 | DataType::Dictionary(..) => {
                Self::I32(Vec::with_capacity(rows))
            }
            DataType::UInt8 => Self::U8(Vec::with_capacity(rows)),
            DataType::UInt16 => Self::U16(Vec::with_capacity(rows)),
            DataType::UInt32 => Self::U32(Vec::with_capacity(rows)),
            DataType::UInt64 => Self::U64(Vec::with_capacity(rows)),
            DataType::Float32 => Self::F32(Vec::with_capacity(rows)),
            DataType::Float64 => Self::F64(Vec::with_capacity(rows)),
            DataType::Decimal128(..) => Self::I128(Vec::with_capacity(rows)),
            DataType::Decimal256(..) => Self::I256(Vec::with_capacity(rows)),
            DataType::Interval(_) => Self::Interval(Vec::with_capacity(rows)),
            DataType::FixedSizeBinary(width) => {
                Self::Fixed(*width, Vec::with_capacity(rows * usize::try_from(*width).unwrap_or(0)))
            }
            DataType::List(item) => {
                Self::List { offsets: offsets(), items: Box::new(Column::new(item.data_type(), None, rows)) }
            }
            DataType::Utf8 | DataType::Binary => {
                Self::Bytes { offsets: offsets(), values: Vec::with_capacity(bytes) }
            }
            _ => Self::I64(Vec::with_capacity(rows)),
        }
    }
}

impl Column {
    /// A column for batches of about `rows`; a dictionary has labels.
    #[must_use]
    pub fn new(data_type: &DataType, labels: Option<Arc<StringArray>>, rows: usize) -> Self {
        let data = Data::new(data_type, rows, rows * 16);
        Self { data_type: data_type.clone(), labels, rows, len: 0, validity: None, data }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// A value was appended to the data.
    #[inline]
    pub fn appended(&mut self) {
        if let Some(validity) = &mut self.validity {
            validity.append(true);
        }
        self.len += 1;
    }

    #[cold]
    pub fn push_null(&mut self) {
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
            Data::I8(out) => out.push(0),
            Data::I16(out) => out.push(0),
            Data::I32(out) => out.push(0),
            Data::I64(out) => out.push(0),
            Data::U8(out) => out.push(0),
            Data::U16(out) => out.push(0),
            Data::U32(out) => out.push(0),
            Data::U64(out) => out.push(0),
            Data::F32(out) => out.push(0.0),
            Data::F64(out) => out.push(0.0),
            Data::I128(out) => out.push(0),
            Data::I256(out) => out.push(i256::ZERO),
            Data::Interval(out) => out.push(IntervalMonthDayNano::ZERO),
            Data::Fixed(width, out) => out.resize(out.len() + usize::try_from(*width).unwrap_or(0), 0),
            Data::Bytes { offsets, .. } | Data::List { offsets, .. } => {
                offsets.push(offsets.last().copied().unwrap_or(0));
            }
        }
    }

    /// Takes the values; the column starts anew. `None` where text is not UTF-8.
    pub fn finish(&mut self) -> Option<ArrayRef> {
        let bytes = match &self.data {
            Data::Bytes { values, .. } => values.len().min(BATCH_BYTES),
            _ => 0,
        };
        let fresh = Data::new(&self.data_type, self.rows, bytes + bytes / 16);
        let data = std::mem::replace(&mut self.data, fresh);
        let nulls = self.validity.take().map(|mut builder| NullBuffer::new(builder.finish()));
        self.len = 0;
        Some(match data {
            Data::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Data::I8(values) => primitive::<Int8Type>(values, nulls),
            Data::I16(values) => primitive::<Int16Type>(values, nulls),
            Data::U8(values) => primitive::<UInt8Type>(values, nulls),
            Data::U16(values) => primitive::<UInt16Type>(values, nulls),
            Data::U32(values) => primitive::<UInt32Type>(values, nulls),
            Data::U64(values) => primitive::<UInt64Type>(values, nulls),
            Data::F32(values) => primitive::<Float32Type>(values, nulls),
            Data::F64(values) => primitive::<Float64Type>(values, nulls),
            Data::Interval(values) => primitive::<IntervalMonthDayNanoType>(values, nulls),
            Data::I32(values) => match &self.data_type {
                DataType::Date32 => primitive::<Date32Type>(values, nulls),
                DataType::Dictionary(..) => {
                    let keys = PrimitiveArray::<Int32Type>::new(ScalarBuffer::from(values), nulls);
                    Arc::new(DictionaryArray::try_new(keys, self.labels.clone()?).ok()?)
                }
                _ => primitive::<Int32Type>(values, nulls),
            },
            Data::I64(values) => match &self.data_type {
                DataType::Time64(_) => primitive::<Time64MicrosecondType>(values, nulls),
                DataType::Duration(_) => primitive::<DurationMicrosecondType>(values, nulls),
                DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                    let values = ScalarBuffer::from(values);
                    let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
                    Arc::new(array.with_timezone_opt(zone.clone()))
                }
                _ => primitive::<Int64Type>(values, nulls),
            },
            Data::I128(values) => {
                let DataType::Decimal128(precision, scale) = self.data_type else { return None };
                let array = PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Data::I256(values) => {
                let DataType::Decimal256(precision, scale) = self.data_type else { return None };
                let array = PrimitiveArray::<Decimal256Type>::new(ScalarBuffer::from(values), nulls);
                Arc::new(array.with_precision_and_scale(precision, scale).ok()?)
            }
            Data::Fixed(width, values) => {
                Arc::new(FixedSizeBinaryArray::try_new(width, Buffer::from_vec(values), nulls).ok()?)
            }
            Data::Bytes { offsets, values } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let values = Buffer::from_vec(values);
                match self.data_type {
                    DataType::Binary => Arc::new(BinaryArray::try_new(offsets, values, nulls).ok()?),
                    // Validates all values of the batch in one pass.
                    _ => Arc::new(StringArray::try_new(offsets, values, nulls).ok()?),
                }
            }
            Data::List { offsets, mut items } => {
                let DataType::List(field) = &self.data_type else { return None };
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(ListArray::try_new(field.clone(), offsets, items.finish()?, nulls).ok()?)
            }
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}
