//! From the text of a `where` to a [`Predicate`]: a grammar of nothing but what is allowed.
//!
//! The tokens are sqlparser's. Its expression parser is not used: of the hundreds of constructs that
//! it accepts all but a dozen would have to be found and refused, only some of them know where they
//! stood, and its trees are as high as a chain of operators is long. This grammar reads every token
//! once, and what it does not name cannot get in.
//!
//! ```text
//! or         = and {OR and}
//! and        = not {AND not}
//! not        = NOT not | is
//! is         = comparison [IS [NOT] (NULL | TRUE | FALSE)]
//! comparison = sum [(= | <> | < | <= | > | >=) sum
//!                   | [NOT] IN (sum {, sum}) | [NOT] BETWEEN sum AND sum
//!                   | [NOT] (LIKE | ILIKE) sum [ESCAPE string]]
//! sum        = product {(+ | -) product}
//! product    = sign {(* | / | %) sign}
//! sign       = (- | +) sign | operand
//! operand    = literal | column | CAST(or AS type) | (or)
//! ```
//!
//! Comparisons do not chain: databases disagree on what `a = b LIKE c` means.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::literal;
use super::predicate::{Arithmetic, Comparison, Predicate, Truth};
use crate::dialect::CastType;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Bytes of a `where`.
const MAX_LENGTH: usize = 16 * 1024;
/// Nested parentheses, NOTs and signs; a level costs some ten frames of the stack.
const MAX_DEPTH: usize = 64;
/// Characters of the request that an error repeats.
const MAX_ECHO: usize = 40;
/// The largest precision that an Arrow decimal has.
const MAX_PRECISION: u8 = 76;

pub(super) fn parse(text: &str) -> Result<Predicate> {
    if text.len() > MAX_LENGTH {
        let why = format!("`where` is longer than {MAX_LENGTH} bytes");
        return Err(Error::new(Code::InvalidPredicate, why));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let predicate = parser.or()?;
    match parser.peek() {
        Token::EOF => Ok(predicate),
        Token::Eq | Token::DoubleEq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => {
            Err(parser.refused("comparisons do not chain; use parentheses"))
        }
        Token::DoubleColon => Err(parser.refused("`::` is not allowed; use CAST(… AS …)")),
        Token::SemiColon => Err(parser.refused("`where` is one condition")),
        Token::Period => Err(parser.refused("a qualified name is not allowed; columns stand alone")),
        token => Err(parser.refused(format!("expected AND, OR or the end, found {}", echo(token)))),
    }
}

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

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>> {
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
    Ok(tokens)
}

fn refusal(why: &str, at: Option<Location>) -> Error {
    let place = match at {
        Some(at) => format!("line {}, column {}", at.line, at.column),
        None => "its end".to_owned(),
    };
    Error::new(Code::InvalidPredicate, format!("{why}, in `where` at {place}"))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<TokenWithSpan>,
    next: usize,
    depth: usize,
}

type Step<'a> = fn(&mut Parser<'a>) -> Result<Predicate>;

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Predicate> {
        self.nested(|parser| parser.joined("OR", Self::and, Predicate::Or))
    }

    fn and(&mut self) -> Result<Predicate> {
        self.joined("AND", Self::not, Predicate::And)
    }

    fn joined(
        &mut self,
        keyword: &str,
        term: Step<'a>,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Result<Predicate> {
        let first = term(self)?;
        if !self.is_keyword(keyword) {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.keyword(keyword) {
            terms.push(term(self)?);
        }
        Ok(join(terms))
    }

    fn not(&mut self) -> Result<Predicate> {
        if self.keyword("NOT") {
            return Ok(Predicate::Not(Box::new(self.nested(Self::not)?)));
        }
        self.is()
    }

    fn is(&mut self) -> Result<Predicate> {
        let operand = self.comparison()?;
        if !self.keyword("IS") {
            return Ok(operand);
        }
        let negated = self.keyword("NOT");
        let truth = if self.keyword("NULL") {
            Truth::Null
        } else if self.keyword("TRUE") {
            Truth::True
        } else if self.keyword("FALSE") {
            Truth::False
        } else {
            return Err(self.expected("NULL, TRUE or FALSE"));
        };
        Ok(Predicate::Is { operand: Box::new(operand), truth, negated })
    }

    fn comparison(&mut self) -> Result<Predicate> {
        let left = Box::new(self.sum()?);
        let comparison = match self.peek() {
            Token::Eq | Token::DoubleEq => Comparison::Equal,
            Token::Neq => Comparison::NotEqual,
            Token::Lt => Comparison::Less,
            Token::LtEq => Comparison::LessOrEqual,
            Token::Gt => Comparison::Greater,
            Token::GtEq => Comparison::GreaterOrEqual,
            _ => return self.membership(left),
        };
        self.next += 1;
        Ok(Predicate::Compare(left, comparison, Box::new(self.sum()?)))
    }

    fn membership(&mut self, operand: Box<Predicate>) -> Result<Predicate> {
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            self.symbol(&Token::LParen, "`(`")?;
            let mut list = vec![self.sum()?];
            while self.peek() == &Token::Comma {
                self.next += 1;
                list.push(self.sum()?);
            }
            self.symbol(&Token::RParen, "`,` or `)`")?;
            return Ok(Predicate::In { operand, list, negated });
        }
        if self.keyword("BETWEEN") {
            let low = Box::new(self.sum()?);
            if !self.keyword("AND") {
                return Err(self.expected("AND"));
            }
            let high = Box::new(self.sum()?);
            return Ok(Predicate::Between { operand, low, high, negated });
        }
        let fold = self.is_keyword("ILIKE");
        if self.keyword("LIKE") || self.keyword("ILIKE") {
            let pattern = Box::new(self.sum()?);
            let escape = if self.keyword("ESCAPE") { Some(self.escape()?) } else { None };
            return Ok(Predicate::Like { operand, pattern, escape, fold, negated });
        }
        if negated { Err(self.expected("IN, BETWEEN, LIKE or ILIKE")) } else { Ok(*operand) }
    }

    /// Letters and digits are no escapes: folding case would change them.
    fn escape(&mut self) -> Result<char> {
        if let Token::SingleQuotedString(text) = self.peek() {
            let mut chars = text.chars();
            if let (Some(escape), None) = (chars.next(), chars.next())
                && !escape.is_alphanumeric()
            {
                self.next += 1;
                return Ok(escape);
            }
        }
        Err(self.expected("one character, no letter or digit, in quotes"))
    }

    fn sum(&mut self) -> Result<Predicate> {
        self.chain(Self::product, |token| match token {
            Token::Plus => Some(Arithmetic::Add),
            Token::Minus => Some(Arithmetic::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Predicate> {
        self.chain(Self::sign, |token| match token {
            Token::Mul => Some(Arithmetic::Multiply),
            Token::Div => Some(Arithmetic::Divide),
            Token::Mod => Some(Arithmetic::Remainder),
            _ => None,
        })
    }

    fn chain(&mut self, term: Step<'a>, operator: fn(&Token) -> Option<Arithmetic>) -> Result<Predicate> {
        let first = term(self)?;
        let mut rest = Vec::new();
        while let Some(sign) = operator(self.peek()) {
            self.next += 1;
            rest.push((sign, term(self)?));
        }
        Ok(if rest.is_empty() { first } else { Predicate::Arithmetic(Box::new(first), rest) })
    }

    fn sign(&mut self) -> Result<Predicate> {
        match self.peek() {
            Token::Plus => {
                self.next += 1;
                self.nested(Self::sign)
            }
            Token::Minus => {
                self.next += 1;
                if let Token::Number(..) = self.peek() {
                    return self.number(true);
                }
                Ok(Predicate::Negate(Box::new(self.nested(Self::sign)?)))
            }
            _ => self.operand(),
        }
    }

    fn operand(&mut self) -> Result<Predicate> {
        match self.peek() {
            Token::LParen => {
                self.next += 1;
                let inner = self.or()?;
                self.symbol(&Token::RParen, "`)`")?;
                Ok(inner)
            }
            Token::Number(..) => self.number(false),
            Token::SingleQuotedString(text) => {
                let text = Value::Text(text.clone());
                self.next += 1;
                Ok(Predicate::Literal(text))
            }
            Token::HexStringLiteral(hex) => {
                // `0xFF` is the same token, but a number in some databases and bytes in others.
                let prefixed = self.source().is_some_and(|c| c == 'x' || c == 'X');
                match literal::blob(hex).filter(|_| prefixed) {
                    Some(blob) => {
                        self.next += 1;
                        Ok(Predicate::Literal(blob))
                    }
                    None => Err(self.refused("bytes are X'…' with pairs of hex digits")),
                }
            }
            Token::Word(word) => {
                let word = word.clone();
                self.word(word)
            }
            Token::Placeholder(_) | Token::Question | Token::Colon | Token::AtSign => {
                Err(self.refused("a parameter is not allowed; write its value"))
            }
            _ => Err(self.expected("a column or a literal")),
        }
    }

    fn number(&mut self, negative: bool) -> Result<Predicate> {
        if let Token::Number(digits, false) = self.peek()
            && let Some(number) = literal::number(digits, negative)
        {
            self.next += 1;
            return Ok(Predicate::Literal(number));
        }
        Err(self.refused(format!("{} is no number that can be kept exactly", echo(self.peek()))))
    }

    fn word(&mut self, word: Word) -> Result<Predicate> {
        if word.quote_style.is_none() {
            let name = word.value.to_ascii_uppercase();
            match (name.as_str(), self.peek_after()) {
                ("NULL", _) => return Ok(self.literal(Value::Null)),
                ("TRUE", _) => return Ok(self.literal(Value::Bool(true))),
                ("FALSE", _) => return Ok(self.literal(Value::Bool(false))),
                ("CAST", Token::LParen) => return self.cast(),
                ("DATE", Token::SingleQuotedString(text)) => {
                    let value = literal::date(text);
                    return self.typed(value, "a date is DATE 'YYYY-MM-DD'");
                }
                ("TIME", Token::SingleQuotedString(text)) => {
                    let value = literal::time(text);
                    return self.typed(value, "a time is TIME 'HH:MM:SS[.ffffff]'");
                }
                ("TIMESTAMP", Token::SingleQuotedString(text)) => {
                    let value = literal::timestamp(text);
                    return self
                        .typed(value, "a timestamp is TIMESTAMP 'YYYY-MM-DD HH:MM:SS[.ffffff][±HH:MM]'");
                }
                ("SELECT" | "WITH" | "EXISTS" | "VALUES", _) => {
                    return Err(self.refused("a subquery is not allowed"));
                }
                ("CASE", _) => return Err(self.refused("CASE is not allowed")),
                ("AND" | "OR" | "NOT" | "IN" | "IS" | "BETWEEN" | "LIKE" | "ILIKE" | "ESCAPE" | "AS", _) => {
                    return Err(self.expected("a column or a literal"));
                }
                _ => {}
            }
        }
        match self.peek_after() {
            Token::LParen => {
                Err(self.refused(format!("a function call, {}(…), is not allowed", echo(self.peek()))))
            }
            Token::Period => Err(self.refused("a qualified name is not allowed; columns stand alone")),
            _ => {
                self.next += 1;
                Ok(Predicate::Column(word.value))
            }
        }
    }

    fn literal(&mut self, value: Value) -> Predicate {
        self.next += 1;
        Predicate::Literal(value)
    }

    fn typed(&mut self, value: Option<Value>, form: &str) -> Result<Predicate> {
        let Some(value) = value else { return Err(self.refused(form)) };
        self.next += 2;
        Ok(Predicate::Literal(value))
    }

    fn cast(&mut self) -> Result<Predicate> {
        self.next += 2;
        let operand = self.or()?;
        if !self.keyword("AS") {
            return Err(self.expected("AS"));
        }
        let to = self.cast_type()?;
        self.symbol(&Token::RParen, "`)`")?;
        Ok(Predicate::Cast(Box::new(operand), to))
    }

    fn cast_type(&mut self) -> Result<CastType> {
        let name = match self.peek() {
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
                return Err(self.refused(format!(
                    "{} is no type to cast to; there are BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, \
                     DECIMAL(p, s), TEXT, BLOB, DATE, TIME, TIMESTAMP and TIMESTAMPTZ",
                    echo(self.peek())
                )));
            }
        };
        self.next += 1;
        match to {
            CastType::Double if name == "DOUBLE" => {
                self.keyword("PRECISION");
            }
            CastType::Decimal(_) if self.peek() == &Token::LParen => return self.digits(),
            _ => {}
        }
        Ok(to)
    }

    /// `(precision [, scale])`
    fn digits(&mut self) -> Result<CastType> {
        self.next += 1;
        let precision = self.small(1)?;
        let mut scale = 0;
        if self.peek() == &Token::Comma {
            self.next += 1;
            scale = self.small(0)?;
        }
        if scale > precision {
            return Err(self.refused("a scale is at most the precision"));
        }
        self.symbol(&Token::RParen, "`)`")?;
        Ok(CastType::Decimal(Some((precision, scale))))
    }

    fn small(&mut self, least: u8) -> Result<u8> {
        if let Token::Number(digits, false) = self.peek()
            && let Ok(number) = digits.parse::<u8>()
            && (least..=MAX_PRECISION).contains(&number)
        {
            self.next += 1;
            return Ok(number);
        }
        Err(self.expected(&format!("a whole number from {least} to {MAX_PRECISION}")))
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Predicate>) -> Result<Predicate> {
        if self.depth == MAX_DEPTH {
            return Err(self.refused(format!("more than {MAX_DEPTH} levels are nested")));
        }
        self.depth += 1;
        let predicate = inner(self);
        self.depth -= 1;
        predicate
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::EOF, |token| &token.token)
    }

    fn peek_after(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::EOF, |token| &token.token)
    }

    fn location(&self) -> Option<Location> {
        self.tokens.get(self.next).map(|token| token.span.start)
    }

    /// The first character of the next token as it was written.
    fn source(&self) -> Option<char> {
        let at = self.location()?;
        let line = self.text.split('\n').nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        line.chars().nth(usize::try_from(at.column).ok()?.checked_sub(1)?)
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// Consumes a keyword, if it is there.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.next += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &Token, spelling: &str) -> Result<()> {
        if self.peek() != symbol {
            return Err(self.expected(spelling));
        }
        self.next += 1;
        Ok(())
    }

    fn expected(&self, what: &str) -> Error {
        match self.peek() {
            Token::EOF => self.refused(format!("expected {what}")),
            token => self.refused(format!("expected {what}, found {}", echo(token))),
        }
    }

    fn refused(&self, why: impl AsRef<str>) -> Error {
        refusal(why.as_ref(), self.location())
    }
}

/// A token of the request, shortened, for an error.
fn echo(token: &Token) -> String {
    let text = token.to_string();
    match text.char_indices().nth(MAX_ECHO) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
