//! Values between SQLite's storage and Arrow's types: exact both ways, or `None`.

/// 10^0 … 10^22, each exactly a double.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Below this a double holds every integer, so that a quotient by a power of ten is the nearest
/// double to the decimal.
const EXACT: f64 = 1e15;

/// A decimal type, with what every value of it needs worked out once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal {
    /// 10^scale; no number where a double does not hold it, so that nothing compares equal.
    power: f64,
    /// 10^scale.
    multiplier: i128,
    /// 10^precision: every unscaled value is nearer to 0.
    bound: i128,
    scale: usize,
}

impl Decimal {
    /// Precision 1 to 38, scale 0 to precision.
    #[must_use]
    pub fn new(precision: u8, scale: i8) -> Self {
        let scale = usize::try_from(scale).unwrap_or(0);
        Self {
            power: POWERS.get(scale).copied().unwrap_or(f64::NAN),
            multiplier: 10_i128.pow(scale.min(38) as u32),
            bound: 10_i128.pow(u32::from(precision.min(38))),
            scale,
        }
    }

    /// The unscaled decimal that a double stands for: the one with at most 15 digits whose nearest
    /// double it is.
    #[must_use]
    #[inline]
    #[allow(clippy::float_cmp)] // the same double, or not the decimal
    pub fn of_real(&self, value: f64) -> Option<i128> {
        let product = value * self.power;
        if product.abs() > EXACT || (value == 0.0 && value.is_sign_negative()) {
            return None;
        }
        // The product is off by less than a half where there is such a decimal at all.
        let unscaled = (product + 0.5_f64.copysign(product)) as i64;
        if unscaled as f64 / self.power == value { self.within(i128::from(unscaled)) } else { None }
    }

    #[must_use]
    #[inline]
    pub fn of_int(&self, value: i64) -> Option<i128> {
        self.within(i128::from(value).checked_mul(self.multiplier)?)
    }

    #[inline]
    fn within(&self, unscaled: i128) -> Option<i128> {
        (unscaled < self.bound && -unscaled < self.bound).then_some(unscaled)
    }

    /// Digits as `decimal_to_text` writes them, and no others.
    #[must_use]
    pub fn of_text(&self, text: &[u8]) -> Option<i128> {
        let (negative, digits) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, text),
        };
        let point = digits.iter().position(|&b| b == b'.').unwrap_or(digits.len());
        let fraction = digits.len().saturating_sub(point + 1);
        let scale = self.scale;
        if point == 0
            || fraction != scale
            || (point < digits.len() && fraction == 0)
            || (point > 1 && digits[0] == b'0')
        {
            return None;
        }
        let mut unscaled: i128 = 0;
        for (index, &digit) in digits.iter().enumerate() {
            if index != point {
                if !digit.is_ascii_digit() {
                    return None;
                }
                unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
            }
        }
        if negative && unscaled == 0 {
            return None;
        }
        self.within(if negative { -unscaled } else { unscaled })
    }
}

/// Whether a text keeps its value in a column of numeric affinity: it does not look like a number,
/// or is written as plain digits, at most 15 of them or an integer of 64 bits.
#[must_use]
pub fn survives_affinity(text: &str) -> bool {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let numeric = trimmed.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if !numeric || trimmed.parse::<f64>().is_err() {
        return true;
    }
    let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
    let plain = trimmed.len() == text.len()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !digits.starts_with('.')
        && !digits.ends_with('.')
        && (!digits.starts_with('0') || digits.len() == 1 || digits.starts_with("0."));
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    plain && (count <= 15 || text.parse::<i64>().is_ok())
}

/// The double that reads back as this decimal; `None` beyond 15 digits.
#[must_use]
pub fn decimal_to_real(unscaled: i128, scale: i8) -> Option<f64> {
    let power = POWERS.get(usize::try_from(scale).ok()?)?;
    if unscaled.unsigned_abs() > 1_000_000_000_000_000 {
        return None;
    }
    #[allow(clippy::cast_precision_loss)] // at most 10^15
    Some(unscaled as f64 / power)
}

pub fn decimal_to_text(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::try_from(scale).unwrap_or(0);
    if unscaled < 0 {
        out.push(b'-');
    }
    if digits.len() > scale {
        out.extend_from_slice(&digits.as_bytes()[..digits.len() - scale]);
    } else {
        out.push(b'0');
    }
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        out.extend_from_slice(&digits.as_bytes()[digits.len().saturating_sub(scale)..]);
    }
}

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
    let (month, day) = (two(&text[5..])?, two(&text[8..])?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
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
    // Days from civil, http://howardhinnant.github.io/date_algorithms.html
    let shifted = if month <= 2 { year + 399 } else { year + 400 }; // years from March, offset by one era
    let era = shifted / 400;
    let year_of_era = shifted % 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(i64::from(era) * 146_097 + i64::from(day_of_era) - 719_468 - 146_097).ok()
}

/// Days since 1970-01-01 as `YYYY-MM-DD`; `None` outside the years 0000 to 9999.
#[must_use]
pub fn write_date(out: &mut Vec<u8>, days: i64) -> Option<()> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        return None;
    }
    push_two(out, year / 100);
    push_two(out, year % 100);
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
    Some(())
}

fn push_two(out: &mut Vec<u8>, value: i64) {
    for digit in [value / 10, value % 10] {
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// `HH:MM:SS` with up to six digits of fraction, as microseconds since midnight.
#[must_use]
#[inline]
pub fn parse_time(text: &[u8]) -> Option<i64> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(text)?, two(&text[3..])?, two(&text[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = 0;
    if text.len() > 8 {
        if text[8] != b'.' || text.len() == 9 || text.len() > 15 {
            return None;
        }
        for index in 9..15 {
            let digit = text.get(index).map_or(0, |b| b.wrapping_sub(b'0'));
            if digit > 9 {
                return None;
            }
            fraction = fraction * 10 + i64::from(digit);
        }
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + fraction)
}

/// Microseconds since midnight as `HH:MM:SS`, with a fraction of six digits where there is one.
#[must_use]
pub fn write_time(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    if !(0..86_400_000_000).contains(&micros) {
        return None;
    }
    let seconds = micros / 1_000_000;
    push_two(out, seconds / 3600);
    out.push(b':');
    push_two(out, seconds / 60 % 60);
    out.push(b':');
    push_two(out, seconds % 60);
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        out.push(b'.');
        push_two(out, fraction / 10_000);
        push_two(out, fraction / 100 % 100);
        push_two(out, fraction % 100);
    }
    Some(())
}

const DAY: i64 = 86_400_000_000;

/// A date and a time, a space or a `T` between them, no zone; microseconds since 1970.
#[must_use]
#[inline]
pub fn parse_timestamp(text: &[u8]) -> Option<i64> {
    if text.len() < 19 || !matches!(text[10], b' ' | b'T') {
        return None;
    }
    Some(i64::from(parse_date(&text[..10])?) * DAY + parse_time(&text[11..])?)
}

#[must_use]
pub fn write_timestamp(out: &mut Vec<u8>, micros: i64) -> Option<()> {
    write_date(out, micros.div_euclid(DAY))?;
    out.push(b' ');
    write_time(out, micros.rem_euclid(DAY))
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
        for (date, days) in
            [("1970-01-01", 0), ("1969-12-31", -1), ("2000-02-29", 11016), ("9999-12-31", 2_932_896)]
        {
            assert_eq!(parse_date(date.as_bytes()), Some(days), "{date}");
        }
        for wrong in
            ["1970-1-1", "1999-02-29", "2024-00-01", "2024-13-01", "2024-01-32", "2024/01/01", "1900-02-29"]
        {
            assert_eq!(parse_date(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn decimals_of_doubles_are_the_shortest_ones() {
        let cents = Decimal::new(15, 2);
        assert_eq!(cents.of_real(999_999_999_999_999.0), None);
        assert_eq!(Decimal::new(15, 0).of_real(999_999_999_999_999.0), Some(999_999_999_999_999));
        assert_eq!(cents.of_real(21168.23), Some(2_116_823));
        assert_eq!(cents.of_real(0.1 + 0.2), None);
        assert_eq!(cents.of_real(0.005), None);
        assert_eq!(cents.of_real(-0.0), None);
        assert_eq!(cents.of_real(f64::NAN), None);
        assert_eq!(cents.of_real(f64::INFINITY), None);
        assert_eq!(Decimal::new(38, 2).of_real(1e300), None);
        assert_eq!(Decimal::new(38, 19).of_int(i64::MAX), Some(i128::from(i64::MAX) * 10_i128.pow(19)));
        assert_eq!(Decimal::new(5, 2).of_int(1000), None);
    }

    #[test]
    fn texts_that_numeric_affinity_would_change_are_told_apart() {
        for kept in
            ["", "abc", "7", "-12.50", "0.5", "9223372036854775807", "1.2.3", "1e", "--1", "2024-01-01", "e"]
        {
            assert!(survives_affinity(kept), "{kept:?}");
        }
        for changed in
            ["007", "1e5", " 5 ", "+1", ".5", "5.", "12345678901234567890123", "1234567890.1234567"]
        {
            assert!(!survives_affinity(changed), "{changed:?}");
        }
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
        fn decimals_round_trip_as_doubles(unscaled in -999_999_999_999_999_i64..1_000_000_000_000_000, scale in 0_i8..15) {
            let value = decimal_to_real(i128::from(unscaled), scale).unwrap();
            if unscaled != 0 {
                prop_assert_eq!(Decimal::new(15, scale).of_real(value), Some(i128::from(unscaled)));
            }
        }

        #[test]
        fn decimals_round_trip_as_text(unscaled: i64, scale in 0_i8..30) {
            let written = text(|out| decimal_to_text(out, i128::from(unscaled), scale));
            prop_assert_eq!(Decimal::new(38, scale).of_text(written.as_bytes()), Some(i128::from(unscaled)), "{}", written);
        }

        #[test]
        fn parsers_never_panic(bytes: Vec<u8>) {
            let _ = (parse_date(&bytes), parse_time(&bytes), parse_timestamp(&bytes), Decimal::new(38, 3).of_text(&bytes));
        }
    }
}
