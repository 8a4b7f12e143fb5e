//! Bound values, as text with a type.

use crate::calendar;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Types and texts of values, in the order of their placeholders. Type 0 lets the server infer.
///
/// # Errors
/// `invalid-parameter` for a value beyond PostgreSQL's.
pub fn bound(values: &[Value]) -> Result<(Vec<u32>, Vec<Option<String>>)> {
    let mut types = Vec::with_capacity(values.len());
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        types.push(oid(value));
        texts.push(text(value)?);
    }
    Ok((types, texts))
}

fn oid(value: &Value) -> u32 {
    match value {
        Value::Null | Value::Text(_) | Value::List(_) => 0,
        Value::Bool(_) => 16,
        Value::Int(value) if i32::try_from(*value).is_ok() => 23,
        Value::Int(_) => 20,
        Value::Float(_) => 701,
        Value::Decimal(_) => 1700,
        Value::Bytes(_) => 17,
        Value::Date(_) => 1082,
        Value::Time(_) => 1083,
        Value::Timestamp { utc: false, .. } => 1114,
        Value::Timestamp { utc: true, .. } => 1184,
        Value::Uuid(_) => 2950,
    }
}

fn text(value: &Value) -> Result<Option<String>> {
    let beyond = || Error::new(Code::InvalidParameter, "a parameter is beyond the years 0000 to 9999");
    let written = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| beyond());
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    let hex = |bytes: &[u8]| -> String {
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    };
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Value::Float(value) => format!("{value:?}"),
        Value::Decimal(digits) => digits.clone(),
        Value::Text(text) if text.contains('\0') => {
            return Err(Error::new(Code::InvalidParameter, "PostgreSQL has no text with NUL in it"));
        }
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => format!("\\x{}", hex(bytes)),
        Value::Date(days) => {
            let mut out = Vec::new();
            calendar::write_date(&mut out, i64::from(*days)).ok_or_else(beyond)?;
            written(out)?
        }
        Value::Time(micros) => {
            let mut out = Vec::new();
            calendar::write_time(&mut out, *micros).ok_or_else(beyond)?;
            written(out)?
        }
        Value::Timestamp { micros, utc } => {
            let mut out = Vec::new();
            calendar::write_timestamp(&mut out, *micros).ok_or_else(beyond)?;
            written(out)? + if *utc { "+00" } else { "" }
        }
        Value::Uuid(bytes) => hex(bytes),
        Value::List(items) => {
            let mut out = String::from("{");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                match (item, text(item)?) {
                    (_, None) => out.push_str("NULL"),
                    (Value::List(_), Some(text)) => out.push_str(&text),
                    (_, Some(text)) => {
                        out.push('"');
                        out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
                        out.push('"');
                    }
                }
            }
            out.push('}');
            out
        }
    }))
}
