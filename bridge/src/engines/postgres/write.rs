//! Rows in, in one transaction: all of them, or none.

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};

use super::catalogue::{Column, Relation};
use super::ingest::{HEADER, TRAILER, Target, write_rows};
use super::scan::Typed;
use super::types::{Kind, Types};
use super::wire::Conn;
use crate::database::{Cancel, Rows, Write, WriteMode};
use crate::dialect::POSTGRESQL;
use crate::engines::would_change_others;
use crate::error::{Code, Error, Result};

/// A transaction that may write, whatever the role's default is.
pub const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Bytes of a name, unless the server was compiled to have others.
const LONGEST_NAME: usize = 63;

/// Where rows wait that are not copied into their table at once.
const STAGING: &str = "pg_temp.fsspec_db_staging";

/// Writes `rows` within a transaction that the caller ends.
///
/// # Errors
/// `not-found`, `already-exists`, `schema-mismatch`, `value-out-of-range`,
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
    if typed.relation.kind.ends_with("view") {
        let detail = format!("{:?} is a view: it has no rows of its own to write", typed.relation.name);
        return Err(Error::new(Code::Forbidden, detail));
    }
    let plan = Plan::new(conn, &typed, &schema)?;
    let table = typed.relation.quoted();
    if write.mode == WriteMode::Replace {
        // Of those who replace at once, the next one has to see what the last one wrote. Who only adds rows
        // does not wait for it; foreign tables cannot be locked.
        if typed.relation.kind != "foreign table" {
            conn.run(&format!("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"))?;
        }
        spare_others(conn, &typed.relation)?;
        // Not TRUNCATE: readers with an older snapshot would see a table without rows.
        conn.run(&format!("DELETE FROM {table}"))?;
    }
    // What has no binary form of ours goes in as text, and is cast by the server.
    let staged = write.mode == WriteMode::Upsert || plan.targets.iter().any(|(_, t)| t.kind.is_cast());
    let columns = plan.columns(|name, _| name);
    let sql = if staged {
        let as_text =
            plan.columns(|name, column| if column.cast { format!("{name}::text AS {name}") } else { name });
        conn.run(&format!(
            "CREATE TEMPORARY TABLE fsspec_db_staging ON COMMIT DROP AS SELECT {as_text} FROM {table} WITH NO DATA"
        ))?;
        format!("COPY {STAGING} ({columns}) FROM STDIN (FORMAT binary)")
    } else {
        format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
    };
    let total = copy_in(conn, &sql, rows, &plan, cancel)?;
    if staged {
        let values = plan
            .columns(|name, column| if column.cast { format!("{name}::{}", column.declared) } else { name });
        let action =
            if write.mode == WriteMode::Upsert { plan.upsert(&typed.relation)? } else { String::new() };
        let overriding = if plan.has_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
        conn.run(&format!(
            "INSERT INTO {table} ({columns}){overriding} SELECT {values} FROM {STAGING}{action}"
        ))?;
    }
    cancel.check()?;
    Ok(total)
}

/// Sends all rows. A failure on our side makes the server drop what it got.
fn copy_in(conn: &mut Conn, sql: &str, rows: Box<dyn Rows>, plan: &Plan, cancel: &Cancel) -> Result<u64> {
    conn.put_query(sql);
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
    let mut total = 0;
    let outcome = send(conn, rows, plan, cancel, &mut total);
    match &outcome {
        Ok(()) => conn.put(b'c', &[]),
        Err(_) => conn.put(b'f', b"the body could not be read to its end\0"),
    }
    conn.flush()?;
    let answered = conn.answer(|_, _| Ok(()));
    outcome.and(answered).map(|()| total)
}

fn send(conn: &mut Conn, rows: Box<dyn Rows>, plan: &Plan, cancel: &Cancel, total: &mut u64) -> Result<()> {
    let mut out = HEADER.to_vec();
    for batch in rows {
        cancel.check()?;
        let batch = batch?;
        // In slices, so that what is copied stays near the processor.
        let mut start = 0;
        while start < batch.num_rows() {
            let slice = batch.slice(start, SLICE.min(batch.num_rows() - start));
            write_rows(&mut out, &slice, &plan.targets, *total + 1)?;
            *total += slice.num_rows() as u64;
            start += slice.num_rows();
            conn.copy_data(&out)?;
            out.clear();
        }
    }
    out.extend_from_slice(TRAILER);
    conn.copy_data(&out)
}

/// Rows that are sent in one message.
const SLICE: usize = 1024;

/// Which column of the body goes where.
struct Plan {
    targets: Vec<(usize, Target)>,
    names: Vec<Named>,
    has_identity: bool,
}

struct Named {
    name: String,
    declared: String,
    cast: bool,
}

impl Plan {
    fn new(conn: &mut Conn, typed: &Typed, schema: &SchemaRef) -> Result<Self> {
        let mut plan = Self { targets: Vec::new(), names: Vec::new(), has_identity: false };
        for (index, field) in schema.fields().iter().enumerate() {
            let (at, column) = find(&typed.relation, field.name())?;
            if plan.names.iter().any(|named| named.name == column.name) {
                let detail = format!("the body has column {:?} twice", column.name);
                return Err(Error::new(Code::SchemaMismatch, detail).with_column(&column.name));
            }
            // What the database generates comes out of a read, and is made anew on the way in.
            if column.generated {
                continue;
            }
            let kind = match &typed.kinds[at] {
                // An array of several dimensions was read as text, and the table may not say that it has such.
                // Intervals are text in files whose formats have none.
                Kind::List(_) | Kind::Interval if field.data_type().is_string() => Kind::AsText,
                kind => kind.clone(),
            };
            plan.has_identity |= column.identity;
            let item = if matches!(kind, Kind::List(_)) { item_of(conn, column.oid)? } else { 0 };
            plan.names.push(Named {
                name: column.name.clone(),
                declared: column.declared.clone(),
                cast: kind.is_cast(),
            });
            plan.targets.push((index, Target { name: column.name.clone(), kind, item }));
        }
        if plan.names.is_empty() {
            return Err(Error::new(Code::SchemaMismatch, "the body has no column to write"));
        }
        Ok(plan)
    }

    fn columns(&self, each: impl Fn(String, &Named) -> String) -> String {
        self.names
            .iter()
            .map(|named| each(POSTGRESQL.quoted(&named.name), named))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn upsert(&self, relation: &Relation) -> Result<String> {
        let mut key: Vec<&Column> = relation.columns.iter().filter(|column| column.key.is_some()).collect();
        key.sort_by_key(|column| column.key);
        if key.is_empty() {
            let detail = format!("{:?} has no primary key to upsert by", relation.name);
            return Err(Error::new(Code::SchemaMismatch, detail));
        }
        if let Some(column) =
            key.iter().find(|column| !self.names.iter().any(|named| named.name == column.name))
        {
            let detail = format!("the body lacks {:?}, a column of the primary key", column.name);
            return Err(Error::new(Code::SchemaMismatch, detail).with_column(&column.name));
        }
        let keys: Vec<String> = key.iter().map(|column| POSTGRESQL.quoted(&column.name)).collect();
        let rest = self.names.iter().filter(|named| !key.iter().any(|column| column.name == named.name));
        let sets: Vec<String> =
            rest.map(|named| format!("{0} = excluded.{0}", POSTGRESQL.quoted(&named.name))).collect();
        let action =
            if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(", ")) };
        Ok(format!(" ON CONFLICT ({}) DO {action}", keys.join(", ")))
    }
}

fn item_of(conn: &mut Conn, array: u32) -> Result<u32> {
    let rows = conn.rows(
        "WITH RECURSIVE t(oid, elem, base) AS (
             SELECT oid, typelem, typbasetype FROM pg_catalog.pg_type WHERE oid = $1::pg_catalog.oid
             UNION ALL SELECT p.oid, p.typelem, p.typbasetype FROM t JOIN pg_catalog.pg_type p ON p.oid = t.base)
         SELECT elem FROM t WHERE base = 0",
        &[Some(&array.to_string())],
    )?;
    Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The column of that name; case matters only where two differ by nothing else.
fn find<'r>(relation: &'r Relation, name: &str) -> Result<(usize, &'r Column)> {
    let columns = || relation.columns.iter().enumerate();
    let folded = || {
        let mut same = columns().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
        same.next().filter(|_| same.next().is_none())
    };
    columns().find(|(_, column)| column.name == name).or_else(folded).ok_or_else(|| {
        let detail = format!("the body has a column {name:?} that {:?} has not", relation.name);
        Error::new(Code::SchemaMismatch, detail).with_column(name)
    })
}

/// A deletion that would change rows of other tables is not begun, though the body may bring the
/// same keys again.
fn spare_others(conn: &mut Conn, relation: &Relation) -> Result<()> {
    // The deletion reaches partitions and heirs too, whose rows may be referred to by themselves.
    let rows = conn.rows(
        "WITH RECURSIVE emptied (oid) AS (
             SELECT $1::pg_catalog.oid
             UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN emptied e ON e.oid = i.inhparent)
         SELECT conname, CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
         FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
         AND confrelid IN (SELECT oid FROM emptied) AND conrelid NOT IN (SELECT oid FROM emptied)
         ORDER BY conparentid, conname LIMIT 1",
        &[Some(&relation.oid)],
    )?;
    let Some([Some(name), Some(action)]) = rows.first().map(Vec::as_slice) else { return Ok(()) };
    // Nobody fills the table between the look and the deletion.
    let table = relation.quoted();
    conn.run(&format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))?;
    let rows = conn.rows(&format!("SELECT 1 FROM {table} LIMIT 1"), &[])?;
    if rows.is_empty() { Ok(()) } else { Err(would_change_others(&relation.name, name, action)) }
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
