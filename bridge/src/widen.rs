//! Casts that keep every value, for engines that take what a body brings.
//!
//! A cast is allowed where each value can be had back from the result: integers of any width
//! that fits, integers and decimals as each other and as floats where no digit is lost, dates and
//! timestamps of any unit that holds them, dictionaries and runs as their values, views and large
//! types as plain ones, and lists of such as lists. What is lost in a single row is an error that names it. Types that mean
//! something else (a timestamp with a zone and one without, numbers and texts) never mix.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Decimal128Array, Decimal256Array, Float64Array, new_null_array};
use arrow_buffer::i256;
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field};

use crate::error::{Code, Error, Result};

/// Casts a column of a batch; `first_row` is the batch's first row, counted from 1.
///
/// # Errors
/// `schema-mismatch` where the types never mix, `value-out-of-range` for the first value that
/// `to` cannot hold exactly; both name the column, the latter also the row.
pub fn widen(array: &ArrayRef, to: &DataType, column: &str, first_row: u64) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    if matches!(from, DataType::Null) {
        return Ok(new_null_array(to, array.len()));
    }
    let cast = Cast { array, to, column, first_row };
    let values = decoded(from);
    if values != *from {
        return widen(&cast.forward(&values)?, to, column, first_row);
    }
    match (from, to) {
        (_, DataType::Dictionary(_, value)) => {
            let values = widen(array, value, column, first_row)?;
            Cast { array: &values, ..cast }.checked()
        }
        (from, DataType::Float64) if is_decimal(from) => cast.decimal_to_float(),
        (from, DataType::Float16 | DataType::Float32) if is_decimal(from) => {
            widen(&cast.decimal_to_float()?, to, column, first_row)
        }
        (from, to) if from.is_floating() && is_decimal(to) => cast.float_to_decimal(),
        (from, to) if mixes(from, to) => cast.checked(),
        _ => Err(cast.mismatch()),
    }
}

/// The type without dictionaries and runs, also within lists.
fn decoded(data_type: &DataType) -> DataType {
    let item = |field: &Field| Arc::new(field.clone().with_data_type(decoded(field.data_type())));
    match data_type {
        DataType::Dictionary(_, value) => decoded(value),
        DataType::RunEndEncoded(_, value) => decoded(value.data_type()),
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(item(field), *size),
        other => other.clone(),
    }
}

const fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    )
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// True if values of the two types can be the same value.
fn mixes(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Date32, Date64, Duration, FixedSizeList, LargeList, List, Map, Struct, Time32, Time64, Timestamp,
    };
    match (from, to) {
        (Timestamp(_, a), Timestamp(_, b)) => a.is_some() == b.is_some(),
        (Date32 | Date64, Date32 | Date64 | Timestamp(_, None))
        | (Timestamp(_, None), Date32 | Date64)
        | (Time32(_) | Time64(_), Time32(_) | Time64(_))
        | (Duration(_), Duration(_)) => true,
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (List(from) | LargeList(from) | FixedSizeList(from, _), List(to) | LargeList(to))
        | (Map(from, _), Map(to, _)) => nests(from, to),
        (FixedSizeList(from, a), FixedSizeList(to, b)) => a == b && nests(from, to),
        (Struct(from), Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| from.name() == to.name() && nests(from, to))
        }
        (from, to) => (is_text(from) && is_text(to)) || (is_binary(from) && is_binary(to)),
    }
}

/// As [`mixes`], for what is inside another type: the names of items are their writer's.
fn nests(from: &Field, to: &Field) -> bool {
    from.data_type() == to.data_type() || mixes(from.data_type(), to.data_type())
}

#[derive(Clone, Copy)]
struct Cast<'a> {
    array: &'a ArrayRef,
    to: &'a DataType,
    column: &'a str,
    first_row: u64,
}

impl Cast<'_> {
    fn mismatch(&self) -> Error {
        let detail = format!("{} cannot be written to a column of {}", self.array.data_type(), self.to);
        Error::new(Code::SchemaMismatch, detail).with_column(self.column)
    }

    fn lost(&self, row: usize) -> Error {
        let value = array_value_to_string(self.array, row).unwrap_or_default();
        let detail = format!("{} cannot hold {value:.64} exactly", self.to);
        Error::new(Code::ValueOutOfRange, detail)
            .with_column(self.column)
            .with_row(self.first_row + row as u64)
    }

    /// Casts; a value that does not fit becomes NULL.
    fn forward(&self, to: &DataType) -> Result<ArrayRef> {
        match cast_with_options(self.array, to, &CastOptions { safe: true, ..CastOptions::default() }) {
            Ok(array) => Ok(array),
            // More text than 32-bit offsets can address.
            Err(ArrowError::CastError(_) | ArrowError::OffsetOverflowError(_)) => Err(self.lost(0)),
            Err(_) => Err(self.mismatch()),
        }
    }

    /// Casts there and back, and finds the first row that is not the same again.
    fn checked(&self) -> Result<ArrayRef> {
        let there = self.forward(self.to)?;
        let back = Cast { array: &there, ..*self }.forward(self.array.data_type())?;
        if back.to_data() == self.array.to_data() {
            return Ok(there);
        }
        for row in 0..self.array.len() {
            let same = self.array.slice(row, 1).to_data() == back.slice(row, 1).to_data();
            if !same && self.array.is_valid(row) {
                return Err(self.lost(row));
            }
        }
        Ok(there)
    }

    fn decimal_to_float(&self) -> Result<ArrayRef> {
        let mut floats = Vec::with_capacity(self.array.len());
        for row in 0..self.array.len() {
            if self.array.is_null(row) {
                floats.push(None);
                continue;
            }
            let digits = array_value_to_string(self.array, row)?;
            let value: f64 = digits.parse().map_err(|_| self.lost(row))?;
            if trimmed(&digits) != trimmed(&value.to_string()) {
                return Err(self.lost(row));
            }
            floats.push(Some(value));
        }
        Ok(Arc::new(Float64Array::from(floats)))
    }

    /// Reads the shortest digits that mean the float, as writing it as text would.
    fn float_to_decimal(&self) -> Result<ArrayRef> {
        let (precision, scale) = match self.to {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => (*precision, *scale),
            _ => return Err(self.mismatch()),
        };
        let digits = |row: usize| -> Result<Option<String>> {
            if self.array.is_null(row) {
                return Ok(None);
            }
            let shortest = match self.array.data_type() {
                DataType::Float64 => self.array.as_primitive::<Float64Type>().value(row).to_string(),
                _ => array_value_to_string(self.array, row)?
                    .parse::<f32>()
                    .map_err(|_| self.lost(row))?
                    .to_string(),
            };
            unscaled(&shortest, precision, scale).ok_or_else(|| self.lost(row)).map(Some)
        };
        let wide = matches!(self.to, DataType::Decimal256(..));
        let mut narrow = Vec::new();
        let mut broad = Vec::new();
        for row in 0..self.array.len() {
            let digits = digits(row)?;
            if wide {
                let value = digits.map(|digits| i256::from_string(&digits).ok_or_else(|| self.lost(row)));
                broad.push(value.transpose()?);
            } else {
                let value = digits.map(|digits| digits.parse::<i128>().map_err(|_| self.lost(row)));
                narrow.push(value.transpose()?);
            }
        }
        if wide {
            let array: Decimal256Array = broad.into_iter().collect();
            return Ok(Arc::new(array.with_precision_and_scale(precision, scale)?));
        }
        let array: Decimal128Array = narrow.into_iter().collect();
        let array: ArrayRef = Arc::new(array.with_precision_and_scale(precision, scale)?);
        Cast { array: &array, ..*self }.checked()
    }
}

/// Digits without the zeros that say nothing.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The integer that is `digits` times `10^scale`, of at most `precision` digits.
fn unscaled(digits: &str, precision: u8, scale: i8) -> Option<String> {
    let digits = trimmed(digits);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut all = format!("{whole}{fraction}");
    let shift = i64::from(scale) - i64::try_from(fraction.len()).ok()?;
    if let Ok(zeros) = usize::try_from(shift) {
        all.extend(std::iter::repeat_n('0', zeros));
    } else {
        let cut = all.len().checked_sub(usize::try_from(-shift).ok()?)?;
        if all[cut..].bytes().any(|byte| byte != b'0') {
            return None;
        }
        all.truncate(cut);
    }
    let all = all.trim_start_matches('0');
    match all {
        // A float's negative zero has no decimal.
        "" if sign.is_empty() => Some("0".to_owned()),
        "" => None,
        _ if all.len() > usize::from(precision) => None,
        _ => Some(format!("{sign}{all}")),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder};
    use arrow_array::types::{Int8Type, Int32Type, Int64Type};
    use arrow_array::{
        Date32Array, DictionaryArray, Float32Array, Int32Array, Int64Array, LargeStringArray, ListArray,
        RunArray, StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        UInt64Array,
    };
    use arrow_schema::TimeUnit;

    use super::*;

    fn arc(array: impl Array + 'static) -> ArrayRef {
        Arc::new(array)
    }

    fn decimal(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
        arc(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
    }

    #[allow(clippy::needless_pass_by_value)]
    fn ok(from: ArrayRef, to: ArrayRef) {
        let widened = widen(&from, to.data_type(), "c", 1).unwrap();
        assert_eq!(widened.as_ref(), to.as_ref());
    }

    #[allow(clippy::needless_pass_by_value)]
    fn lost(from: ArrayRef, to: DataType, row: u64) {
        let error = widen(&from, &to, "c", 11).expect_err("it must be refused");
        assert_eq!(
            (error.code(), error.column(), error.row()),
            (Code::ValueOutOfRange, Some("c"), Some(row)),
            "{error}"
        );
    }

    fn micros() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, None)
    }

    #[test]
    fn what_keeps_its_values_is_cast() {
        ok(arc(Int32Array::from(vec![Some(1), None])), arc(Int64Array::from(vec![Some(1), None])));
        ok(arc(Int64Array::from(vec![Some(-7), None])), arc(Int32Array::from(vec![Some(-7), None])));
        ok(arc(Int64Array::from(vec![1 << 53])), arc(Float64Array::from(vec![9_007_199_254_740_992.0])));
        ok(arc(Float64Array::from(vec![Some(3.0), None])), arc(Int64Array::from(vec![Some(3), None])));
        ok(arc(Int64Array::from(vec![Some(5), None])), decimal(vec![Some(500), None], 15, 2));
        ok(decimal(vec![Some(500), None], 15, 2), arc(Int64Array::from(vec![Some(5), None])));
        ok(decimal(vec![Some(500), None], 15, 2), decimal(vec![Some(50), None], 10, 1));
        ok(decimal(vec![Some(10), None], 15, 2), arc(Float64Array::from(vec![Some(0.1), None])));
        ok(arc(Float64Array::from(vec![Some(-0.1), None])), decimal(vec![Some(-10), None], 15, 2));
        ok(arc(Float32Array::from(vec![0.1_f32])), decimal(vec![Some(10)], 15, 2));
        ok(arc(Date32Array::from(vec![1])), arc(TimestampMicrosecondArray::from(vec![86_400_000_000])));
        ok(arc(TimestampMicrosecondArray::from(vec![86_400_000_000])), arc(Date32Array::from(vec![1])));
        ok(
            arc(TimestampMillisecondArray::from(vec![-1])),
            arc(TimestampMicrosecondArray::from(vec![-1_000])),
        );
        ok(arc(LargeStringArray::from(vec!["a"])), arc(StringArray::from(vec!["a"])));
        ok(arc(StringViewArray::from(vec!["a"])), arc(StringArray::from(vec!["a"])));
        let dictionary: DictionaryArray<Int8Type> = [Some("a"), None].into_iter().collect();
        ok(arc(dictionary), arc(StringArray::from(vec![Some("a"), None])));
        let runs: RunArray<Int32Type> =
            RunArray::try_new(&Int32Array::from(vec![2]), &Int32Array::from(vec![4])).unwrap();
        ok(arc(runs), arc(Int64Array::from(vec![4, 4])));
        ok(arc(arrow_array::NullArray::new(2)), arc(Int64Array::from(vec![None, None])));
    }

    #[test]
    fn what_is_nested_is_cast_within() {
        let small = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None]), None]);
        let large = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None]), None]);
        ok(arc(small.clone()), arc(large));
        let huge =
            ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), Some([Some(1 << 40)])]);
        lost(arc(huge), small.data_type().clone(), 12);
        let floats =
            ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.0)]), Some([Some(1.7)])]);
        lost(arc(floats), small.data_type().clone(), 12);
        let mut words = ListBuilder::new(StringDictionaryBuilder::<Int8Type>::new());
        let mut plain = ListBuilder::new(StringBuilder::new());
        for list in [vec![Some("b"), Some("a"), Some("b")], vec![None], vec![]] {
            words.append_value(list.clone());
            plain.append_value(list);
        }
        ok(arc(words.finish()), arc(plain.finish()));
        let texts = DataType::new_list(DataType::Utf8, true);
        let error = widen(&arc(small), &texts, "c", 1).expect_err("it must be refused");
        assert_eq!(error.code(), Code::SchemaMismatch);
    }

    #[test]
    fn what_would_lose_a_value_names_its_row() {
        lost(arc(Int64Array::from(vec![1, 1 << 40])), DataType::Int32, 12);
        lost(arc(Int64Array::from(vec![None, Some((1 << 53) + 1)])), DataType::Float64, 12);
        lost(arc(Int64Array::from(vec![i64::MAX])), DataType::Float64, 11);
        lost(arc(UInt64Array::from(vec![u64::MAX])), DataType::Int64, 11);
        lost(arc(Float64Array::from(vec![1.0, 1.5])), DataType::Int64, 12);
        lost(arc(Float64Array::from(vec![f64::NAN])), DataType::Int64, 11);
        lost(arc(Float64Array::from(vec![f64::NAN])), DataType::Decimal128(5, 2), 11);
        lost(arc(Float64Array::from(vec![0.001])), DataType::Decimal128(5, 2), 11);
        lost(arc(Float64Array::from(vec![1e10])), DataType::Decimal128(5, 2), 11);
        lost(arc(Float64Array::from(vec![0.1])), DataType::Float32, 11);
        lost(decimal(vec![Some(10), Some(105)], 15, 2), DataType::Decimal128(15, 1), 12);
        lost(decimal(vec![Some(105)], 15, 2), DataType::Int64, 11);
        lost(decimal(vec![Some(12_345_678_901_234_567_890)], 38, 2), DataType::Float64, 11);
        lost(arc(Int64Array::from(vec![1_000])), DataType::Decimal128(5, 2), 11);
        lost(arc(TimestampMicrosecondArray::from(vec![1])), DataType::Date32, 11);
        lost(
            arc(TimestampMicrosecondArray::from(vec![1])),
            DataType::Timestamp(TimeUnit::Millisecond, None),
            11,
        );
    }

    #[test]
    fn what_means_something_else_does_not_mix() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        // A zone that Arrow itself would cast to, without a table of names.
        let offset = DataType::Timestamp(TimeUnit::Microsecond, Some("+01:00".into()));
        for (from, to) in [
            (arc(TimestampMicrosecondArray::from(vec![1])), zoned),
            (arc(TimestampMicrosecondArray::from(vec![1])), offset),
            (arc(TimestampMicrosecondArray::from(vec![1]).with_timezone("+01:00")), micros()),
            (arc(Date32Array::from(vec![1])), DataType::Int64),
            (arc(Int64Array::from(vec![1])), DataType::Utf8),
            (arc(Int64Array::from(vec![1])), micros()),
            (arc(StringArray::from(vec!["1"])), DataType::Int64),
            (arc(StringArray::from(vec!["1"])), DataType::Binary),
            (arc(arrow_array::BooleanArray::from(vec![true])), DataType::Int64),
        ] {
            let error = widen(&from, &to, "c", 1).expect_err("it must be refused");
            assert_eq!((error.code(), error.column()), (Code::SchemaMismatch, Some("c")), "{error}");
        }
    }
}
