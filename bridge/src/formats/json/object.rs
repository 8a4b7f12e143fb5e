//! The members of one object, without a tree.

use std::borrow::Cow;

use crate::formats::text::Token;
use crate::formats::text::number::Numeral;

/// Why a text is no JSON object.
pub(super) type Fault = &'static str;

/// A member's name.
pub(super) enum Name<'a> {
    Expected,
    Other(Cow<'a, str>),
}

/// A member's value; text without escapes is borrowed.
pub(super) enum Value<'a> {
    Token(Token<'a>),
    Text(Cow<'a, str>),
}

impl Value<'_> {
    pub(super) fn token(&self) -> Token<'_> {
        match self {
            Self::Token(token) => *token,
            Self::Text(text) => Token::Text(text),
        }
    }
}

/// Reads an object's members one after the other.
pub(super) struct Members<'a> {
    text: &'a str,
    at: usize,
    first: bool,
}

impl<'a> Members<'a> {
    /// Of a text that starts with `{` and ends with its `}`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 1, first: true }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, fault: Fault) -> Result<(), Fault> {
        self.skip_space();
        if self.byte() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(fault)
        }
    }

    /// The next name and value; `None` after the last. Where the name is spelled as `expected`,
    /// its colon included, it is not looked at further.
    pub(super) fn next(&mut self, expected: Option<&[u8]>) -> Result<Option<(Name<'a>, Value<'a>)>, Fault> {
        self.skip_space();
        if self.byte() == Some(b'}') {
            return if self.at + 1 == self.text.len() { Ok(None) } else { Err("something after }") };
        }
        if !self.first {
            self.expect(b',', "no comma between members")?;
            self.skip_space();
        }
        self.first = false;
        if self.byte() != Some(b'"') {
            return Err("a member without a name");
        }
        let name = match expected {
            Some(expected) if self.text.as_bytes()[self.at..].starts_with(expected) => {
                self.at += expected.len();
                Name::Expected
            }
            _ => {
                let name = self.string()?;
                self.expect(b':', "no colon after a name")?;
                Name::Other(name)
            }
        };
        self.skip_space();
        Ok(Some((name, self.value()?)))
    }

    fn value(&mut self) -> Result<Value<'a>, Fault> {
        match self.byte() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{' | b'[') => self.nested().map(|text| Value::Token(Token::Json(text))),
            _ => {
                let rest = &self.text[self.at..];
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                let word = &rest[..rest.bytes().position(|byte| ends(&byte)).unwrap_or(rest.len())];
                self.at += word.len();
                match word {
                    "null" => Ok(Value::Token(Token::Null)),
                    "true" | "false" => Ok(Value::Token(Token::Literal(word))),
                    _ if Numeral::parse(word.as_bytes()).is_some() => Ok(Value::Token(Token::Literal(word))),
                    _ => Err("a value that is none"),
                }
            }
        }
    }

    /// A list or an object as it stands; what is in it is looked at by `serde_json`.
    fn nested(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.byte().ok_or("a value without an end")? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let text = &self.text[start..self.at];
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => Ok(text),
            Err(_) => Err("a list or an object that is none"),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let start = self.at;
        let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        let plain =
            self.text.as_bytes()[start..].iter().position(special).ok_or("a string without an end")?;
        self.at += plain;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let run = self.at;
            let length =
                self.text.as_bytes()[run..].iter().position(special).ok_or("a string without an end")?;
            self.at += length;
            out.push_str(&self.text[run..self.at]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err("a control character in a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        self.at += 2;
        Ok(match self.text.as_bytes().get(self.at - 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit()?;
                let point = match unit {
                    0xd800..0xdc00 => {
                        if self.text.as_bytes().get(self.at..self.at + 2) != Some(b"\\u") {
                            return Err("half a surrogate pair");
                        }
                        self.at += 2;
                        let low = self.unit()?;
                        if !(0xdc00..0xe000).contains(&low) {
                            return Err("half a surrogate pair");
                        }
                        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    other => other,
                };
                char::from_u32(point).ok_or("half a surrogate pair")?
            }
            _ => return Err("an unknown escape"),
        })
    }

    fn unit(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or("an unknown escape")?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16).ok_or("an unknown escape")?;
        }
        self.at += 4;
        Ok(unit)
    }
}
