//! Statements of the caller's: one, with rows, in a transaction that stays read-only.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_schema::Schema;

use super::named::positional;
use super::scan::{Row, stream};
use super::types::Kind;
use super::values::Bound;
use super::wire::Conn;
use crate::database::{Query, Sink};
use crate::error::{Code, Error, Result};
use crate::value::Params;

/// What `OPTIMIZE`, `REPAIR`, `ANALYZE` and `CHECK TABLE` answer. They end the transaction and change
/// tables, and MariaDB says what columns they give as of any statement.
const MAINTENANCE: [&str; 4] = ["Table", "Op", "Msg_type", "Msg_text"];

/// Streams a query into `sink`. A relation that it names and that is not there is its own fault.
///
/// Only a statement that gives rows is run at all: `INTO OUTFILE`, `CALL`, `SET`, `COMMIT` and every
/// statement that would end the transaction give none.
///
/// # Errors
/// `invalid-query`, `invalid-parameter`, `read-only`; the sink's; the server's.
pub fn query(conn: &mut Conn, query: &Query, sink: &dyn Sink) -> Result<()> {
    run(conn, query, sink).map_err(|error| match (error.code(), error.sqlstate()) {
        (Code::NotFound, Some(state)) => Error::new(Code::InvalidQuery, error.detail()).with_sqlstate(state),
        _ => error,
    })
}

fn run(conn: &mut Conn, query: &Query, sink: &dyn Sink) -> Result<()> {
    let (sql, values) = match &query.params {
        Params::Positional(values) => (Cow::Borrowed(&query.sql), Cow::Borrowed(values)),
        Params::Named(values) => {
            let (sql, values) = positional(&query.sql, values)?;
            (Cow::Owned(sql), Cow::Owned(values))
        }
    };
    let bound = Bound::new(&values)?;
    let statement = conn.prepare(&sql)?;
    if statement.columns.is_empty() {
        return Err(Error::new(Code::ReadOnly, "only statements that give rows can be asked here"));
    }
    if statement.columns.iter().map(|column| column.name.as_str()).eq(MAINTENANCE) {
        return Err(Error::new(Code::ReadOnly, "the maintenance of tables cannot be asked for here"));
    }
    let columns = conn.execute(&statement, &bound)?.unwrap_or_default();
    let kinds: Vec<Kind> = columns.iter().map(Kind::of).collect();
    let fields = columns.iter().zip(&kinds);
    let fields = fields.map(|(column, kind)| kind.field(&column.name, true, &kind.declared(column)));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    sink.start(schema.clone())?;
    let mut left = query.limit.unwrap_or(u64::MAX);
    stream(conn, schema, &kinds, sink, || {
        if left == 0 {
            sink.truncated();
            return Row::Enough;
        }
        left -= 1;
        Row::Wanted
    })?;
    conn.close(&statement);
    Ok(())
}
