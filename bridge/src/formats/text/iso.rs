//! ISO 8601 out and in. Reading accepts only what can be kept exactly.

use super::number::push_int;
use crate::calendar::{self, NANOS, NANOS_PER_DAY};

/// Appends `YYYY-MM-DD` of a day counted from 1970-01-01; years beyond four digits are signed.
pub(in crate::formats) fn push_date(days: i64, out: &mut Vec<u8>) {
    if calendar::write_date(out, days).is_some() {
        return;
    }
    let (year, month, day) = calendar::civil(days);
    out.push(if year < 0 { b'-' } else { b'+' });
    push_padded(year.unsigned_abs(), 4, out);
    calendar::push_month_and_day(out, month, day);
}

/// Appends `HH:MM:SS` and as many of 3, 6 or 9 digits of a second as are needed.
pub(in crate::formats) fn push_time(nanos: i64, out: &mut Vec<u8>) {
    calendar::push_seconds(out, (nanos / NANOS) as u32);
    push_fraction((nanos % NANOS).unsigned_abs(), out);
}

/// Appends a timestamp counted in `unit` nanoseconds from 1970-01-01T00:00:00.
pub(in crate::formats) fn push_timestamp(value: i64, unit: i64, utc: bool, out: &mut Vec<u8>) {
    let per_day = NANOS_PER_DAY / unit;
    push_date(value.div_euclid(per_day), out);
    out.push(b'T');
    push_time(value.rem_euclid(per_day) * unit, out);
    if utc {
        out.push(b'Z');
    }
}

/// Appends `PT…H…M…S` of a length counted in `unit` nanoseconds.
pub(in crate::formats) fn push_duration(value: i64, unit: i64, out: &mut Vec<u8>) {
    let nanos = i128::from(value) * i128::from(unit);
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.unsigned_abs();
    let second = u128::from(NANOS.unsigned_abs());
    let (seconds, fraction) = (nanos / second, nanos % second);
    out.extend_from_slice(b"PT");
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        push_int(hours, out);
        out.push(b'H');
    }
    if minutes > 0 {
        push_int(minutes, out);
        out.push(b'M');
    }
    if seconds % 60 > 0 || fraction > 0 || (hours == 0 && minutes == 0) {
        push_int(seconds % 60, out);
        push_fraction(fraction as u64, out);
        out.push(b'S');
    }
}

/// Appends `P…M…DT…S`, each part with its own sign.
pub(in crate::formats) fn push_interval(months: i32, days: i32, nanos: i128, out: &mut Vec<u8>) {
    out.push(b'P');
    if months != 0 {
        push_int(months, out);
        out.push(b'M');
    }
    if days != 0 {
        push_int(days, out);
        out.push(b'D');
    }
    if nanos != 0 || (months == 0 && days == 0) {
        out.push(b'T');
        if nanos < 0 {
            out.push(b'-');
        }
        let second = u128::from(NANOS.unsigned_abs());
        push_int(nanos.unsigned_abs() / second, out);
        push_fraction((nanos.unsigned_abs() % second) as u64, out);
        out.push(b'S');
    }
}

fn push_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    push_int(value, out);
    let missing = width.saturating_sub(out.len() - start);
    out.splice(start..start, std::iter::repeat_n(b'0', missing));
}

fn push_fraction(nanos: u64, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    let (mut value, digits) = if nanos.is_multiple_of(1_000_000) {
        (nanos / 1_000_000, 3)
    } else if nanos.is_multiple_of(1_000) {
        (nanos / 1_000, 6)
    } else {
        (nanos, 9)
    };
    out.push(b'.');
    let start = out.len();
    out.resize(start + digits, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 of `YYYY-MM-DD`, or of a signed year with more digits.
pub(in crate::formats) fn parse_date(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => return calendar::parse_date(text).map(i64::from),
    };
    let (year, [b'-', month @ .., b'-', d1, d2]) = rest.split_last_chunk::<6>()? else { return None };
    if !(4..=7).contains(&year.len()) {
        return None;
    }
    let (month, day) = (number(month)?, number(&[*d1, *d2])?);
    calendar::days(sign * number(year)?, month as u32, day as u32)
}

/// A moment as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) struct Moment {
    /// Nanoseconds from 1970-01-01T00:00:00, in UTC where there was a zone.
    pub nanos: i128,
    pub zoned: bool,
}

impl Moment {
    /// The count of `unit` nanoseconds, if the moment is one exactly.
    pub(in crate::formats) fn count(self, unit: i64) -> Option<i64> {
        let unit = i128::from(unit);
        (self.nanos % unit == 0).then(|| i64::try_from(self.nanos / unit).ok())?
    }
}

/// A date, or a date and a time between `T` or a space, with or without a zone.
pub(in crate::formats) fn parse_timestamp(text: &[u8]) -> Option<Moment> {
    let split = text.iter().position(|byte| matches!(byte, b'T' | b't' | b' '));
    let (date, time) = match split {
        Some(split) => (&text[..split], &text[split + 1..]),
        None => (text, b"00:00".as_slice()),
    };
    let days = parse_date(date)?;
    let (clock, offset) = match time.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-' | b' '))
    {
        None => (time, None),
        Some(zone) => (&time[..zone], Some(zone_of(time[zone..].trim_ascii_start())?)),
    };
    let nanos = i128::from(days) * i128::from(NANOS_PER_DAY) + i128::from(calendar::parse_clock(clock)?);
    Some(Moment {
        nanos: nanos - i128::from(offset.unwrap_or(0)) * i128::from(NANOS),
        zoned: offset.is_some(),
    })
}

fn zone_of(text: &[u8]) -> Option<i64> {
    if text == b"UTC" { Some(0) } else { calendar::parse_zone(text) }
}

/// Months, days and nanoseconds of an ISO 8601 duration whose parts may be signed.
pub(in crate::formats) fn parse_interval(text: &[u8]) -> Option<(i64, i64, i128)> {
    let (sign, rest) = match text.first()? {
        b'-' => (-1, &text[1..]),
        _ => (1, text),
    };
    let mut rest = rest.strip_prefix(b"P")?;
    let (mut months, mut days, mut nanos) = (0_i64, 0_i64, 0_i128);
    let mut clock = false;
    let mut parts = 0;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b"T") {
            if clock {
                return None;
            }
            clock = true;
            rest = after;
            continue;
        }
        let end = rest.iter().position(u8::is_ascii_alphabetic)?;
        let (part, designator) = (&rest[..end], rest[end]);
        rest = &rest[end + 1..];
        parts += 1;
        let (negative, digits) = match part.first()? {
            b'-' => (true, &part[1..]),
            b'+' => (false, &part[1..]),
            _ => (false, part),
        };
        let direction = if negative { -sign } else { sign };
        let (whole, part_nanos) = match digits.iter().position(|byte| matches!(byte, b'.' | b',')) {
            Some(dot) if clock && designator == b'S' => {
                (number(&digits[..dot])?, calendar::parse_fraction(&digits[dot + 1..], 9)?)
            }
            Some(_) => return None,
            None => (number(digits)?, 0),
        };
        let whole_signed = whole * direction;
        match (clock, designator) {
            (false, b'Y') => months = months.checked_add(whole_signed.checked_mul(12)?)?,
            (false, b'M') => months = months.checked_add(whole_signed)?,
            (false, b'W') => days = days.checked_add(whole_signed.checked_mul(7)?)?,
            (false, b'D') => days = days.checked_add(whole_signed)?,
            (true, b'H') => nanos += i128::from(whole_signed) * 3_600 * i128::from(NANOS),
            (true, b'M') => nanos += i128::from(whole_signed) * 60 * i128::from(NANOS),
            (true, b'S') => {
                nanos += i128::from(whole_signed) * i128::from(NANOS) + i128::from(part_nanos * direction);
            }
            _ => return None,
        }
    }
    (parts > 0).then_some((months, days, nanos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments() {
        assert_eq!(text(|out| push_timestamp(0, 1_000, false, out)), "1970-01-01T00:00:00");
        assert_eq!(text(|out| push_timestamp(-1, 1_000, true, out)), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(|out| push_date(-719_528, out)), "0000-01-01");
        assert_eq!(text(|out| push_date(-719_529, out)), "-0001-12-31");
        assert_eq!(text(|out| push_date(2_932_897, out)), "+10000-01-01");
        assert_eq!(text(|out| push_duration(-3_020_399_000_001, 1_000, out)), "-PT838H59M59.000001S");
        assert_eq!(text(|out| push_interval(-1, 5, -1, out)), "P-1M5DT-0.000000001S");
    }

    #[test]
    fn what_is_no_moment() {
        for bad in ["", "2023-02-29", "2023-13-01", "23-01-01", "2023-1-1", "2023-01-01x", "20230101"] {
            assert_eq!(parse_date(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["2023-01-01T", "2023-01-01T10:00:00+25:00", "2023-01-01T10:00:00 CET", "x"] {
            assert_eq!(parse_timestamp(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn zones_become_utc() {
        let moment = parse_timestamp(b"1970-01-01 01:00:00.5+01:00").unwrap();
        assert_eq!(moment, Moment { nanos: 500_000_000, zoned: true });
        assert_eq!(moment.count(1_000_000_000), None);
        assert_eq!(moment.count(1_000_000), Some(500));
    }

    proptest! {
        #[test]
        fn dates_round_trip(days in -400_000_000_i64..400_000_000) {
            prop_assert_eq!(parse_date(text(|out| push_date(days, out)).as_bytes()), Some(days));
        }

        #[test]
        fn timestamps_round_trip(value: i64, unit in prop::sample::select(vec![1_i64, 1_000, 1_000_000]), utc: bool) {
            let moment = parse_timestamp(text(|out| push_timestamp(value, unit, utc, out)).as_bytes());
            if let Some(moment) = moment {
                prop_assert_eq!((moment.count(unit), moment.zoned), (Some(value), utc));
            } else {
                prop_assert!(unit == 1_000_000, "only millisecond counts leave seven-digit years");
            }
        }

        #[test]
        fn intervals_round_trip(months: i32, days: i32, nanos: i64) {
            let written = text(|out| push_interval(months, days, nanos.into(), out));
            prop_assert_eq!(parse_interval(written.as_bytes()), Some((months.into(), days.into(), nanos.into())));
        }

        #[test]
        fn durations_round_trip(value: i64, unit in prop::sample::select(vec![1_i64, 1_000, 1_000_000])) {
            let written = text(|out| push_duration(value, unit, out));
            let nanos = i128::from(value) * i128::from(unit);
            prop_assert_eq!(parse_interval(written.as_bytes()), Some((0, 0, nanos)));
        }

        #[test]
        fn no_text_panics(bytes: Vec<u8>) {
            let _ = (parse_date(&bytes), parse_timestamp(&bytes), parse_interval(&bytes));
        }
    }
}
