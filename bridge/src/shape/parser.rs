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

use sqlparser::tokenizer::{Token, Word};

use super::predicate::{Arithmetic, Comparison, Predicate, Truth};
use super::tokens::{Tokens, echo};
use super::{cast, literal};
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Bytes of a `where`.
const MAX_LENGTH: usize = 16 * 1024;
/// Nested parentheses, NOTs and signs; a level costs some ten frames of the stack.
const MAX_DEPTH: usize = 64;
/// Arithmetic operators, which cannot be balanced as AND and OR are. With the depth this keeps a
/// rendered expression below the 1000 levels that SQLite takes.
const MAX_OPERATORS: usize = 128;

pub(super) fn parse(text: &str) -> Result<Predicate> {
    if text.len() > MAX_LENGTH {
        let why = format!("`where` is longer than {MAX_LENGTH} bytes");
        return Err(Error::new(Code::InvalidPredicate, why));
    }
    let mut parser = Parser { tokens: Tokens::new(text)?, depth: 0, operators: 0 };
    let predicate = parser.or()?;
    match parser.tokens.peek() {
        Token::EOF => Ok(predicate),
        Token::Eq | Token::DoubleEq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => {
            Err(parser.tokens.refused("comparisons do not chain; use parentheses"))
        }
        Token::DoubleColon => Err(parser.tokens.refused("`::` is not allowed; use CAST(… AS …)")),
        Token::SemiColon => Err(parser.tokens.refused("`where` is one condition")),
        Token::Period => Err(parser.tokens.refused("a qualified name is not allowed; columns stand alone")),
        token => Err(parser.tokens.refused(format!("expected AND, OR or the end, found {}", echo(token)))),
    }
}

struct Parser {
    tokens: Tokens,
    depth: usize,
    /// Arithmetic operators so far.
    operators: usize,
}

type Step = fn(&mut Parser) -> Result<Predicate>;

impl Parser {
    fn or(&mut self) -> Result<Predicate> {
        self.nested(|parser| parser.joined("OR", Self::and, Predicate::Or))
    }

    fn and(&mut self) -> Result<Predicate> {
        self.joined("AND", Self::not, Predicate::And)
    }

    fn joined(
        &mut self,
        keyword: &str,
        term: Step,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Result<Predicate> {
        let first = term(self)?;
        if !self.tokens.is_keyword(keyword) {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.tokens.keyword(keyword) {
            terms.push(term(self)?);
        }
        Ok(join(terms))
    }

    fn not(&mut self) -> Result<Predicate> {
        if self.tokens.keyword("NOT") {
            return Ok(Predicate::Not(Box::new(self.nested(Self::not)?)));
        }
        self.is()
    }

    fn is(&mut self) -> Result<Predicate> {
        let operand = self.comparison()?;
        if !self.tokens.keyword("IS") {
            return Ok(operand);
        }
        let negated = self.tokens.keyword("NOT");
        let truth = if self.tokens.keyword("NULL") {
            Truth::Null
        } else if self.tokens.keyword("TRUE") {
            Truth::True
        } else if self.tokens.keyword("FALSE") {
            Truth::False
        } else {
            return Err(self.tokens.expected("NULL, TRUE or FALSE"));
        };
        Ok(Predicate::Is { operand: Box::new(operand), truth, negated })
    }

    fn comparison(&mut self) -> Result<Predicate> {
        let left = Box::new(self.sum()?);
        let comparison = match self.tokens.peek() {
            Token::Eq | Token::DoubleEq => Comparison::Equal,
            Token::Neq => Comparison::NotEqual,
            Token::Lt => Comparison::Less,
            Token::LtEq => Comparison::LessOrEqual,
            Token::Gt => Comparison::Greater,
            Token::GtEq => Comparison::GreaterOrEqual,
            _ => return self.membership(left),
        };
        self.tokens.skip(1);
        Ok(Predicate::Compare(left, comparison, Box::new(self.sum()?)))
    }

    fn membership(&mut self, operand: Box<Predicate>) -> Result<Predicate> {
        let negated = self.tokens.keyword("NOT");
        if self.tokens.keyword("IN") {
            self.tokens.symbol(&Token::LParen, "`(`")?;
            let mut list = vec![self.sum()?];
            while self.tokens.peek() == &Token::Comma {
                self.tokens.skip(1);
                list.push(self.sum()?);
            }
            self.tokens.symbol(&Token::RParen, "`,` or `)`")?;
            return Ok(Predicate::In { operand, list, negated });
        }
        if self.tokens.keyword("BETWEEN") {
            let low = Box::new(self.sum()?);
            if !self.tokens.keyword("AND") {
                return Err(self.tokens.expected("AND"));
            }
            let high = Box::new(self.sum()?);
            return Ok(Predicate::Between { operand, low, high, negated });
        }
        let fold = self.tokens.is_keyword("ILIKE");
        if self.tokens.keyword("LIKE") || self.tokens.keyword("ILIKE") {
            let pattern = Box::new(self.sum()?);
            let escape = if self.tokens.keyword("ESCAPE") { Some(self.escape()?) } else { None };
            return Ok(Predicate::Like { operand, pattern, escape, fold, negated });
        }
        if negated { Err(self.tokens.expected("IN, BETWEEN, LIKE or ILIKE")) } else { Ok(*operand) }
    }

    /// Letters and digits are no escapes: folding case would change them.
    fn escape(&mut self) -> Result<char> {
        if let Token::SingleQuotedString(text) = self.tokens.peek() {
            let mut chars = text.chars();
            if let (Some(escape), None) = (chars.next(), chars.next())
                && !escape.is_alphanumeric()
            {
                self.tokens.skip(1);
                return Ok(escape);
            }
        }
        Err(self.tokens.expected("one character, no letter or digit, in quotes"))
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

    fn chain(&mut self, term: Step, operator: fn(&Token) -> Option<Arithmetic>) -> Result<Predicate> {
        let first = term(self)?;
        let mut rest = Vec::new();
        while let Some(sign) = operator(self.tokens.peek()) {
            if self.operators == MAX_OPERATORS {
                return Err(self.tokens.refused(format!("more than {MAX_OPERATORS} arithmetic operators")));
            }
            self.operators += 1;
            self.tokens.skip(1);
            rest.push((sign, term(self)?));
        }
        Ok(if rest.is_empty() { first } else { Predicate::Arithmetic(Box::new(first), rest) })
    }

    fn sign(&mut self) -> Result<Predicate> {
        match self.tokens.peek() {
            Token::Plus => {
                self.tokens.skip(1);
                self.nested(Self::sign)
            }
            Token::Minus => {
                self.tokens.skip(1);
                if let Token::Number(..) = self.tokens.peek() {
                    return self.number(true);
                }
                Ok(Predicate::Negate(Box::new(self.nested(Self::sign)?)))
            }
            _ => self.operand(),
        }
    }

    fn operand(&mut self) -> Result<Predicate> {
        match self.tokens.peek() {
            Token::LParen => {
                self.tokens.skip(1);
                let inner = self.or()?;
                self.tokens.symbol(&Token::RParen, "`)`")?;
                Ok(inner)
            }
            Token::Number(..) => self.number(false),
            Token::SingleQuotedString(text) => {
                let text = Value::Text(text.clone());
                self.tokens.skip(1);
                Ok(Predicate::Literal(text))
            }
            Token::HexStringLiteral(hex) => {
                match literal::blob(hex).filter(|_| self.tokens.is_quoted_hex(hex)) {
                    Some(blob) => {
                        self.tokens.skip(1);
                        Ok(Predicate::Literal(blob))
                    }
                    None => Err(self.tokens.refused("bytes are X'…' with pairs of hex digits")),
                }
            }
            Token::Word(word) => {
                let word = word.clone();
                self.word(word)
            }
            Token::Placeholder(_) | Token::Question | Token::Colon | Token::AtSign => {
                Err(self.tokens.refused("a parameter is not allowed; write its value"))
            }
            _ => Err(self.tokens.expected("a column or a literal")),
        }
    }

    fn number(&mut self, negative: bool) -> Result<Predicate> {
        if let Token::Number(digits, false) = self.tokens.peek()
            && let Some(number) = literal::number(digits, negative)
        {
            self.tokens.skip(1);
            return Ok(Predicate::Literal(number));
        }
        Err(self
            .tokens
            .refused(format!("{} is no number that can be kept exactly", echo(self.tokens.peek()))))
    }

    fn word(&mut self, word: Word) -> Result<Predicate> {
        if word.quote_style.is_none() {
            let name = word.value.to_ascii_uppercase();
            match (name.as_str(), self.tokens.peek_after()) {
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
                    return Err(self.tokens.refused("a subquery is not allowed"));
                }
                ("CASE", _) => return Err(self.tokens.refused("CASE is not allowed")),
                ("AND" | "OR" | "NOT" | "IN" | "IS" | "BETWEEN" | "LIKE" | "ILIKE" | "ESCAPE" | "AS", _) => {
                    return Err(self.tokens.expected("a column or a literal"));
                }
                _ => {}
            }
        }
        match self.tokens.peek_after() {
            Token::LParen => Err(self
                .tokens
                .refused(format!("a function call, {}(…), is not allowed", echo(self.tokens.peek())))),
            Token::Period => Err(self.tokens.refused("a qualified name is not allowed; columns stand alone")),
            _ => {
                self.tokens.skip(1);
                Ok(Predicate::Column(word.value))
            }
        }
    }

    fn literal(&mut self, value: Value) -> Predicate {
        self.tokens.skip(1);
        Predicate::Literal(value)
    }

    fn typed(&mut self, value: Option<Value>, form: &str) -> Result<Predicate> {
        let Some(value) = value else { return Err(self.tokens.refused(form)) };
        self.tokens.skip(2);
        Ok(Predicate::Literal(value))
    }

    fn cast(&mut self) -> Result<Predicate> {
        self.tokens.skip(2);
        let operand = self.or()?;
        if !self.tokens.keyword("AS") {
            return Err(self.tokens.expected("AS"));
        }
        let to = cast::cast_type(&mut self.tokens)?;
        self.tokens.symbol(&Token::RParen, "`)`")?;
        Ok(Predicate::Cast(Box::new(operand), to))
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<Predicate>) -> Result<Predicate> {
        if self.depth == MAX_DEPTH {
            return Err(self.tokens.refused(format!("more than {MAX_DEPTH} levels are nested")));
        }
        self.depth += 1;
        let predicate = inner(self);
        self.depth -= 1;
        predicate
    }
}
