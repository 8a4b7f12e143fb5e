//! Rows in, in one transaction: all of them, or none.

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};

use super::catalogue::Relation;
use super::ingest::{HEADER, TRAILER, write_rows};
use super::plan::{Plan, STAGING};
use super::scan::Typed;
use super::types::Types;
use super::version::State;
use super::wire::Conn;
use crate::database::{Cancel, Rows, Write, WriteMode};
use crate::dialect::POSTGRESQL;
use crate::engines::would_change_others;
use crate::error::{Code, Error, Result};

/// A transaction that may write, whatever the role's default is.
pub const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Bytes of a name, unless the server was compiled to have others.
const LONGEST_NAME: usize = 63;

/// Writes `rows` within a transaction that the caller ends. How many rows the server says it wrote.
///
/// # Errors
/// `not-found`, `already-exists`, `precondition-failed`, `schema-mismatch`, `value-out-of-range`,
/// `constraint-violation`; the decoder's; the server's.
pub fn write(
    conn: &mut Conn,
    types: &Types,
    write: &Write,
    rows: Box<dyn Rows>,
    cancel: &Cancel,
) -> Result<u64> {
    let schema = rows.schema();
    if write.mode == WriteMode::Create {
        create(conn, write, &schema)?;
    }
    let typed = Typed::load(conn, types, &write.schema, &write.relation)?;
    writable(&typed.relation)?;
    if write.if_version.is_some() {
        // Once nobody else can write, the next statement sees what the last one wrote.
        lock(conn, &typed.relation, "SHARE ROW EXCLUSIVE")?;
        write.check(|| Ok(State::load(conn, &typed.relation)?.and_then(|state| state.version)))?;
    }
    let plan = Plan::new(conn, &typed, &schema)?;
    let table = typed.relation.quoted();
    if write.mode == WriteMode::Replace {
        // Of those who replace at once, the next one has to see what the last one wrote. Who only adds rows
        // does not wait for it.
        lock(conn, &typed.relation, "SHARE UPDATE EXCLUSIVE")?;
        spare_others(conn, &typed.relation)?;
        // Not TRUNCATE: readers with an older snapshot would see a table without rows.
        conn.run(&format!("DELETE FROM {table}"))?;
    }
    let upsert = write.mode == WriteMode::Upsert;
    let written = if upsert || plan.waits() {
        conn.run(&plan.staging(&table))?;
        copy_in(conn, STAGING, rows, &plan, cancel)?;
        plan.verify(conn)?;
        let insert = plan.insert(&typed.relation, upsert)?;
        let mut written = 0;
        conn.put_query(&insert);
        conn.flush()?;
        conn.answer(|tag, body| {
            written = counted(tag, body).unwrap_or(written);
            Ok(())
        })?;
        written
    } else {
        copy_in(conn, &table, rows, &plan, cancel)?
    };
    cancel.check()?;
    Ok(written)
}

/// # Errors
/// `forbidden` for a view.
pub fn writable(relation: &Relation) -> Result<()> {
    if !relation.kind.ends_with("view") {
        return Ok(());
    }
    let detail = format!("{:?} is a view: it has no rows of its own to write", relation.name);
    Err(Error::new(Code::Forbidden, detail))
}

/// The rows of `INSERT 0 n` and `COPY n`.
pub fn counted(tag: u8, body: &[u8]) -> Option<u64> {
    let told = std::str::from_utf8(body).ok().filter(|_| tag == b'C')?;
    told.trim_end_matches('\0').rsplit(' ').next()?.parse().ok()
}

/// Sends all rows. A failure on our side makes the server drop what it got.
fn copy_in(conn: &mut Conn, table: &str, rows: Box<dyn Rows>, plan: &Plan, cancel: &Cancel) -> Result<u64> {
    conn.put_query(&format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", plan.columns()));
    conn.flush()?;
    // Either the invitation to send, or an error and the end.
    loop {
        let (tag, body) = conn.message()?;
        match tag {
            b'G' => break,
            b'E' => {
                let error = super::fault::of_response(conn.body(body));
                conn.answer(|_, _| Ok(()))?;
                return Err(error);
            }
            _ => {}
        }
    }
    let outcome = send(conn, rows, plan, cancel);
    match &outcome {
        Ok(()) => conn.put(b'c', &[]),
        Err(_) => conn.put(b'f', b"the body could not be read to its end\0"),
    }
    conn.flush()?;
    let mut copied = 0;
    let answered = conn.answer(|tag, body| {
        copied = counted(tag, body).unwrap_or(copied);
        Ok(())
    });
    outcome.and(answered).map(|()| copied)
}

fn send(conn: &mut Conn, rows: Box<dyn Rows>, plan: &Plan, cancel: &Cancel) -> Result<()> {
    conn.copy_data(|out| {
        out.extend_from_slice(HEADER);
        Ok(())
    })?;
    let mut row = 1;
    for batch in rows {
        cancel.check()?;
        let batch = batch?;
        // In slices, so that what is copied stays near the processor.
        let mut start = 0;
        while start < batch.num_rows() {
            let slice = batch.slice(start, SLICE.min(batch.num_rows() - start));
            conn.copy_data(|out| write_rows(out, &slice, &plan.targets, row))?;
            row += slice.num_rows() as u64;
            start += slice.num_rows();
        }
    }
    conn.copy_data(|out| {
        out.extend_from_slice(TRAILER);
        Ok(())
    })
}

/// Rows that are sent in one message.
const SLICE: usize = 1024;

/// Foreign tables cannot be locked.
///
/// # Errors
/// What the server said.
pub fn lock(conn: &mut Conn, relation: &Relation, mode: &str) -> Result<()> {
    if relation.kind == "foreign table" {
        return Ok(());
    }
    conn.run(&format!("LOCK TABLE {} IN {mode} MODE", relation.quoted()))
}

/// A deletion that would change rows of other tables is not begun, though the body may bring the
/// same keys again: those that refer to these rows, and those of heirs, which have columns of their own.
///
/// # Errors
/// `constraint-violation`.
pub fn spare_others(conn: &mut Conn, relation: &Relation) -> Result<()> {
    // The deletion reaches partitions and heirs too, whose rows may be referred to by themselves.
    let rows = conn.rows(
        "WITH RECURSIVE emptied (oid) AS (
             SELECT $1::pg_catalog.oid
             UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN emptied e ON e.oid = i.inhparent)
         (SELECT conname::pg_catalog.text,
                 CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
          FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
          AND confrelid IN (SELECT oid FROM emptied) AND conrelid NOT IN (SELECT oid FROM emptied)
          ORDER BY conparentid, conname LIMIT 1)
         UNION ALL
         (SELECT h.relname::pg_catalog.text, NULL FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_class c ON c.oid = i.inhparent JOIN pg_catalog.pg_class h ON h.oid = i.inhrelid
          WHERE c.oid = $1 AND c.relkind <> 'p' ORDER BY h.relname LIMIT 1)",
        &[Some(&relation.oid)],
    )?;
    for row in &rows {
        let [Some(name), action] = row.as_slice() else { continue };
        // Nobody fills the table between the look and the deletion.
        lock(conn, relation, "SHARE ROW EXCLUSIVE")?;
        let theirs = if action.is_some() { "" } else { " WHERE tableoid <> $1::pg_catalog.oid" };
        let oid = [Some(relation.oid.as_str())];
        let bound = if action.is_some() { &oid[..0] } else { &oid };
        let found = conn.rows(&format!("SELECT 1 FROM {}{theirs} LIMIT 1", relation.quoted()), bound)?;
        if !found.is_empty() {
            return Err(match action {
                Some(action) => would_change_others(&relation.name, name, action),
                None => would_take_heirs(&relation.name, name),
            });
        }
    }
    Ok(())
}

fn would_take_heirs(relation: &str, heir: &str) -> Error {
    let detail = format!(
        "replacing the rows of {relation:?} would delete those of {heir:?}, which inherits from it, with all their columns: \
         update by primary key instead, or replace the rows of the heirs"
    );
    Error::new(Code::ConstraintViolation, detail)
}

fn create(conn: &mut Conn, write: &Write, schema: &SchemaRef) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(Error::new(Code::SchemaMismatch, "the body has no columns to make a table of"));
    }
    nameable(&write.schema)?;
    nameable(&write.relation)?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        nameable(field.name()).map_err(|error| error.with_column(field.name()))?;
        let nullable = if field.is_nullable() { "" } else { " NOT NULL" };
        columns.push(format!("{} {}{nullable}", POSTGRESQL.quoted(field.name()), declare(field)?));
    }
    let mut table = String::new();
    POSTGRESQL.relation_into(&mut table, &write.schema, &write.relation);
    conn.run(&format!("CREATE TABLE {table} ({})", columns.join(", "))).map_err(|error| {
        if error.code() == Code::InvalidQuery {
            Error::new(Code::SchemaMismatch, error.detail())
        } else {
            error
        }
    })
}

/// Whether something can be called so: the server would cut a longer name, and say so to nobody.
///
/// # Errors
/// `invalid-parameter`.
pub fn nameable(name: &str) -> Result<()> {
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let detail = format!("a name of PostgreSQL has at most {LONGEST_NAME} bytes: {name:?}");
    Err(Error::new(Code::InvalidParameter, detail))
}

/// The type of a new column.
fn declare(field: &Field) -> Result<String> {
    let extension = field.metadata().get("ARROW:extension:name").map(String::as_str);
    Ok(match (extension, field.data_type()) {
        (Some("arrow.json"), _) => "json".to_owned(), // which keeps the text as it is
        (Some("arrow.uuid"), DataType::FixedSizeBinary(16)) => "uuid".to_owned(),
        (_, data_type) => declared(data_type).ok_or_else(|| {
            let detail = format!("PostgreSQL has no type for {data_type} of column {:?}", field.name());
            Error::new(Code::SchemaMismatch, detail).with_column(field.name())
        })?,
    })
}

fn declared(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 => "bigint".to_owned(),
        DataType::UInt64 => "numeric(20,0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s)
            if *s >= 0 =>
        {
            format!("numeric({p},{s})")
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(TimeUnit::Microsecond) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::Dictionary(_, values) => return declared(values),
        DataType::RunEndEncoded(_, values) => return declared(values.data_type()),
        DataType::List(item) | DataType::LargeList(item) if !item.data_type().is_nested() => {
            format!("{}[]", declared(item.data_type())?)
        }
        _ => return None,
    })
}
