//! The narrowest type that holds every value of a column exactly.
//!
//! int64, float64, decimal, bool, date32, timestamp\[us\], utf8 — in that order. Text that a type
//! would spell otherwise in a way that matters (`007`, `+1`, `1e400`, twenty digits of a float)
//! does not become that type.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, TimeUnit};

use super::Token;
use super::iso;
use super::number::Numeral;

/// What a column may still be, after all values seen so far.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // One for each type it may still be.
pub(in crate::formats) struct Guess {
    int: bool,
    float: bool,
    decimal: bool,
    boolean: bool,
    date: bool,
    /// A timestamp without a zone, and one in UTC.
    local: bool,
    utc: bool,
    /// At least one number that is not `NaN` or infinite.
    numeric: bool,
    whole: usize,
    fraction: usize,
    literals: bool,
    texts: bool,
    nested: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            int: true,
            float: true,
            decimal: true,
            boolean: true,
            date: true,
            local: true,
            utc: true,
            numeric: false,
            whole: 0,
            fraction: 0,
            literals: false,
            texts: false,
            nested: false,
        }
    }
}

impl Guess {
    /// Takes in one value. A CSV field is a literal, its type to be found out; a JSON string
    /// says that it is no number.
    pub(in crate::formats) fn see(&mut self, token: Token<'_>) {
        let text = token.text().as_bytes();
        match token {
            Token::Null => return,
            Token::Literal(_) => {
                self.literals = true;
                self.number(text);
                self.boolean &= matches!(text, b"true" | b"false" | b"True" | b"False" | b"TRUE" | b"FALSE");
            }
            Token::Text(_) => {
                self.texts = true;
                self.no_literal();
            }
            Token::Json(_) => {
                self.nested = true;
                self.no_literal();
            }
        }
        if self.date || self.local || self.utc {
            self.moment(text);
        }
    }

    fn no_literal(&mut self) {
        self.int = false;
        self.float = false;
        self.decimal = false;
        self.boolean = false;
    }

    fn number(&mut self, text: &[u8]) {
        if !(self.int || self.float || self.decimal) {
            return;
        }
        if let Some(numeral) = Numeral::parse(text) {
            let whole_number = numeral.fraction == 0 && !numeral.exponent && !numeral.negative_zero;
            self.int &= whole_number && (numeral.whole < 19 || lexical_core::parse::<i64>(text).is_ok());
            self.float &= numeral.is_float(text);
            self.decimal &= !numeral.exponent && !numeral.negative_zero;
            self.numeric = true;
            self.whole = self.whole.max(numeral.whole);
            self.fraction = self.fraction.max(numeral.fraction);
        } else {
            self.int = false;
            self.decimal = false;
            self.float &= matches!(text, b"NaN" | b"Infinity" | b"-Infinity");
        }
    }

    fn moment(&mut self, text: &[u8]) {
        self.date &= text.len() == 10 && iso::parse_date(text).is_some();
        if !(self.local || self.utc) {
            return;
        }
        // Written as `2020-01-31T12:00:00` or longer; shorter forms may be something else.
        let moment = (text.len() >= 19).then(|| iso::parse_timestamp(text)).flatten();
        let Some(moment) = moment.filter(|moment| moment.count(1_000).is_some()) else {
            self.local = false;
            self.utc = false;
            return;
        };
        let utc = text.ends_with(b"Z") || text.ends_with(b"+00:00");
        self.local &= !moment.zoned;
        self.utc &= moment.zoned && utc;
    }

    /// The column's field, and whether its values are to be kept as JSON text.
    pub(in crate::formats) fn field(&self, name: &str, json: bool) -> (Field, bool) {
        let digits = self.whole + self.fraction;
        let seen = self.literals || self.texts;
        let mixed = json && (self.nested || (self.literals && self.texts));
        let data_type = if mixed || !seen {
            DataType::Utf8
        } else if self.int {
            DataType::Int64
        } else if self.float && self.numeric {
            DataType::Float64
        } else if self.decimal && self.numeric && digits <= 38 {
            DataType::Decimal128(digits as u8, self.fraction as i8)
        } else if self.decimal && self.numeric && digits <= 76 {
            DataType::Decimal256(digits as u8, self.fraction as i8)
        } else if self.boolean {
            DataType::Boolean
        } else if self.date {
            DataType::Date32
        } else if self.local {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        } else if self.utc {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        } else {
            DataType::Utf8
        };
        let as_json = mixed || (json && self.literals && data_type == DataType::Utf8);
        let field = Field::new(name, data_type, true);
        if as_json {
            let metadata = [("ARROW:extension:name".to_owned(), "arrow.json".to_owned())];
            return (field.with_metadata(HashMap::from(metadata)), true);
        }
        (field, false)
    }
}
