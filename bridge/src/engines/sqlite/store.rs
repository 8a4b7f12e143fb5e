//! Arrow arrays as SQLite stores them: whole columns at a time, exact, or an error with its place.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, Field};

use super::exact;
use super::types::{Affinity, Kind, SQL_TYPE};
use crate::calendar;
use crate::error::{Code, Error, Result};
use crate::widen::widen;

/// A column that SQLite can take as it is.
pub struct Stored {
    pub nulls: Option<NullBuffer>,
    pub values: Values,
}

pub enum Values {
    Null,
    Int(ScalarBuffer<i64>),
    Real(ScalarBuffer<f64>),
    Text(OffsetBuffer<i32>, Buffer),
    Blob(OffsetBuffer<i32>, Buffer),
}

/// Where the values of one body column go.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub kind: Kind,
    pub affinity: Affinity,
}

impl Target {
    /// The target for a body column of a relation's column.
    ///
    /// A column whose values outgrew its declared type is read in a wider one, with the declared
    /// type in its metadata; coming back with it, the values are stored as they are.
    ///
    /// # Errors
    /// `schema-mismatch` where the types do not meet.
    pub fn new(field: &Field, name: &str, declared: &str) -> Result<Self> {
        let kind = Kind::declared(declared);
        let own = natural(field.data_type()).ok_or_else(|| mismatch(name, field.data_type(), declared))?;
        let returns = field.metadata().get(SQL_TYPE).is_some_and(|sql_type| sql_type == declared);
        let kind = match (own, kind) {
            (None, kind) => kind,
            (Some(own), Kind::Any) => own,
            (Some(own), kind) if meets(own, kind) => kind,
            // Which of a column's bytes were text, nobody can tell any more.
            (Some(own), _) if returns && own != Kind::Blob => own,
            _ => return Err(mismatch(name, field.data_type(), declared)),
        };
        Ok(Self { name: name.to_owned(), kind, affinity: Affinity::of(declared) })
    }

    /// # Errors
    /// `value-out-of-range` naming column, row and value; `schema-mismatch`.
    pub fn store(&self, array: &ArrayRef, first_row: u64) -> Result<Stored> {
        if array.data_type() == &DataType::Null {
            return Ok(Stored { nulls: None, values: Values::Null });
        }
        match self.kind {
            Kind::Decimal(precision, scale) if is_float(array.data_type()) => {
                let reals = widen(array, &DataType::Float64, &self.name, first_row)?;
                self.check_reals(&reals, precision, scale, first_row)?;
                if matches!(self.affinity, Affinity::Text | Affinity::Blob) {
                    let decimal = exact::Decimal::new(precision, scale);
                    let values = reals.as_primitive::<Float64Type>();
                    return self.texts(&reals, first_row, |row, out| {
                        exact::decimal_to_text(out, decimal.of_real(values.value(row))?, scale);
                        Some(())
                    });
                }
                self.reals(&reals, first_row)
            }
            Kind::Decimal(..) => self.decimals(array, first_row),
            Kind::Real
                if matches!(array.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)) =>
            {
                self.decimals(array, first_row)
            }
            Kind::Real => self.reals(&widen(array, &DataType::Float64, &self.name, first_row)?, first_row),
            kind => {
                let array = widen(array, &kind.data_type(), &self.name, first_row)?;
                self.plain(kind, &array, first_row)
            }
        }
    }

    fn plain(&self, kind: Kind, array: &ArrayRef, first_row: u64) -> Result<Stored> {
        let nulls = array.nulls().cloned();
        let values = match kind {
            Kind::Int => Values::Int(array.as_primitive::<Int64Type>().values().clone()),
            Kind::Bool => {
                let values = array.as_boolean().values();
                Values::Int(values.iter().map(i64::from).collect::<Vec<_>>().into())
            }
            Kind::Blob => {
                let array = array.as_binary::<i32>();
                Values::Blob(array.offsets().clone(), array.values().clone())
            }
            Kind::Date => {
                let days = array.as_primitive::<Date32Type>();
                return self.texts(array, first_row, |row, out| {
                    calendar::write_date(out, i64::from(days.value(row)))
                });
            }
            Kind::Time => {
                let micros = array.as_primitive::<Time64MicrosecondType>();
                return self.texts(array, first_row, |row, out| calendar::write_time(out, micros.value(row)));
            }
            Kind::Timestamp => {
                let micros = array.as_primitive::<TimestampMicrosecondType>();
                return self
                    .texts(array, first_row, |row, out| calendar::write_timestamp(out, micros.value(row)));
            }
            _ => {
                let array = array.as_string::<i32>();
                if matches!(self.affinity, Affinity::Integer | Affinity::Real | Affinity::Numeric) {
                    self.check_texts(array, first_row)?;
                }
                Values::Text(array.offsets().clone(), array.values().clone())
            }
        };
        Ok(Stored { nulls, values })
    }

    fn reals(&self, array: &ArrayRef, first_row: u64) -> Result<Stored> {
        let reals = array.as_primitive::<Float64Type>();
        let nan =
            reals.values().iter().enumerate().position(|(row, value)| value.is_nan() && reals.is_valid(row));
        if let Some(row) = nan {
            return Err(self.out_of_range(first_row, row, "NaN, which SQLite stores as NULL"));
        }
        Ok(Stored { nulls: reals.nulls().cloned(), values: Values::Real(reals.values().clone()) })
    }

    /// A double stands for a decimal of the column if it is the nearest one to it.
    fn check_reals(&self, array: &ArrayRef, precision: u8, scale: i8, first_row: u64) -> Result<()> {
        let decimal = exact::Decimal::new(precision, scale);
        let reals = array.as_primitive::<Float64Type>();
        for (row, value) in reals.iter().enumerate() {
            if let Some(value) = value
                && decimal.of_real(value).is_none()
            {
                return Err(self.out_of_range(first_row, row, &format!("{value:?}")));
            }
        }
        Ok(())
    }

    /// A column of numeric affinity makes a number of a text that looks like one.
    fn check_texts(&self, texts: &StringArray, first_row: u64) -> Result<()> {
        for (row, text) in texts.iter().enumerate() {
            if let Some(text) = text
                && !exact::survives_affinity(text)
            {
                return Err(self.out_of_range(
                    first_row,
                    row,
                    &format!("{text:?}, which SQLite makes a number of"),
                ));
            }
        }
        Ok(())
    }

    /// SQLite keeps decimals as integers or doubles, exact to 15 digits; text columns keep them all.
    fn decimals(&self, array: &ArrayRef, first_row: u64) -> Result<Stored> {
        let array = match (self.kind, array.data_type()) {
            (Kind::Decimal(precision, scale), _) => {
                widen(array, &DataType::Decimal128(precision, scale), &self.name, first_row)?
            }
            (_, DataType::Decimal256(_, scale)) => {
                let narrow = |value: i256| value.to_i128().filter(|v| v.unsigned_abs() < 10_u128.pow(38));
                let wide = array.as_primitive::<Decimal256Type>();
                let lost =
                    (0..wide.len()).find(|&row| wide.is_valid(row) && narrow(wide.value(row)).is_none());
                if let Some(row) = lost {
                    return Err(self.out_of_range(first_row, row, &wide.value_as_string(row)));
                }
                let narrowed = wide.unary_opt::<_, Decimal128Type>(narrow);
                Arc::new(narrowed.with_precision_and_scale(38, *scale)?) as ArrayRef
            }
            _ => array.clone(),
        };
        let decimals = array.as_primitive::<Decimal128Type>();
        let scale = decimals.scale();
        if matches!(self.affinity, Affinity::Text | Affinity::Blob) {
            return self.texts(&array, first_row, |row, out| {
                exact::decimal_to_text(out, decimals.value(row), scale);
                Some(())
            });
        }
        let mut values = Vec::with_capacity(decimals.len());
        for (row, value) in decimals.iter().enumerate() {
            let real = match value {
                None => Some(0.0),
                Some(value) => exact::decimal_to_real(value, scale),
            };
            let Some(real) = real else {
                let shown =
                    format!("{}, and SQLite keeps 15 digits of a number", decimals.value_as_string(row));
                return Err(self.out_of_range(first_row, row, &shown));
            };
            values.push(real);
        }
        Ok(Stored { nulls: decimals.nulls().cloned(), values: Values::Real(values.into()) })
    }

    fn texts(
        &self,
        array: &ArrayRef,
        first_row: u64,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Option<()>,
    ) -> Result<Stored> {
        let mut offsets = Vec::with_capacity(array.len() + 1);
        let mut values = Vec::with_capacity(array.len() * 20);
        offsets.push(0);
        for row in 0..array.len() {
            if array.is_valid(row) && write(row, &mut values).is_none() {
                return Err(self.out_of_range(first_row, row, "a date beyond the years 0000 to 9999"));
            }
            let Ok(end) = i32::try_from(values.len()) else {
                return Err(
                    Error::new(Code::MalformedBody, "a record batch is too large").with_column(&self.name)
                );
            };
            offsets.push(end);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Stored { nulls: array.nulls().cloned(), values: Values::Text(offsets, Buffer::from_vec(values)) })
    }

    fn out_of_range(&self, first_row: u64, row: usize, value: &str) -> Error {
        let row = first_row + row as u64;
        Error::new(
            Code::ValueOutOfRange,
            format!("column {:?} cannot hold the value in row {row} exactly: {value}", self.name),
        )
        .with_column(&self.name)
        .with_row(row)
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

/// What an Arrow type is to SQLite by itself; `Some(None)` for the type of nothing but NULL.
#[allow(clippy::option_option)]
fn natural(data_type: &DataType) -> Option<Option<Kind>> {
    use DataType as D;
    Some(Some(match data_type {
        D::Null => return Some(None),
        D::Boolean => Kind::Bool,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => Kind::Int,
        D::Float16 | D::Float32 | D::Float64 => Kind::Real,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => Kind::Text,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => Kind::Blob,
        D::Date32 | D::Date64 => Kind::Date,
        D::Time32(_) | D::Time64(_) => Kind::Time,
        D::Timestamp(_, None) => Kind::Timestamp,
        D::Decimal32(_, s) | D::Decimal64(_, s) | D::Decimal128(_, s) | D::Decimal256(_, s) if *s < 0 => {
            return None;
        }
        D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) | D::Decimal256(p, s) => {
            Kind::Decimal((*p).min(38), *s)
        }
        D::Dictionary(_, value) => return natural(value),
        D::RunEndEncoded(_, values) => return natural(values.data_type()),
        _ => return None,
    }))
}

/// Which kinds go into a column of which, keeping every value or failing by value.
fn meets(own: Kind, column: Kind) -> bool {
    own == column
        || matches!(
            (own, column),
            (Kind::Int | Kind::Real | Kind::Decimal(..), Kind::Decimal(..) | Kind::Real)
                | (Kind::Text, Kind::Json)
                | (Kind::Date, Kind::Timestamp)
        )
}

fn mismatch(name: &str, from: &DataType, declared: &str) -> Error {
    let detail =
        format!("column {name:?} is {from} in the body, which a column declared {declared:?} does not take");
    Error::new(Code::SchemaMismatch, detail).with_column(name)
}

/// The declared type of a new column for an Arrow field: the reverse of what reading does.
///
/// # Errors
/// `schema-mismatch` for a type that SQLite has no way to keep.
pub fn declare(field: &Field) -> Result<String> {
    Ok(match field.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let detail = format!("column {:?} has a time zone, which SQLite cannot keep", field.name());
            return Err(Error::new(Code::SchemaMismatch, detail).with_column(field.name()));
        }
        data_type => match natural(data_type) {
            Some(Some(Kind::Bool)) => "BOOLEAN".to_owned(),
            Some(Some(Kind::Int)) => "INTEGER".to_owned(),
            Some(Some(Kind::Real)) => "REAL".to_owned(),
            Some(Some(Kind::Blob)) => "BLOB".to_owned(),
            Some(Some(Kind::Date)) => "DATE".to_owned(),
            Some(Some(Kind::Time)) => "TIME".to_owned(),
            Some(Some(Kind::Timestamp)) => "TIMESTAMP".to_owned(),
            // SQLite would make doubles of them; in a column of text affinity the digits stay.
            Some(Some(Kind::Decimal(p, s))) if p > super::types::EXACT_DIGITS => {
                format!("DECIMAL_TEXT({p},{s})")
            }
            Some(Some(Kind::Decimal(p, s))) => format!("DECIMAL({p},{s})"),
            Some(_) if is_json(field) => "JSON".to_owned(),
            Some(_) => "TEXT".to_owned(),
            None => {
                let detail = format!("column {:?} is {data_type}, which SQLite cannot keep", field.name());
                return Err(Error::new(Code::SchemaMismatch, detail).with_column(field.name()));
            }
        },
    })
}

fn is_json(field: &Field) -> bool {
    field.metadata().get("ARROW:extension:name").is_some_and(|name| name == "arrow.json")
}
