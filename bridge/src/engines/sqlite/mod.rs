//! SQLite: the embedded default.
//!
//! Reading runs on connections opened read-only; ranges of a table's rowid are read side by side on
//! several that are proven to see one state. What a column's values really are is made sure of
//! before the first byte, and remembered for the version of the database. Writing runs on a
//! connection of its own, one at a time, with the body as a virtual table.

mod ahead;
mod build;
mod catalogue;
mod check;
mod checks;
mod collation;
mod connection;
mod copy;
mod decimals;
mod exact;
mod fault;
mod ffi;
mod ingest;
mod query;
mod ranges;
mod readers;
mod scalar;
mod scan;
mod select;
mod spool;
mod store;
mod structure;
mod types;
mod words;
mod write;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};

use self::catalogue::Relation;
use self::connection::{Conn, Location, Mode};
use self::readers::{Reader, Readers};
use self::scan::{Scanner, Typed};
use crate::database::{Access, Cancel, Database, Query, Rows, Scan, Sink, Write, WriteMode};
use crate::dialect::{Dialect, SQLITE};
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};

/// How long a locked database is waited for, unless the URL says otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads that one scan uses at most, unless the caller says otherwise.
const MAX_THREADS: usize = 8;

/// Relations whose types are remembered; past that all are forgotten.
const MAX_REMEMBERED: usize = 4096;

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// A file's path; empty or `:memory:` for a database of this object alone.
    pub path: String,
    pub access: Access,
    /// Threads of one scan; by default as many as there are cores, at most 8.
    pub threads: Option<usize>,
    /// `busy_timeout` (seconds), `attach` (`name:path`, repeatable), and SQLite's own `immutable`, `nolock`, `vfs`.
    pub query: Vec<(String, String)>,
}

/// By schema and name: what was made sure of, and of which version.
type Remembered = HashMap<(String, String), (i64, Arc<Typed>)>;

/// One SQLite database.
pub struct Sqlite {
    location: Location,
    access: Access,
    threads: usize,
    readers: Readers,
    typed: Mutex<Remembered>,
    /// Held while a write goes on: SQLite has one writer, and ours need not fight for it.
    writing: Mutex<()>,
    /// Keeps a database in memory alive.
    keeper: Mutex<Option<Conn>>,
    /// Sets the versions of this process apart from those of any other.
    nonce: u64,
}

impl Sqlite {
    /// # Errors
    /// `not-found` where there is no file (`manage` makes one), `invalid-parameter`,
    /// `database-unavailable`.
    pub fn open(options: &Options) -> Result<Arc<dyn Database>> {
        ffi::configure();
        let nonce = RandomState::new().build_hasher().finish();
        let memory = options.path.is_empty() || options.path == ":memory:";
        let (location, files) = locate(options, memory, nonce)?;
        if let (false, Some(file)) = (memory, files.first())
            && !file.exists()
            && options.access != Access::Manage
        {
            return Err(Error::new(Code::NotFound, format!("there is no database file {:?}", options.path)));
        }
        let keeper = match (memory, options.access) {
            (true, _) => Some(Conn::open(&location, Mode::Create, &Cancel::default())?),
            (false, Access::Manage) => {
                Conn::open(&location, Mode::Create, &Cancel::default())?;
                None
            }
            (false, _) => None,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let database = Self {
            readers: Readers::new(location.clone(), files),
            location,
            access: options.access,
            threads: options.threads.unwrap_or(cores.min(MAX_THREADS)).max(1),
            typed: Mutex::default(),
            writing: Mutex::default(),
            keeper: Mutex::new(keeper),
            nonce,
        };
        database.ping()?;
        Ok(Arc::new(database))
    }

    /// A relation and what its columns hold, as `reader` sees them.
    fn typed<'a>(
        &'a self,
        reader: &mut Reader<'a>,
        schema: &str,
        relation: &str,
        cancel: &'a Cancel,
    ) -> Result<Arc<Typed>> {
        if let Some(typed) = self.remembered(reader.version, schema, relation) {
            return Ok(typed);
        }
        let relation = Relation::load(reader.conn()?.raw(), schema, relation)?;
        let kinds = self.scanner(cancel).decide(reader, &relation)?;
        let typed = Arc::new(Typed { relation, kinds });
        self.remember(reader.version, &typed);
        Ok(typed)
    }

    fn remember(&self, version: i64, typed: &Arc<Typed>) {
        if version < 0 {
            return;
        }
        let mut remembered = self.typed_map();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        let key = (typed.relation.schema.clone(), typed.relation.name.clone());
        remembered.insert(key, (version, typed.clone()));
    }

    fn remembered(&self, version: i64, schema: &str, relation: &str) -> Option<Arc<Typed>> {
        let remembered = self.typed_map();
        let (of, typed) = remembered.get(&(schema.to_owned(), relation.to_owned()))?;
        (*of == version).then(|| typed.clone())
    }

    fn typed_map(&self) -> MutexGuard<'_, Remembered> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version as others see it; none of a state that could not be told.
    fn version(&self, version: i64) -> Option<String> {
        (version >= 0).then(|| format!("{:016x}-{version:x}", self.nonce))
    }

    fn scanner<'a>(&'a self, cancel: &'a Cancel) -> Scanner<'a> {
        Scanner { readers: &self.readers, threads: self.threads, cancel }
    }

    /// Runs `read` in a read transaction, with the relation it is about.
    fn with<T>(
        &self,
        schema: &str,
        relation: &str,
        cancel: &Cancel,
        read: impl FnOnce(&mut Conn, Relation) -> Result<T>,
    ) -> Result<T> {
        let mut reader = self.readers.begin(cancel)?;
        reader.conn()?.watched(cancel, |conn| {
            let relation = Relation::load(conn.raw(), schema, relation)?;
            read(conn, relation)
        })
    }

    /// Runs `work` on a connection that may write, while no other of ours does.
    fn writing<T>(
        &self,
        least: Access,
        cancel: &Cancel,
        work: impl FnOnce(&mut Conn) -> Result<T>,
    ) -> Result<T> {
        if self.access < least {
            return Err(Error::new(
                Code::ReadOnly,
                format!("the database was opened with access {:?}", self.access.as_str()),
            ));
        }
        let _alone = loop {
            match self.writing.try_lock() {
                Ok(alone) => break alone,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    cancel.check()?;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        };
        self.readers.check_open()?;
        work(&mut Conn::open(&self.location, Mode::Write, cancel)?)
    }

    fn managing<T>(&self, cancel: &Cancel, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.writing(Access::Manage, cancel, work)
    }
}

fn locate(options: &Options, memory: bool, nonce: u64) -> Result<(Location, Vec<PathBuf>)> {
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    let mut location = Location { uri: String::new(), attached: Vec::new(), busy_timeout: BUSY_TIMEOUT };
    let mut parameters = Vec::new();
    let mut files = if memory { Vec::new() } else { vec![PathBuf::from(&options.path)] };
    for (name, value) in &options.query {
        match name.as_str() {
            "busy_timeout" => {
                let seconds =
                    value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                location.busy_timeout =
                    seconds.ok_or_else(|| wrong("busy_timeout", "a number of seconds"))?;
            }
            "attach" => {
                let (schema, path) = value.split_once(':').ok_or_else(|| wrong("attach", "name:path"))?;
                location.attached.push((schema.to_owned(), file_uri(path)));
                files.push(PathBuf::from(path));
            }
            "immutable" | "nolock" | "vfs" => parameters.push(format!("{name}={}", escape(value))),
            _ => return Err(Error::new(Code::InvalidParameter, format!("SQLite has no option {name:?}"))),
        }
    }
    if memory {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        location.uri = format!("file:/fsspec_db_{nonce:x}_{number}?vfs=memdb");
        return Ok((location, files));
    }
    location.uri = file_uri(&options.path);
    if !parameters.is_empty() {
        location.uri.push('?');
        location.uri.push_str(&parameters.join("&"));
    }
    Ok((location, files))
}

fn wrong(option: &str, expected: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("{option} takes {expected}"))
}

fn file_uri(path: &str) -> String {
    // Two slashes at the front would be an authority.
    let path = if path.starts_with("//") { format!("//{path}") } else { path.to_owned() };
    format!("file:{}", escape(&path))
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('?', "%3f").replace('#', "%23").replace('&', "%26")
}

impl Database for Sqlite {
    fn dialect(&self) -> &'static Dialect {
        &SQLITE
    }

    fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        let mut reader = self.readers.begin(&Cancel::default())?;
        let schemas = reader.conn()?.schemas().iter();
        Ok(schemas.map(|name| SchemaInfo { name: name.clone(), catalog: None, comment: None }).collect())
    }

    fn relations(&self, schema: &str) -> Result<Vec<RelationInfo>> {
        let mut reader = self.readers.begin(&Cancel::default())?;
        let conn = reader.conn()?;
        if !conn.schemas().iter().any(|name| name == schema) {
            return Err(Error::new(Code::NotFound, format!("there is no schema {schema:?}")));
        }
        catalogue::relations(conn.raw(), schema)
    }

    fn relation(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<RelationInfo> {
        self.with(schema, relation, cancel, |_, relation| {
            Ok(RelationInfo {
                name: relation.name,
                kind: relation.kind,
                row_count: None,
                size_bytes: None,
                comment: None,
            })
        })
    }

    fn columns(&self, schema: &str, relation: &str) -> Result<Vec<ColumnInfo>> {
        self.with(schema, relation, &Cancel::default(), |_, relation| Ok(catalogue::column_infos(&relation)))
    }

    fn indexes(&self, schema: &str, relation: &str) -> Result<Vec<IndexInfo>> {
        self.with(schema, relation, &Cancel::default(), |conn, relation| {
            catalogue::indexes(conn.raw(), &relation)
        })
    }

    fn constraints(&self, schema: &str, relation: &str) -> Result<Vec<ConstraintInfo>> {
        self.with(schema, relation, &Cancel::default(), |conn, relation| {
            catalogue::constraints(conn.raw(), &relation)
        })
    }

    fn view_definition(&self, schema: &str, view: &str) -> Result<String> {
        catalogue::view_definition(self.readers.begin(&Cancel::default())?.conn()?.raw(), schema, view)
    }

    fn definition(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.with(schema, relation, &Cancel::default(), |conn, relation| {
            catalogue::definition(conn.raw(), &relation)
        })
    }

    fn depends_on(&self, schema: &str, view: &str) -> Result<Vec<(String, String)>> {
        self.with(schema, view, &Cancel::default(), |conn, relation| {
            conn.reads_of_view(schema, &relation.name)
        })
    }

    fn arrow_schema(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<SchemaRef> {
        self.with(schema, relation, cancel, |_, relation| {
            let fields = relation.columns.iter().zip(relation.declared());
            let fields =
                fields.map(|(column, kind)| kind.field(&column.name, !column.not_null, &column.declared));
            Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
        })
    }

    fn scan(&self, scan: &Scan, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let mut reader = self.readers.begin(cancel)?;
        if scan.shape.is_whole() && self.remembered(reader.version, &scan.schema, &scan.relation).is_none() {
            let relation = Relation::load(reader.conn()?.raw(), &scan.schema, &scan.relation)?;
            let kinds = relation.declared();
            let typed = Arc::new(Typed { relation, kinds });
            if !typed.relation.is_certain()
                && let Some(spool) = self.scanner(cancel).ahead(&mut reader, &typed, sink)?
            {
                self.remember(reader.version, &typed);
                if let Some(version) = self.version(reader.version) {
                    sink.version(version);
                }
                drop(reader);
                sink.start(typed.whole_schema())?;
                return spool.replay(sink);
            }
        }
        let typed = self.typed(&mut reader, &scan.schema, &scan.relation, cancel)?;
        let version = self.version(reader.version);
        self.scanner(cancel).scan(reader, &typed, &scan.shape, version, sink)
    }

    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let mut reader = self.readers.begin(cancel)?;
        let version = reader.version;
        let known = |schema: &str, relation: &str| self.remembered(version, schema, relation);
        reader.conn()?.watched(cancel, |conn| query::query(conn, query, &known, sink))
    }

    fn write(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64> {
        // Once the write has begun nobody else's can end, so the version of all is that of the write.
        let version = || Ok(self.version(self.readers.version(cancel)?));
        self.writing(Access::Write, cancel, |conn| write::write(conn, write, &version, rows, cancel))
    }

    fn copy_rows(&self, source: &Scan, write: &Write, cancel: &Cancel) -> Result<Option<u64>> {
        let version = || Ok(self.version(self.readers.version(cancel)?));
        let least = if write.mode == WriteMode::Create { Access::Manage } else { Access::Write };
        self.writing(least, cancel, |conn| {
            structure::transaction(conn, cancel, |conn| copy::copy_rows(conn, source, write, &version))
        })
    }

    fn drop_relation(&self, schema: &str, relation: &str) -> Result<()> {
        self.managing(&Cancel::default(), |conn| structure::drop_relation(conn, schema, relation))
    }

    fn rename_relation(&self, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
        if from.0 != to.0 {
            let detail = "SQLite cannot move a relation into another schema";
            return Err(Error::new(Code::Unsupported, detail));
        }
        self.managing(&Cancel::default(), |conn| structure::rename_relation(conn, from, to, overwrite))
    }

    fn copy_relation(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        self.managing(cancel, |conn| structure::copy_relation(conn, from, to, overwrite, cancel))
    }

    fn data_version(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        let mut reader = self.readers.begin(&Cancel::default())?;
        let relation = Relation::load(reader.conn()?.raw(), schema, relation)?;
        Ok(self.version(reader.version).filter(|_| relation.has_versions()))
    }

    fn state(&self) -> Result<Option<String>> {
        let reader = self.readers.begin(&Cancel::default())?;
        Ok(self.version(reader.version))
    }

    fn ping(&self) -> Result<()> {
        self.readers.begin(&Cancel::default()).map(drop)
    }

    fn close(&self) {
        self.readers.close();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
