//! Rows in, in one transaction: all of them, or none.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::catalogue::{Column, Relation, check_name};
use super::fault::of_errno;
use super::ingest::{Cells, Target};
use super::scan::Typed;
use super::statement::{BULK, Statement};
use super::wire::Conn;
use crate::database::{Cancel, Rows, WriteMode};
use crate::dialect::MYSQL;
use crate::engines::meet::{meet, whole_key};
use crate::engines::would_change_others;
use crate::error::{Code, Error, Result};

/// What is gathered before it is sent, at most.
const BYTES: usize = 1 << 20;
/// Values of a statement, at most: the protocol counts them in two bytes.
const VALUES: usize = 65_535;
/// Rows of a statement, at most: MySQL takes half as long again for the same rows by 1024.
const ROWS: usize = 256;
/// What MariaDB and MySQL note without a value being changed: a spelling is deprecated.
const HARMLESS: u16 = 1287;

/// Writes `rows` to a relation, within a transaction that the caller ends.
///
/// # Errors
/// `not-found`, `schema-mismatch`, `value-out-of-range`, `constraint-violation`, `forbidden`,
/// `unsupported`; the decoder's; the server's.
pub fn write(
    conn: &mut Conn,
    (schema, name): (&str, &str),
    mode: WriteMode,
    rows: Box<dyn Rows>,
    cancel: &Cancel,
) -> Result<u64> {
    let typed = Typed::load(conn, schema, name)?;
    writable(&typed.relation)?;
    transactional(conn, &typed.relation)?;
    let plan = Plan::new(&typed, &rows.schema(), conn.server.mariadb)?;
    let action = if mode == WriteMode::Upsert { plan.upsert(&typed.relation)? } else { String::new() };
    plan.check_rest(&typed.relation)?;
    if mode == WriteMode::Replace {
        spare_others(conn, &typed.relation)?;
        // Not TRUNCATE, which ends the transaction.
        conn.run(&[&format!("DELETE FROM {}", typed.relation.quoted())])?;
    }
    let allowed = conn.rows("SELECT @@max_allowed_packet", &[])?;
    conn.longest =
        allowed.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(1 << 20);
    let mut insert = Insert::new(conn, &typed.relation, &plan, &action);
    for batch in rows {
        cancel.check()?;
        let batch = batch?;
        let cells = Cells::new(&batch, &plan.targets, insert.total + 1)?;
        for row in 0..batch.num_rows() {
            insert.row(conn, &cells, row)?;
        }
    }
    insert.finish(conn)?;
    cancel.check()?;
    Ok(insert.total)
}

/// # Errors
/// `forbidden` for a view.
pub fn writable(relation: &Relation) -> Result<()> {
    if relation.kind != "view" {
        return Ok(());
    }
    let detail = format!("{:?} is a view: it has no rows of its own to write", relation.name);
    Err(Error::new(Code::Forbidden, detail))
}

/// A deletion that would change rows of other tables is not begun, though the body may bring the
/// same keys again.
///
/// # Errors
/// `constraint-violation`.
pub fn spare_others(conn: &mut Conn, relation: &Relation) -> Result<()> {
    let rows = conn.rows(
        "SELECT CONSTRAINT_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?
         AND NOT (CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?) AND DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
         ORDER BY CONSTRAINT_NAME LIMIT 1",
        &[&relation.schema, &relation.name, &relation.schema, &relation.name],
    )?;
    let Some([Some(name), Some(action)]) = rows.first().map(Vec::as_slice) else { return Ok(()) };
    // Nobody fills the table between the look and the deletion.
    let rows = conn.rows(&format!("SELECT 1 FROM {} LIMIT 1 FOR UPDATE", relation.quoted()), &[])?;
    if rows.is_empty() { Ok(()) } else { Err(would_change_others(&relation.name, name, action)) }
}

/// What cannot be rolled back is not begun.
///
/// # Errors
/// `unsupported`.
pub fn transactional(conn: &mut Conn, relation: &Relation) -> Result<()> {
    let engine = relation.engine.as_deref().unwrap_or_default();
    let rows =
        conn.rows("SELECT TRANSACTIONS FROM information_schema.ENGINES WHERE ENGINE = ?", &[engine])?;
    if rows.into_iter().flatten().flatten().any(|answer| answer == "YES") {
        return Ok(());
    }
    let detail = format!(
        "{:?} is kept by {engine}, which has no transactions: a write that failed could not be taken back",
        relation.name
    );
    Err(Error::new(Code::Unsupported, detail))
}

/// Which column of the body goes where.
struct Plan {
    targets: Vec<(usize, Target)>,
}

impl Plan {
    fn new(typed: &Typed, schema: &SchemaRef, mariadb: bool) -> Result<Self> {
        let met = meet(&typed.relation.name, &typed.relation.columns, schema)?;
        let target = |at: usize| {
            let column = &typed.relation.columns[at];
            let not_null = !column.nullable && !column.counted;
            let mut target = Target::new(&column.name, &typed.kinds[at], &column.declared, not_null);
            target.long_fractions = mariadb;
            target
        };
        Ok(Self { targets: met.into_iter().map(|(index, at)| (index, target(at))).collect() })
    }

    /// What the body lacks must have a default: the server's own is none.
    fn check_rest(&self, relation: &Relation) -> Result<()> {
        let needed = |column: &&Column| {
            let free = column.nullable || column.generated || column.counted || column.default.is_some();
            !free && !self.targets.iter().any(|(_, target)| target.name == column.name)
        };
        let Some(column) = relation.columns.iter().find(needed) else { return Ok(()) };
        let detail = format!("column {:?} has no default, and the body lacks it", column.name);
        let error = Error::new(Code::ConstraintViolation, detail).with_sqlstate("23000");
        Err(error.with_column(&column.name))
    }

    fn names(&self) -> String {
        self.targets.iter().map(|(_, target)| MYSQL.quoted(&target.name)).collect::<Vec<_>>().join(", ")
    }

    /// What to do with a row whose primary key is there. MySQL would also update the row that has
    /// the same value of another unique key: there a division by zero refuses the row.
    fn upsert(&self, relation: &Relation) -> Result<String> {
        let has = |name: &str| self.targets.iter().any(|(_, target)| target.name == name);
        let key = whole_key(&relation.name, &relation.columns, has)?;
        let same = |column: &&Column| format!("{0} <=> VALUES({0})", MYSQL.quoted(&column.name));
        let same = key.iter().map(same).collect::<Vec<_>>().join(" AND ");
        let guard = MYSQL.quoted(&key[0].name);
        let mut sets = vec![format!("{guard} = IF(1 DIV ({same}), {guard}, {guard})")];
        let rest =
            self.targets.iter().filter(|(_, target)| !key.iter().any(|column| column.name == target.name));
        sets.extend(rest.map(|(_, target)| format!("{0} = VALUES({0})", MYSQL.quoted(&target.name))));
        Ok(format!(" ON DUPLICATE KEY UPDATE {}", sets.join(", ")))
    }
}

/// Rows that gather for the next request: as many as fit a statement of so many tuples, or, where the
/// server takes rows in bulk, for a statement of one.
struct Insert {
    table: String,
    head: String,
    tuple: String,
    action: String,
    types: Vec<u8>,
    columns: usize,
    bulk: bool,
    /// Rows of a full request.
    most: usize,
    /// The statement of a full request.
    full: Option<Statement>,
    nulls: Vec<u8>,
    cells: Vec<u8>,
    rows: usize,
    total: u64,
}

impl Insert {
    fn new(conn: &Conn, relation: &Relation, plan: &Plan, action: &str) -> Self {
        let columns = plan.targets.len();
        let bulk = conn.server.extended & BULK != 0;
        let most = if bulk { usize::MAX } else { (VALUES / columns).clamp(1, ROWS) };
        Self {
            table: relation.quoted(),
            head: format!("INSERT INTO {} ({}) VALUES ", relation.quoted(), plan.names()),
            tuple: format!("({})", vec!["?"; columns].join(", ")),
            action: action.to_owned(),
            types: plan.targets.iter().flat_map(|(_, target)| target.parameter()).collect(),
            columns,
            bulk,
            most,
            full: None,
            nulls: if bulk { Vec::new() } else { vec![0; (most * columns).div_ceil(8)] },
            cells: Vec::with_capacity(BYTES),
            rows: 0,
            total: 0,
        }
    }

    fn row(&mut self, conn: &mut Conn, cells: &Cells<'_>, row: usize) -> Result<()> {
        let before = self.cells.len();
        if self.bulk {
            cells.row(&mut self.cells, row, |out, _, null| out.push(u8::from(null)))?;
        } else {
            let (first, nulls) = (self.rows * self.columns, &mut self.nulls);
            let mark = |_: &mut Vec<u8>, at: usize, null: bool| {
                nulls[(first + at) / 8] |= u8::from(null) << ((first + at) % 8);
            };
            cells.row(&mut self.cells, row, mark)?;
        }
        let own = self.cells.len() - before;
        if own + (8 << 10) + self.types.len() * 2 > conn.longest {
            let detail = format!(
                "row {} has {own} bytes, and the server takes messages of {} (max_allowed_packet)",
                self.total + 1,
                conn.longest
            );
            return Err(Error::new(Code::ValueOutOfRange, detail).with_row(self.total + 1));
        }
        self.rows += 1;
        self.total += 1;
        // Room for another row like this, and for what goes before the values.
        let tuples = if self.bulk { 1 } else { self.most };
        let head = self.nulls.len() + self.types.len() * tuples + 64;
        let room = (BYTES + head).min(conn.longest).saturating_sub(head + own);
        if self.rows == self.most || self.cells.len() >= room { self.send(conn) } else { Ok(()) }
    }

    fn explain(&self, error: Error) -> Error {
        let divided = error.sqlstate() == Some("22012") && !self.action.is_empty();
        if divided { another_key(&self.table) } else { error }
    }

    fn finish(&mut self, conn: &mut Conn) -> Result<()> {
        if self.rows > 0 {
            self.send(conn)?;
        }
        if let Some(statement) = self.full.take() {
            conn.close(&statement);
        }
        Ok(())
    }

    fn prepare(&self, conn: &mut Conn, tuples: usize) -> Result<Statement> {
        let tuples = vec![self.tuple.as_str(); tuples].join(", ");
        conn.prepare(&format!("{}{tuples}{}", self.head, self.action))
    }

    fn send(&mut self, conn: &mut Conn) -> Result<()> {
        let is_full = self.bulk || self.rows == self.most;
        let known = if is_full { self.full.take() } else { None };
        let typed = known.is_some();
        let statement = match known {
            Some(statement) => statement,
            None => self.prepare(conn, if self.bulk { 1 } else { self.rows })?,
        };
        if self.bulk {
            conn.put_bulk(statement.id, &self.types, &self.cells);
        } else {
            let values = self.rows * self.columns;
            conn.put_execute(statement.id, |out| {
                out.extend_from_slice(&self.nulls[..values.div_ceil(8)]);
                out.push(u8::from(!typed));
                if !typed {
                    out.extend(self.types.iter().copied().cycle().take(values * 2));
                }
                out.extend_from_slice(&self.cells);
            });
        }
        conn.flush()?;
        let before = self.total - self.rows as u64;
        let done = conn.done().map_err(|error| at(self.explain(error), before))?;
        if done.warnings > 0 {
            refuse(conn).map_err(|error| at(error, before))?;
        }
        if is_full {
            self.full = Some(statement);
        } else {
            conn.close(&statement);
        }
        self.nulls.fill(0);
        self.cells.clear();
        self.cells.shrink_to(4 * BYTES);
        self.rows = 0;
        Ok(())
    }
}

/// What the division by zero of an upsert means.
fn another_key(relation: &str) -> Error {
    let detail = format!(
        "a row of the body has the same value of a unique key as a row of {relation} with another primary key"
    );
    Error::new(Code::ConstraintViolation, detail).with_sqlstate("23000")
}

/// A row is counted in its statement; here, in its body.
fn at(error: Error, before: u64) -> Error {
    match error.row() {
        Some(row) => error.with_row(before + row),
        None => error,
    }
}

/// What the server notes of a statement that succeeded: a value was cut, rounded or replaced.
///
/// # Errors
/// `value-out-of-range`, `constraint-violation`.
pub fn refuse(conn: &mut Conn) -> Result<()> {
    let warnings = conn.rows("SHOW WARNINGS", &[])?;
    if warnings.is_empty() {
        return Err(Error::new(
            Code::ValueOutOfRange,
            "the server warned of a value, and does not say of which",
        ));
    }
    for row in warnings {
        let [_, Some(number), Some(message)] = row.as_slice() else { continue };
        match number.parse() {
            Ok(HARMLESS) | Err(_) => {}
            Ok(errno) => {
                let error = of_errno(errno, "01000", message);
                let code = match error.code() {
                    Code::ConstraintViolation => Code::ConstraintViolation,
                    _ => Code::ValueOutOfRange,
                };
                let found = Error::new(code, error.detail()).with_sqlstate("01000");
                let found = match error.column() {
                    Some(column) => found.with_column(column),
                    None => found,
                };
                return Err(match error.row() {
                    Some(row) => found.with_row(row),
                    None => found,
                });
            }
        }
    }
    Ok(())
}

/// A name that no other relation has, for one that is not ready to be seen under its own.
#[must_use]
pub fn passing_name() -> String {
    format!("fsspec_db_new_{:016x}", RandomState::new().build_hasher().finish())
}

/// The statement that makes a table of a body's columns.
///
/// # Errors
/// `schema-mismatch` for a column that MySQL has no type for.
pub fn create(schema: &str, name: &str, columns: &Schema) -> Result<String> {
    if columns.fields().is_empty() {
        return Err(Error::new(Code::SchemaMismatch, "the body has no columns to make a table of"));
    }
    let mut sql = String::from("CREATE TABLE ");
    MYSQL.relation_into(&mut sql, schema, name);
    for (at, field) in columns.fields().iter().enumerate() {
        check_name(field.name())
            .map_err(|error| Error::new(Code::SchemaMismatch, error.detail()).with_column(field.name()))?;
        sql.push_str(if at == 0 { " (" } else { ", " });
        MYSQL.quote_into(&mut sql, field.name());
        let null = if field.is_nullable() { " NULL" } else { " NOT NULL" };
        sql.extend([" ", &declare(field)?, null]);
    }
    // Texts that differ are different, in keys and in conditions.
    sql.push_str(") ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
    Ok(sql)
}

/// The type of a new column.
fn declare(field: &Field) -> Result<String> {
    let extension = field.metadata().get("ARROW:extension:name").map(String::as_str);
    match (extension, field.data_type()) {
        (Some("arrow.json"), _) => Ok("json".to_owned()),
        (_, data_type) => declared(data_type).ok_or_else(|| {
            let detail = format!("MySQL has no type for {data_type} of column {:?}", field.name());
            Error::new(Code::SchemaMismatch, detail).with_column(field.name())
        }),
    }
}

fn declared(data_type: &DataType) -> Option<String> {
    let word = match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "longtext",
        DataType::Boolean => "boolean",
        DataType::Int8 => "tinyint",
        DataType::Int16 => "smallint",
        DataType::Int32 => "int",
        DataType::Int64 => "bigint",
        DataType::UInt8 => "tinyint unsigned",
        DataType::UInt16 => "smallint unsigned",
        DataType::UInt32 => "int unsigned",
        DataType::UInt64 => "bigint unsigned",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s)
            if *p <= 65 && (0..=30).contains(s) =>
        {
            return Some(format!("decimal({p},{s})"));
        }
        DataType::FixedSizeBinary(width @ 1..=255) => return Some(format!("binary({width})")),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "longblob"
        }
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => "time(6)",
        DataType::Timestamp(_, None) => "datetime(6)",
        DataType::Timestamp(_, Some(_)) => "timestamp(6)",
        DataType::Dictionary(_, values) => return declared(values),
        DataType::RunEndEncoded(_, values) => return declared(values.data_type()),
        _ => return None,
    };
    Some(word.to_owned())
}
