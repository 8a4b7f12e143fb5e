//! PostgreSQL's binary `numeric`: digits to base 10,000, exactly to and from scaled integers.
//!
//! <https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c>

use arrow_buffer::i256;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < 20 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Why a value has no place in a decimal column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    NotANumber,
    Infinite,
    TooLong,
    Malformed,
}

/// The header: how many digits, the power of 10,000 of the first, the sign.
struct Numeric<'a> {
    digits: &'a [u8],
    weight: i32,
    negative: bool,
}

impl<'a> Numeric<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Result<Self, Misfit> {
        let (head, digits) = bytes.split_first_chunk::<8>().ok_or(Misfit::Malformed)?;
        let at = |index: usize| u16::from_be_bytes([head[index], head[index + 1]]);
        if digits.len() != usize::from(at(0)) * 2 {
            return Err(Misfit::Malformed);
        }
        let negative = match at(4) {
            0 => false,
            NEGATIVE => true,
            NAN => return Err(Misfit::NotANumber),
            INFINITY | NEGATIVE_INFINITY => return Err(Misfit::Infinite),
            _ => return Err(Misfit::Malformed),
        };
        Ok(Self { digits, weight: i32::from(at(2).cast_signed()), negative })
    }

    #[inline]
    fn groups(&self) -> impl Iterator<Item = u16> + '_ {
        self.digits.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// What the digits, taken as one integer, are to be multiplied by: a power of ten.
    #[inline]
    fn shift(&self, scale: i8) -> i32 {
        let groups = i32::try_from(self.digits.len() / 2).unwrap_or(i32::MAX);
        (self.weight - (groups - 1)) * 4 + i32::from(scale)
    }
}

/// The value times `10^scale`.
#[inline]
pub fn to_i128(bytes: &[u8], scale: i8) -> Result<i128, Misfit> {
    let numeric = Numeric::new(bytes)?;
    let shift = numeric.shift(scale);
    // Most values: at most sixteen digits, all in one machine word.
    if numeric.digits.len() <= 8 {
        let digits = numeric.groups().fold(0_u64, |sum, group| sum * 10_000 + u64::from(group));
        let value = match usize::try_from(shift) {
            // What is no PostgreSQL's may have groups beyond 9999.
            Ok(up) if up < 4 => digits.wrapping_mul(POWERS[up]),
            Ok(up) if digits != 0 => {
                let power =
                    10_i128.checked_pow(u32::try_from(up).unwrap_or(u32::MAX)).ok_or(Misfit::TooLong)?;
                let value = i128::from(digits).checked_mul(power).ok_or(Misfit::TooLong)?;
                return Ok(if numeric.negative { -value } else { value });
            }
            Ok(_) => 0,
            Err(_) => {
                let power = *POWERS.get(shift.unsigned_abs() as usize).ok_or(Misfit::TooLong)?;
                if digits % power != 0 {
                    return Err(Misfit::TooLong);
                }
                digits / power
            }
        };
        let value = i128::from(value);
        return Ok(if numeric.negative { -value } else { value });
    }
    to_i256(bytes, scale)?.to_i128().ok_or(Misfit::TooLong)
}

/// The value times `10^scale`.
pub fn to_i256(bytes: &[u8], scale: i8) -> Result<i256, Misfit> {
    let numeric = Numeric::new(bytes)?;
    let base = i256::from_i128(10_000);
    let mut groups = numeric.groups().peekable();
    let mut shift = numeric.shift(scale);
    let mut value = i256::ZERO;
    while let Some(group) = groups.next() {
        // The last group may reach below the scale; what it has there must be zeros.
        if groups.peek().is_none() && shift < 0 && shift > -4 {
            let power = u16::try_from(POWERS[shift.unsigned_abs() as usize]).unwrap_or(1);
            if group % power != 0 {
                return Err(Misfit::TooLong);
            }
            let kept = i256::from_i128(i128::from(10_000 / power));
            value = value.checked_mul(kept).ok_or(Misfit::TooLong)?;
            value = value.checked_add(i256::from_i128(i128::from(group / power))).ok_or(Misfit::TooLong)?;
            shift = 0;
        } else {
            value = value.checked_mul(base).ok_or(Misfit::TooLong)?;
            value = value.checked_add(i256::from_i128(i128::from(group))).ok_or(Misfit::TooLong)?;
        }
    }
    if shift < 0 && value != i256::ZERO {
        return Err(Misfit::TooLong);
    }
    for _ in 0..shift {
        if value == i256::ZERO {
            break;
        }
        value = value.checked_mul(i256::from_i128(10)).ok_or(Misfit::TooLong)?;
    }
    Ok(if numeric.negative { value.wrapping_neg() } else { value })
}

/// Appends the binary form of `unscaled / 10^scale`.
pub fn write_i128(out: &mut Vec<u8>, unscaled: i128, scale: i8) {
    let (Ok(mut rest), Ok(fraction)) = (u64::try_from(unscaled.unsigned_abs()), usize::try_from(scale))
    else {
        return write(out, i256::from_i128(unscaled), scale);
    };
    if fraction > 16 {
        return write(out, i256::from_i128(unscaled), scale);
    }
    if rest == 0 {
        let [high, low] = u16::try_from(fraction).unwrap_or(0).to_be_bytes();
        return out.extend_from_slice(&[0, 0, 0, 0, 0, 0, high, low]);
    }
    // From the last group on: the first of them is filled up with zeros behind the point.
    let mut groups = [0_u16; 12];
    let mut at = groups.len();
    let behind = fraction % 4;
    let mut weight = -i32::try_from(fraction.div_ceil(4)).unwrap_or(0);
    if behind > 0 {
        at -= 1;
        let power = POWERS[behind];
        groups[at] = u16::try_from(rest % power * POWERS[4 - behind]).unwrap_or(0);
        rest /= power;
        weight += 1;
    }
    while rest > 0 {
        at -= 1;
        groups[at] = u16::try_from(rest % 10_000).unwrap_or(0);
        rest /= 10_000;
        weight += 1;
    }
    weight -= 1;
    let groups = &groups[at..];
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    let end = groups.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1);
    let groups = &groups[zeros.min(end)..end];
    weight -= i32::try_from(zeros).unwrap_or(0);
    let sign = if unscaled < 0 { NEGATIVE } else { 0 };
    let count = u16::try_from(groups.len()).unwrap_or(0);
    let weight = i16::try_from(weight).unwrap_or(0).cast_unsigned();
    let mut bytes = [0; 2 * 16];
    let words = [count, weight, sign, u16::try_from(fraction).unwrap_or(0)];
    for (pair, word) in bytes.chunks_exact_mut(2).zip(words.iter().chain(groups)) {
        pair.copy_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&bytes[..2 * (words.len() + groups.len())]);
}

/// Appends the binary form of `unscaled / 10^scale`, which has at most 76 digits.
pub fn write(out: &mut Vec<u8>, unscaled: i256, scale: i8) {
    let mut digits = if unscaled.is_negative() { unscaled.wrapping_neg() } else { unscaled }.to_string();
    let mut scale = i32::from(scale);
    if scale < 0 {
        digits.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
        scale = 0;
    }
    // Digits left and right of the point, each filled up to whole groups of four.
    let fraction = usize::try_from(scale).unwrap_or(0);
    if digits.len() <= fraction {
        digits.insert_str(0, &"0".repeat(fraction + 1 - digits.len()));
    }
    let whole = digits.len() - fraction;
    let mut padded = "0".repeat((4 - whole % 4) % 4);
    padded.push_str(&digits);
    padded.push_str(&"0".repeat((4 - fraction % 4) % 4));
    let mut weight = i16::try_from(whole.div_ceil(4)).unwrap_or(0) - 1;
    let mut groups: Vec<u16> = padded
        .as_bytes()
        .chunks(4)
        .map(|four| four.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= i16::try_from(zeros).unwrap_or(0);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if unscaled.is_negative() { NEGATIVE } else { 0 };
    let count = u16::try_from(groups.len()).unwrap_or(0);
    let display = u16::try_from(scale).unwrap_or(0);
    for word in [count, weight.cast_unsigned(), sign, display] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(unscaled: i256, scale: i8) {
        let mut bytes = Vec::new();
        write(&mut bytes, unscaled, scale);
        assert_eq!(to_i256(&bytes, scale), Ok(unscaled), "{unscaled} at {scale}");
        match unscaled.to_i128() {
            Some(narrow) => {
                assert_eq!(to_i128(&bytes, scale), Ok(narrow), "{unscaled} at {scale}");
                let mut short = Vec::new();
                write_i128(&mut short, narrow, scale);
                assert_eq!(short, bytes, "{unscaled} at {scale}");
            }
            None => assert_eq!(to_i128(&bytes, scale), Err(Misfit::TooLong)),
        }
    }

    #[test]
    fn every_length_at_every_scale_comes_back() {
        for scale in 0..=38 {
            let mut value = i256::ZERO;
            for digit in 1..=38_i128 {
                value = value.wrapping_mul(i256::from_i128(10)).wrapping_add(i256::from_i128(digit % 10));
                there_and_back(value, scale);
                there_and_back(value.wrapping_neg(), scale);
            }
        }
        for text in ["0", "1", "10", "10000", "100000000", "9999", "99990000", "123400000000"] {
            for scale in [0, 1, 2, 3, 4, 5, 8, 12] {
                there_and_back(i256::from_string(text).unwrap(), scale);
            }
        }
        there_and_back(i256::from_string(&"9".repeat(76)).unwrap(), 40);
    }

    #[test]
    fn what_is_no_decimal_says_why() {
        let special = |sign: u16| [&[0, 0, 0, 0][..], &sign.to_be_bytes(), &[0, 0]].concat();
        assert_eq!(to_i128(&special(NAN), 2), Err(Misfit::NotANumber));
        assert_eq!(to_i128(&special(INFINITY), 2), Err(Misfit::Infinite));
        assert_eq!(to_i128(&special(NEGATIVE_INFINITY), 2), Err(Misfit::Infinite));
        assert_eq!(to_i128(&[0, 1], 2), Err(Misfit::Malformed));
        assert_eq!(to_i128(&[0, 9, 0, 0, 0, 0, 0, 0, 0, 1], 2), Err(Misfit::Malformed));
        let mut bytes = Vec::new();
        write(&mut bytes, i256::from_i128(12_345), 3);
        assert_eq!(to_i128(&bytes, 2), Err(Misfit::TooLong));
    }
}
