//! Rows of one table as all rows of another, in one statement of the server.

use super::catalogue::{Column, Relation};
use super::scan::{predicate, shaped};
use super::values;
use super::version::State;
use super::wire::Conn;
use super::write::{counted, lock, nameable, spare_others, writable};
use crate::database::{Scan, Write, WriteMode};
use crate::dialect::POSTGRESQL;
use crate::engines::meet::taken_over;
use crate::error::{Code, Error, Result};
use crate::shape::Shape;
use crate::value::Value;

/// Rows go in the order of their table, as they do when they are read.
const STEADY: &str = "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// Copies within a transaction that the caller ends; `None` where the rows have to be read and written.
///
/// # Errors
/// `not-found`, `already-exists`, `forbidden`, `precondition-failed`, `constraint-violation`; the server's.
pub fn copy_rows(conn: &mut Conn, scan: &Scan, write: &Write) -> Result<Option<u64>> {
    let source = held(conn, &scan.schema, &scan.relation, "ACCESS SHARE")?;
    // A view may read the very rows that go.
    if source.kind != "table" {
        return Ok(None);
    }
    let selected = scan.shape.columns.as_deref();
    let (target, names) = if write.mode == WriteMode::Create {
        let Some(names) = taken_over(&source.columns, selected, &source.columns, |_, _| true) else {
            return Ok(None);
        };
        (create(conn, &source, &names, write)?, names)
    } else {
        let mode = if write.if_version.is_some() { "SHARE ROW EXCLUSIVE" } else { "SHARE UPDATE EXCLUSIVE" };
        let target = held(conn, &write.schema, &write.relation, mode)?;
        writable(&target)?;
        write.check(|| Ok(State::load(conn, &target)?.and_then(|state| state.version)))?;
        let same =
            |one: &Column, other: &Column| (one.oid, one.typmod) == (other.oid, other.typmod) && one.oid != 0;
        match taken_over(&source.columns, selected, &target.columns, same) {
            Some(names) if apart(conn, &source, &target)? => {
                spare_others(conn, &target)?;
                conn.run(&format!("DELETE FROM {}", target.quoted()))?;
                (target, names)
            }
            _ => return Ok(None),
        }
    };
    conn.run(STEADY)?;
    let list = names.iter().map(|name| POSTGRESQL.quoted(name)).collect::<Vec<_>>().join(", ");
    let (select, bound) = shaped(format!("SELECT {list} FROM {}", source.quoted()), &scan.shape, None);
    let sql = format!("INSERT INTO {} ({list}){} {select}", target.quoted(), overriding(&target, &names));
    insert(conn, &sql, &bound).map(Some).map_err(|error| blamed(error, &scan.shape))
}

/// A statement may write what the server would count.
#[must_use]
pub fn overriding(target: &Relation, names: &[&str]) -> &'static str {
    let written = |column: &Column| column.identity && names.contains(&column.name.as_str());
    if target.columns.iter().any(written) { " OVERRIDING SYSTEM VALUE" } else { "" }
}

/// A relation that stays as it is looked at; foreign tables and views cannot be held.
fn held(conn: &mut Conn, schema: &str, name: &str, mode: &str) -> Result<Relation> {
    let found = Relation::load(conn, schema, name)?;
    if !matches!(found.kind, "table" | "partitioned table") {
        return Ok(found);
    }
    lock(conn, &found, mode)?;
    Relation::load(conn, schema, name)
}

/// Whether what happens to the rows of one leaves those of the other alone: neither inherits or has heirs,
/// and nothing else is done when rows go or come.
fn apart(conn: &mut Conn, source: &Relation, target: &Relation) -> Result<bool> {
    if source.oid == target.oid || target.kind != "table" {
        return Ok(false);
    }
    let rows = conn.rows(
        "SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid IN ($1::pg_catalog.oid, $2::pg_catalog.oid)
             AND (c.relhassubclass OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid))
         UNION ALL SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $2::pg_catalog.oid AND NOT t.tgisinternal
         UNION ALL SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = $2::pg_catalog.oid LIMIT 1",
        &[Some(&source.oid), Some(&target.oid)],
    )?;
    Ok(rows.is_empty())
}

fn create(conn: &mut Conn, source: &Relation, names: &[&str], write: &Write) -> Result<Relation> {
    nameable(&write.schema)?;
    nameable(&write.relation)?;
    let mut table = String::new();
    POSTGRESQL.relation_into(&mut table, &write.schema, &write.relation);
    let list = names.iter().map(|name| POSTGRESQL.quoted(name)).collect::<Vec<_>>().join(", ");
    conn.run(&format!("CREATE TABLE {table} AS SELECT {list} FROM {} WITH NO DATA", source.quoted()))?;
    let held =
        source.columns.iter().filter(|column| column.not_null && names.contains(&column.name.as_str()));
    let held: Vec<String> =
        held.map(|column| format!("ALTER {} SET NOT NULL", POSTGRESQL.quoted(&column.name))).collect();
    if !held.is_empty() {
        conn.run(&format!("ALTER TABLE {table} {}", held.join(", ")))?;
    }
    Relation::load(conn, &write.schema, &write.relation)
}

fn insert(conn: &mut Conn, sql: &str, bound: &[Value]) -> Result<u64> {
    let (types, texts) = values::bound(bound)?;
    let texts: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_deref().map(str::as_bytes)).collect();
    conn.put_parse(sql, &types);
    conn.put_bind(&[], &texts, &[]);
    conn.put(b'E', &[0, 0, 0, 0, 0]);
    conn.put(b'S', &[]);
    conn.flush()?;
    let mut written = 0;
    conn.answer(|tag, body| {
        written = counted(tag, body).unwrap_or(written);
        Ok(())
    })?;
    Ok(written)
}

/// Between columns of one type only a condition can be wrong.
fn blamed(error: Error, shape: &Shape) -> Error {
    if shape.predicate.is_some() && error.code() != Code::ConstraintViolation {
        predicate(error)
    } else {
        error
    }
}
