//! The scalar types that a `where` may cast to.

use sqlparser::tokenizer::Token;

use super::tokens::{Tokens, echo};
use crate::dialect::CastType;
use crate::error::Result;

/// The largest precision that an Arrow decimal has.
const MAX_PRECISION: u8 = 76;

/// Reads the type of `CAST(… AS …)`.
pub(super) fn cast_type(tokens: &mut Tokens) -> Result<CastType> {
    let name = match tokens.peek() {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let to = match name.as_str() {
        "BOOLEAN" | "BOOL" => CastType::Boolean,
        "SMALLINT" => CastType::SmallInt,
        "INTEGER" | "INT" => CastType::Integer,
        "BIGINT" => CastType::BigInt,
        "REAL" | "FLOAT4" => CastType::Real,
        "DOUBLE" | "FLOAT" | "FLOAT8" => CastType::Double,
        "DECIMAL" | "NUMERIC" => CastType::Decimal(None),
        "TEXT" | "VARCHAR" => CastType::Text,
        "BLOB" | "BYTEA" => CastType::Blob,
        "DATE" => CastType::Date,
        "TIME" => CastType::Time,
        "TIMESTAMP" => CastType::Timestamp,
        "TIMESTAMPTZ" => CastType::TimestampTz,
        _ => {
            return Err(tokens.refused(format!(
                "{} is no type to cast to; there are BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, \
                 DECIMAL(p, s), TEXT, BLOB, DATE, TIME, TIMESTAMP and TIMESTAMPTZ",
                echo(tokens.peek())
            )));
        }
    };
    tokens.skip(1);
    match to {
        CastType::Double if name == "DOUBLE" => {
            tokens.keyword("PRECISION");
        }
        CastType::Decimal(_) if tokens.peek() == &Token::LParen => return digits(tokens),
        _ => {}
    }
    Ok(to)
}

/// `(precision [, scale])`
fn digits(tokens: &mut Tokens) -> Result<CastType> {
    tokens.skip(1);
    let precision = small(tokens, 1)?;
    let mut scale = 0;
    if tokens.peek() == &Token::Comma {
        tokens.skip(1);
        scale = small(tokens, 0)?;
    }
    if scale > precision {
        return Err(tokens.refused("a scale is at most the precision"));
    }
    tokens.symbol(&Token::RParen, "`)`")?;
    Ok(CastType::Decimal(Some((precision, scale))))
}

fn small(tokens: &mut Tokens, least: u8) -> Result<u8> {
    if let Token::Number(digits, false) = tokens.peek()
        && let Ok(number) = digits.parse::<u8>()
        && (least..=MAX_PRECISION).contains(&number)
    {
        tokens.skip(1);
        return Ok(number);
    }
    Err(tokens.expected(&format!("a whole number from {least} to {MAX_PRECISION}")))
}
