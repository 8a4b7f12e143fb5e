//! Shaping: which columns and rows of a relation, in which order, of how many.
//!
//! A shape is parsed from a query string, bound to the columns of a relation, and only then
//! rendered: identifiers as the catalogue spells them, everything else as bound values.

mod cast;
mod catalogue;
mod clock;
mod literal;
mod parser;
mod predicate;
mod query_string;
mod render;
mod tokens;

use crate::dialect::Dialect;
use crate::error::{Code, Error, Result};
use crate::value::Value;

use catalogue::Catalogue;
pub use predicate::{Arithmetic, Comparison, Predicate, Truth};

/// The parameters after `?` on a data path, parsed; columns are checked against a relation by
/// [`Shape::bind`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// In this order; `None` is all.
    pub columns: Option<Vec<String>>,
    pub predicate: Option<Predicate>,
    pub order: Vec<Order>,
    /// At most `i64::MAX`, as is `offset`: databases count in signed integers.
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub column: String,
    /// Where NULLs go is the database's own rule.
    pub descending: bool,
    /// A collation of an engine's own; none is parsed.
    pub collation: Option<&'static str>,
}

impl Shape {
    /// True for the whole relation in its own order.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Whether which rows it selects may depend on the time: databases take words such as `now` for one.
    #[must_use]
    pub fn reads_clock(&self) -> bool {
        self.predicate.as_ref().is_some_and(|predicate| clock::is_read(&mut predicate.clone()))
    }

    /// Parses a query string (`columns=a,b&where=…&order=a,-b&limit=5&offset=10`).
    ///
    /// Values are percent-decoded once, and `+` is a space, as forms write it; a literal plus is
    /// `%2B`. Lists are cut at their commas before that, so `%2C` may be a comma within a name and
    /// `%2D` a minus at its beginning.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`] for an unknown, repeated or malformed parameter;
    /// [`Code::InvalidPredicate`] for a `where` outside the allow-list.
    pub fn parse(query: &str) -> Result<Self> {
        query_string::parse(query)
    }

    /// Replaces each name by the catalogue's spelling: the exact one, else the only one that
    /// differs in ASCII case.
    ///
    /// Many clients cannot write a comma but as `%2C`. A listed name that is no column is therefore
    /// cut at its commas, and each piece looked up.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`], with the column, for one that the relation does not have or that
    /// is selected twice.
    pub fn bind(mut self, columns: &[String]) -> Result<Self> {
        let catalogue = Catalogue::new(columns);
        if let Some(selected) = self.columns.take() {
            self.columns = Some(catalogue.selection(&selected)?);
        }
        if let Some(predicate) = &mut self.predicate {
            predicate.bind(&catalogue)?;
        }
        self.order = catalogue.order(&self.order)?;
        if columns.is_empty() {
            return Err(Error::new(Code::Unsupported, "a relation without columns has no rows to shape"));
        }
        Ok(self)
    }

    /// `SELECT … FROM … [WHERE] [ORDER BY] [LIMIT] [OFFSET]` with its bound values.
    ///
    /// `columns` are all columns of the relation; they are named one by one, in their order, unless
    /// the shape selects some.
    #[must_use]
    pub fn select(
        &self,
        dialect: &Dialect,
        schema: &str,
        relation: &str,
        columns: &[String],
    ) -> (String, Vec<Value>) {
        let mut sql = String::from("SELECT ");
        let mut params = Vec::new();
        for (at, column) in self.columns.as_deref().unwrap_or(columns).iter().enumerate() {
            if at > 0 {
                sql.push_str(", ");
            }
            dialect.quote_into(&mut sql, column);
        }
        sql.push_str(" FROM ");
        dialect.relation_into(&mut sql, schema, relation);
        if let Some(predicate) = &self.predicate {
            sql.push_str(" WHERE ");
            predicate.render(dialect, &mut sql, &mut params);
        }
        if let Some(order) = self.order_sql(dialect) {
            sql.push_str(" ORDER BY ");
            sql.push_str(&order);
        }
        // Not every database takes an offset without a limit.
        let limit = self.limit.or((self.offset > 0).then_some(i64::MAX as u64));
        for (clause, count) in [(" LIMIT ", limit), (" OFFSET ", (self.offset > 0).then_some(self.offset))] {
            if let Some(count) = count {
                sql.push_str(clause);
                params.push(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
                dialect.placeholder_into(&mut sql, params.len());
            }
        }
        (sql, params)
    }

    /// The condition alone, in parentheses, with its bound values counted from 1.
    #[must_use]
    pub fn filter_sql(&self, dialect: &Dialect) -> Option<(String, Vec<Value>)> {
        let predicate = self.predicate.as_ref()?;
        let mut sql = String::from("(");
        let mut params = Vec::new();
        predicate.render(dialect, &mut sql, &mut params);
        sql.push(')');
        Some((sql, params))
    }

    /// What follows `ORDER BY`.
    #[must_use]
    pub fn order_sql(&self, dialect: &Dialect) -> Option<String> {
        let mut sql = String::new();
        for order in &self.order {
            if !sql.is_empty() {
                sql.push_str(", ");
            }
            dialect.quote_into(&mut sql, &order.column);
            if let Some(collation) = order.collation {
                sql.push_str(" COLLATE ");
                sql.push_str(collation);
            }
            if order.descending {
                sql.push_str(" DESC");
            }
        }
        (!sql.is_empty()).then_some(sql)
    }
}

#[cfg(test)]
mod tests;
