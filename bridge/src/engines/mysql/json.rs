//! What MySQL's `JSON` keeps of numbers: integers of 64 bits, and doubles.

/// Whether every number in a text of JSON is the same when it comes back. What is no JSON is for the
/// server to say.
#[must_use]
pub fn keeps_numbers(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        let length = if rest.starts_with('"') {
            string(rest)
        } else {
            let end = |c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
            let length = rest.find(end).unwrap_or(rest.len());
            if !is_kept(&rest[..length]) {
                return false;
            }
            length
        };
        rest = &rest[length..];
    }
    true
}

/// The length of the string that begins here.
fn string(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    text.len()
}

fn is_kept(number: &str) -> bool {
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    match number.parse::<f64>() {
        Ok(double) => double.is_finite() && decimal(number) == decimal(&format!("{double:e}")),
        Err(_) => true,
    }
}

/// The digits of a number from the first to the last that is not zero, and the power of ten of the last.
fn decimal(number: &str) -> Option<(Vec<u8>, i64)> {
    let (digits, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit).collect();
    let mut power = power.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    while digits.pop_if(|digit| *digit == b'0').is_some() {
        power = power.saturating_add(1);
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    Some(if digits.is_empty() { (digits, 0) } else { (digits, power) })
}

#[cfg(test)]
mod tests {
    use super::keeps_numbers;

    #[test]
    fn numbers_of_64_bits_and_doubles_are_kept() {
        for text in [
            "[-9223372036854775808, 18446744073709551615, 0, -0]",
            r#"{"1e400": [0.1, 1.10, -2.5E-3, 1e30, 100000000000000000000, 5e-324, 0.0e9, 0e1]}"#,
            r#""12345678901234567890123 \" 0.10000000000000000555""#,
            "no JSON at all - 1.2.3",
        ] {
            assert!(keeps_numbers(text), "{text}");
        }
    }

    #[test]
    fn digits_beyond_a_double_are_not() {
        for text in [
            "12345678901234567890123",
            r#"{"a": [1, -18446744073709551617]}"#,
            "[0.10000000000000000555]",
            "1e-400",
            "-1e400",
        ] {
            assert!(!keeps_numbers(text), "{text}");
        }
    }
}
