//! Rows of one table as all rows of another: storage to storage, where both declare the same.

use rusqlite::params_from_iter;

use super::catalogue::{Column, Relation, must_be_new, qualified};
use super::connection::{Conn, bind_all};
use super::decimals;
use super::fault::internal;
use super::write::{check_references, locate};
use crate::database::{Scan, Write, WriteMode};
use crate::dialect::SQLITE;
use crate::engines::meet::taken_over;
use crate::error::{Code, Error, Result};

/// Copies within a transaction that the caller ends; `None` where the rows have to be read and written.
///
/// # Errors
/// `not-found`, `already-exists`, `forbidden`, `precondition-failed`, `constraint-violation`.
pub fn copy_rows(
    conn: &mut Conn,
    scan: &Scan,
    write: &Write,
    version: &dyn Fn() -> Result<Option<String>>,
) -> Result<Option<u64>> {
    let source = Relation::load(conn.raw(), &scan.schema, &scan.relation)?;
    // What a view gives need not be what a column of its type would store.
    if source.kind != "table" {
        return Ok(None);
    }
    let selected = scan.shape.columns.as_deref();
    let creates = write.mode == WriteMode::Create;
    let names = if creates {
        must_be_new(conn.raw(), &write.schema, &write.relation)?;
        taken_over(&source.columns, selected, &source.columns, |_, _| true)
    } else {
        let target = Relation::load(conn.raw(), &write.schema, &write.relation)?;
        if target.kind == "view" {
            let detail = format!("{:?} is a view: it has no rows of its own to write", target.name);
            return Err(Error::new(Code::Forbidden, detail));
        }
        write.check(|| if target.has_versions() { version() } else { Ok(None) })?;
        if target.kind != "table" || target.strict != source.strict || has_triggers(conn, &target)? {
            return Ok(None);
        }
        let same = |one: &Column, other: &Column| one.declared == other.declared;
        taken_over(&source.columns, selected, &target.columns, same)
    };
    let Some(names) = names else { return Ok(None) };
    if creates {
        create(conn, &source, &names, write)?;
    } else {
        conn.execute(&format!("DELETE FROM {}", qualified(&write.schema, &write.relation)))?;
    }
    let mut shape = decimals::by_value(&scan.shape, &source)?.into_owned();
    let quoted: Vec<String> = names.iter().map(|name| SQLITE.quoted(name)).collect();
    shape.columns = Some(names.into_iter().map(str::to_owned).collect());
    let (select, values) = shape.select(&SQLITE, &source.schema, &source.name, &[]);
    let target = qualified(&write.schema, &write.relation);
    let sql = format!("INSERT OR ABORT INTO {target} ({}) {select}", quoted.join(", "));
    let values = bind_all(&values)?;
    let copied = conn.raw().execute(&sql, params_from_iter(&values));
    let copied = copied.map_err(|error| locate(internal(error), None))?;
    check_references(conn, &Relation::load(conn.raw(), &write.schema, &write.relation)?)?;
    Ok(Some(copied as u64))
}

/// What a trigger does when the old rows go may change the rows that are to come.
fn has_triggers(conn: &Conn, relation: &Relation) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {}.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)",
        SQLITE.quoted(&relation.schema)
    );
    let mut look = conn.raw().prepare_cached(&sql).map_err(internal)?;
    look.query_row([&relation.name], |row| row.get(0)).map_err(internal)
}

fn create(conn: &mut Conn, source: &Relation, names: &[&str], write: &Write) -> Result<()> {
    let columns = source.columns.iter().filter(|column| names.contains(&column.name.as_str()));
    let columns: Vec<String> = columns
        .map(|column| {
            let null = if column.not_null { " NOT NULL" } else { "" };
            format!("{} {}{null}", SQLITE.quoted(&column.name), column.declared)
        })
        .collect();
    let strict = if source.strict { " STRICT" } else { "" };
    let table = qualified(&write.schema, &write.relation);
    conn.execute(&format!("CREATE TABLE {table} ({}){strict}", columns.join(", "))).map(drop)
}
