//! Statements of the caller's: one, with rows, in a transaction that stays read-only.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::Schema;

use super::parameters::{highest, numbered};
use super::scan::{Batches, stream};
use super::types::{Kind, Types};
use super::wire::Conn;
use crate::database::{Query, Sink};
use crate::error::{Code, Error, Result};
use crate::value::Params;

/// Streams a query into `sink`.
///
/// Only a statement that gives rows is run at all: `COPY` and most others give none.
///
/// # Errors
/// `invalid-query`, `invalid-parameter`, `read-only`; the sink's; the server's.
pub fn query(conn: &mut Conn, types: &Types, query: &Query, sink: &dyn Sink) -> Result<()> {
    if query.sql.contains('\0') {
        return Err(Error::new(Code::InvalidQuery, "the statement has a NUL in it"));
    }
    let (sql, values) = match &query.params {
        Params::Positional(values) => (Cow::Borrowed(&query.sql), Cow::Borrowed(values)),
        Params::Named(values) => {
            let (sql, values) = numbered(&query.sql, values)?;
            (Cow::Owned(sql), Cow::Owned(values))
        }
    };
    let (given, _) = super::values::bound(&values)?;
    let (takes, gives) = conn.describe(&sql, &given)?;
    if takes.len() != values.len() || highest(&sql) < values.len() {
        let detail = format!("the statement takes {} parameters, not {}", highest(&sql), values.len());
        return Err(Error::new(Code::InvalidQuery, detail));
    }
    let Some(columns) = gives else {
        if query.sql.trim_matches(|c: char| c.is_whitespace() || c == ';').is_empty() {
            return Err(Error::new(Code::InvalidQuery, "there is no statement in the query"));
        }
        return Err(Error::new(Code::ReadOnly, "only statements that give rows can be asked here"));
    };
    let mut kinds = Vec::with_capacity(columns.len());
    for column in &columns {
        kinds.push(types.kind(conn, column.oid, column.typmod)?);
    }
    let described: Vec<_> = columns.iter().map(|column| (column.oid, column.typmod)).collect();
    let names = Types::names(conn, &described)?;
    let fields = columns.iter().zip(&kinds).zip(&names);
    let fields = fields.map(|((column, kind), name): ((_, &Kind), _)| kind.field(&column.name, true, name));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    sink.start(schema.clone())?;
    let mut batches = Batches::new(schema, &kinds, sink);
    let mut left = query.limit.unwrap_or(u64::MAX);
    let mut cut = false;
    let outcome = stream(conn, &[], &sql, &values, &kinds, |row| {
        if left == 0 {
            cut = true;
            sink.truncated();
            return Err(Error::new(Code::Cancelled, "there are more rows than asked for"));
        }
        left -= 1;
        batches.row(row)
    });
    match outcome {
        Err(_) if cut => {}
        outcome => outcome?,
    }
    batches.finish()
}

/// A relation that the text names and that is not there is a fault of the text, not of a path.
pub fn refused(error: Error) -> Error {
    if error.code() != Code::NotFound {
        return error;
    }
    let refused = Error::new(Code::InvalidQuery, error.detail());
    match error.sqlstate() {
        Some(sqlstate) => refused.with_sqlstate(sqlstate),
        None => refused,
    }
}
