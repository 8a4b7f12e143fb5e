//! A parsed `where`: our own tree, rendered anew with bound literals.

use super::catalogue::Catalogue;
use super::{parser, render};
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
    /// Under a collation of an engine's own; no text parses to it.
    Collate(Box<Predicate>, &'static str),
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
        if let Self::Column(name) = self {
            *name = catalogue.column(name, "where")?.to_owned();
        }
        self.operands_mut().into_iter().try_for_each(|operand| operand.bind(catalogue))
    }

    /// What the operator is applied to, from left to right; nothing for a column or a literal.
    pub fn operands_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Column(_) | Self::Literal(_) => Vec::new(),
            Self::And(terms) | Self::Or(terms) => terms.iter_mut().collect(),
            Self::Not(operand)
            | Self::Negate(operand)
            | Self::Is { operand, .. }
            | Self::Cast(operand, _)
            | Self::Collate(operand, _) => vec![operand],
            Self::Arithmetic(first, rest) => {
                let rest = rest.iter_mut().map(|(_, term)| term);
                std::iter::once(&mut **first).chain(rest).collect()
            }
            Self::Compare(left, _, right) => vec![left, right],
            Self::In { operand, list, .. } => std::iter::once(&mut **operand).chain(list).collect(),
            Self::Between { operand, low, high, .. } => vec![operand, low, high],
            Self::Like { operand, pattern, .. } => vec![operand, pattern],
        }
    }

    /// Appends SQL to `out` and the literals to `params`. Every operator is in parentheses, so that
    /// no database's own precedence matters.
    pub fn render(&self, dialect: &Dialect, out: &mut String, params: &mut Vec<Value>) {
        render::render(self, dialect, out, params);
    }
}
