//! Literals of a `where`, as values: exact, or `None`.

use crate::calendar::{self, MICROS_PER_DAY};
use crate::value::Value;

/// A numeral of the tokenizer: an integer, an exact decimal, or, with an exponent, a float.
pub(super) fn number(digits: &str, negative: bool) -> Option<Value> {
    let sign = if negative { "-" } else { "" };
    if digits.contains(['e', 'E']) {
        let float: f64 = format!("{sign}{digits}").parse().ok()?;
        return float.is_finite().then_some(Value::Float(float));
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    if !fraction.is_empty() {
        return Some(Value::Decimal(format!("{sign}{whole}.{fraction}")));
    }
    let integer = format!("{sign}{whole}");
    Some(integer.parse().map_or(Value::Decimal(integer), Value::Int))
}

/// The bytes of `X'…'`.
pub(super) fn blob(hex: &str) -> Option<Value> {
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = hex.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    bytes.collect::<Option<Vec<u8>>>().map(Value::Bytes)
}

/// `YYYY-MM-DD`
pub(super) fn date(text: &str) -> Option<Value> {
    days(text.as_bytes()).map(Value::Date)
}

/// `HH:MM[:SS[.ffffff]]`
pub(super) fn time(text: &str) -> Option<Value> {
    micros(text.as_bytes()).map(Value::Time)
}

/// `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]][Z|±HH[[:]MM]]]`; with a zone, in UTC.
pub(super) fn timestamp(text: &str) -> Option<Value> {
    let Some((date, rest)) = text.split_once([' ', 'T']) else {
        let days = days(text.as_bytes())?;
        return Some(Value::Timestamp { micros: i64::from(days) * MICROS_PER_DAY, utc: false });
    };
    let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (&rest[..at], Some(zone(&rest.as_bytes()[at..])?)),
        None => (rest, None),
    };
    let local = i64::from(days(date.as_bytes())?) * MICROS_PER_DAY + micros(time.trim_end().as_bytes())?;
    Some(Value::Timestamp { micros: local - zone.unwrap_or(0), utc: zone.is_some() })
}

/// Days since 1970-01-01 of a date from 0001-01-01 to 9999-12-31.
fn days(text: &[u8]) -> Option<i32> {
    calendar::parse_date(text).filter(|_| !text.starts_with(b"0000"))
}

/// Microseconds since midnight.
fn micros(text: &[u8]) -> Option<i64> {
    calendar::parse_clock(text).filter(|nanos| nanos % 1_000 == 0).map(|nanos| nanos / 1_000)
}

/// Microseconds east of UTC, less than 16 hours.
fn zone(text: &[u8]) -> Option<i64> {
    let seconds = calendar::parse_zone(text)?;
    (seconds.abs() < 16 * 3600).then_some(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals_stay_exact() {
        for (digits, value) in [
            ("0", Value::Int(0)),
            ("007", Value::Int(7)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::Decimal("9223372036854775808".into())),
            ("49.50", Value::Decimal("49.50".into())),
            (".5", Value::Decimal("0.5".into())),
            ("5.", Value::Int(5)),
            ("1e3", Value::Float(1000.0)),
        ] {
            assert_eq!(number(digits, false), Some(value), "{digits}");
        }
        assert_eq!(number("9223372036854775808", true), Some(Value::Int(i64::MIN)));
        assert_eq!(number("0.1", true), Some(Value::Decimal("-0.1".into())));
        assert_eq!(number("1e999", false), None);
        assert_eq!(number("1.2.3", false), None);
    }

    #[test]
    fn dates_are_of_the_calendar() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(date(text), Some(Value::Date(day)), "{text}");
        }
        for text in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-00-01",
            "2024-13-01",
            "2024-04-31",
            "0000-01-01",
            "24-01-01",
            "2024-1-1",
            "2024-01-01 ",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_keep_microseconds_and_zone() {
        let at = |micros, utc| Some(Value::Timestamp { micros, utc });
        for (text, value) in [
            ("1970-01-02", at(MICROS_PER_DAY, false)),
            ("1970-01-01 00:01", at(60_000_000, false)),
            ("1970-01-01T00:00:01.5", at(1_500_000, false)),
            ("1970-01-01 00:00:00.0000010", at(1, false)),
            ("1970-01-01 02:00:00+02:00", at(0, true)),
            ("1970-01-01 00:00:00Z", at(0, true)),
            ("1969-12-31 19:00:00 -05", at(0, true)),
            ("1970-01-01 05:30:00+0530", at(0, true)),
            ("1970-01-01 00:00:00.0000001", None),
            ("1970-01-01 24:00:00", None),
            ("1970-01-01 00:00:60", None),
            ("1970-01-01 00", None),
            ("1970-01-01 ", None),
            ("1970-01-01 00:00:00+2", None),
            ("1970-01-01 00:00:00 UTC", None),
        ] {
            assert_eq!(timestamp(text), value, "{text}");
        }
        assert_eq!(time("23:59:59.999999"), Some(Value::Time(MICROS_PER_DAY - 1)));
        assert_eq!(time("25:00"), None);
    }

    #[test]
    fn blobs_are_pairs_of_hex_digits() {
        assert_eq!(blob("00fF"), Some(Value::Bytes(vec![0, 255])));
        assert_eq!(blob(""), Some(Value::Bytes(Vec::new())));
        assert_eq!(blob("0"), None);
        assert_eq!(blob("zz"), None);
    }
}
