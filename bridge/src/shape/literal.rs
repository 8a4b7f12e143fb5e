//! Literals of a `where`, as values: exact, or `None`.

use crate::value::Value;

const MICROS_A_DAY: i64 = 86_400_000_000;

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
        return Some(Value::Timestamp { micros: i64::from(days) * MICROS_A_DAY, utc: false });
    };
    let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (&rest[..at], Some(offset(&rest.as_bytes()[at..])?)),
        None => (rest, None),
    };
    let local = i64::from(days(date.as_bytes())?) * MICROS_A_DAY + micros(time.trim_end().as_bytes())?;
    Some(Value::Timestamp { micros: local - zone.unwrap_or(0), utc: zone.is_some() })
}

/// Days since 1970-01-01 of a proleptic Gregorian date from 0001-01-01 to 9999-12-31.
fn days(text: &[u8]) -> Option<i32> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let (year, month, day) = (pair4(year)?, pair(*m1, *m2)?, pair(*d1, *d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    // Years counted from March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = 365 * year + year / 4 - year / 100 + year / 400;
    Some(before + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Microseconds since midnight.
fn micros(text: &[u8]) -> Option<i64> {
    let (hour, minute, rest) = match text {
        [h1, h2, b':', m1, m2, rest @ ..] => (pair(*h1, *h2)?, pair(*m1, *m2)?, rest),
        _ => return None,
    };
    let (second, fraction) = match rest {
        [] => (0, 0),
        [b':', s1, s2] => (pair(*s1, *s2)?, 0),
        [b':', s1, s2, b'.', digits @ ..] => (pair(*s1, *s2)?, fraction(digits)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + fraction)
}

/// Microseconds of the digits after the point; more than six must be zeros.
fn fraction(digits: &[u8]) -> Option<i64> {
    let exact = digits.iter().skip(6).all(|byte| *byte == b'0');
    if digits.is_empty() || !exact || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some(padded.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0')))
}

/// Microseconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match text {
        [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2] => (sign, pair(*h1, *h2)?, 0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, pair(*h1, *h2)?, pair(*m1, *m2)?),
        _ => return None,
    };
    if hour > 15 || minute > 59 {
        return None;
    }
    let micros = i64::from(hour * 3600 + minute * 60) * 1_000_000;
    Some(if *sign == b'-' { -micros } else { micros })
}

fn pair(tens: u8, ones: u8) -> Option<i32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
}

fn pair4(text: &[u8]) -> Option<i32> {
    let [a, b, c, d] = text else { return None };
    Some(pair(*a, *b)? * 100 + pair(*c, *d)?)
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
    fn days_follow_one_another() {
        let mut expected = days(b"1999-12-31").unwrap();
        for year in 2000..2101 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(format!("{year:04}-{month:02}-{day:02}").as_bytes()) {
                        expected += 1;
                        assert_eq!(found, expected);
                    }
                }
            }
        }
        assert_eq!(expected, days(b"2101-01-01").unwrap() - 1);
    }

    #[test]
    fn timestamps_keep_microseconds_and_zone() {
        let at = |micros, utc| Some(Value::Timestamp { micros, utc });
        for (text, value) in [
            ("1970-01-02", at(MICROS_A_DAY, false)),
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
        assert_eq!(time("23:59:59.999999"), Some(Value::Time(MICROS_A_DAY - 1)));
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
