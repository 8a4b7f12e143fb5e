//! Days, clocks and zones, and the ISO 8601 texts that say them exactly.
//!
//! The strict forms (`YYYY-MM-DD`, `HH:MM:SS[.ffffff]`) are the ones that come back as they were
//! written. The calendar is the proleptic Gregorian one
//! (<https://howardhinnant.github.io/date_algorithms.html>).

pub const NANOS: i64 = 1_000_000_000;
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
pub const NANOS_PER_DAY: i64 = 86_400 * NANOS;

/// Year, month and day of a day counted from 1970-01-01.
#[must_use]
pub fn civil(days: i64) -> (i64, u32, u32) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March, so that the leap day is the last of a year.
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, (day_of_year - (153 * shifted + 2) / 5 + 1) as u32)
}

/// Days from 1970-01-01 to a day; `None` where the calendar has no such day.
#[must_use]
#[inline]
pub fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > last {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + i64::from(day_of_year);
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Two digits at the start of `text`, which has as many bytes.
#[inline]
fn two(text: &[u8]) -> Option<u32> {
    let (high, low) = (text[0].wrapping_sub(b'0'), text[1].wrapping_sub(b'0'));
    (high < 10 && low < 10).then(|| u32::from(high) * 10 + u32::from(low))
}

/// `YYYY-MM-DD` of years 0000 to 9999, as days since 1970-01-01.
#[must_use]
#[inline]
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let text: &[u8; 10] = text.try_into().ok()?;
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two(text)? * 100 + two(&text[2..])?;
    days(year.into(), two(&text[5..])?, two(&text[8..])?).map(|days| days as i32)
}

/// `HH:MM:SS`, as seconds since midnight.
#[inline]
fn parse_seconds(text: [u8; 8]) -> Option<i64> {
    if text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(&text)?, two(&text[3..])?, two(&text[6..])?);
    (hour < 24 && minute < 60 && second < 60).then(|| i64::from(hour * 3600 + minute * 60 + second))
}

/// `HH:MM:SS` with up to six digits of fraction, as microseconds since midnight.
#[must_use]
#[inline]
pub fn parse_time(text: &[u8]) -> Option<i64> {
    let (clock, fraction) = text.split_first_chunk::<8>()?;
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => parse_fraction(digits, 6)?,
        _ => return None,
    };
    Some(parse_seconds(*clock)? * 1_000_000 + micros)
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f`, as nanoseconds since midnight; digits of the fraction after
/// the ninth must be zeros.
#[must_use]
pub fn parse_clock(text: &[u8]) -> Option<i64> {
    if let [h1, h2, b':', m1, m2] = text {
        return Some(parse_seconds([*h1, *h2, b':', *m1, *m2, b':', b'0', b'0'])? * NANOS);
    }
    let (clock, fraction) = text.split_first_chunk::<8>()?;
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] => parse_fraction(digits, 9)?,
        _ => return None,
    };
    Some(parse_seconds(*clock)? * NANOS + nanos)
}

/// The digits after a point, counted in 10^-`places`, at most 18; further ones must be zeros.
#[must_use]
#[inline]
pub fn parse_fraction(digits: &[u8], places: usize) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0;
    for (place, digit) in digits.iter().enumerate() {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 || (place >= places && digit != 0) {
            return None;
        }
        if place < places {
            value = value * 10 + i64::from(digit);
        }
    }
    for _ in digits.len()..places {
        value *= 10;
    }
    Some(value)
}

/// A date and a time in their strict forms, a space or a `T` between them; microseconds since 1970.
#[must_use]
#[inline]
pub fn parse_timestamp(text: &[u8]) -> Option<i64> {
    if text.len() < 19 || !matches!(text[10], b' ' | b'T') {
        return None;
    }
    Some(i64::from(parse_date(&text[..10])?) * MICROS_PER_DAY + parse_time(&text[11..])?)
}

/// Seconds east of Greenwich of `Z`, `±HH`, `±HHMM` or `±HH:MM`.
#[must_use]
pub fn parse_zone(text: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match text {
        b"Z" | b"z" => return Some(0),
        [sign, h1, h2] => (sign, [*h1, *h2], [b'0', b'0']),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hour, minute) = (two(&hour)?, two(&minute)?);
    let seconds = i64::from(hour * 3600 + minute * 60);
    match sign {
        _ if hour > 23 || minute > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Appends `YYYY-MM-DD` of a day counted from 1970-01-01; nothing, and `None`, outside the years
/// 0000 to 9999.
#[must_use]
pub fn write_date(out: &mut Vec<u8>, days: i64) -> Option<()> {
    let (year, month, day) = civil(days);
    let year = u32::try_from(year).ok().filter(|year| *year <= 9999)?;
    push_two(out, year / 100);
    push_two(out, year % 100);
    push_month_and_day(out, month, day);
    Some(())
}

/// Appends `-MM-DD`.
pub fn push_month_and_day(out: &mut Vec<u8>, month: u32, day: u32) {
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
}

fn push_two(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// Appends `HH:MM:SS` of seconds since midnight.
pub fn push_seconds(out: &mut Vec<u8>, seconds: u32) {
    push_two(out, seconds / 3600);
    out.push(b':');
    push_two(out, seconds / 60 % 60);
    out.push(b':');
    push_two(out, seconds % 60);
}

/// Appends microseconds since midnight as `HH:MM:SS`, with a fraction of six digits where there is
/// one; nothing, and `None`, outside a day.
#[must_use]
pub fn write_time(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    push_seconds(out, (micros / 1_000_000) as u32);
    let fraction = (micros % 1_000_000) as u32;
    if fraction > 0 {
        out.push(b'.');
        push_two(out, fraction / 10_000);
        push_two(out, fraction / 100 % 100);
        push_two(out, fraction % 100);
    }
    Some(())
}

/// Appends microseconds since 1970 as a date and a time with a space between them; nothing, and
/// `None`, outside the years 0000 to 9999.
#[must_use]
pub fn write_timestamp(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    write_date(out, micros.div_euclid(MICROS_PER_DAY))?;
    out.push(b' ');
    write_time(out, micros.rem_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_at_the_edges() {
        for (date, days) in [
            ("0000-01-01", -719_528),
            ("0001-01-01", -719_162),
            ("1969-12-31", -1),
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse_date(date.as_bytes()), Some(days), "{date}");
        }
        for wrong in [
            "1970-1-1",
            "1999-02-29",
            "2024-00-01",
            "2024-13-01",
            "2024-01-32",
            "2024/01/01",
            "1900-02-29",
            "",
        ] {
            assert_eq!(parse_date(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn clocks_keep_the_digits_that_they_have_room_for() {
        assert_eq!(parse_time(b"23:59:59.999999"), Some(MICROS_PER_DAY - 1));
        assert_eq!(parse_time(b"00:00:00.5"), Some(500_000));
        assert_eq!(parse_clock(b"23:59:59.9999999990"), Some(NANOS_PER_DAY - 1));
        assert_eq!(parse_clock(b"10:30"), Some(37_800 * NANOS));
        for wrong in ["24:00:00", "10:60:00", "10:00:60", "10:00:00.", "1:00:00", "10:00:00,5", "10:00:0a"] {
            assert_eq!(
                (parse_time(wrong.as_bytes()), parse_clock(wrong.as_bytes())),
                (None, None),
                "{wrong}"
            );
        }
        for lenient in ["10:30", "10:00:00.1234567", "10:00:00.1234560"] {
            assert_eq!(parse_time(lenient.as_bytes()), None, "{lenient}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        let mut expected = days(1999, 12, 31).unwrap();
        for (year, month, day) in (2000..2101)
            .flat_map(|year| (1..=12).flat_map(move |month| (1..=31).map(move |day| (year, month, day))))
        {
            if let Some(found) = days(year, month, day) {
                expected += 1;
                assert_eq!((found, civil(found)), (expected, (year, month, day)));
            }
        }
        assert_eq!(Some(expected + 1), days(2101, 1, 1));
    }

    proptest! {
        #[test]
        fn every_day_round_trips(days in -719_528_i64..2_932_897) {
            let written = text(|out| write_date(out, days).unwrap());
            prop_assert_eq!(parse_date(written.as_bytes()).map(i64::from), Some(days));
        }

        #[test]
        fn every_microsecond_round_trips(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let written = text(|out| write_timestamp(out, micros).unwrap());
            prop_assert_eq!(parse_timestamp(written.as_bytes()), Some(micros));
        }

        #[test]
        fn what_is_outside_is_not_written(days in prop_oneof![-1_000_000_i64..-719_528, 2_932_897_i64..4_000_000]) {
            let mut out = Vec::new();
            prop_assert_eq!((write_date(&mut out, days), out.len()), (None, 0));
        }

        #[test]
        fn parsers_never_panic(bytes: Vec<u8>) {
            let _ = (parse_date(&bytes), parse_time(&bytes), parse_timestamp(&bytes));
            let _ = (parse_clock(&bytes), parse_zone(&bytes), parse_fraction(&bytes, 9));
        }
    }
}
