//! A caller's statement: guarded, bound, run once, its types fixed before its first row goes out.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Rows, Statement};

use super::check::Checker;
use super::connection::{Conn, bind};
use super::fault::of_query;
use super::scan::Typed;
use super::select::{Batches, cell};
use super::spool::CellSpool;
use super::types::{Kind, Seen};
use crate::database::{Query, Sink};
use crate::error::{Code, Error, Result};
use crate::value::{Params, Value};

/// Streams a query into `sink`. `known` gives what has been made sure of for a relation, if it has.
///
/// # Errors
/// `invalid-query`, `read-only`, `forbidden`; the sink's; the database's.
pub fn query(
    conn: &Conn,
    query: &Query,
    known: &dyn Fn(&str, &str) -> Option<Arc<Typed>>,
    sink: &dyn Sink,
) -> Result<()> {
    conn.guarded(|connection| {
        let mut statement = only_statement(connection, &query.sql)?;
        if statement.column_count() == 0 {
            return Err(if statement.readonly() {
                Error::new(Code::InvalidQuery, "the statement returns no rows")
            } else {
                Error::new(Code::ReadOnly, "the statement writes, and queries are read-only")
            });
        }
        bind_params(&mut statement, &query.params)?;
        match certain(connection, &statement, &query.sql, known)? {
            Some((schema, kinds)) => {
                sink.start(schema.clone())?;
                let rows = statement.raw_query();
                stream(rows, query.limit, Batches::new(schema, &kinds, sink), sink)
            }
            None => spool(statement, query.limit, sink),
        }
    })
}

/// `Connection::prepare` would look at what follows by calling itself, once a statement.
fn only_statement<'c>(connection: &'c Connection, sql: &str) -> Result<Statement<'c>> {
    if sql.contains('\0') {
        return Err(Error::new(
            Code::InvalidQuery,
            "the statement has a NUL in it, where SQLite stops reading",
        ));
    }
    let mut batch = Batch::new(connection, sql);
    let first = batch.next().map_err(of_query)?;
    let first = first.ok_or_else(|| Error::new(Code::InvalidQuery, "there is no statement in the query"))?;
    match batch.next() {
        Ok(None) => Ok(first),
        Ok(Some(_)) | Err(_) => Err(Error::new(Code::InvalidQuery, "a query is one statement")),
    }
}

fn stream(mut rows: Rows<'_>, limit: Option<u64>, mut batches: Batches<'_>, sink: &dyn Sink) -> Result<()> {
    let mut left = limit.unwrap_or(u64::MAX);
    while let Some(row) = rows.next().map_err(of_query)? {
        if left == 0 {
            sink.truncated();
            break;
        }
        left -= 1;
        batches.row(row)?;
    }
    batches.finish()
}

/// The schema of a result whose columns all come from relations that have been made sure of.
fn certain(
    connection: &Connection,
    statement: &Statement<'_>,
    sql: &str,
    known: &dyn Fn(&str, &str) -> Option<Arc<Typed>>,
) -> Result<Option<(SchemaRef, Vec<Kind>)>> {
    let mut kinds = Vec::new();
    let mut fields = Vec::new();
    for column in statement.columns_with_metadata() {
        let (Some(schema), Some(table), Some(origin)) =
            (column.database_name(), column.table_name(), column.origin_name())
        else {
            return Ok(None);
        };
        let Some(typed) = known(schema, table) else { return Ok(None) };
        let Some(index) = typed.relation.columns.iter().position(|c| c.name == origin) else {
            return Ok(None);
        };
        let kind = typed.kinds[index];
        fields.push(kind.field(column.name(), true, &typed.relation.columns[index].declared));
        kinds.push(kind);
    }
    Ok((!is_compound(connection, sql)?).then(|| (Arc::new(Schema::new(fields)), kinds)))
}

/// The origin that SQLite names for a column of `UNION` and its kin is that of the first part alone.
fn is_compound(connection: &Connection, sql: &str) -> Result<bool> {
    let Ok(mut plan) = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")) else {
        return Ok(true); // a statement behind a stray semicolon, say
    };
    let mut rows = plan.raw_query();
    while let Some(row) = rows.next().map_err(of_query)? {
        let detail = row.get_ref(3).map_err(of_query)?.as_str().unwrap_or_default();
        if ["COMPOUND", "UNION", "INTERSECT", "EXCEPT", "MERGE", "RECURSIVE"]
            .iter()
            .any(|word| detail.contains(word))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the statement to its end before anything goes out, and lets its values say their types.
fn spool(mut statement: Statement<'_>, limit: Option<u64>, sink: &dyn Sink) -> Result<()> {
    let described: Vec<(String, String)> = statement
        .columns()
        .map(|column| (column.name().to_owned(), column.decl_type().unwrap_or_default().to_owned()))
        .collect();
    let declared: Vec<Kind> = described.iter().map(|(_, declared)| Kind::declared(declared)).collect();
    let columns = declared.len();
    let mut checker = Checker::new(declared.clone());
    let mut spooled = CellSpool::default();
    let mut truncated = false;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(of_query)? {
        if limit.is_some_and(|limit| spooled.rows() >= limit) {
            truncated = true;
            break;
        }
        for column in 0..columns {
            let scalar = cell(row, column);
            checker.push(column, scalar);
            spooled.push(scalar)?;
        }
        spooled.end_row();
    }
    drop(rows);
    let kinds: Vec<Kind> =
        declared.iter().zip(&checker.seen).map(|(&declared, seen)| Seen::decide(*seen, declared)).collect();
    let fields =
        described.iter().zip(&kinds).map(|((name, declared), kind)| kind.field(name, true, declared));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    sink.start(schema.clone())?;
    if truncated {
        sink.truncated();
    }
    let mut batches = Batches::new(schema, &kinds, sink);
    spooled.replay(columns, |row| batches.cells(row.iter().map(super::spool::Owned::scalar)))?;
    batches.finish()
}

fn bind_params(statement: &mut Statement<'_>, params: &Params) -> Result<()> {
    let expected = statement.parameter_count();
    match params {
        Params::Positional(values) => {
            if values.len() != expected {
                let detail = format!("the statement has {expected} parameters, {} were given", values.len());
                return Err(Error::new(Code::InvalidQuery, detail));
            }
            for (index, value) in (1..).zip(values) {
                bind_one(statement, index, value)?;
            }
        }
        Params::Named(values) => {
            let mut bound = vec![false; expected];
            for (name, value) in values {
                let mut found = false;
                for index in 1..=expected {
                    // `:name`, `@name` and `$name` are one name, and may all stand in a statement.
                    let own = statement.parameter_name(index);
                    if own.is_some_and(|own| own == name || own.get(1..) == Some(name)) {
                        bind_one(statement, index, value)?;
                        bound[index - 1] = true;
                        found = true;
                    }
                }
                if !found {
                    return Err(Error::new(
                        Code::InvalidQuery,
                        format!("the statement has no parameter {name:?}"),
                    ));
                }
            }
            if let Some(index) = bound.iter().position(|bound| !bound) {
                let name = statement.parameter_name(index + 1).unwrap_or("?").to_owned();
                return Err(Error::new(Code::InvalidQuery, format!("parameter {name} was not given")));
            }
        }
    }
    Ok(())
}

fn bind_one(statement: &mut Statement<'_>, index: usize, value: &Value) -> Result<()> {
    statement.raw_bind_parameter(index, bind(value)?).map_err(of_query)
}
