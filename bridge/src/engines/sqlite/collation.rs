//! `fsspec_decimal`: the order of decimals that SQLite keeps as text, by value and digit by digit.
#![allow(unsafe_code)] // a C callback

use std::cmp::Ordering;
use std::ffi::{c_int, c_void};

use rusqlite::ffi;

use crate::error::{Code, Error, Result};

pub const DECIMAL: &str = "fsspec_decimal";

/// Makes the collation known to a connection.
///
/// # Errors
/// `internal` if SQLite refuses.
pub fn install(connection: &rusqlite::Connection) -> Result<()> {
    // SAFETY: the handle is open, the name is a literal, and the callback needs no data.
    let code = unsafe {
        ffi::sqlite3_create_collation_v2(
            connection.handle(),
            c"fsspec_decimal".as_ptr(),
            ffi::SQLITE_UTF8,
            std::ptr::null_mut(),
            Some(collate),
            None,
        )
    };
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(Error::new(Code::Internal, "cannot register the collation of decimals"))
    }
}

unsafe extern "C" fn collate(
    _app: *mut c_void,
    left_length: c_int,
    left: *const c_void,
    right_length: c_int,
    right: *const c_void,
) -> c_int {
    // SAFETY: SQLite gives so many bytes at each pointer.
    unsafe { compare(bytes(left, left_length), bytes(right, right_length)) as c_int }
}

unsafe fn bytes<'a>(pointer: *const c_void, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller passes what SQLite gave.
        Ok(length) if !pointer.is_null() => unsafe { std::slice::from_raw_parts(pointer.cast(), length) },
        _ => &[],
    }
}

/// Numerals by their value; after them whatever is none, by its bytes.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    match (Numeral::parse(left), Numeral::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}

/// Whether a text is digits, with a sign and a fraction where there are any.
#[must_use]
pub fn is_numeral(text: &str) -> bool {
    Numeral::parse(text.as_bytes()).is_some()
}

/// Digits without the zeros that say nothing.
struct Numeral<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Numeral<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, digits) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
            Some(point) if point + 1 == digits.len() => return None,
            Some(point) => (&digits[..point], &digits[point + 1..]),
            None => (digits, &[][..]),
        };
        if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let first = whole.iter().position(|digit| *digit != b'0').unwrap_or(whole.len());
        let end = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let (whole, fraction) = (&whole[first..], &fraction[..end]);
        Some(Self { negative: negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let magnitude = || {
            let whole = self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(other.whole));
            whole.then_with(|| self.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::exact::decimal_to_text;
    use super::*;

    fn text(unscaled: i128, scale: i8) -> Vec<u8> {
        let mut out = Vec::new();
        decimal_to_text(&mut out, unscaled, scale);
        out
    }

    #[test]
    fn numerals_come_before_other_texts_and_differ_by_value_alone() {
        for (left, right) in [("1", "1.00"), ("-0.0", "0"), ("007", "7"), ("-1.50", "-1.5")] {
            assert_eq!(compare(left.as_bytes(), right.as_bytes()), Ordering::Equal, "{left} {right}");
        }
        let order = ["-10", "-9.99", "-0.01", "0", "0.001", "0.01", "9", "10", "", "+1", ".5", "1e2", "5."];
        for pair in order.windows(2) {
            assert_eq!(compare(pair[0].as_bytes(), pair[1].as_bytes()), Ordering::Less, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_order_as_the_numbers_they_say(a: i64, b: i64, small in -20_i64..20, x in 0_i8..19, y in 0_i8..19) {
            let scaled = |unscaled: i64, scale: i8| i128::from(unscaled) * 10_i128.pow(18 - u32::from(scale.unsigned_abs()));
            for (a, b) in [(a, b), (small, a), (small, small), (small, -small)] {
                let found = compare(&text(a.into(), x), &text(b.into(), y));
                prop_assert_eq!(found, scaled(a, x).cmp(&scaled(b, y)));
            }
        }
    }
}
