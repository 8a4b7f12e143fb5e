//! Columns of a batch as text: one match a value, no formatting machinery.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime,
    IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray, RunArray,
    StringArray, StringViewArray, UnionArray, downcast_run_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, i256};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{iso, number};
use crate::calendar::NANOS_PER_DAY;
use crate::error::{Code, Error, Result};

type Half = <Float16Type as arrow_array::ArrowPrimitiveType>::Native;

/// A column of a batch, its type already looked at.
pub(in crate::formats) struct Column<'a> {
    nulls: Option<NullBuffer>,
    cell: Cell<'a>,
}

/// What a value's text is made of, and whether JSON must quote it.
pub(in crate::formats) enum Cell<'a> {
    Null,
    Bool(&'a BooleanBuffer),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a [Half]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    /// With the nanoseconds of one count.
    Time32(&'a [i32], i64),
    Time64(&'a [i64], i64),
    /// With the nanoseconds of one count, and whether there is a zone.
    Timestamp(&'a [i64], i64, bool),
    Duration(&'a [i64], i64),
    YearMonth(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    /// Another column, by the place of each row's value in it.
    Indirect(Vec<usize>, Box<Column<'a>>),
    /// First and last place in `Column` of each row's items.
    List(Vec<(usize, usize)>, Box<Column<'a>>),
    /// Like a list, of keys and values.
    Map(Vec<(usize, usize)>, Box<Column<'a>>, Box<Column<'a>>),
    /// Each member with its name as JSON, colon included.
    Struct(Vec<(Vec<u8>, Column<'a>)>),
    Union(&'a UnionArray, Vec<(i8, Column<'a>)>),
}

pub(in crate::formats) const fn nanos_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

impl<'a> Column<'a> {
    /// Fails with `value-out-of-range` for times outside a day, which have no text.
    pub(in crate::formats) fn new(array: &'a dyn Array) -> Result<Self> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        Ok(Self { nulls, cell: Cell::new(array)? })
    }

    /// True for NULL, also one that a dictionary or a run says.
    pub(in crate::formats) fn is_null(&self, row: usize) -> bool {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return true;
        }
        match &self.cell {
            Cell::Null => true,
            Cell::Indirect(places, values) => values.is_null(places[row]),
            Cell::Union(array, children) => {
                let place = array.value_offset(row);
                child(children, array.type_id(row)).is_none_or(|column| column.is_null(place))
            }
            _ => false,
        }
    }

    pub(in crate::formats) fn cell(&self) -> &Cell<'a> {
        &self.cell
    }
}

fn child<'c, 'a>(children: &'c [(i8, Column<'a>)], id: i8) -> Option<&'c Column<'a>> {
    children.iter().find(|(known, _)| *known == id).map(|(_, column)| column)
}

impl<'a> Cell<'a> {
    fn new(array: &'a dyn Array) -> Result<Self> {
        macro_rules! values {
            ($type:ty) => {
                array.as_primitive::<$type>().values().as_ref()
            };
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().values()),
            DataType::Int8 => Self::Int8(values!(Int8Type)),
            DataType::Int16 => Self::Int16(values!(Int16Type)),
            DataType::Int32 => Self::Int32(values!(Int32Type)),
            DataType::Int64 => Self::Int64(values!(Int64Type)),
            DataType::UInt8 => Self::UInt8(values!(UInt8Type)),
            DataType::UInt16 => Self::UInt16(values!(UInt16Type)),
            DataType::UInt32 => Self::UInt32(values!(UInt32Type)),
            DataType::UInt64 => Self::UInt64(values!(UInt64Type)),
            DataType::Float16 => Self::Float16(values!(Float16Type)),
            DataType::Float32 => Self::Float32(values!(Float32Type)),
            DataType::Float64 => Self::Float64(values!(Float64Type)),
            DataType::Decimal32(_, scale) => Self::Decimal32(values!(Decimal32Type), *scale),
            DataType::Decimal64(_, scale) => Self::Decimal64(values!(Decimal64Type), *scale),
            DataType::Decimal128(_, scale) => Self::Decimal128(values!(Decimal128Type), *scale),
            DataType::Decimal256(_, scale) => Self::Decimal256(values!(Decimal256Type), *scale),
            DataType::Date32 => Self::Date32(values!(Date32Type)),
            DataType::Date64 => Self::Date64(values!(Date64Type)),
            DataType::Time32(unit) => {
                let values = match unit {
                    TimeUnit::Second => values!(Time32SecondType),
                    _ => values!(Time32MillisecondType),
                };
                within_a_day(array, values.iter().map(|v| i64::from(*v)), nanos_of(*unit))?;
                Self::Time32(values, nanos_of(*unit))
            }
            DataType::Time64(unit) => {
                let values = match unit {
                    TimeUnit::Microsecond => values!(Time64MicrosecondType),
                    _ => values!(Time64NanosecondType),
                };
                within_a_day(array, values.iter().copied(), nanos_of(*unit))?;
                Self::Time64(values, nanos_of(*unit))
            }
            DataType::Timestamp(unit, zone) => {
                let values = match unit {
                    TimeUnit::Second => values!(TimestampSecondType),
                    TimeUnit::Millisecond => values!(TimestampMillisecondType),
                    TimeUnit::Microsecond => values!(TimestampMicrosecondType),
                    TimeUnit::Nanosecond => values!(TimestampNanosecondType),
                };
                Self::Timestamp(values, nanos_of(*unit), zone.is_some())
            }
            DataType::Duration(unit) => {
                let values = match unit {
                    TimeUnit::Second => values!(DurationSecondType),
                    TimeUnit::Millisecond => values!(DurationMillisecondType),
                    TimeUnit::Microsecond => values!(DurationMicrosecondType),
                    TimeUnit::Nanosecond => values!(DurationNanosecondType),
                };
                Self::Duration(values, nanos_of(*unit))
            }
            DataType::Interval(IntervalUnit::YearMonth) => Self::YearMonth(values!(IntervalYearMonthType)),
            DataType::Interval(IntervalUnit::DayTime) => Self::DayTime(values!(IntervalDayTimeType)),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::MonthDayNano(values!(IntervalMonthDayNanoType))
            }
            DataType::Utf8 => Self::Utf8(array.as_string()),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Self::FixedSizeBinary(array.as_fixed_size_binary()),
            _ => return Self::nested(array),
        })
    }

    fn nested(array: &'a dyn Array) -> Result<Self> {
        let column = |values: &'a dyn Array| Column::new(values).map(Box::new);
        Ok(match array.data_type() {
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = dictionary.values();
                let places =
                    if values.is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
                Self::Indirect(places, column(values.as_ref())?)
            }
            DataType::RunEndEncoded(..) => {
                let (places, values) = downcast_run_array!(
                    array => (places(array)?, array.values().as_ref()),
                    other => return Err(no_text(other))
                );
                Self::Indirect(places, column(values)?)
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(spans(list.value_offsets()), column(list.values().as_ref())?)
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Self::List(spans(list.value_offsets()), column(list.values().as_ref())?)
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                let spans =
                    list.offsets().iter().zip(list.sizes()).map(|(o, n)| (o.as_usize(), (o + n).as_usize()));
                Self::List(spans.collect(), column(list.values().as_ref())?)
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                let spans =
                    list.offsets().iter().zip(list.sizes()).map(|(o, n)| (o.as_usize(), (o + n).as_usize()));
                Self::List(spans.collect(), column(list.values().as_ref())?)
            }
            DataType::FixedSizeList(..) => {
                let list = array.as_fixed_size_list();
                let size = list.value_length().as_usize();
                let spans = (0..list.len()).map(|row| (row * size, (row + 1) * size)).collect();
                Self::List(spans, column(list.values().as_ref())?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let (keys, values) = (column(map.keys().as_ref())?, column(map.values().as_ref())?);
                Self::Map(spans(map.value_offsets()), keys, values)
            }
            DataType::Struct(fields) => {
                let members = fields.iter().zip(array.as_struct().columns()).map(|(field, member)| {
                    let mut name = Vec::new();
                    super::push_json_string(field.name(), &mut name);
                    name.push(b':');
                    Ok((name, Column::new(member.as_ref())?))
                });
                Self::Struct(members.collect::<Result<_>>()?)
            }
            DataType::Union(fields, _) => {
                let union = array.as_union();
                let children = fields.iter().map(|(id, _)| Ok((id, Column::new(union.child(id).as_ref())?)));
                Self::Union(union, children.collect::<Result<_>>()?)
            }
            other => return Err(no_text(other)),
        })
    }

    /// Appends a scalar's text, never empty, never with a quote, a comma or a line end.
    /// False, with nothing appended, where the value is text of its own or nested.
    pub(in crate::formats) fn push_plain(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Bool(values) => {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            Self::Int8(values) => number::push_int(values[row], out),
            Self::Int16(values) => number::push_int(values[row], out),
            Self::Int32(values) => number::push_int(values[row], out),
            Self::Int64(values) => number::push_int(values[row], out),
            Self::UInt8(values) => number::push_int(values[row], out),
            Self::UInt16(values) => number::push_int(values[row], out),
            Self::UInt32(values) => number::push_int(values[row], out),
            Self::UInt64(values) => number::push_int(values[row], out),
            Self::Float16(values) => {
                number::push_float(values[row].to_f32(), out);
            }
            Self::Float32(values) => {
                number::push_float(values[row], out);
            }
            Self::Float64(values) => {
                number::push_float(values[row], out);
            }
            Self::Decimal32(values, scale) => number::push_decimal(values[row].into(), *scale, out),
            Self::Decimal64(values, scale) => number::push_decimal(values[row].into(), *scale, out),
            Self::Decimal128(values, scale) => number::push_decimal(values[row], *scale, out),
            Self::Decimal256(values, scale) => match values[row].to_i128() {
                Some(small) => number::push_decimal(small, *scale, out),
                None => number::push_scaled(values[row].to_string().as_bytes(), *scale, out),
            },
            Self::Date32(values) => iso::push_date(values[row].into(), out),
            Self::Date64(values) => match values[row] {
                whole if whole % 86_400_000 == 0 => iso::push_date(whole / 86_400_000, out),
                part => iso::push_timestamp(part, 1_000_000, false, out),
            },
            Self::Time32(values, unit) => iso::push_time(i64::from(values[row]) * unit, out),
            Self::Time64(values, unit) => iso::push_time(values[row] * unit, out),
            Self::Timestamp(values, unit, zoned) => iso::push_timestamp(values[row], *unit, *zoned, out),
            Self::Duration(values, unit) => iso::push_duration(values[row], *unit, out),
            Self::YearMonth(values) => iso::push_interval(values[row], 0, 0, out),
            Self::DayTime(values) => {
                let value = values[row];
                iso::push_interval(0, value.days, i128::from(value.milliseconds) * 1_000_000, out);
            }
            Self::MonthDayNano(values) => {
                let value = values[row];
                iso::push_interval(value.months, value.days, value.nanoseconds.into(), out);
            }
            _ => return false,
        }
        true
    }

    /// True where [`Cell::push_plain`] writes JSON numbers or literals; floats must be finite.
    pub(in crate::formats) fn is_json_literal(&self, row: usize) -> bool {
        match self {
            Self::Bool(_)
            | Self::Int8(_)
            | Self::Int16(_)
            | Self::Int32(_)
            | Self::Int64(_)
            | Self::UInt8(_)
            | Self::UInt16(_)
            | Self::UInt32(_)
            | Self::UInt64(_) => true,
            Self::Float16(values) => values[row].is_finite(),
            Self::Float32(values) => values[row].is_finite(),
            Self::Float64(values) => values[row].is_finite(),
            _ => false,
        }
    }

    /// The text of a text column.
    pub(in crate::formats) fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Utf8(array) => Some(array.value(row)),
            Self::LargeUtf8(array) => Some(array.value(row)),
            Self::Utf8View(array) => Some(array.value(row)),
            _ => None,
        }
    }

    /// Appends the base64 of a binary column; false for any other.
    pub(in crate::formats) fn push_base64(&self, row: usize, out: &mut Vec<u8>) -> bool {
        let bytes = match self {
            Self::Binary(array) => array.value(row),
            Self::LargeBinary(array) => array.value(row),
            Self::BinaryView(array) => array.value(row),
            Self::FixedSizeBinary(array) => array.value(row),
            _ => return false,
        };
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        // The slice has exactly the length that the encoding takes.
        let _ = BASE64.encode_slice(bytes, &mut out[start..]);
        true
    }

    /// The column and the place that a row of this one stands for, where that is another.
    pub(in crate::formats) fn target(&self, row: usize) -> Option<(&Column<'a>, usize)> {
        match self {
            Self::Indirect(places, values) => Some((values, places[row])),
            Self::Union(array, children) => {
                Some((child(children, array.type_id(row))?, array.value_offset(row)))
            }
            _ => None,
        }
    }
}

fn no_text(data_type: &DataType) -> Error {
    Error::new(Code::Unsupported, format!("{data_type} has no text"))
}

fn places<R: arrow_array::types::RunEndIndexType>(array: &RunArray<R>) -> Result<Vec<usize>> {
    let rows: Vec<u32> = (0..array.len()).map(|row| row as u32).collect();
    Ok(array.get_physical_indices(&rows)?)
}

fn spans<O: ArrowNativeType>(offsets: &[O]) -> Vec<(usize, usize)> {
    offsets.windows(2).map(|pair| (pair[0].as_usize(), pair[1].as_usize())).collect()
}

fn within_a_day(array: &dyn Array, values: impl Iterator<Item = i64>, unit: i64) -> Result<()> {
    let day = 0..NANOS_PER_DAY / unit;
    for (row, value) in values.enumerate() {
        if !day.contains(&value) && array.is_valid(row) {
            return Err(Error::new(Code::ValueOutOfRange, format!("the time {value} is outside a day")));
        }
    }
    Ok(())
}
