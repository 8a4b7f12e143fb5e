//! Arrow columns as the rows of a binary `COPY … FROM STDIN`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::i256;
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
}

impl Target {
    /// The column as this target holds it; `first_row` is the batch's first, counted from 1.
    ///
    /// # Errors
    /// `schema-mismatch`, `value-out-of-range`.
    fn column(&self, array: &ArrayRef, first_row: u64) -> Result<ArrayRef> {
        match (&self.kind, array.data_type()) {
            // Widening knows nothing of lists: they must be what the column is.
            (Kind::List(_), DataType::List(_) | DataType::LargeList(_)) => {
                Ok(arrow_cast::cast(array, &self.kind.data_type())
                    .map_err(|_| self.mismatch(array.data_type()))?)
            }
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
    let mut columns = Vec::with_capacity(targets.len());
    for (index, target) in targets {
        let array = target.column(batch.column(*index), first_row)?;
        columns.push((Writer::new(&array, target)?, target));
    }
    let count = u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes();
    for row in 0..batch.num_rows() {
        out.extend_from_slice(&count);
        for (writer, target) in &columns {
            writer.cell(out, row).map_err(|what| {
                let row = first_row + row as u64;
                let detail = format!("column {:?}, row {row}: {what}", target.name);
                Error::new(Code::ValueOutOfRange, detail).with_column(&target.name).with_row(row)
            })?;
        }
    }
    Ok(())
}

type Wrong = &'static str;

/// One column, ready to give its cells.
struct Writer {
    array: ArrayRef,
    kind: Kind,
    /// Of a list.
    items: Option<(Box<Writer>, u32)>,
}

impl Writer {
    fn new(array: &ArrayRef, target: &Target) -> Result<Self> {
        let items = match &target.kind {
            Kind::List(item) => {
                let values = array.as_list::<i32>().values();
                let inner = Target { name: target.name.clone(), kind: (**item).clone(), item: 0 };
                Some((Box::new(Self::new(values, &inner)?), target.item))
            }
            _ => None,
        };
        Ok(Self { array: Arc::clone(array), kind: target.kind.clone(), items })
    }

    /// Appends a length and the value's binary form; NULL is length -1.
    #[inline]
    fn cell(&self, out: &mut Vec<u8>, row: usize) -> Result<(), Wrong> {
        let array = &self.array;
        if array.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        match &self.kind {
            Kind::Bool => fixed(out, [u8::from(array.as_boolean().value(row))]),
            Kind::Int2 => fixed(out, array.as_primitive::<Int16Type>().value(row).to_be_bytes()),
            Kind::Int4 => fixed(out, array.as_primitive::<Int32Type>().value(row).to_be_bytes()),
            Kind::Int8 => fixed(out, array.as_primitive::<Int64Type>().value(row).to_be_bytes()),
            Kind::Oid => fixed(out, array.as_primitive::<UInt32Type>().value(row).to_be_bytes()),
            Kind::Float4 => fixed(out, array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
            Kind::Float8 => fixed(out, array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
            Kind::Decimal(_, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                sized(out, |out| numeric::write_i128(out, value, *scale));
            }
            Kind::BigDecimal(_, scale) => {
                let value: i256 = array.as_primitive::<Decimal256Type>().value(row);
                sized(out, |out| numeric::write(out, value, *scale));
            }
            Kind::Text | Kind::Json | Kind::AsText | Kind::Enum(_) => {
                let text = array.as_string::<i32>().value(row).as_bytes();
                if text.contains(&0) {
                    return Err("PostgreSQL has no text with NUL in it");
                }
                sized(out, |out| out.extend_from_slice(text));
            }
            Kind::Jsonb => sized(out, |out| {
                out.push(1);
                out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
            }),
            Kind::Bytea => sized(out, |out| out.extend_from_slice(array.as_binary::<i32>().value(row))),
            Kind::Uuid => sized(out, |out| out.extend_from_slice(array.as_fixed_size_binary().value(row))),
            Kind::Date => {
                let days = array.as_primitive::<Date32Type>().value(row);
                let days = days.checked_sub(EPOCH_DAYS).filter(|days| *days != i32::MIN);
                fixed(out, days.ok_or("a date beyond PostgreSQL's")?.to_be_bytes());
            }
            Kind::Time => fixed(out, array.as_primitive::<Time64MicrosecondType>().value(row).to_be_bytes()),
            Kind::Timestamp | Kind::TimestampTz => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let micros = micros.checked_sub(EPOCH_MICROS).filter(|micros| *micros != i64::MIN);
                fixed(out, micros.ok_or("a time beyond PostgreSQL's")?.to_be_bytes());
            }
            Kind::Interval => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                if value.nanoseconds % 1000 != 0 {
                    return Err("PostgreSQL's intervals end at microseconds");
                }
                out.extend_from_slice(&16_i32.to_be_bytes());
                out.extend_from_slice(&(value.nanoseconds / 1000).to_be_bytes());
                out.extend_from_slice(&value.days.to_be_bytes());
                out.extend_from_slice(&value.months.to_be_bytes());
            }
            Kind::List(_) => {
                let Some((items, oid)) = &self.items else { return Err("a list without items") };
                let offsets = array.as_list::<i32>().value_offsets();
                let range = as_index(offsets[row])..as_index(offsets[row + 1]);
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                let nulls = range.clone().any(|at| items.array.is_null(at));
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
}

fn as_index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

#[inline]
fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&i32::try_from(N).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&bytes);
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
