//! Rows in, in one transaction: all of them, or none.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use arrow_schema::SchemaRef;
use rusqlite::OptionalExtension;

use super::catalogue::{Relation, must_be_new, qualified};
use super::connection::Conn;
use super::fault::internal;
use super::ingest::{Source, StoredBatch, fresh_name, receive};
use super::store::{Target, declare};
use crate::database::{Cancel, Rows, Write, WriteMode};
use crate::dialect::SQLITE;
use crate::engines::meet::{meet, whole_key};
use crate::error::{Code, Error, Result};

/// Decoded batches that wait while SQLite takes one in.
const AHEAD: usize = 2;

/// Writes `rows` through a connection that nobody else uses.
///
/// # Errors
/// `not-found`, `already-exists`, `precondition-failed`, `schema-mismatch`, `value-out-of-range`,
/// `constraint-violation`; the decoder's; the database's.
pub fn write(
    conn: &mut Conn,
    write: &Write,
    version: &dyn Fn() -> Result<Option<String>>,
    rows: Box<dyn Rows>,
    cancel: &Cancel,
) -> Result<u64> {
    // Replacing must not cascade into other tables; what refers to what is looked at afterwards.
    let replacing = write.mode == WriteMode::Replace;
    conn.execute(if replacing { "PRAGMA foreign_keys = OFF" } else { "PRAGMA foreign_keys = ON" })?;
    conn.watched(cancel, |conn| {
        conn.execute("BEGIN IMMEDIATE")?;
        let outcome = transact(conn, write, version, rows, cancel);
        let outcome = outcome.and_then(|total| {
            cancel.check()?;
            conn.execute("COMMIT").map(|_| total)
        });
        if outcome.is_err() {
            conn.rollback();
        }
        outcome
    })
}

fn transact(
    conn: &mut Conn,
    write: &Write,
    version: &dyn Fn() -> Result<Option<String>>,
    rows: Box<dyn Rows>,
    cancel: &Cancel,
) -> Result<u64> {
    let schema = rows.schema();
    if write.mode == WriteMode::Create {
        create(conn, write, &schema)?;
    }
    let relation = Relation::load(conn.raw(), &write.schema, &write.relation)?;
    if relation.kind == "view" {
        let detail = format!("{:?} is a view: it has no rows of its own to write", relation.name);
        return Err(Error::new(Code::Forbidden, detail));
    }
    write.check(|| if relation.has_versions() { version() } else { Ok(None) })?;
    let plan = Arc::new(Plan::new(&relation, &schema)?);
    conn.execute("PRAGMA defer_foreign_keys = ON")?;
    if write.mode == WriteMode::Replace {
        conn.execute(&format!("DELETE FROM {}", relation.quoted()))?;
    }
    let name = fresh_name();
    let sql = plan.statement(&relation, write.mode, &name)?;
    let (batches, ended) = decoding(rows, &plan)?;
    let mut source = Source::new(&name, batches, plan.targets.len(), cancel);
    let outcome = insert(conn, &sql, &mut source);
    drop(source);
    // The body is let go before the write is over, unless its rows do not come and time is up.
    let let_go = receive(&ended, cancel);
    let total = outcome?;
    let_go?;
    if write.mode == WriteMode::Replace {
        check_references(conn, &relation)?;
    }
    Ok(total)
}

#[allow(unsafe_code)] // the source is installed for one statement, which ends before it does
fn insert(conn: &mut Conn, sql: &str, source: &mut Source) -> Result<u64> {
    // SAFETY: `source` is borrowed until the statement below has ended, and stays where it is.
    unsafe { source.install(conn.raw())? };
    let outcome = conn.raw().execute(sql, []);
    match (outcome, source.take_failure()) {
        (_, Some(failure)) => Err(failure),
        (Ok(_), None) => Ok(source.total()),
        (Err(error), None) => Err(locate(internal(error), source.row())),
    }
}

/// A violated constraint names its column, and happened at the row given out last.
pub fn locate(error: Error, row: Option<u64>) -> Error {
    if error.code() != Code::ConstraintViolation {
        return error;
    }
    let column = error.detail().rsplit_once(": ").and_then(|(_, place)| {
        let first = place.split(", ").next()?;
        first.rsplit_once('.').map(|(_, column)| column.to_owned())
    });
    let error = match row {
        Some(row) => error.with_row(row),
        None => error,
    };
    match column {
        Some(column) => error.with_column(column),
        None => error,
    }
}

/// Decodes on a thread of its own, so that decoding and inserting overlap: the batches, and what
/// disconnects once the body has been let go.
fn decoding(rows: Box<dyn Rows>, plan: &Arc<Plan>) -> Result<(Receiver<Decoded>, Receiver<()>)> {
    let (sender, batches) = sync_channel(AHEAD);
    let (going, ended) = channel();
    let plan = Arc::clone(plan);
    let thread = std::thread::Builder::new().name("fsspec-db decoder".to_owned()).spawn(move || {
        let _going = going;
        decode(rows, &plan, &sender);
    });
    thread.map(|_| (batches, ended)).map_err(|error| {
        Error::new(Code::DatabaseUnavailable, "the system gives no more threads").with_source(error)
    })
}

type Decoded = Result<StoredBatch>;

fn decode(mut rows: Box<dyn Rows>, plan: &Plan, sender: &SyncSender<Decoded>) {
    let mut first_row = 1;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for batch in rows.by_ref() {
            let stored = batch.and_then(|batch| {
                let columns =
                    plan.targets.iter().map(|(index, target)| target.store(batch.column(*index), first_row));
                let columns = columns.collect::<Result<Vec<_>>>()?;
                first_row += batch.num_rows() as u64;
                Ok(StoredBatch { rows: batch.num_rows(), columns })
            });
            let failed = stored.is_err();
            if sender.send(stored).is_err() || failed {
                return;
            }
        }
    }));
    if caught.is_err() {
        let _ = sender.send(Err(Error::new(Code::Internal, "a panic while a body was decoded")));
    }
}

/// Which column of the body goes where.
struct Plan {
    targets: Vec<(usize, Target)>,
    columns: Vec<String>,
}

impl Plan {
    fn new(relation: &Relation, schema: &SchemaRef) -> Result<Self> {
        let mut plan = Self { targets: Vec::new(), columns: Vec::new() };
        for (index, at) in meet(&relation.name, &relation.columns, schema)? {
            let column = &relation.columns[at];
            plan.targets.push((index, Target::new(schema.field(index), &column.name, &column.declared)?));
            plan.columns.push(column.name.clone());
        }
        Ok(plan)
    }

    fn statement(&self, relation: &Relation, mode: WriteMode, source: &str) -> Result<String> {
        let names: Vec<String> = self.columns.iter().map(|name| SQLITE.quoted(name)).collect();
        let cells: Vec<String> = (0..names.len()).map(|index| format!("c{index}")).collect();
        let insert = format!(
            "INSERT OR ABORT INTO {} ({}) SELECT {} FROM {source}",
            relation.quoted(),
            names.join(", "),
            cells.join(", ")
        );
        if mode != WriteMode::Upsert {
            return Ok(insert);
        }
        let written = |name: &str| self.columns.iter().any(|column| column == name);
        let key = whole_key(&relation.name, &relation.columns, written)?;
        let keys: Vec<String> = key.iter().map(|column| SQLITE.quoted(&column.name)).collect();
        let rest = self.columns.iter().filter(|name| !key.iter().any(|column| column.name == **name));
        let sets: Vec<String> = rest.map(|name| format!("{0} = excluded.{0}", SQLITE.quoted(name))).collect();
        let action =
            if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(", ")) };
        // WHERE keeps the parser from reading ON as the start of a join.
        Ok(format!("{insert} WHERE true ON CONFLICT ({}) DO {action}", keys.join(", ")))
    }
}

fn create(conn: &mut Conn, write: &Write, schema: &SchemaRef) -> Result<()> {
    must_be_new(conn.raw(), &write.schema, &write.relation)?;
    if schema.fields().is_empty() {
        return Err(Error::new(Code::SchemaMismatch, "the body has no columns to make a table of"));
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let nullable = if field.is_nullable() { "" } else { " NOT NULL" };
        columns.push(format!("{} {}{nullable}", SQLITE.quoted(field.name()), declare(field)?));
    }
    let table = qualified(&write.schema, &write.relation);
    conn.execute(&format!("CREATE TABLE {table} ({})", columns.join(", "))).map(drop).map_err(|error| {
        // Two columns that differ by case alone, and the like.
        if error.code() == Code::Internal { Error::new(Code::SchemaMismatch, error.detail()) } else { error }
    })
}

/// After a replacement: no foreign key of the relation, and none that points at it, is left dangling.
///
/// # Errors
/// `constraint-violation`.
pub fn check_references(conn: &mut Conn, relation: &Relation) -> Result<()> {
    let sql = format!(
        r#"SELECT DISTINCT s.name FROM {}.sqlite_schema AS s, pragma_foreign_key_list(s.name, ?1) AS f
           WHERE s.type = 'table' AND (s.name = ?2 OR f."table" = ?2 COLLATE NOCASE)"#,
        SQLITE.quoted(&relation.schema)
    );
    let read = || -> rusqlite::Result<Option<(String, Option<i64>, String)>> {
        let mut statement = conn.raw().prepare_cached(&sql)?;
        let tables: Vec<String> = statement
            .query_map([&relation.schema, &relation.name], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut check = conn.raw().prepare_cached(
            r#"SELECT "table", rowid, parent FROM pragma_foreign_key_check(?2, ?1) WHERE "table" = ?3 OR parent = ?3 COLLATE NOCASE LIMIT 1"#,
        )?;
        for table in tables {
            let dangling = check
                .query_row([&relation.schema, &table, &relation.name], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            if dangling.is_some() {
                return Ok(dangling);
            }
        }
        Ok(None)
    };
    match read().map_err(internal)? {
        None => Ok(()),
        Some((table, rowid, parent)) => {
            let row = rowid.map_or(String::new(), |rowid| format!(" (rowid {rowid})"));
            let detail =
                format!("a row of {table:?}{row} would refer to a row that {parent:?} does not have");
            Err(Error::new(Code::ConstraintViolation, detail))
        }
    }
}
