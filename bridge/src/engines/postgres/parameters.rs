//! The parameters of a statement: `:name` becomes one of the numbers that PostgreSQL has.

use crate::error::{Code, Error, Result};
use crate::value::Value;

/// The statement with `$1`, `$2` … for its names, and the values in that order. A name that stands
/// twice is one placeholder.
///
/// A name is a letter or `_`, then letters, digits, `_`. It is one where neither a word nor one of
/// `: ] ) "` comes right before its colon, so that casts (`a::text`), slices (`a[1:n]`) and `:=` are
/// left alone; and never in strings, quoted names, dollar quotes and comments.
///
/// # Errors
/// `invalid-query` for a name without a value, a value without a name, and for `$1` among names.
pub fn numbered(sql: &str, values: &[(String, Value)]) -> Result<(String, Vec<Value>)> {
    let mut out = String::with_capacity(sql.len());
    let mut bound: Vec<(&str, &Value)> = Vec::new();
    for piece in (Pieces { sql, at: 0 }) {
        match piece {
            Piece::Other(text) => out.push_str(text),
            Piece::Name(name) => {
                let known = bound.iter().position(|(known, _)| *known == name);
                if known.is_none() {
                    bound.push((name, given(values, name)?));
                }
                let place = known.unwrap_or(bound.len() - 1);
                out.extend(["$", &(place + 1).to_string()]);
            }
            Piece::Number(_) => {
                return Err(wrong("a statement has either names or numbers for its parameters".to_owned()));
            }
        }
    }
    if let Some((name, _)) =
        values.iter().find(|(name, _)| !bound.iter().any(|(used, _)| *used == bare(name)))
    {
        return Err(wrong(format!("the statement has no parameter {name:?}")));
    }
    Ok((out, bound.into_iter().map(|(_, value)| value.clone()).collect()))
}

/// The highest `$n` of a statement: the server itself passes over a value too many.
pub fn highest(sql: &str) -> usize {
    let number = |piece| if let Piece::Number(digits) = piece { digits.parse().ok() } else { None };
    (Pieces { sql, at: 0 }).filter_map(number).max().unwrap_or(0)
}

enum Piece<'a> {
    /// Behind its colon.
    Name(&'a str),
    /// Behind its dollar.
    Number(&'a str),
    Other(&'a str),
}

struct Pieces<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (before, rest) = self.sql.split_at(self.at);
        let first = rest.chars().next()?;
        let (length, piece) = if let Some(length) = opaque(rest, before) {
            (length, Piece::Other(&rest[..length]))
        } else {
            let word =
                rest.get(1..).map_or("", |rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]);
            let begins = |wanted: fn(char) -> bool| word.starts_with(wanted) && !holds(before);
            match first {
                ':' if begins(|c| c.is_alphabetic() || c == '_') => (1 + word.len(), Piece::Name(word)),
                '$' if begins(|c| c.is_ascii_digit()) => (1 + word.len(), Piece::Number(word)),
                _ => (first.len_utf8(), Piece::Other(&rest[..first.len_utf8()])),
            }
        };
        self.at += length;
        Some(piece)
    }
}

fn wrong(detail: String) -> Error {
    Error::new(Code::InvalidQuery, detail)
}

fn bare(name: &str) -> &str {
    name.strip_prefix(':').unwrap_or(name)
}

fn given<'v>(values: &'v [(String, Value)], name: &str) -> Result<&'v Value> {
    let found = values.iter().find(|(known, _)| bare(known) == name);
    found.map(|(_, value)| value).ok_or_else(|| wrong(format!("parameter :{name} was not given")))
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands before makes the next character a part of it.
fn holds(before: &str) -> bool {
    before.chars().next_back().is_some_and(|c| is_part(c) || matches!(c, ':' | ']' | ')' | '"' | '$'))
}

/// The length of what begins here and is copied unread: a string, a quoted name, a comment.
fn opaque(text: &str, before: &str) -> Option<usize> {
    let end = |length: Option<usize>| Some(length.unwrap_or(text.len()));
    match text.as_bytes() {
        [b'\'', ..] => end(quoted(text, '\'', is_escaped(before))),
        [b'"', ..] => end(quoted(text, '"', false)),
        [b'-', b'-', ..] => end(text.find(['\n', '\r'])),
        [b'/', b'*', ..] => end(comment(text)),
        [b'$', ..] if !holds(before) => {
            let tag = &text[..=1 + text[1..].find(|c| !is_part(c))?];
            let inside = &tag[1..tag.len() - 1];
            if !tag.ends_with('$') || inside.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            end(text[tag.len()..].find(tag).map(|at| at + 2 * tag.len()))
        }
        _ => None,
    }
}

/// Whether the string that begins is `E'…'`, where backslashes escape.
fn is_escaped(before: &str) -> bool {
    let mut back = before.chars().rev();
    matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(|c| is_part(c) || c == '$')
}

fn quoted(text: &str, quote: char, backslashes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && backslashes {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// Comments lie within comments.
fn comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.as_bytes().get(at..at + 2)? {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return Some(at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(sql: &str, names: &[&str]) -> Result<(String, Vec<Value>)> {
        let values = names.iter().zip(1..).map(|(name, value)| ((*name).to_owned(), Value::Int(value)));
        numbered(sql, &values.collect::<Vec<_>>())
    }

    #[test]
    fn names_become_numbers_in_their_order_of_use() {
        let (sql, values) = rewritten("SELECT :b, :a+:b,(:größe)", &["a", ":b", "größe"]).unwrap();
        assert_eq!(sql, "SELECT $1, $2+$1,($3)");
        assert_eq!(values, [Value::Int(2), Value::Int(1), Value::Int(3)]);
    }

    #[test]
    fn what_is_no_name_is_left_alone() {
        for sql in [
            "SELECT ':x', \":x\", E'\\':x', 'it''s :x', e'a\\\\', U&':x', B'1', name':x'",
            "SELECT $$ :x $$, $a$ :x $$ :x $a$, $é_1$ :x $é_1$ -- :x\n",
            "SELECT 1 /* :x /* :x */ :x */ -- :x",
            "SELECT '1'::int, a[1:n], a[(1):n], a [ i:n], f(a := 1), \"a\":n, a[b[1]:n]",
            "SELECT ': x', : x, :1, :, ::text, a$1, 'open :x",
            "SELECT $a$ :x",
            "SELECT /* :x",
            "",
        ] {
            assert_eq!(rewritten(sql, &[]).unwrap().0, sql);
        }
    }

    #[test]
    fn names_and_values_must_agree() {
        for (sql, names) in
            [("SELECT :a", &[][..]), ("SELECT 1", &["a"]), ("SELECT ':a'", &["a"]), ("SELECT :a, $1", &["a"])]
        {
            assert_eq!(rewritten(sql, names).unwrap_err().code(), Code::InvalidQuery, "{sql}");
        }
        assert_eq!(rewritten("SELECT 'x' || :a", &["a"]).unwrap().0, "SELECT 'x' || $1");
        assert_eq!(rewritten("SELECT type':x', :a::int", &["a"]).unwrap().0, "SELECT type':x', $1::int");
    }

    #[test]
    fn the_highest_number_is_that_of_a_parameter() {
        for (sql, number) in
            [("SELECT 1", 0), ("SELECT $2, $1::int, $a$ $9 $a$", 2), ("SELECT '$1', a$3, $12", 12)]
        {
            assert_eq!(highest(sql), number, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(sql in "[:$'\"eE/*\\-\\\\ \na1é]{0,40}") {
            let _ = rewritten(&sql, &["a"]);
        }
    }
}
