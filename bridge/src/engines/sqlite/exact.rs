//! Numbers between SQLite's storage and Arrow's types: exact both ways, or `None`.

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
            let _ = Decimal::new(38, 3).of_text(&bytes);
        }
    }
}
