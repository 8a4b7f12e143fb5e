//! `:name` in a statement, as the placeholders without names that MySQL has.

use crate::error::{Code, Error, Result};
use crate::value::Value;

/// The statement with `?` for its names, and the values in that order. A name that stands twice is
/// bound twice.
///
/// A name is a letter or `_`, then letters, digits, `_`; right before its colon stands no word. None
/// is looked for in strings, quoted names and comments.
///
/// # Errors
/// `invalid-query` for a name without a value, a value without a name, and for `?` among names.
pub fn positional(sql: &str, values: &[(String, Value)]) -> Result<(String, Vec<Value>)> {
    let mut out = String::with_capacity(sql.len());
    let mut used: Vec<&str> = Vec::new();
    let mut bound = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = opaque(rest);
        let name = if length == 0 && first == ':' && !out.ends_with(is_part) { name_of(rest) } else { "" };
        if !name.is_empty() {
            let value = values.iter().find(|(known, _)| bare(known) == name);
            let (_, value) = value.ok_or_else(|| wrong(format!("parameter :{name} was not given")))?;
            bound.push(value.clone());
            used.push(name);
            out.push('?');
            rest = &rest[1 + name.len()..];
            continue;
        }
        if length == 0 && first == '?' {
            return Err(wrong("a statement has either names or ? for its parameters".to_owned()));
        }
        let length = length.max(first.len_utf8());
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    match values.iter().find(|(name, _)| !used.contains(&bare(name))) {
        Some((name, _)) => Err(wrong(format!("the statement has no parameter {name:?}"))),
        None => Ok((out, bound)),
    }
}

fn wrong(detail: String) -> Error {
    Error::new(Code::InvalidQuery, detail)
}

fn bare(name: &str) -> &str {
    name.strip_prefix(':').unwrap_or(name)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

/// The name behind a colon; empty where there is none.
fn name_of(text: &str) -> &str {
    let text = &text[1..];
    if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return "";
    }
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The length of the string, the quoted name or the comment that begins here.
fn opaque(text: &str) -> usize {
    let end = |at: Option<usize>| at.unwrap_or(text.len());
    match text.as_bytes() {
        [quote @ (b'\'' | b'"' | b'`'), ..] => {
            let mut bytes = text.bytes().enumerate().skip(1);
            while let Some((at, byte)) = bytes.next() {
                // A doubled quote is the end of one string and the beginning of the next.
                if byte == *quote {
                    return at + 1;
                }
                if byte == b'\\' && *quote != b'`' {
                    bytes.next();
                }
            }
            text.len()
        }
        [b'#', ..] => end(text.find('\n')),
        [b'-', b'-', next, ..] if next.is_ascii_whitespace() => end(text.find('\n')),
        [b'/', b'*', ..] => end(text[2..].find("*/").map(|at| at + 4)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(sql: &str, names: &[&str]) -> Result<(String, Vec<Value>)> {
        let values: Vec<_> = (0..).zip(names).map(|(n, name)| ((*name).to_owned(), Value::Int(n))).collect();
        positional(sql, &values)
    }

    #[test]
    fn names_become_placeholders_in_the_order_they_stand() {
        let (sql, values) = named("SELECT :b, :a, :b", &["a", ":b"]).unwrap();
        assert_eq!(sql, "SELECT ?, ?, ?");
        assert_eq!(values, [Value::Int(1), Value::Int(0), Value::Int(1)]);
    }

    #[test]
    fn what_is_no_name_is_left_alone() {
        for sql in [
            "SELECT ':a', \"it''s \\\" :a\", `:a?`, 'é:a'",
            "SELECT 1 -- :a ?\n, 2 # :a\n, 3 /* :a ? */",
            "SELECT @x := 1, 'a''b :a'",
            "SELECT 'open :a",
        ] {
            assert_eq!(named(sql, &[]).unwrap().0, sql);
        }
    }

    #[test]
    fn each_name_has_a_value_and_each_value_a_name() {
        for (sql, names) in [("SELECT :a", &[][..]), ("SELECT 1", &["a"]), ("SELECT :a, ?", &["a"])] {
            assert_eq!(named(sql, names).unwrap_err().code(), Code::InvalidQuery, "{sql}");
        }
    }
}
