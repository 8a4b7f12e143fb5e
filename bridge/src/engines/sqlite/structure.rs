//! Relations dropped, renamed and copied, each in one transaction.

use rusqlite::{OptionalExtension, params};

use super::catalogue::{Relation, must_be_new, qualified};
use super::connection::Conn;
use super::fault::internal;
use super::words::renamed;
use super::write::check_references;
use crate::database::Cancel;
use crate::dialect::SQLITE;
use crate::error::{Code, Error, Result};

/// Runs `work` in a transaction that leaves all other tables as they are: nothing cascades, and what
/// refers to what has to be looked at.
///
/// # Errors
/// What `work` failed with, or the commit.
pub fn transaction<T>(
    conn: &mut Conn,
    cancel: &Cancel,
    work: impl FnOnce(&mut Conn) -> Result<T>,
) -> Result<T> {
    conn.execute("PRAGMA foreign_keys = OFF")?;
    conn.watched(cancel, |conn| {
        conn.execute("BEGIN IMMEDIATE")?;
        let outcome = work(conn).and_then(|done| {
            cancel.check()?;
            conn.execute("COMMIT").map(|_| done)
        });
        if outcome.is_err() {
            conn.rollback();
        }
        outcome
    })
}

/// Drops a relation, and nothing else: no row of another table goes with it.
///
/// # Errors
/// `not-found`; `constraint-violation` where rows of another table refer to it.
pub fn drop_relation(conn: &mut Conn, schema: &str, name: &str) -> Result<()> {
    transaction(conn, &Cancel::default(), |conn| {
        let relation = Relation::load(conn.raw(), schema, name)?;
        drop_it(conn, &relation)?;
        check_references(conn, &relation)
    })
}

fn drop_it(conn: &mut Conn, relation: &Relation) -> Result<()> {
    let kind = if relation.kind == "view" { "VIEW" } else { "TABLE" };
    conn.execute(&format!("DROP {kind} {}", relation.quoted())).map(drop)
}

/// Drops what is called so, if it may be; whether there was something.
fn make_room(conn: &mut Conn, (schema, name): (&str, &str), overwrite: bool) -> Result<bool> {
    let mut dropped = false;
    if overwrite {
        match Relation::load(conn.raw(), schema, name) {
            Ok(old) => {
                drop_it(conn, &old)?;
                dropped = true;
            }
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    must_be_new(conn.raw(), schema, name).map(|()| dropped)
}

/// Renames a relation within its schema.
///
/// # Errors
/// `not-found`, `already-exists` unless `overwrite`, `constraint-violation` where rows of another table
/// would refer to none, `unsupported`.
pub fn rename_relation(conn: &mut Conn, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
    transaction(conn, &Cancel::default(), |conn| {
        let found = Relation::load(conn.raw(), from.0, from.1)?;
        let dropped = make_room(conn, to, overwrite)?;
        if found.kind == "view" {
            let sql = statement(conn, &found, from.1, to, None)?;
            drop_it(conn, &found)?;
            return conn.execute(&sql).map(drop);
        }
        if !dropped {
            return alter(conn, &found, to.1);
        }
        conn.execute("SAVEPOINT fsspec_db_rename")?;
        if alter(conn, &found, to.1).is_err() {
            // A view that reads what was dropped is to read what now has its name: SQLite must not look.
            conn.execute("ROLLBACK TO fsspec_db_rename")?;
            not_referred_to(conn, &found)?;
            conn.execute("PRAGMA legacy_alter_table = ON")?;
            alter(conn, &found, to.1)?;
        }
        conn.execute("RELEASE fsspec_db_rename")?;
        check_references(conn, &Relation::load(conn.raw(), to.0, to.1)?)
    })
}

fn alter(conn: &mut Conn, relation: &Relation, name: &str) -> Result<()> {
    let sql = format!("ALTER TABLE {} RENAME TO {}", relation.quoted(), SQLITE.quoted(name));
    conn.execute(&sql).map(drop).map_err(|error| match error.code() {
        Code::Internal => {
            Error::new(Code::Unsupported, format!("SQLite cannot rename it: {}", error.detail()))
        }
        _ => error,
    })
}

/// Without a look at the others, a key of another table would go on to refer to the old name.
fn not_referred_to(conn: &Conn, relation: &Relation) -> Result<()> {
    let sql = format!(
        r#"SELECT s.name FROM {}.sqlite_schema AS s, pragma_foreign_key_list(s.name, ?1) AS f
           WHERE s.type = 'table' AND f."table" = ?2 COLLATE NOCASE LIMIT 1"#,
        SQLITE.quoted(&relation.schema)
    );
    let found: Option<String> = conn
        .raw()
        .prepare_cached(&sql)
        .and_then(|mut look| look.query_row([&relation.schema, &relation.name], |row| row.get(0)).optional())
        .map_err(internal)?;
    match found {
        None => Ok(()),
        Some(table) => Err(Error::new(
            Code::ConstraintViolation,
            format!("a foreign key of {table:?} refers to {:?} by its name", relation.name),
        )),
    }
}

/// Makes a relation as another one is: a table by the statement that made it, with its indexes and rows, a
/// view by its text. Triggers stay behind.
///
/// # Errors
/// As [`rename_relation`].
pub fn copy_relation(
    conn: &mut Conn,
    from: (&str, &str),
    to: (&str, &str),
    overwrite: bool,
    cancel: &Cancel,
) -> Result<()> {
    transaction(conn, cancel, |conn| {
        let source = Relation::load(conn.raw(), from.0, from.1)?;
        match source.kind.as_str() {
            "table" => {}
            "view" if from.0 == to.0 => {}
            "view" => return Err(unsupported("copy a view into another schema, where it would read others")),
            _ => return Err(unsupported("copy what another module keeps")),
        }
        // Read before anything goes: what is dropped may be what a view reads.
        let create = statement(conn, &source, &source.name, to, None)?;
        make_room(conn, to, overwrite)?;
        conn.execute(&create)?;
        if source.kind == "view" {
            return Ok(());
        }
        let written = source.columns.iter().filter(|column| !column.generated);
        let names: Vec<String> = written.map(|column| SQLITE.quoted(&column.name)).collect();
        let (target, names) = (qualified(to.0, to.1), names.join(", "));
        conn.execute(&format!(
            "INSERT OR ABORT INTO {target} ({names}) SELECT {names} FROM {}",
            source.quoted()
        ))?;
        for index in indexes(conn, &source)? {
            let name = free_name(conn, to, &index)?;
            conn.execute(&statement(conn, &source, &index, to, Some(&name))?)?;
        }
        check_references(conn, &Relation::load(conn.raw(), to.0, to.1)?)
    })
}

/// The statement that would make `to` as the one kept under `name` made a relation, or an index of it.
fn statement(
    conn: &Conn,
    relation: &Relation,
    name: &str,
    to: (&str, &str),
    index: Option<&str>,
) -> Result<String> {
    let sql = format!(
        "SELECT sql FROM {}.sqlite_schema WHERE name = ?1 AND tbl_name = ?2",
        SQLITE.quoted(&relation.schema)
    );
    let kept: Option<String> = conn
        .raw()
        .prepare_cached(&sql)
        .and_then(|mut look| look.query_row([name, &relation.name], |row| row.get(0)).optional())
        .map_err(internal)?
        .flatten();
    kept.and_then(|kept| renamed(&kept, &relation.name, to, index))
        .ok_or_else(|| unsupported(&format!("tell how {:?} was made", relation.name)))
}

/// Those that were created; constraints make theirs anew.
fn indexes(conn: &Conn, relation: &Relation) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT name FROM {}.sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL ORDER BY name",
        SQLITE.quoted(&relation.schema)
    );
    conn.raw()
        .prepare_cached(&sql)
        .and_then(|mut list| list.query_map([&relation.name], |row| row.get(0))?.collect())
        .map_err(internal)
}

/// A name for the copy of an index: no two things of a schema have one name.
fn free_name(conn: &Conn, (schema, name): (&str, &str), index: &str) -> Result<String> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {}.sqlite_schema WHERE name = ?1 COLLATE NOCASE)",
        SQLITE.quoted(schema)
    );
    let mut taken = conn.raw().prepare_cached(&sql).map_err(internal)?;
    let mut free = format!("{name}_{index}");
    let mut number = 1;
    while taken.query_row(params![free], |row| row.get(0)).map_err(internal)? {
        number += 1;
        free = format!("{name}_{index}_{number}");
    }
    Ok(free)
}

fn unsupported(what: &str) -> Error {
    Error::new(Code::Unsupported, format!("SQLite cannot {what}"))
}
