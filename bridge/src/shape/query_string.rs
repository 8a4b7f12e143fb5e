//! The query string after a data path.

use std::borrow::Cow;

use super::{Order, Predicate, Shape};
use crate::error::{Code, Error, Result};

pub(super) fn parse(query: &str) -> Result<Shape> {
    let mut shape = Shape::default();
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key).ok_or_else(|| invalid("a parameter's name is not percent-encoded UTF-8"))?;
        if seen.contains(&key) {
            return Err(invalid(format!("`{key}` is given twice")));
        }
        let malformed = || invalid(format!("`{key}` is not percent-encoded UTF-8"));
        match &*key {
            "columns" => shape.columns = Some(list(value).ok_or_else(malformed)?),
            "where" => shape.predicate = Some(Predicate::parse(&decode(value).ok_or_else(malformed)?)?),
            "order" => shape.order = order(value).ok_or_else(malformed)?,
            "limit" => shape.limit = Some(count(&key, value)?),
            "offset" => shape.offset = count(&key, value)?,
            _ => {
                return Err(invalid(format!(
                    "`{key}` is no parameter; there are `columns`, `where`, `order`, `limit` and `offset`"
                )));
            }
        }
        seen.push(key);
    }
    Ok(shape)
}

fn list(value: &str) -> Option<Vec<String>> {
    value.split(',').map(|name| decode(name).map(Cow::into_owned)).collect()
}

fn order(value: &str) -> Option<Vec<Order>> {
    let orders = value.split(',').map(|name| {
        let (name, descending) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name, false),
        };
        decode(name).map(|column| Order { column: column.into_owned(), descending, collation: None })
    });
    orders.collect()
}

fn count(key: &str, value: &str) -> Result<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u64>() {
        Ok(count) if digits && i64::try_from(count).is_ok() => Ok(count),
        _ => Err(invalid(format!("`{key}` is not a whole number from 0 to {}", i64::MAX))),
    }
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Code::InvalidParameter, detail)
}

/// `None` for a malformed escape, or bytes that are not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
