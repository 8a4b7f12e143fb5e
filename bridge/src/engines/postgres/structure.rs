//! Relations renamed and copied, each within a transaction that the caller ends.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::catalogue::{Column, Relation};
use super::copy::overriding;
use super::wire::Conn;
use super::write::{lock, nameable};
use crate::dialect::POSTGRESQL;
use crate::error::{Code, Error, Result};

/// # Errors
/// `not-found`, `not-empty` where others depend on it.
pub fn drop_relation(conn: &mut Conn, relation: &Relation) -> Result<()> {
    conn.run(&format!("DROP {} {}", relation.sql_kind(), relation.quoted()))
}

/// Drops what is called so, if it may be.
fn make_room(conn: &mut Conn, (schema, name): (&str, &str), overwrite: bool) -> Result<()> {
    nameable(schema)?;
    nameable(name)?;
    match Relation::load(conn, schema, name) {
        Ok(old) if overwrite => drop_relation(conn, &old),
        Ok(_) => Err(Error::new(
            Code::AlreadyExists,
            format!("there is a relation {name:?} in {schema:?} already"),
        )),
        Err(error) if error.code() == Code::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// # Errors
/// `not-found`, `already-exists` unless `overwrite`, `not-empty`.
pub fn rename_relation(conn: &mut Conn, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
    let mut relation = Relation::load(conn, from.0, from.1)?;
    make_room(conn, to, overwrite)?;
    let kind = relation.sql_kind();
    let mut rename = |conn: &mut Conn, name: &str| {
        let sql = format!("ALTER {kind} {} RENAME TO {}", relation.quoted(), POSTGRESQL.quoted(name));
        name.clone_into(&mut relation.name);
        conn.run(&sql).map(|()| relation.quoted())
    };
    if from.0 == to.0 {
        return rename(conn, to.1).map(drop);
    }
    // On the way it has a name that is free in both schemas.
    let passing = rename(conn, &format!("fsspec_db_{:016x}", RandomState::new().build_hasher().finish()))?;
    conn.run(&format!("ALTER {kind} {passing} SET SCHEMA {}", POSTGRESQL.quoted(to.0)))?;
    to.0.clone_into(&mut relation.schema);
    conn.run(&format!("ALTER {kind} {} RENAME TO {}", relation.quoted(), POSTGRESQL.quoted(to.1)))
}

/// Makes a relation as another one is: a table with its columns, defaults, checks, keys, indexes and rows; a
/// view by its text. Foreign keys, triggers, policies and privileges stay behind.
///
/// # Errors
/// As [`rename_relation`].
pub fn copy_relation(conn: &mut Conn, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
    let mut source = Relation::load(conn, from.0, from.1)?;
    if source.sql_kind() == "TABLE" {
        lock(conn, &source, "ACCESS SHARE")?;
        source = Relation::load(conn, from.0, from.1)?;
    }
    let view = if source.kind.ends_with("view") { Some(view_of(conn, &source)?) } else { None };
    make_room(conn, to, overwrite)?;
    let mut target = String::new();
    POSTGRESQL.relation_into(&mut target, to.0, to.1);
    if let Some((options, definition)) = view {
        let kind = source.sql_kind();
        return conn.run(&format!("CREATE {kind} {target}{options} AS {definition}"));
    }
    conn.run(&format!("CREATE TABLE {target} (LIKE {} INCLUDING ALL)", source.quoted()))?;
    let names: Vec<&str> =
        source.columns.iter().filter(|column| !column.generated).map(|column| column.name.as_str()).collect();
    let list = names.iter().map(|name| POSTGRESQL.quoted(name)).collect::<Vec<_>>().join(", ");
    let overriding = overriding(&source, &names);
    if !names.is_empty() {
        let from = source.quoted();
        conn.run(&format!("INSERT INTO {target} ({list}){overriding} SELECT {list} FROM {from}"))?;
    }
    own_counters(conn, &source, &target)
}

/// What stands around the text of a view, and that text.
fn view_of(conn: &mut Conn, view: &Relation) -> Result<(String, String)> {
    let rows = conn.rows(
        "SELECT pg_catalog.array_to_string(reloptions, ', ') FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.oid",
        &[Some(&view.oid)],
    )?;
    let options = rows.into_iter().flatten().flatten().next().filter(|options| !options.is_empty());
    let options = options.map_or(String::new(), |options| format!(" WITH ({options})"));
    Ok((options, view.view_definition(conn)?))
}

/// A column that a sequence counts gets one of its own, which goes on where that one is: a default that
/// took the next number of the original's would keep the original from being dropped.
fn own_counters(conn: &mut Conn, source: &Relation, target: &str) -> Result<()> {
    let rows = conn.rows(
        "SELECT a.attname, n.nspname, q.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, s.seqcycle
         FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
         JOIN pg_catalog.pg_sequence s ON s.seqrelid = q.oid
         JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.refobjid = $1::pg_catalog.oid AND d.deptype IN ('a', 'i')",
        &[Some(&source.oid)],
    )?;
    for row in rows {
        let [
            Some(name),
            Some(schema),
            Some(sequence),
            Some(step),
            Some(least),
            Some(most),
            Some(start),
            Some(cache),
            Some(cycle),
        ] = row.as_slice()
        else {
            continue;
        };
        let Some(column) = source.columns.iter().find(|column| column.name == *name) else { continue };
        let quoted = POSTGRESQL.quoted(name);
        if !column.identity {
            if !counts(column) {
                continue;
            }
            let bound =
                if step.starts_with('-') { format!("MAXVALUE {most}") } else { format!("MINVALUE {least}") };
            let cycle = if cycle == "t" { " CYCLE" } else { "" };
            conn.run(&format!(
                "ALTER TABLE {target} ALTER {quoted} DROP DEFAULT;
                 ALTER TABLE {target} ALTER {quoted} ADD GENERATED BY DEFAULT AS IDENTITY
                 (INCREMENT BY {step} {bound} START WITH {start} CACHE {cache}{cycle})"
            ))?;
        }
        let mut from = String::new();
        POSTGRESQL.relation_into(&mut from, schema, sequence);
        conn.rows(
            &format!(
                "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence($1, $2)::pg_catalog.regclass, last_value, is_called)
                 FROM {from}"
            ),
            &[Some(target), Some(name)],
        )?;
    }
    Ok(())
}

/// Whether the default is the next number, and the column may be one that the server counts.
fn counts(column: &Column) -> bool {
    column.not_null && column.default.as_deref().is_some_and(|default| default.starts_with("nextval("))
}
