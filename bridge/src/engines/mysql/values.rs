//! Bound values, in the binary protocol.

use super::cells::put_sized;
use crate::calendar::{self, MICROS_PER_DAY};
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Types of parameters, as the protocol counts them.
pub mod kind {
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const LONGLONG: u8 = 8;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const DECIMAL: u8 = 246;
    pub const BLOB: u8 = 252;
    pub const STRING: u8 = 253;
}

/// Behind the type of an integer.
pub const UNSIGNED: u8 = 0x80;

/// The values of a statement, ready to be sent.
#[derive(Debug, Default)]
pub struct Bound {
    nulls: Vec<u8>,
    types: Vec<u8>,
    cells: Vec<u8>,
    count: usize,
}

impl Bound {
    /// # Errors
    /// `invalid-parameter` for a value that MySQL does not have.
    pub fn new(values: &[Value]) -> Result<Self> {
        let mut bound = Self::default();
        for value in values {
            bound.push(value)?;
        }
        Ok(bound)
    }

    #[must_use]
    pub fn texts(values: &[&str]) -> Self {
        let mut bound = Self::default();
        for value in values {
            bound.next(kind::STRING);
            put_sized(&mut bound.cells, value.as_bytes());
        }
        bound
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Appends what follows a request to run a statement.
    pub fn put(&self, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.extend_from_slice(&self.nulls);
            out.push(1);
            out.extend_from_slice(&self.types);
            out.extend_from_slice(&self.cells);
        }
    }

    fn next(&mut self, kind: u8) {
        if self.count.is_multiple_of(8) {
            self.nulls.push(0);
        }
        self.count += 1;
        self.types.extend_from_slice(&[kind, 0]);
    }

    fn push(&mut self, value: &Value) -> Result<()> {
        let beyond = || Error::new(Code::InvalidParameter, "a parameter is beyond the years 0000 to 9999");
        match value {
            Value::Null => {
                self.next(kind::NULL);
                if let Some(last) = self.nulls.last_mut() {
                    *last |= 1 << ((self.count - 1) % 8);
                }
            }
            Value::Bool(value) => {
                self.next(kind::TINY);
                self.cells.push(u8::from(*value));
            }
            Value::Int(value) => {
                self.next(kind::LONGLONG);
                self.cells.extend_from_slice(&value.to_le_bytes());
            }
            Value::Float(value) if !value.is_finite() => {
                return Err(Error::new(Code::InvalidParameter, "MySQL has no number that is not finite"));
            }
            Value::Float(value) => {
                self.next(kind::DOUBLE);
                self.cells.extend_from_slice(&value.to_le_bytes());
            }
            Value::Decimal(digits) => {
                self.next(kind::DECIMAL);
                put_sized(&mut self.cells, digits.as_bytes());
            }
            Value::Text(text) => {
                self.next(kind::STRING);
                put_sized(&mut self.cells, text.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.next(kind::BLOB);
                put_sized(&mut self.cells, bytes);
            }
            Value::Date(days) => {
                self.next(kind::DATE);
                put_date(&mut self.cells, i64::from(*days)).ok_or_else(beyond)?;
            }
            Value::Time(micros) => {
                self.next(kind::TIME);
                put_duration(&mut self.cells, *micros).ok_or_else(beyond)?;
            }
            Value::Timestamp { micros, .. } => {
                self.next(kind::DATETIME);
                put_datetime(&mut self.cells, *micros).ok_or_else(beyond)?;
            }
            Value::Uuid(bytes) => {
                self.next(kind::BLOB);
                put_sized(&mut self.cells, bytes);
            }
            Value::List(_) => {
                return Err(Error::new(Code::InvalidParameter, "MySQL has no lists to bind"));
            }
        }
        Ok(())
    }
}

/// Appends a date of the years 0 to 9999, given in days since 1970.
#[inline]
pub fn put_date(out: &mut Vec<u8>, days: i64) -> Option<()> {
    let (year, month, day) = calendar::civil(days);
    let year = u16::try_from(year).ok().filter(|year| *year <= 9999)?.to_le_bytes();
    out.extend_from_slice(&[4, year[0], year[1], month as u8, day as u8]);
    Some(())
}

/// Appends a date and a time, given in microseconds since 1970.
#[inline]
pub fn put_datetime(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    let start = out.len();
    put_date(out, micros.div_euclid(MICROS_PER_DAY))?;
    let micros = micros.rem_euclid(MICROS_PER_DAY);
    let seconds = micros / 1_000_000;
    out.extend_from_slice(&[(seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8]);
    let fraction = (micros % 1_000_000) as u32;
    let long = fraction != 0;
    if long {
        out.extend_from_slice(&fraction.to_le_bytes());
    }
    if let Some(length) = out.get_mut(start) {
        *length = if long { 11 } else { 7 };
    }
    Some(())
}

/// 838:59:59.999999, in microseconds.
const LONGEST_TIME: u64 = 3_020_399_999_999;

/// Appends a time of ±838 hours, given in microseconds.
#[inline]
pub fn put_duration(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    let size = micros.unsigned_abs();
    let (days, rest) = (size / MICROS_PER_DAY as u64, size % MICROS_PER_DAY as u64);
    // What is beyond it the server cuts down to 838:59:59.
    let days = u32::try_from(days).ok().filter(|_| size <= LONGEST_TIME)?;
    let (seconds, fraction) = (rest / 1_000_000, (rest % 1_000_000) as u32);
    out.extend_from_slice(&[if fraction == 0 { 8 } else { 12 }, u8::from(micros < 0)]);
    out.extend_from_slice(&days.to_le_bytes());
    out.extend_from_slice(&[(seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8]);
    if fraction != 0 {
        out.extend_from_slice(&fraction.to_le_bytes());
    }
    Some(())
}
