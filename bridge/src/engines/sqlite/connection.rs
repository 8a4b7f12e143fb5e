//! One connection, and the few statements that every use of it needs.

use std::time::Duration;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::collation;
use super::fault;
use super::ffi::{Collect, Denied, ShortValues, SlotBox};
use crate::calendar;
use crate::database::Cancel;
use crate::dialect::SQLITE;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Which file, how, and what else is attached to it.
#[derive(Clone, Debug)]
pub struct Location {
    /// A `file:` URI.
    pub uri: String,
    /// Schema name and URI of each attached database.
    pub attached: Vec<(String, String)>,
    pub busy_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Opened read-only, and `query_only` besides.
    Read,
    Write,
    Create,
}

/// A connection that one thread uses at a time.
pub struct Conn {
    // Closed before the slot that its callbacks reach.
    raw: Connection,
    slot: SlotBox,
    /// `data_version` of this connection, and the version of the database that it stood for.
    pub known: Option<(i64, i64)>,
    schemas: Vec<String>,
}

/// A caller's statement can make values of any length out of nothing; this is where it ends.
const LONGEST_MADE: i32 = 64 << 20;

impl Conn {
    /// # Errors
    /// `database-unavailable` where the file cannot be opened; `cancelled`, `query-timeout`.
    pub fn open(location: &Location, mode: Mode, cancel: &Cancel) -> Result<Self> {
        let access = match mode {
            Mode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let raw = Connection::open_with_flags(&location.uri, flags).map_err(fault::internal)?;
        raw.set_prepared_statement_cache_capacity(64);
        let slot = SlotBox::install(&raw, location.busy_timeout)?;
        collation::install(&raw)?;
        let mut conn = Self { raw, slot, known: None, schemas: vec!["main".to_owned()] };
        conn.watched(cancel, |conn| conn.configure(location, mode).map_err(fault::internal))?;
        Ok(conn)
    }

    fn configure(&mut self, location: &Location, mode: Mode) -> rusqlite::Result<()> {
        use rusqlite::config::DbConfig;
        for (name, uri) in &location.attached {
            self.raw.execute("ATTACH DATABASE ?1 AS ?2", [uri, name])?;
            self.schemas.push(name.clone());
        }
        self.raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        self.raw.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        self.raw.pragma_update(None, "foreign_keys", false)?;
        if mode == Mode::Read {
            self.raw.pragma_update(None, "query_only", true)?;
        }
        // Proves that it is a database, before anybody relies on it.
        self.raw.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    }

    #[must_use]
    pub fn raw(&self) -> &Connection {
        &self.raw
    }

    #[must_use]
    pub fn schemas(&self) -> &[String] {
        &self.schemas
    }

    /// Starts a read transaction and fixes its snapshot; returns this connection's `data_version`.
    ///
    /// # Errors
    /// `database-unavailable` where a lock is not had in time.
    pub fn begin_read(&mut self) -> Result<i64> {
        self.execute("BEGIN")?;
        self.data_version()
    }

    /// `PRAGMA data_version`, summed over the attached databases: it moves when any of them does.
    ///
    /// # Errors
    /// `database-unavailable` where a lock is not had in time.
    pub fn data_version(&mut self) -> Result<i64> {
        let mut sum = 0;
        for schema in &self.schemas {
            let sql = format!("PRAGMA {}.data_version", SQLITE.quoted(schema));
            let mut statement = self.raw.prepare_cached(&sql).map_err(fault::internal)?;
            sum += statement.query_row([], |row| row.get::<_, i64>(0)).map_err(fault::internal)?;
        }
        Ok(sum)
    }

    /// Runs `work` without waiting for locks: `None` where somebody holds one that it needs.
    ///
    /// # Errors
    /// What `work` failed with otherwise.
    pub fn hastily<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        self.slot.set_hasty(true);
        let undo = self.slot.undo(|slot| slot.set_hasty(false));
        let outcome = work(self);
        drop(undo);
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.code() == Code::DatabaseUnavailable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends any transaction, quietly: there is nothing to lose.
    pub fn rollback(&mut self) {
        if !self.raw.is_autocommit() {
            let _ = self.execute("ROLLBACK");
        }
    }

    /// Runs a statement of ours that returns no rows.
    ///
    /// # Errors
    /// As SQLite says.
    pub fn execute(&mut self, sql: &str) -> Result<usize> {
        let mut statement = self.raw.prepare_cached(sql).map_err(fault::internal)?;
        statement.execute([]).map_err(fault::internal)
    }

    /// Runs `SELECT fsspec_db_collect(…) …`, handing each row to `collect`.
    ///
    /// # Errors
    /// What `collect` failed with, or SQLite.
    pub fn collect(&mut self, sql: &str, values: &[Stored], collect: &mut dyn Collect) -> Result<()> {
        self.slot.set_collect(Some(collect));
        let outcome = self
            .raw
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params_from_iter(values), |_| Ok(())));
        self.slot.set_collect(None);
        match (outcome, self.slot.take_failure()) {
            (_, Some(failure)) => Err(failure),
            (outcome, None) => outcome.map_err(fault::internal),
        }
    }

    /// The relations that a view itself reads, each once.
    ///
    /// # Errors
    /// The database's: a view may be broken.
    pub fn reads_of_view(&self, schema: &str, view: &str) -> Result<Vec<(String, String)>> {
        self.slot.note_reads();
        let sql = format!("SELECT * FROM {}.{}", SQLITE.quoted(schema), SQLITE.quoted(view));
        let prepared = self.raw.prepare(&sql).map(drop);
        let reads = self.slot.take_reads();
        prepared.map_err(fault::internal)?;
        let mut found: Vec<(String, String)> = reads
            .into_iter()
            .filter(|read| read.view.as_deref() == Some(view))
            .map(|read| (read.schema, read.relation))
            .collect();
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Runs `work` while `cancel` can interrupt this connection.
    ///
    /// # Errors
    /// What `work` failed with; an interrupt as `cancelled` or `query-timeout`.
    pub fn watched<T>(&mut self, cancel: &Cancel, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.slot.set_cancel(Some(cancel));
        let undo = self.slot.undo(|slot| slot.set_cancel(None));
        let outcome = work(self);
        drop(undo);
        outcome.map_err(|error| fault::stopped(error, cancel))
    }

    /// Compiles and runs a caller's statement under the guard: it can read, and nothing else.
    ///
    /// # Errors
    /// What `work` failed with; `read-only` or `forbidden` where the guard refused.
    pub fn guarded<'c, T>(&'c self, work: impl FnOnce(&'c Connection) -> Result<T>) -> Result<T> {
        self.slot.set_guarded(true);
        let undo = self.slot.undo(|slot| slot.set_guarded(false));
        let _short = ShortValues::new(&self.raw, LONGEST_MADE);
        let outcome = work(&self.raw);
        drop(undo);
        let denied = self.slot.take_denied();
        outcome.map_err(|error| match denied {
            // A denied function is a plain error to SQLite, told apart by its text alone.
            Some(denied) if error.detail().contains("not authorized") => Error::new(
                if denied == Denied::Write { Code::ReadOnly } else { Code::Forbidden },
                match denied {
                    Denied::Write => "the statement writes, and queries are read-only",
                    Denied::Other => "the statement uses a command or function that queries may not",
                },
            ),
            _ => error,
        })
    }
}

/// Values as SQLite stores them.
///
/// # Errors
/// `invalid-query` for a value that SQLite has no storage for.
pub fn bind_all(values: &[Value]) -> Result<Vec<Stored>> {
    values.iter().map(bind).collect()
}

/// # Errors
/// As [`bind_all`].
pub fn bind(value: &Value) -> Result<Stored> {
    let text = |write: &dyn Fn(&mut Vec<u8>) -> Option<()>| {
        let mut out = Vec::new();
        write(&mut out).and_then(|()| String::from_utf8(out).ok()).map(Stored::Text).ok_or_else(|| {
            Error::new(Code::InvalidQuery, "a date beyond the years 0000 to 9999 has no text in SQLite")
        })
    };
    Ok(match value {
        Value::Null => Stored::Null,
        Value::Bool(value) => Stored::Integer(i64::from(*value)),
        Value::Int(value) => Stored::Integer(*value),
        Value::Float(value) => Stored::Real(*value),
        Value::Decimal(digits) => decimal(digits)?,
        Value::Text(value) => Stored::Text(value.clone()),
        Value::Bytes(value) => Stored::Blob(value.clone()),
        Value::Date(days) => text(&|out| calendar::write_date(out, i64::from(*days)))?,
        Value::Time(micros) => text(&|out| calendar::write_time(out, *micros))?,
        Value::Timestamp { micros, utc } => text(&|out| {
            calendar::write_timestamp(out, *micros)?;
            if *utc {
                out.extend_from_slice(b"+00:00");
            }
            Some(())
        })?,
        Value::Uuid(bytes) => Stored::Blob(bytes.to_vec()),
        Value::List(_) => return Err(Error::new(Code::InvalidQuery, "SQLite has no lists to bind")),
    })
}

/// A decimal compares as SQLite stores one: as an integer, or as the double that is written so.
fn decimal(digits: &str) -> Result<Stored> {
    if let Ok(value) = digits.parse::<i64>() {
        return Ok(Stored::Integer(value));
    }
    match digits.parse::<f64>() {
        Ok(real) if canonical(&real.to_string()) == canonical(digits) => Ok(Stored::Real(real)),
        _ => {
            let detail = format!("SQLite has no number that is {digits}: give it as a text");
            Err(Error::new(Code::ValueOutOfRange, detail))
        }
    }
}

/// Sign, digits without zeros at their ends, and the power of ten of the last.
fn canonical(number: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let unsigned = digits.trim_start_matches(['+', '-']).trim_start_matches('0');
    let kept = unsigned.trim_end_matches('0');
    let power = exponent.parse::<i64>().unwrap_or(i64::MIN / 2) - fraction.len() as i64;
    let power = if kept.is_empty() { 0 } else { power + (unsigned.len() - kept.len()) as i64 };
    (digits.starts_with('-') && !kept.is_empty(), kept.to_owned(), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_bound_only_as_the_number_it_is() {
        for (digits, bound) in [
            ("0.10", Stored::Real(0.1)),
            ("-12.5e-1", Stored::Real(-1.25)),
            ("1e22", Stored::Real(1e22)),
            ("0.000", Stored::Real(0.0)),
            ("7", Stored::Integer(7)),
        ] {
            assert_eq!(bind(&Value::Decimal(digits.to_owned())).unwrap(), bound, "{digits}");
        }
        for digits in ["9223372036854775809", "12345678901234567890.5", "0.1000000000000000000001", "1e400"] {
            let error = bind(&Value::Decimal(digits.to_owned())).unwrap_err();
            assert_eq!(error.code(), Code::ValueOutOfRange, "{digits}");
        }
    }

    /// A connection for reading, with nobody in front of it.
    fn reading() -> (tempfile::TempDir, Conn) {
        let folder = tempfile::tempdir().unwrap();
        let location = Location {
            uri: format!("file:{}", folder.path().join("test.db").display()),
            attached: Vec::new(),
            busy_timeout: Duration::ZERO,
        };
        Conn::open(&location, Mode::Create, &Cancel::default())
            .unwrap()
            .execute("CREATE TABLE t (a)")
            .unwrap();
        (folder, Conn::open(&location, Mode::Read, &Cancel::default()).unwrap())
    }

    #[test]
    fn a_connection_that_reads_is_opened_read_only() {
        let (_folder, mut conn) = reading();
        conn.execute("PRAGMA query_only = OFF").unwrap();
        assert!(conn.execute("INSERT INTO t VALUES (1)").is_err());
    }

    #[test]
    fn a_connection_that_reads_makes_not_even_a_temporary_table() {
        let (_folder, mut conn) = reading();
        assert!(conn.execute("CREATE TEMP TABLE u (a)").is_err());
    }
}
