//! A parsed `where`: our own tree, rendered anew with bound literals.

use super::catalogue::Catalogue;
use super::parser;
use crate::dialect::{CastType, Dialect};
use crate::error::Result;
use crate::value::Value;

/// A condition, or an expression within one.
///
/// Chains of one operator are one node, so that the height of a tree is bounded by the nesting of
/// its text and not by its length.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    Column(String),
    Literal(Value),
    /// All are true; two or more.
    And(Vec<Predicate>),
    /// Any is true; two or more.
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Negate(Box<Predicate>),
    /// From left to right, operators of one precedence.
    Arithmetic(Box<Predicate>, Vec<(Arithmetic, Predicate)>),
    Compare(Box<Predicate>, Comparison, Box<Predicate>),
    In {
        operand: Box<Predicate>,
        list: Vec<Predicate>,
        negated: bool,
    },
    Between {
        operand: Box<Predicate>,
        low: Box<Predicate>,
        high: Box<Predicate>,
        negated: bool,
    },
    /// `LIKE` is the database's own: in case as on patterns it does here what it does in a query.
    /// `ILIKE` (`fold`) ignores case everywhere, as far as the database's `LOWER` knows case.
    Like {
        operand: Box<Predicate>,
        pattern: Box<Predicate>,
        escape: Option<char>,
        fold: bool,
        negated: bool,
    },
    Is {
        operand: Box<Predicate>,
        truth: Truth,
        negated: bool,
    },
    Cast(Box<Predicate>, CastType),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Null,
    True,
    False,
}

impl Predicate {
    /// Parses the text of a `where`.
    ///
    /// # Errors
    /// [`InvalidPredicate`](crate::error::Code::InvalidPredicate), with what and where, for
    /// everything outside the allow-list.
    pub fn parse(text: &str) -> Result<Self> {
        parser::parse(text)
    }

    /// Replaces each column by the catalogue's spelling.
    pub(super) fn bind(&mut self, catalogue: &Catalogue<'_>) -> Result<()> {
        match self {
            Self::Column(name) => *name = catalogue.column(name, "where")?.to_owned(),
            Self::Literal(_) => {}
            Self::And(terms) | Self::Or(terms) => bind_all(terms, catalogue)?,
            Self::Not(operand)
            | Self::Negate(operand)
            | Self::Is { operand, .. }
            | Self::Cast(operand, _) => operand.bind(catalogue)?,
            Self::Arithmetic(first, rest) => {
                first.bind(catalogue)?;
                rest.iter_mut().try_for_each(|(_, term)| term.bind(catalogue))?;
            }
            Self::Compare(left, _, right) => {
                left.bind(catalogue)?;
                right.bind(catalogue)?;
            }
            Self::In { operand, list, .. } => {
                operand.bind(catalogue)?;
                bind_all(list, catalogue)?;
            }
            Self::Between { operand, low, high, .. } => {
                operand.bind(catalogue)?;
                low.bind(catalogue)?;
                high.bind(catalogue)?;
            }
            Self::Like { operand, pattern, .. } => {
                operand.bind(catalogue)?;
                pattern.bind(catalogue)?;
            }
        }
        Ok(())
    }

    /// Appends SQL to `out` and the literals to `params`. Every operator is in parentheses, so that
    /// no database's own precedence matters.
    pub fn render(&self, dialect: &Dialect, out: &mut String, params: &mut Vec<Value>) {
        Renderer { dialect, out, params }.expression(self);
    }
}

fn bind_all(terms: &mut [Predicate], catalogue: &Catalogue<'_>) -> Result<()> {
    terms.iter_mut().try_for_each(|term| term.bind(catalogue))
}

struct Renderer<'a> {
    dialect: &'a Dialect,
    out: &'a mut String,
    params: &'a mut Vec<Value>,
}

impl Renderer<'_> {
    fn expression(&mut self, expression: &Predicate) {
        match expression {
            Predicate::Column(name) => self.dialect.quote_into(self.out, name),
            Predicate::Literal(value) => self.bound(value.clone()),
            Predicate::Cast(operand, to) => {
                self.sql("CAST(");
                self.expression(operand);
                self.sql(" AS ");
                self.dialect.cast_into(self.out, *to);
                self.sql(")");
            }
            operator => {
                self.sql("(");
                self.operator(operator);
                self.sql(")");
            }
        }
    }

    fn operator(&mut self, operator: &Predicate) {
        match operator {
            Predicate::Column(_) | Predicate::Literal(_) | Predicate::Cast(..) => self.expression(operator),
            Predicate::And(terms) => self.balanced(terms, " AND "),
            Predicate::Or(terms) => self.balanced(terms, " OR "),
            Predicate::Not(operand) => {
                self.sql("NOT ");
                self.expression(operand);
            }
            Predicate::Negate(operand) => {
                self.sql("-");
                self.expression(operand);
            }
            Predicate::Arithmetic(first, rest) => {
                self.expression(first);
                for (sign, term) in rest {
                    self.sql(match sign {
                        Arithmetic::Add => " + ",
                        Arithmetic::Subtract => " - ",
                        Arithmetic::Multiply => " * ",
                        Arithmetic::Divide => " / ",
                        Arithmetic::Remainder => " % ",
                    });
                    self.expression(term);
                }
            }
            Predicate::Compare(left, comparison, right) => {
                self.expression(left);
                self.sql(match comparison {
                    Comparison::Equal => " = ",
                    Comparison::NotEqual => " <> ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                    Comparison::Greater => " > ",
                    Comparison::GreaterOrEqual => " >= ",
                });
                self.expression(right);
            }
            Predicate::In { operand, list, negated } => {
                self.expression(operand);
                self.not(*negated);
                self.sql(" IN (");
                for (at, item) in list.iter().enumerate() {
                    if at > 0 {
                        self.sql(", ");
                    }
                    self.expression(item);
                }
                self.sql(")");
            }
            Predicate::Between { operand, low, high, negated } => {
                self.expression(operand);
                self.not(*negated);
                self.sql(" BETWEEN ");
                self.expression(low);
                self.sql(" AND ");
                self.expression(high);
            }
            Predicate::Like { operand, pattern, escape, fold, negated } => {
                let lower = *fold && !self.dialect.ilike;
                self.folded(operand, lower);
                self.not(*negated);
                self.sql(if *fold && !lower { " ILIKE " } else { " LIKE " });
                self.folded(pattern, lower);
                if let Some(escape) = escape {
                    self.sql(" ESCAPE ");
                    self.bound(Value::Text(escape.to_string()));
                }
            }
            Predicate::Is { operand, truth, negated } => {
                self.expression(operand);
                self.sql(" IS");
                self.not(*negated);
                self.sql(match truth {
                    Truth::Null => " NULL",
                    Truth::True => " TRUE",
                    Truth::False => " FALSE",
                });
            }
        }
    }

    /// Joins terms as a balanced tree: databases bound the depth of an expression (SQLite at 1000),
    /// and AND and OR are associative.
    fn balanced(&mut self, terms: &[Predicate], operator: &str) {
        match terms {
            [] => {}
            [term] => self.expression(term),
            _ => {
                let (left, right) = terms.split_at(terms.len() / 2);
                self.half(left, operator);
                self.sql(operator);
                self.half(right, operator);
            }
        }
    }

    fn half(&mut self, terms: &[Predicate], operator: &str) {
        if terms.len() > 1 {
            self.sql("(");
            self.balanced(terms, operator);
            self.sql(")");
        } else {
            self.balanced(terms, operator);
        }
    }

    fn folded(&mut self, operand: &Predicate, lower: bool) {
        if lower {
            self.sql("LOWER(");
        }
        self.expression(operand);
        if lower {
            self.sql(")");
        }
    }

    fn not(&mut self, negated: bool) {
        if negated {
            self.sql(" NOT");
        }
    }

    fn bound(&mut self, value: Value) {
        self.params.push(value);
        self.dialect.placeholder_into(self.out, self.params.len());
    }

    fn sql(&mut self, sql: &str) {
        self.out.push_str(sql);
    }
}
