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
            checker.push(column, cell(row, column)?);
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
        for column in 0..self.columns {
            self.builder.push(column, cell(row, column)?)?;
        }
        self.end_row()
    }

    /// # Errors
    /// As [`Batches::row`].
    pub fn cells<'c>(&mut self, cells: impl Iterator<Item = Scalar<'c>>) -> Result<()> {
        for (column, scalar) in cells.enumerate() {
            self.builder.push(column, scalar)?;
        }
        self.end_row()
    }

    fn end_row(&mut self) -> Result<()> {
        self.builder.end_row();
        if self.builder.rows() >= self.rows || (self.builder.rows() % 16 == 0 && self.builder.is_full()) {
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

/// # Errors
/// `internal`, never in practice: the column is there.
pub fn cell<'r>(row: &'r Row<'_>, column: usize) -> Result<Scalar<'r>> {
    Ok(match row.get_ref(column).map_err(internal)? {
        ValueRef::Null => Scalar::Null,
        ValueRef::Integer(value) => Scalar::Int(value),
        ValueRef::Real(value) => Scalar::Real(value),
        ValueRef::Text(text) => Scalar::Text(text),
        ValueRef::Blob(blob) => Scalar::Blob(blob),
    })
}
