//! Batches from rows in PostgreSQL's binary form.

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use super::fault::unexpected;
use super::numeric::{self, Misfit};
use super::row::Cells;
use super::types::{Kind, misfit};
use crate::calendar::MICROS_PER_DAY;
use crate::engines::column::{self, BATCH_BYTES, Data, Wrong};
use crate::error::Result;

/// Days and microseconds from 1970-01-01 to PostgreSQL's first day, 2000-01-01.
pub const EPOCH_DAYS: i32 = 10_957;
pub const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// Builds record batches row by row.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], rows: usize) -> Self {
        let columns = kinds.iter().map(|kind| Column::new(kind, rows)).collect();
        Self { schema, columns, rows: 0, bytes: 0 }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
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
        self.bytes += row.len();
        Ok(())
    }

    /// Takes the batch; the builder starts anew.
    ///
    /// # Errors
    /// `value-out-of-range` where text is not UTF-8, which PostgreSQL does not let happen.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter_mut().enumerate() {
            let array = column.column.finish();
            arrays.push(array.ok_or_else(|| misfit(self.schema.field(index).name(), "it is not UTF-8"))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

struct Column {
    kind: Kind,
    column: column::Column,
}

const LENGTH: Wrong = "its binary form has another length";

#[inline]
fn fixed<const N: usize>(cell: &[u8]) -> Result<[u8; N], Wrong> {
    cell.try_into().map_err(|_| LENGTH)
}

impl Column {
    fn new(kind: &Kind, rows: usize) -> Self {
        let labels = match kind {
            Kind::Enum(labels) => Some(labels.values.clone()),
            _ => None,
        };
        Self { kind: kind.clone(), column: column::Column::new(&kind.data_type(), labels, rows) }
    }

    #[inline]
    fn push(&mut self, cell: Option<&[u8]>) -> Result<(), Wrong> {
        push(&mut self.column, &self.kind, cell)
    }
}

#[inline]
fn push(column: &mut column::Column, kind: &Kind, cell: Option<&[u8]>) -> Result<(), Wrong> {
    match cell {
        None => column.push_null(),
        Some(cell) => {
            push_value(&mut column.data, kind, cell)?;
            column.appended();
        }
    }
    Ok(())
}

#[inline]
fn push_value(data: &mut Data, kind: &Kind, cell: &[u8]) -> Result<(), Wrong> {
    match (data, kind) {
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
        (Data::Fixed(_, out), _) => out.extend_from_slice(&fixed::<16>(cell)?),
        (Data::Interval(out), _) => {
            let (micros, rest) = cell.split_first_chunk::<8>().ok_or(LENGTH)?;
            let (days, months) = rest.split_first_chunk::<4>().ok_or(LENGTH)?;
            let nanos =
                i64::from_be_bytes(*micros).checked_mul(1000).ok_or("more than 292 years of nanoseconds")?;
            let months = i32::from_be_bytes(fixed(months)?);
            out.push(IntervalMonthDayNano::new(months, i32::from_be_bytes(*days), nanos));
        }
        (Data::I32(out), Kind::Enum(labels)) => {
            out.push(*labels.keys.get(cell).ok_or("a label that came while it was read")?);
        }
        (Data::List { offsets, items }, Kind::List(item)) => {
            push_items(items, item, cell)?;
            offsets.push(i32::try_from(items.len()).map_err(|_| "a batch would pass 2 GiB")?);
        }
        _ => return Err(LENGTH),
    }
    Ok(())
}

/// The items of an array: dimensions, a flag, the type, then length and first index of each
/// dimension, then the items as the cells of a row.
fn push_items(items: &mut column::Column, kind: &Kind, cell: &[u8]) -> Result<(), Wrong> {
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
                push(items, kind, None)?;
                rest = tail;
            }
            Ok(length) => {
                let (item, tail) = tail.split_at_checked(length).ok_or(LENGTH)?;
                push(items, kind, Some(item))?;
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
