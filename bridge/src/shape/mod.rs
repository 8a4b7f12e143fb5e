//! Shaping: which columns and rows of a relation, in which order, of how many.

use crate::dialect::Dialect;
use crate::error::Result;
use crate::value::Value;

/// The parameters after `?` on a data path, parsed; columns are checked against a relation by
/// [`Shape::bind`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// In this order; `None` is all.
    pub columns: Option<Vec<String>>,
    pub predicate: Option<Predicate>,
    pub order: Vec<Order>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub column: String,
    pub descending: bool,
}

/// A parsed `where`: our own tree, rendered anew with bound literals.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    // replaced by the real tree
    Todo,
}

impl Shape {
    /// True for the whole relation in its own order.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Parses a query string (`columns=a,b&where=…`), percent-decoding each value once.
    pub fn parse(_query: &str) -> Result<Self> {
        unimplemented!()
    }

    /// Replaces each name by the catalogue's spelling.
    pub fn bind(self, _columns: &[String]) -> Result<Self> {
        unimplemented!()
    }

    /// `SELECT … FROM … [WHERE] [ORDER BY] [LIMIT] [OFFSET]` with its bound values.
    #[must_use]
    pub fn select(&self, _dialect: &Dialect, _schema: &str, _relation: &str, _columns: &[String]) -> (String, Vec<Value>) {
        unimplemented!()
    }
}

impl Predicate {
    /// Appends SQL to `out` and the literals to `params`.
    pub fn render(&self, _dialect: &Dialect, _out: &mut String, _params: &mut Vec<Value>) {
        unimplemented!()
    }
}
