//! The statements that SQLite keeps, cut into words: there is no other place where it tells what is in them.

use std::str::CharIndices;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::catalogue::qualified;
use crate::dialect::SQLITE;

/// The words of SQLite, with its quotes.
#[derive(Debug)]
struct Lexis;

impl sqlparser::dialect::Dialect for Lexis {
    fn is_delimited_identifier_start(&self, c: char) -> bool {
        matches!(c, '"' | '`' | '[')
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
    }

    fn is_identifier_part(&self, c: char) -> bool {
        self.is_identifier_start(c) || c.is_ascii_digit() || c == '$'
    }
}

/// The words of a statement without what stands between them; none where it cannot be cut.
#[must_use]
pub fn words(statement: &str) -> Option<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(&Lexis, statement).tokenize_with_location().ok()?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Some(tokens)
}

/// Whether it is that keyword.
#[must_use]
pub fn is(word: &TokenWithSpan, keyword: &str) -> bool {
    matches!(&word.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

/// SQLite takes a string for a name as well.
#[must_use]
pub fn name_of(word: &TokenWithSpan) -> Option<String> {
    match &word.token {
        Token::Word(word) => Some(word.value.clone()),
        Token::SingleQuotedString(text) => Some(text.clone()),
        _ => None,
    }
}

/// A text that is walked once, from place to place, as the tokenizer counts them.
pub struct Text<'t> {
    length: usize,
    chars: CharIndices<'t>,
    next: Location,
}

impl<'t> Text<'t> {
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { length: text.len(), chars: text.char_indices(), next: Location { line: 1, column: 1 } }
    }

    /// The byte at a place that is not before the last one.
    pub fn offset(&mut self, place: Location) -> usize {
        while self.next < place {
            match self.chars.next() {
                Some((_, '\n')) => self.next = Location { line: self.next.line + 1, column: 1 },
                Some(_) => self.next.column += 1,
                None => return self.length,
            }
        }
        self.length - self.chars.as_str().len()
    }
}

/// A statement that SQLite keeps of `relation`, as it would make another one. An index gets a name of its own.
///
/// None where it is no such statement.
#[must_use]
pub fn renamed(
    statement: &str,
    relation: &str,
    (schema, name): (&str, &str),
    index: Option<&str>,
) -> Option<String> {
    let words = words(statement)?;
    let what = words.iter().position(|word| ["TABLE", "VIEW", "INDEX"].iter().any(|kind| is(word, kind)))?;
    let is_view = is(&words[what], "VIEW");
    let is_it = |word: &TokenWithSpan| name_of(word).is_some_and(|name| name.eq_ignore_ascii_case(relation));
    let mut text = Text::new(statement);
    let (mut out, mut copied) = (String::with_capacity(statement.len() + name.len()), 0);
    for (at, word) in words.iter().enumerate().skip(what + 1) {
        let follows = |keyword: &str| is(&words[at - 1], keyword);
        let new = match (at - what, index) {
            (1, Some(index)) => qualified(schema, index),
            (1, None) if is_it(word) => qualified(schema, name),
            (1, None) => return None,
            (3, Some(_)) if follows("ON") => SQLITE.quoted(name),
            // A table that refers to itself goes on to do so.
            _ if !is_view
                && is_it(word)
                && (follows("REFERENCES")
                    || words.get(at + 1).is_some_and(|next| next.token == Token::Period)) =>
            {
                SQLITE.quoted(name)
            }
            _ => continue,
        };
        out.push_str(statement.get(copied..text.offset(word.span.start))?);
        out.push_str(&new);
        copied = text.offset(word.span.end);
    }
    out.push_str(statement.get(copied..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_under_another_name() {
        let create = "CREATE TABLE 't \"1\"' (id INTEGER PRIMARY KEY, up INT REFERENCES [T \"1\"](id),\n \
            note TEXT DEFAULT 't \"1\"' CHECK (\"t \"\"1\"\"\".note <> 'REFERENCES') -- t \"1\"\n) STRICT";
        assert_eq!(
            renamed(create, "t \"1\"", ("main", "a.b"), None).unwrap(),
            "CREATE TABLE \"main\".\"a.b\" (id INTEGER PRIMARY KEY, up INT REFERENCES \"a.b\"(id),\n \
            note TEXT DEFAULT 't \"1\"' CHECK (\"a.b\".note <> 'REFERENCES') -- t \"1\"\n) STRICT"
        );
    }

    #[test]
    fn an_index_and_a_view_get_other_names() {
        let index = "CREATE UNIQUE INDEX i ON users (lower(name), users) WHERE users.id > 0";
        assert_eq!(
            renamed(index, "users", ("x", "people"), Some("people_i")).unwrap(),
            "CREATE UNIQUE INDEX \"x\".\"people_i\" ON \"people\" (lower(name), users) WHERE \"people\".id > 0"
        );
        assert_eq!(
            renamed("CREATE VIEW v(a) AS SELECT v.x FROM w AS v", "v", ("main", "u"), None).unwrap(),
            "CREATE VIEW \"main\".\"u\"(a) AS SELECT v.x FROM w AS v"
        );
        assert_eq!(renamed("CREATE TABLE t (a)", "u", ("main", "v"), None), None);
        assert_eq!(renamed("", "u", ("main", "v"), None), None);
    }
}
