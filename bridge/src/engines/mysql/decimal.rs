//! Decimals, which the binary protocol sends as their digits.

use arrow_buffer::i256;

use crate::engines::column::Wrong;

const MALFORMED: Wrong = "it is no decimal";
const LONGER: Wrong = "it has more digits";

/// Sign, digits before and behind the point.
#[inline]
fn parts(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (negative, &digits[..point], &digits[point + 1..]),
        None => (negative, digits, &[]),
    }
}

/// The value times `10^scale`, of at most `precision` digits.
#[inline]
pub fn to_i128(text: &[u8], precision: u8, scale: i8) -> Result<i128, Wrong> {
    let (negative, whole, fraction) = parts(text);
    let value = if whole.len() + fraction.len() <= 18 && fraction.len() == usize::from(scale.unsigned_abs()) {
        let mut value = 0_u64;
        for byte in whole.iter().chain(fraction) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(MALFORMED);
            }
            value = value * 10 + u64::from(digit);
        }
        i128::from(value)
    } else {
        unscaled(whole, fraction, scale)?.to_i128().ok_or(LONGER)?
    };
    if value.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
        return Err(LONGER);
    }
    Ok(if negative { -value } else { value })
}

/// The value times `10^scale`, of at most `precision` digits.
pub fn to_i256(text: &[u8], precision: u8, scale: i8) -> Result<i256, Wrong> {
    let (negative, whole, fraction) = parts(text);
    let value = unscaled(whole, fraction, scale)?;
    if value >= i256::from_i128(10).checked_pow(u32::from(precision)).ok_or(LONGER)? {
        return Err(LONGER);
    }
    Ok(if negative { value.wrapping_neg() } else { value })
}

fn unscaled(whole: &[u8], fraction: &[u8], scale: i8) -> Result<i256, Wrong> {
    let scale = usize::from(scale.unsigned_abs());
    let (kept, lost) = fraction.split_at(fraction.len().min(scale));
    if lost.iter().any(|byte| *byte != b'0') {
        return Err(LONGER);
    }
    let zeros = std::iter::repeat_n(&b'0', scale - kept.len());
    let ten = i256::from_i128(10);
    let mut value = i256::ZERO;
    for byte in whole.iter().chain(kept).chain(zeros) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(MALFORMED);
        }
        value = value.checked_mul(ten).ok_or(LONGER)?;
        value = value.checked_add(i256::from_i128(i128::from(digit))).ok_or(LONGER)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_the_same_number() {
        for (text, precision, scale, value) in [
            ("0.00", 15, 2, 0),
            ("-0.01", 15, 2, -1),
            ("9999999999999.99", 15, 2, 999_999_999_999_999),
            ("0000012.50", 15, 2, 1250),
            ("7", 5, 2, 700),
            ("7.5000", 5, 2, 750),
            (
                "-12345678901234567890123456789012345678",
                38,
                0,
                -12_345_678_901_234_567_890_123_456_789_012_345_678,
            ),
            (".5", 3, 1, 5),
        ] {
            assert_eq!(to_i128(text.as_bytes(), precision, scale), Ok(value), "{text}");
            assert_eq!(to_i256(text.as_bytes(), precision, scale), Ok(i256::from_i128(value)), "{text}");
        }
        let long = "9".repeat(35) + "." + &"9".repeat(30);
        let value = i256::from_string(&"9".repeat(65)).unwrap();
        assert_eq!(to_i256(long.as_bytes(), 65, 30), Ok(value));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, precision, scale) in [("100", 2, 0), ("1.25", 5, 1), ("1e3", 9, 0), ("1.2.3", 9, 2)] {
            assert!(to_i128(text.as_bytes(), precision, scale).is_err(), "{text}");
            assert!(to_i256(text.as_bytes(), precision, scale).is_err(), "{text}");
        }
        assert!(to_i256("9".repeat(90).as_bytes(), 65, 0).is_err());
    }
}
