//! Rows of one table as all rows of another, in one statement of the server.

use super::catalogue::{Column, Relation};
use super::scan::{predicate, shaped};
use super::values::Bound;
use super::wire::Conn;
use super::write::{refuse, spare_others, transactional, writable};
use crate::database::Scan;
use crate::dialect::MYSQL;
use crate::engines::meet::taken_over;
use crate::error::{Code, Result};

/// Copies within a transaction that the caller ends; `None` where the rows have to be read and written.
///
/// # Errors
/// `not-found`, `forbidden`, `constraint-violation`, `unsupported`; the server's.
pub fn copy_rows(conn: &mut Conn, scan: &Scan, place: (&str, &str)) -> Result<Option<u64>> {
    let target = held(conn, place)?;
    writable(&target)?;
    transactional(conn, &target)?;
    let source = held(conn, (&scan.schema, &scan.relation))?;
    // A view may read the very rows that go.
    if source.kind == "view" || has_triggers(conn, &target)? {
        return Ok(None);
    }
    let same = |one: &Column, other: &Column| one.declared == other.declared;
    let selected = scan.shape.columns.as_deref();
    let Some(names) = taken_over(&source.columns, selected, &target.columns, same) else { return Ok(None) };
    let filled = |column: &Column| column.generated || names.contains(&column.name.as_str());
    if !target.columns.iter().all(filled) {
        // What a column has that is not written, the server does not always say.
        return Ok(None);
    }
    spare_others(conn, &target)?;
    conn.run(&[&format!("DELETE FROM {}", target.quoted())])?;
    let list = names.iter().map(|name| MYSQL.quoted(name)).collect::<Vec<_>>().join(", ");
    let (select, values) = shaped(format!("SELECT {list} FROM {}", source.quoted()), &scan.shape);
    let bound = Bound::new(&values)?;
    let statement = conn.prepare(&format!("INSERT INTO {} ({list}) {select}", target.quoted()))?;
    conn.put_execute(statement.id, |out| bound.put(out));
    conn.flush()?;
    let done = conn.done().map_err(|error| match error.code() {
        Code::ConstraintViolation => error,
        _ if scan.shape.predicate.is_some() => predicate(error),
        _ => error,
    })?;
    conn.close(&statement);
    if done.warnings > 0 {
        refuse(conn)?;
    }
    Ok(Some(done.affected))
}

/// Fills a table that is as another one with its rows, within a transaction that the caller ends.
///
/// # Errors
/// The server's.
pub fn fill(conn: &mut Conn, source: &Relation, (schema, name): (&str, &str)) -> Result<()> {
    let written = source.columns.iter().filter(|column| !column.generated);
    let list = written.map(|column| MYSQL.quoted(&column.name)).collect::<Vec<_>>().join(", ");
    let mut target = String::new();
    MYSQL.relation_into(&mut target, schema, name);
    let done =
        conn.run(&[&format!("INSERT INTO {target} ({list}) SELECT {list} FROM {}", source.quoted())])?;
    if done.warnings > 0 { refuse(conn) } else { Ok(()) }
}

/// A relation that stays as it is looked at, until the transaction ends.
fn held(conn: &mut Conn, (schema, name): (&str, &str)) -> Result<Relation> {
    let found = Relation::load(conn, schema, name)?;
    conn.rows(&format!("SELECT 1 FROM {} LIMIT 0", found.quoted()), &[])?;
    Relation::load(conn, schema, name)
}

/// What a trigger does when the old rows go may change the rows that are to come.
fn has_triggers(conn: &mut Conn, relation: &Relation) -> Result<bool> {
    let rows = conn.rows(
        "SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? LIMIT 1",
        &[&relation.schema, &relation.name],
    )?;
    Ok(!rows.is_empty())
}
