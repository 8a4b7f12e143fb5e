//! Columns from text, exactly, or not at all.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, LargeBinaryBuilder, LargeStringBuilder,
    NullBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime,
    IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, ArrowNativeTypeOp};
use arrow_schema::{DataType, FieldRef, IntervalUnit, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::nested::Nested;
use super::number::{self, Misfit};
use super::{iso, nanos_of, push_json_string};
use crate::calendar::{self, NANOS_PER_DAY};
use crate::error::{Code, Error, Result};

/// A value as a text format wrote it.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Token<'a> {
    Null,
    /// A JSON number, `true` or `false`.
    Literal(&'a str),
    /// A CSV field, or what a JSON string says.
    Text(&'a str),
    /// A JSON array or object, as it was written.
    Json(&'a str),
}

impl<'a> Token<'a> {
    pub(in crate::formats) fn text(self) -> &'a str {
        match self {
            Self::Null => "",
            Self::Literal(text) | Self::Text(text) | Self::Json(text) => text,
        }
    }
}

/// Builds one column of values.
pub(in crate::formats) enum Builder {
    Null(NullBuilder),
    Bool(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt8(PrimitiveBuilder<UInt8Type>),
    UInt16(PrimitiveBuilder<UInt16Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    Float16(PrimitiveBuilder<Float16Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Decimal32(PrimitiveBuilder<Decimal32Type>, u8, i8),
    Decimal64(PrimitiveBuilder<Decimal64Type>, u8, i8),
    Decimal128(PrimitiveBuilder<Decimal128Type>, u8, i8),
    Decimal256(PrimitiveBuilder<Decimal256Type>, u8, i8),
    Date32(PrimitiveBuilder<Date32Type>),
    Date64(PrimitiveBuilder<Date64Type>),
    Time32Second(PrimitiveBuilder<Time32SecondType>),
    Time32Millisecond(PrimitiveBuilder<Time32MillisecondType>),
    Time64Microsecond(PrimitiveBuilder<Time64MicrosecondType>),
    Time64Nanosecond(PrimitiveBuilder<Time64NanosecondType>),
    TimestampSecond(PrimitiveBuilder<TimestampSecondType>, bool),
    TimestampMillisecond(PrimitiveBuilder<TimestampMillisecondType>, bool),
    TimestampMicrosecond(PrimitiveBuilder<TimestampMicrosecondType>, bool),
    TimestampNanosecond(PrimitiveBuilder<TimestampNanosecondType>, bool),
    DurationSecond(PrimitiveBuilder<DurationSecondType>),
    DurationMillisecond(PrimitiveBuilder<DurationMillisecondType>),
    DurationMicrosecond(PrimitiveBuilder<DurationMicrosecondType>),
    DurationNanosecond(PrimitiveBuilder<DurationNanosecondType>),
    YearMonth(PrimitiveBuilder<IntervalYearMonthType>),
    DayTime(PrimitiveBuilder<IntervalDayTimeType>),
    MonthDayNano(PrimitiveBuilder<IntervalMonthDayNanoType>),
    Utf8(StringBuilder),
    LargeUtf8(LargeStringBuilder),
    /// JSON text of every value, strings quoted.
    JsonText(StringBuilder),
    Binary(BinaryBuilder),
    LargeBinary(LargeBinaryBuilder),
    FixedSizeBinary(FixedSizeBinaryBuilder, i32),
    Nested(Nested),
}

/// The type that text of a column is read to: dictionaries and runs as their values, views
/// plain, members nullable, so that it is the engine that refuses a NULL.
pub(in crate::formats) fn plain(data_type: &DataType) -> DataType {
    let member = |field: &FieldRef| {
        Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())).with_nullable(true))
    };
    match data_type {
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(member(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(member(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(member(field), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(member).collect()),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                let key = fields[0].as_ref().clone().with_data_type(plain(fields[0].data_type()));
                let both = DataType::Struct(vec![Arc::new(key), member(&fields[1])].into());
                DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(both)), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

fn primitive<T: ArrowPrimitiveType>(data_type: &DataType) -> PrimitiveBuilder<T> {
    PrimitiveBuilder::new().with_data_type(data_type.clone())
}

impl Builder {
    /// A builder of a [`plain`] type.
    pub(in crate::formats) fn new(data_type: &DataType) -> Result<Self> {
        let t = data_type;
        Ok(match t {
            DataType::Null => Self::Null(NullBuilder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(primitive(t)),
            DataType::Int16 => Self::Int16(primitive(t)),
            DataType::Int32 => Self::Int32(primitive(t)),
            DataType::Int64 => Self::Int64(primitive(t)),
            DataType::UInt8 => Self::UInt8(primitive(t)),
            DataType::UInt16 => Self::UInt16(primitive(t)),
            DataType::UInt32 => Self::UInt32(primitive(t)),
            DataType::UInt64 => Self::UInt64(primitive(t)),
            DataType::Float16 => Self::Float16(primitive(t)),
            DataType::Float32 => Self::Float32(primitive(t)),
            DataType::Float64 => Self::Float64(primitive(t)),
            DataType::Decimal32(precision, scale) => Self::Decimal32(primitive(t), *precision, *scale),
            DataType::Decimal64(precision, scale) => Self::Decimal64(primitive(t), *precision, *scale),
            DataType::Decimal128(precision, scale) => Self::Decimal128(primitive(t), *precision, *scale),
            DataType::Decimal256(precision, scale) => Self::Decimal256(primitive(t), *precision, *scale),
            DataType::Date32 => Self::Date32(primitive(t)),
            DataType::Date64 => Self::Date64(primitive(t)),
            DataType::Time32(TimeUnit::Second) => Self::Time32Second(primitive(t)),
            DataType::Time32(_) => Self::Time32Millisecond(primitive(t)),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time64Microsecond(primitive(t)),
            DataType::Time64(_) => Self::Time64Nanosecond(primitive(t)),
            DataType::Timestamp(unit, zone) => {
                let zoned = zone.is_some();
                match unit {
                    TimeUnit::Second => Self::TimestampSecond(primitive(t), zoned),
                    TimeUnit::Millisecond => Self::TimestampMillisecond(primitive(t), zoned),
                    TimeUnit::Microsecond => Self::TimestampMicrosecond(primitive(t), zoned),
                    TimeUnit::Nanosecond => Self::TimestampNanosecond(primitive(t), zoned),
                }
            }
            DataType::Duration(unit) => match unit {
                TimeUnit::Second => Self::DurationSecond(primitive(t)),
                TimeUnit::Millisecond => Self::DurationMillisecond(primitive(t)),
                TimeUnit::Microsecond => Self::DurationMicrosecond(primitive(t)),
                TimeUnit::Nanosecond => Self::DurationNanosecond(primitive(t)),
            },
            DataType::Interval(IntervalUnit::YearMonth) => Self::YearMonth(primitive(t)),
            DataType::Interval(IntervalUnit::DayTime) => Self::DayTime(primitive(t)),
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::MonthDayNano(primitive(t)),
            DataType::Utf8 => Self::Utf8(StringBuilder::new()),
            DataType::LargeUtf8 => Self::LargeUtf8(LargeStringBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            DataType::LargeBinary => Self::LargeBinary(LargeBinaryBuilder::new()),
            DataType::FixedSizeBinary(size) => {
                Self::FixedSizeBinary(FixedSizeBinaryBuilder::new(*size), *size)
            }
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::Struct(_)
            | DataType::Map(..) => Self::Nested(Nested::new(t)),
            other => {
                return Err(Error::new(Code::Unsupported, format!("{other} cannot be read from text")));
            }
        })
    }

    pub(in crate::formats) fn json_text() -> Self {
        Self::JsonText(StringBuilder::new())
    }

    /// Appends a value, or nothing where it does not fit.
    pub(in crate::formats) fn push(&mut self, token: Token<'_>) -> Result<(), Misfit> {
        let text = match token {
            Token::Null => {
                self.push_null();
                return Ok(());
            }
            Token::Literal(text) | Token::Text(text) => text,
            Token::Json(text) => match self {
                Self::Nested(_) | Self::Utf8(_) | Self::LargeUtf8(_) | Self::JsonText(_) => text,
                _ => return Err(Misfit::Syntax),
            },
        };
        let bytes = text.as_bytes();
        match self {
            Self::Null(_) => return Err(Misfit::Range),
            // As Python, spreadsheets and databases without booleans write them.
            Self::Bool(b) => b.append_value(match text {
                "true" | "True" | "TRUE" | "1" => true,
                "false" | "False" | "FALSE" | "0" => false,
                _ => return Err(Misfit::Syntax),
            }),
            Self::Int8(b) => b.append_value(integer(bytes)?),
            Self::Int16(b) => b.append_value(integer(bytes)?),
            Self::Int32(b) => b.append_value(integer(bytes)?),
            Self::Int64(b) => b.append_value(integer(bytes)?),
            Self::UInt8(b) => b.append_value(integer(bytes)?),
            Self::UInt16(b) => b.append_value(integer(bytes)?),
            Self::UInt32(b) => b.append_value(integer(bytes)?),
            Self::UInt64(b) => b.append_value(integer(bytes)?),
            Self::Float16(b) => {
                let wide: f32 = number::parse_float(bytes)?;
                let value = <Float16Type as ArrowPrimitiveType>::Native::from_f32(wide);
                if value.is_infinite() != wide.is_infinite() {
                    return Err(Misfit::Range);
                }
                b.append_value(value);
            }
            Self::Float32(b) => b.append_value(number::parse_float(bytes)?),
            Self::Float64(b) => b.append_value(number::parse_float(bytes)?),
            Self::Decimal32(b, precision, scale) => {
                b.append_value(narrow(number::parse_decimal(bytes, *precision, *scale)?)?);
            }
            Self::Decimal64(b, precision, scale) => {
                b.append_value(narrow(number::parse_decimal(bytes, *precision, *scale)?)?);
            }
            Self::Decimal128(b, precision, scale) => {
                b.append_value(number::parse_decimal(bytes, *precision, *scale)?);
            }
            Self::Decimal256(b, precision, scale) => {
                b.append_value(number::parse_decimal256(bytes, *precision, *scale)?);
            }
            Self::Date32(b) => b.append_value(narrow(iso::parse_date(bytes).ok_or(Misfit::Syntax)?)?),
            Self::Date64(b) => b.append_value(moment(bytes, TimeUnit::Millisecond, false)?),
            Self::Time32Second(b) => b.append_value(narrow(clock(bytes, TimeUnit::Second)?)?),
            Self::Time32Millisecond(b) => b.append_value(narrow(clock(bytes, TimeUnit::Millisecond)?)?),
            Self::Time64Microsecond(b) => b.append_value(clock(bytes, TimeUnit::Microsecond)?),
            Self::Time64Nanosecond(b) => b.append_value(clock(bytes, TimeUnit::Nanosecond)?),
            Self::TimestampSecond(b, zoned) => b.append_value(moment(bytes, TimeUnit::Second, *zoned)?),
            Self::TimestampMillisecond(b, zoned) => {
                b.append_value(moment(bytes, TimeUnit::Millisecond, *zoned)?);
            }
            Self::TimestampMicrosecond(b, zoned) => {
                b.append_value(moment(bytes, TimeUnit::Microsecond, *zoned)?);
            }
            Self::TimestampNanosecond(b, zoned) => {
                b.append_value(moment(bytes, TimeUnit::Nanosecond, *zoned)?);
            }
            Self::DurationSecond(b) => b.append_value(duration(bytes, TimeUnit::Second)?),
            Self::DurationMillisecond(b) => b.append_value(duration(bytes, TimeUnit::Millisecond)?),
            Self::DurationMicrosecond(b) => b.append_value(duration(bytes, TimeUnit::Microsecond)?),
            Self::DurationNanosecond(b) => b.append_value(duration(bytes, TimeUnit::Nanosecond)?),
            Self::YearMonth(b) => match iso::parse_interval(bytes).ok_or(Misfit::Syntax)? {
                (months, 0, 0) => b.append_value(narrow(months)?),
                _ => return Err(Misfit::Range),
            },
            Self::DayTime(b) => match iso::parse_interval(bytes).ok_or(Misfit::Syntax)? {
                (0, days, nanos) if nanos % 1_000_000 == 0 => {
                    b.append_value(IntervalDayTime::new(narrow(days)?, narrow(nanos / 1_000_000)?));
                }
                _ => return Err(Misfit::Range),
            },
            Self::MonthDayNano(b) => {
                let (months, days, nanos) = iso::parse_interval(bytes).ok_or(Misfit::Syntax)?;
                b.append_value(IntervalMonthDayNano::new(narrow(months)?, narrow(days)?, narrow(nanos)?));
            }
            Self::Utf8(b) => b.append_value(text),
            Self::LargeUtf8(b) => b.append_value(text),
            Self::JsonText(b) => match token {
                Token::Text(text) => {
                    let mut json = Vec::with_capacity(text.len() + 2);
                    push_json_string(text, &mut json);
                    b.append_value(std::str::from_utf8(&json).map_err(|_| Misfit::Syntax)?);
                }
                _ => b.append_value(text),
            },
            Self::Binary(b) => b.append_value(base64(token)?),
            Self::LargeBinary(b) => b.append_value(base64(token)?),
            Self::FixedSizeBinary(b, size) => {
                let value = match uuid(bytes) {
                    Some(value) if *size == 16 => value.to_vec(),
                    _ => base64(token)?,
                };
                b.append_value(value).map_err(|_| Misfit::Range)?;
            }
            Self::Nested(b) => b.push(text)?,
        }
        Ok(())
    }

    pub(in crate::formats) fn push_null(&mut self) {
        match self {
            Self::Null(b) => b.append_null(),
            Self::Bool(b) => b.append_null(),
            Self::Int8(b) => b.append_null(),
            Self::Int16(b) => b.append_null(),
            Self::Int32(b) => b.append_null(),
            Self::Int64(b) => b.append_null(),
            Self::UInt8(b) => b.append_null(),
            Self::UInt16(b) => b.append_null(),
            Self::UInt32(b) => b.append_null(),
            Self::UInt64(b) => b.append_null(),
            Self::Float16(b) => b.append_null(),
            Self::Float32(b) => b.append_null(),
            Self::Float64(b) => b.append_null(),
            Self::Decimal32(b, ..) => b.append_null(),
            Self::Decimal64(b, ..) => b.append_null(),
            Self::Decimal128(b, ..) => b.append_null(),
            Self::Decimal256(b, ..) => b.append_null(),
            Self::Date32(b) => b.append_null(),
            Self::Date64(b) => b.append_null(),
            Self::Time32Second(b) => b.append_null(),
            Self::Time32Millisecond(b) => b.append_null(),
            Self::Time64Microsecond(b) => b.append_null(),
            Self::Time64Nanosecond(b) => b.append_null(),
            Self::TimestampSecond(b, _) => b.append_null(),
            Self::TimestampMillisecond(b, _) => b.append_null(),
            Self::TimestampMicrosecond(b, _) => b.append_null(),
            Self::TimestampNanosecond(b, _) => b.append_null(),
            Self::DurationSecond(b) => b.append_null(),
            Self::DurationMillisecond(b) => b.append_null(),
            Self::DurationMicrosecond(b) => b.append_null(),
            Self::DurationNanosecond(b) => b.append_null(),
            Self::YearMonth(b) => b.append_null(),
            Self::DayTime(b) => b.append_null(),
            Self::MonthDayNano(b) => b.append_null(),
            Self::Utf8(b) | Self::JsonText(b) => b.append_null(),
            Self::LargeUtf8(b) => b.append_null(),
            Self::Binary(b) => b.append_null(),
            Self::LargeBinary(b) => b.append_null(),
            Self::FixedSizeBinary(b, _) => b.append_null(),
            Self::Nested(b) => b.push_null(),
        }
    }

    /// The column so far; the builder starts again.
    pub(in crate::formats) fn finish(&mut self) -> Result<ArrayRef> {
        macro_rules! finish {
            ($($kind:ident),*) => {
                match self {
                    $(Self::$kind(b, ..) => Arc::new(b.finish()) as ArrayRef,)*
                    Self::Nested(b) => b.finish()?,
                }
            };
        }
        Ok(finish!(
            Null,
            Bool,
            Int8,
            Int16,
            Int32,
            Int64,
            UInt8,
            UInt16,
            UInt32,
            UInt64,
            Float16,
            Float32,
            Float64,
            Decimal32,
            Decimal64,
            Decimal128,
            Decimal256,
            Date32,
            Date64,
            Time32Second,
            Time32Millisecond,
            Time64Microsecond,
            Time64Nanosecond,
            TimestampSecond,
            TimestampMillisecond,
            TimestampMicrosecond,
            TimestampNanosecond,
            DurationSecond,
            DurationMillisecond,
            DurationMicrosecond,
            DurationNanosecond,
            YearMonth,
            DayTime,
            MonthDayNano,
            Utf8,
            LargeUtf8,
            JsonText,
            Binary,
            LargeBinary,
            FixedSizeBinary
        ))
    }
}

fn narrow<N, W: TryInto<N>>(wide: W) -> Result<N, Misfit> {
    wide.try_into().map_err(|_| Misfit::Range)
}

fn integer<N: ArrowNativeTypeOp + TryFrom<i128>>(text: &[u8]) -> Result<N, Misfit> {
    narrow(number::parse_i128(text)?)
}

fn clock(text: &[u8], unit: TimeUnit) -> Result<i64, Misfit> {
    let nanos = calendar::parse_clock(text).ok_or(Misfit::Syntax)?;
    let unit = nanos_of(unit);
    if nanos % unit == 0 { Ok(nanos / unit) } else { Err(Misfit::Range) }
}

/// A zone must be there where the column has one, and only there: neither is ever guessed.
fn moment(text: &[u8], unit: TimeUnit, zoned: bool) -> Result<i64, Misfit> {
    let moment = iso::parse_timestamp(text).ok_or(Misfit::Syntax)?;
    if moment.zoned != zoned {
        return Err(Misfit::Range);
    }
    moment.count(nanos_of(unit)).ok_or(Misfit::Range)
}

fn duration(text: &[u8], unit: TimeUnit) -> Result<i64, Misfit> {
    let unit = i128::from(nanos_of(unit));
    match iso::parse_interval(text).ok_or(Misfit::Syntax)? {
        (0, days, nanos) => {
            let nanos = i128::from(days) * i128::from(NANOS_PER_DAY) + nanos;
            if nanos % unit == 0 { narrow(nanos / unit) } else { Err(Misfit::Range) }
        }
        _ => Err(Misfit::Range),
    }
}

fn base64(token: Token<'_>) -> Result<Vec<u8>, Misfit> {
    match token {
        Token::Text(text) => BASE64.decode(text).map_err(|_| Misfit::Syntax),
        _ => Err(Misfit::Syntax),
    }
}

/// The 16 bytes of `8-4-4-4-12` hexadecimal digits.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|dash| text[*dash] != b'-') {
        return None;
    }
    let mut digits = text.iter().filter(|byte| **byte != b'-').map(|byte| char::from(*byte).to_digit(16));
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}
