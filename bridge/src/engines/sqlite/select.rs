//! One statement, stepped row by row: shaped reads, views and queries.

use arrow_schema::SchemaRef;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Row, params_from_iter};

use super::build::BatchBuilder;
use super::check::Checker;
use super::connection::Conn;
use super::fault::internal;
use super::scalar::Scalar;
use super::types::Kind;
use crate::database::Sink;
use crate::error::Result;

/// Rows of a batch; the first is smaller, so that the first byte is soon.
pub const ROWS: usize = 8192;
const FIRST_ROWS: usize = 1024;

/// Streams a statement of ours whose column types are known.
///
/// # Errors
/// The sink's, or the database's.
pub fn stream(
    conn: &mut Conn,
    sql: &str,
    values: &[Stored],
    schema: SchemaRef,
    kinds: &[Kind],
    sink: &dyn Sink,
) -> Result<()> {
    let mut batches = Batches::new(schema, kinds, sink);
    let mut statement = conn.raw().prepare_cached(sql).map_err(internal)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(internal)?;
    while let Some(row) = rows.next().map_err(internal)? {
        batches.row(row)?;
    }
    batches.finish()
}

/// Looks at every cell of a statement of ours.
///
/// # Errors
/// The database's.
pub fn check(conn: &mut Conn, sql: &str, checker: &mut Checker) -> Result<()> {
    let mut statement = conn.raw().prepare_cached(sql).map_err(internal)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(internal)?;
    while let Some(row) = rows.next().map_err(internal)? {
        for column in 0..columns {
            checker.push(column, cell(row, column));
        }
    }
    Ok(())
}

/// Cuts rows into batches for a sink.
pub struct Batches<'a> {
    builder: BatchBuilder,
    columns: usize,
    rows: usize,
    sink: &'a dyn Sink,
}

impl<'a> Batches<'a> {
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], sink: &'a dyn Sink) -> Self {
        Self {
            builder: BatchBuilder::new(schema, kinds, FIRST_ROWS),
            columns: kinds.len(),
            rows: FIRST_ROWS,
            sink,
        }
    }

    /// # Errors
    /// The sink's, or `internal` where a value does not fit.
    pub fn row(&mut self, row: &Row<'_>) -> Result<()> {
        self.builder.push((0..self.columns).map(|column| cell(row, column)))?;
        self.end_row()
    }

    /// # Errors
    /// As [`Batches::row`].
    pub fn cells<'c>(&mut self, cells: impl Iterator<Item = Scalar<'c>>) -> Result<()> {
        self.builder.push(cells)?;
        self.end_row()
    }

    fn end_row(&mut self) -> Result<()> {
        if self.builder.rows() >= self.rows
            || (self.builder.rows().is_multiple_of(16) && self.builder.is_full())
        {
            self.rows = ROWS;
            self.sink.push(self.builder.finish()?)?;
        }
        Ok(())
    }

    /// # Errors
    /// As [`Batches::row`].
    pub fn finish(mut self) -> Result<()> {
        if self.builder.rows() > 0 { self.sink.push(self.builder.finish()?) } else { Ok(()) }
    }
}

/// A column that is not there is NULL; none is asked for.
#[must_use]
pub fn cell<'r>(row: &'r Row<'_>, column: usize) -> Scalar<'r> {
    match row.get_ref(column) {
        Ok(ValueRef::Null) | Err(_) => Scalar::Null,
        Ok(ValueRef::Integer(value)) => Scalar::Int(value),
        Ok(ValueRef::Real(value)) => Scalar::Real(value),
        Ok(ValueRef::Text(text)) => Scalar::Text(text),
        Ok(ValueRef::Blob(blob)) => Scalar::Blob(blob),
    }
}
