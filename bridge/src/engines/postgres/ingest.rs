//! Arrow columns as the rows of a binary `COPY … FROM STDIN`.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::build::{EPOCH_DAYS, EPOCH_MICROS};
use super::numeric;
use super::types::Kind;
use crate::error::{Code, Error, Result};
use crate::widen::widen;

/// What begins every binary `COPY`.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it.
pub const TRAILER: &[u8] = &[0xff, 0xff];

/// Where one column of the body goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub kind: Kind,
    /// The type of an array's items.
    pub item: u32,
    pub keeps: Keeps,
}

/// What the column, or the items of its arrays, would keep of a longer value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    All,
    Characters(usize),
    /// Times that are a multiple of so many microseconds.
    Micros(i64),
}

impl Target {
    /// The column as this target holds it; `first_row` is the batch's first, counted from 1.
    ///
    /// # Errors
    /// `schema-mismatch`, `value-out-of-range`.
    fn column(&self, array: &ArrayRef, first_row: u64) -> Result<ArrayRef> {
        match (&self.kind, array.data_type()) {
            (Kind::Interval, DataType::Interval(_)) => Ok(arrow_cast::cast(array, &self.kind.data_type())
                .map_err(|_| self.mismatch(array.data_type()))?),
            (Kind::Enum(_), _) => widen(array, &DataType::Utf8, &self.name, first_row),
            (kind, _) => widen(array, &kind.data_type(), &self.name, first_row),
        }
    }

    fn mismatch(&self, from: &DataType) -> Error {
        let detail = format!("column {:?} cannot be made of {from}", self.name);
        Error::new(Code::SchemaMismatch, detail).with_column(&self.name)
    }
}

/// Appends the rows of a batch.
///
/// # Errors
/// `schema-mismatch`, `value-out-of-range` with column and row.
pub fn write_rows(
    out: &mut Vec<u8>,
    batch: &RecordBatch,
    targets: &[(usize, Target)],
    first_row: u64,
) -> Result<()> {
    let widened = targets.iter().map(|(index, target)| target.column(batch.column(*index), first_row));
    let widened = widened.collect::<Result<Vec<_>>>()?;
    let columns: Vec<_> = widened
        .iter()
        .zip(targets)
        .map(|(array, (_, target))| (Column::new(array, &target.kind, target), &target.name))
        .collect();
    let count = u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes();
    for row in 0..batch.num_rows() {
        out.extend_from_slice(&count);
        for (column, name) in &columns {
            column.cell(out, row).map_err(|what| {
                let row = first_row + row as u64;
                let detail = format!("column {name:?}, row {row}: {what}");
                Error::new(Code::ValueOutOfRange, detail).with_column(*name).with_row(row)
            })?;
        }
    }
    Ok(())
}

type Wrong = &'static str;

/// One column, ready to give its cells.
struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
    keeps: Keeps,
}

enum Values<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a PrimitiveArray<Int16Type>),
    Int4(&'a PrimitiveArray<Int32Type>),
    Int8(&'a PrimitiveArray<Int64Type>),
    Oid(&'a PrimitiveArray<UInt32Type>),
    Float4(&'a PrimitiveArray<Float32Type>),
    Float8(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, i8),
    BigDecimal(&'a PrimitiveArray<Decimal256Type>, i8),
    /// Whether some text may have a NUL in it.
    Text(&'a StringArray, bool),
    Jsonb(&'a StringArray),
    Bytea(&'a BinaryArray),
    Uuid(&'a FixedSizeBinaryArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time64MicrosecondType>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    List(&'a [i32], Box<Column<'a>>, u32),
}

impl<'a> Column<'a> {
    /// `array` is of the kind's type.
    fn new(array: &'a ArrayRef, kind: &Kind, target: &Target) -> Self {
        let values = match kind {
            Kind::Bool => Values::Bool(array.as_boolean()),
            Kind::Int2 => Values::Int2(array.as_primitive()),
            Kind::Int4 => Values::Int4(array.as_primitive()),
            Kind::Int8 => Values::Int8(array.as_primitive()),
            Kind::Oid => Values::Oid(array.as_primitive()),
            Kind::Float4 => Values::Float4(array.as_primitive()),
            Kind::Float8 => Values::Float8(array.as_primitive()),
            Kind::Decimal(_, scale) => Values::Decimal(array.as_primitive(), *scale),
            Kind::BigDecimal(_, scale) => Values::BigDecimal(array.as_primitive(), *scale),
            Kind::Text | Kind::Json | Kind::AsText | Kind::Enum(_) => {
                let texts: &StringArray = array.as_string();
                Values::Text(texts, bytes_of(texts).contains(&0))
            }
            Kind::Jsonb => Values::Jsonb(array.as_string()),
            Kind::Bytea => Values::Bytea(array.as_binary()),
            Kind::Uuid => Values::Uuid(array.as_fixed_size_binary()),
            Kind::Date => Values::Date(array.as_primitive()),
            Kind::Time => Values::Time(array.as_primitive()),
            Kind::Timestamp | Kind::TimestampTz => Values::Timestamp(array.as_primitive()),
            Kind::Interval => Values::Interval(array.as_primitive()),
            Kind::List(item) => {
                let lists = array.as_list::<i32>();
                let items = Self::new(lists.values(), item, target);
                Values::List(lists.value_offsets(), Box::new(items), target.item)
            }
        };
        Self { nulls: array.nulls(), values, keeps: target.keeps }
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends a length and the value's binary form; NULL is length -1.
    #[inline]
    fn cell(&self, out: &mut Vec<u8>, row: usize) -> Result<(), Wrong> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        match &self.values {
            Values::Bool(array) => fixed(out, [u8::from(array.value(row))]),
            Values::Int2(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Int4(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Int8(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Oid(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Float4(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Float8(array) => fixed(out, array.value(row).to_be_bytes()),
            Values::Decimal(array, scale) => {
                sized(out, |out| numeric::write_i128(out, array.value(row), *scale));
            }
            Values::BigDecimal(array, scale) => {
                sized(out, |out| numeric::write(out, array.value(row), *scale));
            }
            Values::Text(array, nul) => {
                let text = array.value(row);
                if *nul && text.as_bytes().contains(&0) {
                    return Err("PostgreSQL has no text with NUL in it");
                }
                if let Keeps::Characters(most) = self.keeps
                    && text.len() > most
                    && text.chars().count() > most
                {
                    return Err("the text has more characters than the column");
                }
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Values::Jsonb(array) => sized(out, |out| {
                out.push(1);
                out.extend_from_slice(array.value(row).as_bytes());
            }),
            Values::Bytea(array) => sized(out, |out| out.extend_from_slice(array.value(row))),
            Values::Uuid(array) => sized(out, |out| out.extend_from_slice(array.value(row))),
            Values::Date(array) => {
                let days = array.value(row).checked_sub(EPOCH_DAYS).filter(|days| *days != i32::MIN);
                fixed(out, days.ok_or("a date beyond PostgreSQL's")?.to_be_bytes());
            }
            Values::Time(array) => fixed(out, self.kept(array.value(row))?.to_be_bytes()),
            Values::Timestamp(array) => {
                let micros = self.kept(array.value(row))?;
                let micros = micros.checked_sub(EPOCH_MICROS).filter(|micros| *micros != i64::MIN);
                fixed(out, micros.ok_or("a time beyond PostgreSQL's")?.to_be_bytes());
            }
            Values::Interval(array) => {
                let value = array.value(row);
                if value.nanoseconds % 1000 != 0 {
                    return Err("PostgreSQL's intervals end at microseconds");
                }
                out.extend_from_slice(&16_i32.to_be_bytes());
                out.extend_from_slice(&(value.nanoseconds / 1000).to_be_bytes());
                out.extend_from_slice(&value.days.to_be_bytes());
                out.extend_from_slice(&value.months.to_be_bytes());
            }
            Values::List(offsets, items, oid) => {
                let range = as_index(offsets[row])..as_index(offsets[row + 1]);
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                let nulls = range.clone().any(|at| items.is_null(at));
                let dimensions = i32::from(!range.is_empty());
                for word in [dimensions, i32::from(nulls), oid.cast_signed()] {
                    out.extend_from_slice(&word.to_be_bytes());
                }
                if !range.is_empty() {
                    let count = i32::try_from(range.len()).map_err(|_| "too many items")?;
                    out.extend_from_slice(&count.to_be_bytes());
                    out.extend_from_slice(&1_i32.to_be_bytes());
                }
                for at in range {
                    items.cell(out, at)?;
                }
                set_length(out, start);
            }
        }
        Ok(())
    }

    /// Microseconds, if the column has all their digits.
    #[inline]
    fn kept(&self, micros: i64) -> Result<i64, Wrong> {
        match self.keeps {
            Keeps::Micros(grain) if micros % grain != 0 => Err("the column keeps fewer digits of a second"),
            _ => Ok(micros),
        }
    }
}

/// All bytes between the first text and the last.
fn bytes_of(texts: &StringArray) -> &[u8] {
    let offsets = texts.value_offsets();
    let (first, last) = (offsets.first().copied(), offsets.last().copied());
    let range = as_index(first.unwrap_or(0))..as_index(last.unwrap_or(0));
    texts.value_data().get(range).unwrap_or_default()
}

fn as_index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

#[inline]
fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    let mut cell = [0; 4 + 16];
    cell[..4].copy_from_slice(&i32::try_from(N).unwrap_or(0).to_be_bytes());
    cell[4..4 + N].copy_from_slice(&bytes);
    out.extend_from_slice(&cell[..4 + N]);
}

#[inline]
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    set_length(out, start);
}

#[inline]
fn set_length(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length);
    }
}
