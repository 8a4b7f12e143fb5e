//! The words of a `where`, read one after the other.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::{Code, Error, Result};

/// Characters of the request that an error repeats.
const MAX_ECHO: usize = 40;

/// Quotes as standard SQL has them, and MySQL's backticks, which mean nothing else elsewhere.
#[derive(Debug)]
struct Lexis;

impl sqlparser::dialect::Dialect for Lexis {
    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"' || c == '`'
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '$'
    }
}

/// What is left to read, and where it stands in the text.
pub(super) struct Tokens {
    tokens: Vec<TokenWithSpan>,
    next: usize,
}

impl Tokens {
    pub fn new(text: &str) -> Result<Self> {
        let tokens = Tokenizer::new(&Lexis, text).tokenize_with_location();
        let mut tokens = tokens.map_err(|error| refusal(&error.message, Some(error.location)))?;
        for token in &tokens {
            if let Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) =
                token.token
            {
                return Err(refusal("a comment is not allowed", Some(token.span.start)));
            }
        }
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        Ok(Self { tokens, next: 0 })
    }

    pub fn skip(&mut self, count: usize) {
        self.next += count;
    }

    pub fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::EOF, |token| &token.token)
    }

    pub fn peek_after(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::EOF, |token| &token.token)
    }

    fn location(&self) -> Option<Location> {
        self.tokens.get(self.next).map(|token| token.span.start)
    }

    /// Whether the next token, of hex digits, is X'…'. `0xFF` is the same token, but a number in
    /// some databases and bytes in others.
    pub fn is_quoted_hex(&self, digits: &str) -> bool {
        self.tokens.get(self.next).is_some_and(|token| {
            let width = token.span.end.column.saturating_sub(token.span.start.column);
            usize::try_from(width) == Ok(digits.len() + "X''".len())
        })
    }

    pub fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// Consumes a keyword, if it is there.
    pub fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.next += usize::from(found);
        found
    }

    pub fn symbol(&mut self, symbol: &Token, spelling: &str) -> Result<()> {
        if self.peek() != symbol {
            return Err(self.expected(spelling));
        }
        self.next += 1;
        Ok(())
    }

    pub fn expected(&self, what: &str) -> Error {
        match self.peek() {
            Token::EOF => self.refused(format!("expected {what}")),
            token => self.refused(format!("expected {what}, found {}", echo(token))),
        }
    }

    pub fn refused(&self, why: impl AsRef<str>) -> Error {
        refusal(why.as_ref(), self.location())
    }
}

fn refusal(why: &str, at: Option<Location>) -> Error {
    let place = match at {
        Some(at) => format!("line {}, column {}", at.line, at.column),
        None => "its end".to_owned(),
    };
    Error::new(Code::InvalidPredicate, format!("{why}, in `where` at {place}"))
}

/// A token of the request, shortened, for an error.
pub(super) fn echo(token: &Token) -> String {
    let text = token.to_string();
    match text.char_indices().nth(MAX_ECHO) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
