//! Whether a condition may ask for the time.

use super::predicate::Predicate;
use crate::dialect::CastType;
use crate::value::Value;

/// What databases take for a moment that is another one each time.
const WORDS: [&str; 5] = ["now", "today", "tomorrow", "yesterday", "current"];

pub(super) fn is_read(predicate: &mut Predicate) -> bool {
    match predicate {
        Predicate::Literal(Value::Text(text)) => {
            let text = text.to_ascii_lowercase();
            return WORDS.iter().any(|word| text.contains(word));
        }
        // Nobody knows what its texts say.
        Predicate::Cast(
            operand,
            CastType::Date | CastType::Time | CastType::Timestamp | CastType::TimestampTz,
        ) if !matches!(**operand, Predicate::Literal(_)) => return true,
        _ => {}
    }
    predicate.operands_mut().into_iter().any(is_read)
}
