//! Arrow columns as the values of prepared statements.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

use super::cells::put_sized;
use super::json;
use super::types::{Kind, members};
use super::values::{UNSIGNED, kind, put_date, put_datetime, put_duration};
use crate::error::{Code, Error, Result};
use crate::widen::widen;

/// Where one column of the body goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub kind: Kind,
    rule: Rule,
    /// NULL is refused here, for the server might make something else of it.
    not_null: bool,
    /// The server takes fractions of a second beyond 838 hours as the value of a statement.
    pub long_fractions: bool,
}

/// What the server would take and silently keep as something else.
#[derive(Clone, Debug)]
enum Rule {
    Any,
    /// `CHAR`: spaces at the end are not kept.
    NoSpaceAtEnd,
    /// `VARCHAR`: spaces beyond so many characters are cut off.
    Characters(usize),
    /// `TEXT`: spaces beyond so many bytes are cut off, and MySQL says nothing.
    SpaceWithin(usize),
    /// `BINARY`, `BIT`: filled up to so many bytes.
    Bytes(usize),
    /// A text that is no label may be taken for the number of one.
    Labels,
    Members(Vec<String>),
    /// MySQL's `JSON`: numbers become doubles.
    Json,
    Year,
    /// Times are rounded to this many microseconds.
    Precision(i64),
    /// `FLOAT(m,d)`: rounded to so many digits behind the point.
    Digits(usize),
}

impl Target {
    /// The target that a column is; `declared` is its type as the catalogue spells it.
    #[must_use]
    pub fn new(name: &str, kind: &Kind, declared: &str, not_null: bool) -> Self {
        let word = declared.split(['(', ' ']).next().unwrap_or_default();
        let size =
            declared.split_once('(').and_then(|(_, rest)| rest.split_once(')')?.0.parse::<usize>().ok());
        let rule = match word {
            "char" => Rule::NoSpaceAtEnd,
            "varchar" => Rule::Characters(size.unwrap_or(usize::MAX)),
            "tinytext" => Rule::SpaceWithin(0xff),
            "text" => Rule::SpaceWithin(0xffff),
            "mediumtext" => Rule::SpaceWithin(0xff_ffff),
            "binary" => Rule::Bytes(size.unwrap_or(1)),
            "bit" => Rule::Bytes(size.unwrap_or(1).div_ceil(8)),
            "enum" => Rule::Labels,
            "set" => Rule::Members(members(declared)),
            "json" => Rule::Json,
            "year" => Rule::Year,
            "float" | "double" => match declared.split_once(',').and_then(|(_, rest)| rest.split_once(')')) {
                Some((digits, _)) => Rule::Digits(digits.trim().parse().unwrap_or(0)),
                None => Rule::Any,
            },
            "datetime" | "timestamp" | "time" => {
                Rule::Precision(10_i64.pow(6 - u32::try_from(size.unwrap_or(0).min(6)).unwrap_or(0)))
            }
            _ => Rule::Any,
        };
        Self { name: name.to_owned(), kind: kind.clone(), rule, not_null, long_fractions: true }
    }

    /// The type of its parameters.
    #[must_use]
    pub fn parameter(&self) -> [u8; 2] {
        match self.kind {
            Kind::Int8 => [kind::TINY, 0],
            Kind::Int16 => [kind::SHORT, 0],
            Kind::Int32 => [kind::LONG, 0],
            Kind::Int64 => [kind::LONGLONG, 0],
            Kind::UInt8 => [kind::TINY, UNSIGNED],
            Kind::UInt16 => [kind::SHORT, UNSIGNED],
            Kind::UInt32 => [kind::LONG, UNSIGNED],
            Kind::UInt64 => [kind::LONGLONG, UNSIGNED],
            Kind::Float => [kind::FLOAT, 0],
            Kind::Double => [kind::DOUBLE, 0],
            Kind::Decimal(..) | Kind::BigDecimal(..) => [kind::DECIMAL, 0],
            Kind::Text | Kind::Json | Kind::Enum(_) => [kind::STRING, 0],
            Kind::Binary => [kind::BLOB, 0],
            Kind::Date => [kind::DATE, 0],
            Kind::Datetime | Kind::Timestamp => [kind::DATETIME, 0],
            Kind::Time => [kind::TIME, 0],
        }
    }

    fn wrong(&self, row: u64, what: &str) -> Error {
        let detail = format!("column {:?}, row {row}: {what}", self.name);
        Error::new(Code::ValueOutOfRange, detail).with_column(&self.name).with_row(row)
    }

    /// The column as this target holds it; `first_row` is the batch's first, counted from 1.
    fn column(&self, array: &ArrayRef, first_row: u64) -> Result<ArrayRef> {
        if self.not_null && array.null_count() > 0 {
            let row = (0..array.len()).find(|row| array.is_null(*row)).unwrap_or(0) as u64 + first_row;
            let detail = format!("column {:?}, row {row}: NULL where none may be", self.name);
            // As the server would say it.
            let error = Error::new(Code::ConstraintViolation, detail).with_sqlstate("23000");
            return Err(error.with_column(&self.name).with_row(row));
        }
        match (&self.kind, array.data_type()) {
            (Kind::Enum(_), _) => widen(array, &DataType::Utf8, &self.name, first_row),
            // A time of day is a time as well.
            (Kind::Time, DataType::Time32(_) | DataType::Time64(_)) => {
                let array = widen(array, &DataType::Time64(TimeUnit::Microsecond), &self.name, first_row)?;
                let micros = arrow_cast::cast(&array, &DataType::Int64)?;
                Ok(arrow_cast::cast(&micros, &self.kind.data_type())?)
            }
            (kind, _) => widen(array, &kind.data_type(), &self.name, first_row),
        }
    }
}

/// The columns of a batch, ready to give their cells.
pub struct Cells<'t> {
    columns: Vec<(ArrayRef, &'t Target)>,
    first_row: u64,
}

impl<'t> Cells<'t> {
    /// # Errors
    /// `schema-mismatch`, `value-out-of-range`, `constraint-violation`, with column and row.
    pub fn new(batch: &RecordBatch, targets: &'t [(usize, Target)], first_row: u64) -> Result<Self> {
        let column = |(index, target): &'t (usize, Target)| {
            Ok((target.column(batch.column(*index), first_row)?, target))
        };
        Ok(Self { columns: targets.iter().map(column).collect::<Result<_>>()?, first_row })
    }

    /// Appends the cells of a row; `mark` is called before each with its position, and whether it is
    /// NULL, which has no cell.
    ///
    /// # Errors
    /// `value-out-of-range` with column and row.
    #[inline]
    pub fn row(
        &self,
        out: &mut Vec<u8>,
        row: usize,
        mut mark: impl FnMut(&mut Vec<u8>, usize, bool),
    ) -> Result<()> {
        for (at, (array, target)) in self.columns.iter().enumerate() {
            let null = array.is_null(row);
            mark(out, at, null);
            if !null {
                cell(out, array, target, row)
                    .map_err(|what| target.wrong(self.first_row + row as u64, what))?;
            }
        }
        Ok(())
    }
}

type Wrong = &'static str;

/// 838 hours, in microseconds.
const WHOLE_SECONDS: i64 = 838 * 3600 * 1_000_000;
const FEWER_DIGITS: Wrong = "the column keeps fewer digits behind the point";

#[inline]
fn cell(out: &mut Vec<u8>, array: &ArrayRef, target: &Target, row: usize) -> Result<(), Wrong> {
    macro_rules! number {
        ($type:ty) => {
            out.extend_from_slice(&array.as_primitive::<$type>().value(row).to_le_bytes())
        };
    }
    match &target.kind {
        Kind::Int8 => number!(Int8Type),
        Kind::Int16 => number!(Int16Type),
        Kind::Int32 => number!(Int32Type),
        Kind::Int64 => number!(Int64Type),
        Kind::UInt8 => number!(UInt8Type),
        Kind::UInt16 => {
            let value = array.as_primitive::<UInt16Type>().value(row);
            if matches!(target.rule, Rule::Year) && !matches!(value, 0 | 1901..=2155) {
                return Err("a year is 0, or 1901 to 2155");
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::UInt32 => number!(UInt32Type),
        Kind::UInt64 => number!(UInt64Type),
        Kind::Float => {
            let value = array.as_primitive::<Float32Type>().value(row);
            finite(f64::from(value))?;
            if let Rule::Digits(digits) = target.rule
                && format!("{value:.digits$}").parse() != Ok(value)
            {
                return Err(FEWER_DIGITS);
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Double => {
            let value = array.as_primitive::<Float64Type>().value(row);
            finite(value)?;
            if let Rule::Digits(digits) = target.rule
                && format!("{value:.digits$}").parse() != Ok(value)
            {
                return Err(FEWER_DIGITS);
            }
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Decimal(_, scale) => {
            put_decimal(out, array.as_primitive::<Decimal128Type>().value(row), *scale);
        }
        Kind::BigDecimal(_, scale) => {
            let value = array.as_primitive::<Decimal256Type>().value(row).to_string();
            put_digits(out, &value, *scale);
        }
        Kind::Text | Kind::Json | Kind::Enum(_) => {
            let text = array.as_string::<i32>().value(row);
            check_text(text, target)?;
            put_sized(out, text.as_bytes());
        }
        Kind::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            if let Rule::Bytes(width) = target.rule
                && bytes.len() != width
            {
                return Err("the column has values of another, fixed length");
            }
            put_sized(out, bytes);
        }
        Kind::Date => {
            let days = i64::from(array.as_primitive::<Date32Type>().value(row));
            put_date(out, days).ok_or("a date beyond the years 0000 to 9999")?;
        }
        Kind::Datetime | Kind::Timestamp => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            check_precision(micros, target)?;
            put_datetime(out, micros).ok_or("a time beyond the years 0000 to 9999")?;
        }
        Kind::Time => {
            let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
            check_precision(micros, target)?;
            if !target.long_fractions && micros % 1_000_000 != 0 && micros.abs() > WHOLE_SECONDS {
                return Err("MySQL takes no fraction of a second beyond 838 hours");
            }
            put_duration(out, micros).ok_or("a time beyond 838:59:59")?;
        }
    }
    Ok(())
}

fn finite(value: f64) -> Result<(), Wrong> {
    if value.is_finite() { Ok(()) } else { Err("MySQL has no number that is not finite") }
}

fn check_text(text: &str, target: &Target) -> Result<(), Wrong> {
    match (&target.rule, &target.kind) {
        (Rule::NoSpaceAtEnd, _) if text.ends_with(' ') => Err("CHAR keeps no spaces at the end"),
        (Rule::Characters(most), _) if text.len() > *most && text.chars().count() > *most => {
            Err("it has more characters than the column")
        }
        (Rule::SpaceWithin(most), _) if text.len() > *most && text.ends_with(' ') => {
            Err("it has more bytes than the column")
        }
        (Rule::Labels, Kind::Enum(labels)) if !labels.keys.contains_key(text.as_bytes()) => {
            Err("it is none of the column's labels")
        }
        (Rule::Json, _) if !json::keeps_numbers(text) => {
            Err("it has a number of more digits than a double, which is what JSON keeps")
        }
        (Rule::Members(members), _) => {
            let known = |part: &str| members.iter().any(|member| member == part);
            if text.is_empty() || text.split(',').all(known) {
                Ok(())
            } else {
                Err("it is no set of the column's members")
            }
        }
        _ => Ok(()),
    }
}

fn check_precision(micros: i64, target: &Target) -> Result<(), Wrong> {
    match target.rule {
        Rule::Precision(unit) if micros % unit != 0 => Err("the column keeps fewer digits of a second"),
        _ => Ok(()),
    }
}

/// Appends `unscaled / 10^scale` as digits.
fn put_decimal(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    // From the last digit on; 39 digits, a sign, a point, and zeros before it.
    let mut digits = [b'0'; 80];
    let fraction = usize::from(scale.unsigned_abs());
    let mut at = digits.len();
    let mut left = unscaled.unsigned_abs();
    let mut count = 0;
    while left > 0 || count <= fraction {
        if count == fraction && fraction > 0 {
            at -= 1;
            digits[at] = b'.';
        }
        at -= 1;
        // Most fit a machine word, which is divided much faster.
        let digit = if let Ok(small) = u64::try_from(left) {
            left = u128::from(small / 10);
            small % 10
        } else {
            let digit = (left % 10) as u64;
            left /= 10;
            digit
        };
        digits[at] = b'0' + digit as u8;
        count += 1;
    }
    if unscaled < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    put_sized(out, &digits[at..]);
}

/// Appends digits with a point put in.
fn put_digits(out: &mut Vec<u8>, unscaled: &str, scale: i8) {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let fraction = usize::from(scale.unsigned_abs());
    let padded = format!("{digits:0>width$}", width = fraction + 1);
    let (whole, behind) = padded.split_at(padded.len() - fraction);
    let point = if fraction > 0 { "." } else { "" };
    put_sized(out, format!("{sign}{whole}{point}{behind}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_all_digits_of_their_scale() {
        for (value, scale, text) in [
            (0, 2, "0.00"),
            (-1, 2, "-0.01"),
            (12_345, 2, "123.45"),
            (7, 0, "7"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
            (-(10_i128.pow(38) - 1), 0, "-99999999999999999999999999999999999999"),
        ] {
            let (mut short, mut long) = (Vec::new(), Vec::new());
            put_decimal(&mut short, value, scale);
            put_digits(&mut long, &value.to_string(), scale);
            assert_eq!(std::str::from_utf8(&short[1..]).unwrap(), text);
            assert_eq!(short, long);
        }
    }
}
