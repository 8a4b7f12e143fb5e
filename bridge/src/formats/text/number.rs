//! Numbers out and in, exactly.

use std::num::NonZeroI32;

use arrow_buffer::i256;
use lexical_core::{FormattedSize, ToLexical, WriteFloatOptions, WriteFloatOptionsBuilder};

/// Plain notation up to 16 digits before the point, as people and Python write it.
const FLOAT: WriteFloatOptions = WriteFloatOptionsBuilder::new()
    .positive_exponent_break(NonZeroI32::new(15))
    .negative_exponent_break(NonZeroI32::new(-5))
    .build_strict();
const STANDARD: u128 = lexical_core::format::STANDARD;

/// Appends an integer.
pub(in crate::formats) fn push_int<T: ToLexical>(value: T, out: &mut Vec<u8>) {
    let mut buffer = [0; lexical_core::BUFFER_SIZE];
    out.extend_from_slice(lexical_core::write(value, &mut buffer));
}

/// A float type that has text.
pub(in crate::formats) trait Float: Copy + FormattedSize + PartialEq {
    fn classify(self) -> std::num::FpCategory;
    fn is_negative(self) -> bool;
    fn write(self, buffer: &mut [u8]) -> &[u8];
    /// The nearest value of plain digits, and whether it is finite.
    fn read(text: &[u8]) -> Option<Self>;
    fn is_exactly(self, integer: i128) -> bool;
    const NAN: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
}

macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
            fn classify(self) -> std::num::FpCategory {
                self.classify()
            }
            fn is_negative(self) -> bool {
                self.is_sign_negative()
            }
            fn write(self, buffer: &mut [u8]) -> &[u8] {
                lexical_core::write_with_options::<_, STANDARD>(self, buffer, &FLOAT)
            }
            fn read(text: &[u8]) -> Option<Self> {
                lexical_core::parse(text).ok()
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::float_cmp)]
            fn is_exactly(self, integer: i128) -> bool {
                integer as $float == self && self as i128 == integer && integer != i128::MAX
            }
            const NAN: Self = <$float>::NAN;
            const INFINITY: Self = <$float>::INFINITY;
            const NEG_INFINITY: Self = <$float>::NEG_INFINITY;
        }
    };
}

float!(f32);
float!(f64);

/// Appends the shortest digits that read back equal, or `NaN`, `Infinity`, `-Infinity`.
/// Returns false for those three, which JSON has to quote.
pub(in crate::formats) fn push_float<T: Float>(value: T, out: &mut Vec<u8>) -> bool {
    match value.classify() {
        std::num::FpCategory::Nan => out.extend_from_slice(b"NaN"),
        std::num::FpCategory::Infinite if value.is_negative() => out.extend_from_slice(b"-Infinity"),
        std::num::FpCategory::Infinite => out.extend_from_slice(b"Infinity"),
        _ => {
            let mut buffer = [0; FLOAT.buffer_size_const::<f64, STANDARD>()];
            out.extend_from_slice(value.write(&mut buffer));
            return true;
        }
    }
    false
}

/// Appends a decimal, given its digits without a point, with all digits of its scale.
pub(in crate::formats) fn push_scaled(digits: &[u8], scale: i8, out: &mut Vec<u8>) {
    let (sign, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    if sign {
        out.push(b'-');
    }
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits);
        if digits != b"0" {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    };
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}

/// Appends a decimal of up to 38 digits.
pub(in crate::formats) fn push_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = [0; lexical_core::BUFFER_SIZE];
    let digits: &[u8] = match i64::try_from(value) {
        Ok(small) => lexical_core::write(small, &mut buffer),
        Err(_) => lexical_core::write(value, &mut buffer),
    };
    push_scaled(digits, scale, out);
}

/// Why a text is not a value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Misfit {
    /// It is not text of that kind.
    Syntax,
    /// It is, but the type cannot hold it exactly.
    Range,
}

/// The digits of a number, taken apart: `±digits × 10^exponent`, no zeros at either end.
struct Digits {
    negative: bool,
    significant: Vec<u8>,
    exponent: i64,
}

impl Digits {
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, mut rest) = match text.first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let mut exponent = 0;
        if let Some(e) = rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            let digits = rest[e + 1..].strip_prefix(b"+").unwrap_or(&rest[e + 1..]);
            if digits.is_empty() || digits.len() > 12 {
                return None;
            }
            exponent = lexical_core::parse::<i64>(digits).ok()?;
            rest = &rest[..e];
        }
        let (whole, fraction) = match rest.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&rest[..dot], &rest[dot + 1..]),
            None => (rest, b"".as_slice()),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits = Vec::with_capacity(whole.len() + fraction.len());
        for digit in whole.iter().chain(fraction) {
            if !digit.is_ascii_digit() {
                return None;
            }
            if *digit != b'0' || !digits.is_empty() {
                digits.push(*digit);
            }
        }
        exponent -= fraction.len() as i64;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent += 1;
        }
        Some(Self { negative, significant: digits, exponent })
    }

    /// The digits of the value times `10^scale`, if that is an integer of at most `precision` digits.
    fn scaled(mut self, precision: u8, scale: i8) -> Option<Vec<u8>> {
        if self.significant.is_empty() {
            return Some(vec![b'0']);
        }
        let zeros = usize::try_from(self.exponent + i64::from(scale)).ok()?;
        if self.significant.len().checked_add(zeros)? > usize::from(precision) {
            return None;
        }
        self.significant.resize(self.significant.len() + zeros, b'0');
        if self.negative {
            self.significant.insert(0, b'-');
        }
        Some(self.significant)
    }
}

/// An integer, in plain digits or any notation that is one exactly (`1.0`, `1e3`).
pub(in crate::formats) fn parse_i128(text: &[u8]) -> Result<i128, Misfit> {
    if text.len() < 19
        && let Ok(value) = lexical_core::parse::<i64>(text)
    {
        return Ok(value.into());
    }
    parse_decimal(text, 38, 0)
}

/// The unscaled value of a few plain digits, or `None` for anything less plain.
fn short_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let scale = u32::try_from(scale).ok().filter(|scale| *scale <= 18)?;
    if unsigned.len() > 18 || !unsigned.first()?.is_ascii_digit() {
        return None;
    }
    let (mut value, mut fraction) = (0_i64, None);
    for byte in unsigned {
        match (byte, &mut fraction) {
            (b'0'..=b'9', fraction) => {
                value = value * 10 + i64::from(byte - b'0');
                if let Some(digits) = fraction {
                    *digits += 1;
                }
            }
            (b'.', fraction @ None) => *fraction = Some(0_u32),
            _ => return None,
        }
    }
    let zeros = scale.checked_sub(fraction.unwrap_or(0))?;
    let value = i128::from(value) * i128::from(10_i64.pow(zeros));
    if value >= 10_i128.pow(u32::from(precision)) {
        return None;
    }
    Some(if unsigned.len() < text.len() { -value } else { value })
}

/// The unscaled value of a decimal of at most 38 digits.
pub(in crate::formats) fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, Misfit> {
    if let Some(value) = short_decimal(text, precision, scale) {
        return Ok(value);
    }
    let digits = Digits::parse(text).ok_or(Misfit::Syntax)?.scaled(precision, scale).ok_or(Misfit::Range)?;
    lexical_core::parse(&digits).map_err(|_| Misfit::Range)
}

/// The unscaled value of a decimal of at most 76 digits.
pub(in crate::formats) fn parse_decimal256(text: &[u8], precision: u8, scale: i8) -> Result<i256, Misfit> {
    let digits = Digits::parse(text).ok_or(Misfit::Syntax)?.scaled(precision, scale).ok_or(Misfit::Range)?;
    std::str::from_utf8(&digits).ok().and_then(i256::from_string).ok_or(Misfit::Range)
}

/// The float that the text says. Digits are rounded to the nearest one, as everywhere, but
/// overflow, underflow to zero and integers that are not representable are out of range.
pub(in crate::formats) fn parse_float<T: Float>(text: &[u8]) -> Result<T, Misfit> {
    match text {
        b"NaN" | b"nan" => return Ok(T::NAN),
        b"Infinity" | b"+Infinity" | b"inf" | b"+inf" => return Ok(T::INFINITY),
        b"-Infinity" | b"-inf" => return Ok(T::NEG_INFINITY),
        _ => {}
    }
    if !text.iter().any(u8::is_ascii_digit) {
        return Err(Misfit::Syntax);
    }
    let value = T::read(text).ok_or(Misfit::Syntax)?;
    let exact = match value.classify() {
        std::num::FpCategory::Nan | std::num::FpCategory::Infinite => false,
        std::num::FpCategory::Zero => Digits::parse(text).is_some_and(|digits| digits.significant.is_empty()),
        // Seven digits are exact in 32 bits already.
        _ if text.len() <= 7 => true,
        _ if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') => is_integer(value, text),
        _ => true,
    };
    if exact { Ok(value) } else { Err(Misfit::Range) }
}

/// True if `text` is the value's exact digits, or its shortest ones filled up with zeros.
fn is_integer<T: Float>(value: T, text: &[u8]) -> bool {
    if parse_decimal(text, 38, 0).is_ok_and(|integer| value.is_exactly(integer)) {
        return true;
    }
    let mut shortest = Vec::new();
    push_float(value, &mut shortest);
    match (Digits::parse(text), Digits::parse(&shortest)) {
        (Some(a), Some(b)) => a.significant == b.significant && a.exponent == b.exponent,
        _ => false,
    }
}

/// A number in JSON's own notation: no leading zeros, no `+`, digits on both sides of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) struct Numeral {
    /// Digits before the point, and after it.
    pub whole: usize,
    pub fraction: usize,
    pub exponent: bool,
    /// `-0` in any spelling, which only floats can say.
    pub negative_zero: bool,
}

impl Numeral {
    pub(in crate::formats) fn parse(text: &[u8]) -> Option<Self> {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let whole = digits(unsigned);
        if whole == 0 || (whole > 1 && unsigned[0] == b'0') {
            return None;
        }
        let mut rest = &unsigned[whole..];
        let mut fraction = 0;
        if let Some(after) = rest.strip_prefix(b".") {
            fraction = digits(after);
            if fraction == 0 {
                return None;
            }
            rest = &after[fraction..];
        }
        let exponent = matches!(rest.first(), Some(b'e' | b'E'));
        if exponent {
            let after = &rest[1..];
            let after = after.strip_prefix(b"+").or_else(|| after.strip_prefix(b"-")).unwrap_or(after);
            if after.is_empty() || digits(after) != after.len() {
                return None;
            }
        } else if !rest.is_empty() {
            return None;
        }
        let mantissa = &unsigned[..unsigned.len() - rest.len()];
        let negative_zero =
            unsigned.len() < text.len() && mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'));
        Some(Self { whole, fraction, exponent, negative_zero })
    }

    /// True if the nearest 64-bit float, written out again, is the same number.
    pub(in crate::formats) fn is_float(self, text: &[u8]) -> bool {
        if !self.exponent && self.whole + self.fraction <= 15 {
            return true;
        }
        let Some(value) = <f64 as Float>::read(text).filter(|value| value.is_finite()) else {
            return false;
        };
        let mut shortest = Vec::new();
        push_float(value, &mut shortest);
        match (Digits::parse(text), Digits::parse(&shortest)) {
            (Some(a), Some(b)) => {
                a.significant == b.significant && (a.exponent == b.exponent || a.significant.is_empty())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(value: i128, scale: i8) -> String {
        let mut out = Vec::new();
        push_decimal(value, scale, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        push_float(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_numbers() {
        assert_eq!(decimal(-1, 10), "-0.0000000001");
        assert_eq!(decimal(12_345, 2), "123.45");
        assert_eq!(decimal(7, -3), "7000");
        assert_eq!(decimal(0, 2), "0.00");
        assert_eq!(float(12_345_678_901.5), "12345678901.5");
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1e300), "1.0e300");
        assert_eq!(float(-0.0), "-0.0");
    }

    #[test]
    fn what_fits_and_what_does_not() {
        assert_eq!(parse_decimal(b"1e2", 3, 0), Ok(100));
        assert_eq!(parse_decimal(b"1.50", 3, 1), Ok(15));
        assert_eq!(parse_decimal(b"1.55", 3, 1), Err(Misfit::Range));
        assert_eq!(parse_decimal(b"1000", 3, 0), Err(Misfit::Range));
        assert_eq!(parse_decimal(b"1e999999999", 38, 0), Err(Misfit::Range));
        assert_eq!(parse_decimal(b"1 ", 3, 0), Err(Misfit::Syntax));
        assert_eq!(parse_decimal(b".", 3, 0), Err(Misfit::Syntax));
        assert_eq!(parse_float::<f64>(b"1e400"), Err(Misfit::Range));
        assert_eq!(parse_float::<f64>(b"1e-400"), Err(Misfit::Range));
        assert_eq!(parse_float::<f64>(b"9007199254740993"), Err(Misfit::Range));
        assert_eq!(parse_float::<f64>(b"9007199254740992"), Ok(9_007_199_254_740_992.0));
        assert_eq!(parse_float::<f64>(b"590295810358705700000"), Ok(590_295_810_358_705_700_000.0));
        assert_eq!(parse_float::<f64>(b"0.1x"), Err(Misfit::Syntax));
        assert_eq!(parse_float::<f64>(b""), Err(Misfit::Syntax));
    }

    proptest! {
        #[test]
        fn decimals_round_trip(value in -99_999_999_999_999_999_999_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999_999_999_999_999_999_999, scale in -5_i8..=38) {
            prop_assume!(scale >= 0 || value.unsigned_abs() < 10_u128.pow(33));
            prop_assert_eq!(parse_decimal(decimal(value, scale).as_bytes(), 38, scale), Ok(value));
        }

        #[test]
        fn short_texts_mean_what_long_ones_mean(text in "-?[0-9]{0,12}(\\.[0-9]{0,6})?", precision in 1_u8..=38, scale in 0_i8..=20) {
            if let Some(value) = short_decimal(text.as_bytes(), precision, scale) {
                let digits = Digits::parse(text.as_bytes()).and_then(|digits| digits.scaled(precision, scale));
                prop_assert_eq!(digits.map(|digits| lexical_core::parse(&digits)), Some(Ok(value)));
            }
        }

        #[test]
        fn floats_round_trip(value: f64, small: f32) {
            prop_assert_eq!(parse_float::<f64>(float(value).as_bytes()).map(f64::to_bits), Ok(value.to_bits()));
            let mut out = Vec::new();
            push_float(small, &mut out);
            prop_assert_eq!(parse_float::<f32>(&out).map(f32::to_bits), Ok(small.to_bits()));
        }

        #[test]
        fn no_text_panics(bytes: Vec<u8>) {
            let _ = (parse_decimal(&bytes, 38, 9), parse_decimal256(&bytes, 76, 9), parse_float::<f32>(&bytes), parse_i128(&bytes));
        }
    }
}
