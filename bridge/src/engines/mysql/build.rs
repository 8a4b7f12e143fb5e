//! Batches from rows in the binary protocol.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use super::cells::{number, sized};
use super::decimal;
use super::fault::unexpected;
use super::statement::{is_null, split_row};
use super::types::{Kind, misfit};
use crate::calendar::{self, MICROS_PER_DAY};
use crate::engines::column::{BATCH_BYTES, Column, Data, Wrong};
use crate::error::{Error, Result};

/// Builds record batches row by row.
pub struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<(Kind, Column)>,
    /// What a date that no calendar has becomes, as MySQL keeps them: NULL, or an error.
    null_dates: bool,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], null_dates: bool, rows: usize) -> Self {
        let column = |kind: &Kind| {
            let labels = match kind {
                Kind::Enum(labels) => Some(labels.values.clone()),
                _ => None,
            };
            (kind.clone(), Column::new(&kind.data_type(), labels, rows))
        };
        Self { schema, columns: kinds.iter().map(column).collect(), null_dates, rows: 0, bytes: 0 }
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
        let (nulls, mut rest) = split_row(row, self.columns.len())?;
        for (index, (kind, column)) in self.columns.iter_mut().enumerate() {
            if is_null(nulls, index) {
                column.push_null();
                continue;
            }
            match push_value(&mut column.data, kind, rest) {
                Ok(after) => {
                    column.appended();
                    rest = after;
                }
                Err(Misfit::NoDate(after)) if self.null_dates => {
                    column.push_null();
                    rest = after;
                }
                Err(misfit) => return Err(misfit.named(self.schema.field(index).name())),
            }
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(())
    }

    /// Takes the batch; the builder starts anew.
    ///
    /// # Errors
    /// `value-out-of-range` where text is not UTF-8, which the server does not let happen.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, (_, column)) in self.columns.iter_mut().enumerate() {
            let array = column.finish();
            arrays.push(array.ok_or_else(|| misfit(self.schema.field(index).name(), "it is not UTF-8"))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

/// Why a cell has no place in its column.
enum Misfit<'a> {
    Wrong(Wrong),
    /// A date that no calendar has; what follows it.
    NoDate(&'a [u8]),
    Cut,
}

impl From<Wrong> for Misfit<'_> {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl Misfit<'_> {
    #[cold]
    fn named(&self, column: &str) -> Error {
        match self {
            Self::Wrong(wrong) => misfit(column, wrong),
            Self::NoDate(_) => {
                misfit(column, "a date that no calendar has, as 0000-00-00; zero_dates=null makes it NULL")
            }
            Self::Cut => unexpected("a row cut short"),
        }
    }
}

#[inline]
fn take<const N: usize>(cells: &[u8]) -> Result<([u8; N], &[u8]), Misfit<'_>> {
    cells.split_first_chunk::<N>().map(|(value, rest)| (*value, rest)).ok_or(Misfit::Cut)
}

/// Appends the first of the cells; what follows it.
#[inline]
fn push_value<'a>(data: &mut Data, kind: &Kind, cells: &'a [u8]) -> Result<&'a [u8], Misfit<'a>> {
    macro_rules! fixed {
        ($out:ident, $type:ty) => {{
            let (value, rest) = take(cells)?;
            $out.push(<$type>::from_le_bytes(value));
            Ok(rest)
        }};
    }
    match (data, kind) {
        (Data::I32(out), Kind::Int32) => fixed!(out, i32),
        (Data::I64(out), Kind::Int64) => fixed!(out, i64),
        (Data::I128(out), Kind::Decimal(precision, scale)) => {
            let (text, rest) = sized(cells).ok_or(Misfit::Cut)?;
            out.push(decimal::to_i128(text, *precision, *scale)?);
            Ok(rest)
        }
        (Data::Bytes { offsets, values }, _) => {
            let (value, rest) = sized(cells).ok_or(Misfit::Cut)?;
            values.extend_from_slice(value);
            offsets.push(i32::try_from(values.len()).map_err(|_| "a batch would pass 2 GiB")?);
            Ok(rest)
        }
        (Data::I32(out), Kind::Date) => {
            let (moment, rest) = sized(cells).ok_or(Misfit::Cut)?;
            out.push(days(moment).and_then(|days| i32::try_from(days).ok()).ok_or(Misfit::NoDate(rest))?);
            Ok(rest)
        }
        (Data::I64(out), Kind::Datetime | Kind::Timestamp) => {
            let (moment, rest) = sized(cells).ok_or(Misfit::Cut)?;
            let days = days(moment).ok_or(Misfit::NoDate(rest))?;
            out.push(days * MICROS_PER_DAY + clock(moment.get(4..).unwrap_or_default()));
            Ok(rest)
        }
        (Data::I64(out), Kind::Time) => {
            let (moment, rest) = sized(cells).ok_or(Misfit::Cut)?;
            out.push(match moment.split_first_chunk::<5>() {
                Some(([sign, days @ ..], time)) => {
                    let micros = i64::from(u32::from_le_bytes(*days)) * MICROS_PER_DAY + clock(time);
                    if *sign == 0 { micros } else { -micros }
                }
                None => 0,
            });
            Ok(rest)
        }
        (Data::I8(out), _) => fixed!(out, i8),
        (Data::I16(out), _) => fixed!(out, i16),
        (Data::U8(out), _) => fixed!(out, u8),
        (Data::U16(out), _) => fixed!(out, u16),
        (Data::U32(out), _) => fixed!(out, u32),
        (Data::U64(out), _) => fixed!(out, u64),
        (Data::F32(out), _) => fixed!(out, f32),
        (Data::F64(out), _) => fixed!(out, f64),
        (Data::I256(out), Kind::BigDecimal(precision, scale)) => {
            let (text, rest) = sized(cells).ok_or(Misfit::Cut)?;
            out.push(decimal::to_i256(text, *precision, *scale)?);
            Ok(rest)
        }
        (Data::I32(out), Kind::Enum(labels)) => {
            let (label, rest) = sized(cells).ok_or(Misfit::Cut)?;
            out.push(*labels.keys.get(label).ok_or("a label that came while it was read")?);
            Ok(rest)
        }
        _ => Err(Misfit::Wrong("its form is another")),
    }
}

/// Days since 1970 of the year, month and day that a moment begins with.
#[inline]
fn days(moment: &[u8]) -> Option<i64> {
    let ([y0, y1, month, day], _) = moment.split_first_chunk::<4>()?;
    calendar::days(i64::from(u16::from_le_bytes([*y0, *y1])), u32::from(*month), u32::from(*day))
}

/// Microseconds of hour, minute, second and fraction; what is not there is zero.
#[inline]
fn clock(time: &[u8]) -> i64 {
    let Some(([hour, minute, second], fraction)) = time.split_first_chunk::<3>() else { return 0 };
    let seconds = i64::from(*hour) * 3600 + i64::from(*minute) * 60 + i64::from(*second);
    seconds * 1_000_000 + number::<4>(fraction).cast_signed()
}
