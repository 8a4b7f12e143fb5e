//! The trait between the tree and an engine. An engine knows no path and no format.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::dialect::Dialect;
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};
use crate::shape::Shape;
use crate::value::Params;

/// What a filesystem lets its callers do; the engine holds to it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    /// Rows of existing relations.
    Write,
    /// Create, drop and rename relations and schemas.
    Manage,
}

impl Access {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Manage => "manage",
        }
    }

    /// # Errors
    /// [`Code::InvalidParameter`] for any other word.
    pub fn by_name(name: &str) -> Result<Self> {
        match name {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "manage" => Ok(Self::Manage),
            other => Err(Error::new(
                Code::InvalidParameter,
                format!("access is 'read', 'write' or 'manage', not {other:?}"),
            )),
        }
    }
}

/// Which relation to read, and how much of it. Names are the catalogue's own spelling.
#[derive(Clone, Debug)]
pub struct Scan {
    pub schema: String,
    pub relation: String,
    pub shape: Shape,
}

/// A statement of the caller's, always run in a read-only transaction.
#[derive(Clone, Debug)]
pub struct Query {
    pub sql: String,
    pub params: Params,
    /// Stop after this many rows; the engine calls [`Sink::truncated`] if there were more.
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Delete all rows and insert, in one transaction.
    Replace,
    Append,
    /// Insert or update by primary key.
    Upsert,
    /// Create the relation from the schema of the rows and fill it, in one transaction.
    Create,
}

/// Where rows go. Names are the catalogue's own spelling, but for `Create`.
#[derive(Clone, Debug)]
pub struct Write {
    pub schema: String,
    pub relation: String,
    pub mode: WriteMode,
    /// The [`Database::data_version`] that must still hold once no other writer can move it, else
    /// [`Code::PreconditionFailed`] and nothing is written.
    pub if_version: Option<String>,
}

impl Write {
    /// # Errors
    /// [`Code::PreconditionFailed`] unless `now` is the version that was asked for, if one was;
    /// [`Code::Unsupported`] where there is none.
    pub fn check(&self, now: impl FnOnce() -> Result<Option<String>>) -> Result<()> {
        let Some(expected) = &self.if_version else { return Ok(()) };
        match now()? {
            Some(version) if version == *expected => Ok(()),
            Some(_) => {
                Err(Error::new(Code::PreconditionFailed, "the rows are not those of that version any more"))
            }
            None => Err(Error::new(Code::Unsupported, "the rows of this relation have no data version")),
        }
    }
}

/// Decoded rows on their way in, pulled by the engine inside its transaction.
pub trait Rows: Iterator<Item = Result<RecordBatch>> + Send {
    fn schema(&self) -> SchemaRef;
}

impl Rows for Box<dyn Rows> {
    fn schema(&self) -> SchemaRef {
        self.as_ref().schema()
    }
}

/// What a [`Sink`] makes of a batch on the thread that built it.
#[derive(Debug)]
pub enum Part {
    /// Encoded bytes of so many rows.
    Bytes(u64, Vec<u8>),
    /// A batch whose encoding depends on what came before.
    Batch(RecordBatch),
    /// The same rows for several readers, in their order; `None` for who has left.
    Several(Vec<Option<Part>>),
}

impl Part {
    /// What an encoder says to a part that is for several readers.
    #[must_use]
    pub fn undivided() -> Error {
        Error::new(Code::Internal, "a part for several readers came to one")
    }
}

/// The order-free half of an encoder; runs on several threads at once.
pub trait PartEncoder: Send + Sync {
    fn encode(&self, batch: RecordBatch) -> Result<Part>;
}

/// Where an engine pushes rows. `start` once, then `prepare` on any thread and `put` in order.
///
/// Every method fails with [`Code::Cancelled`] once the reader has gone; the engine then stops.
pub trait Sink: Sync {
    /// The data version whose rows follow: the same one always has the same rows, in the same order and
    /// batches. Told before `start`; not at all where the engine cannot tell.
    fn version(&self, _version: String) {}
    /// Fixes the schema. Nothing was sent before this.
    fn start(&self, schema: SchemaRef) -> Result<()>;
    /// Does the costly, order-free part of the work. May run on several threads at once.
    fn prepare(&self, batch: RecordBatch) -> Result<Part>;
    /// Hands a part on, in order, from one thread at a time; blocks while the reader is slow.
    fn put(&self, part: Part) -> Result<()>;
    /// The limit of the query cut its result. Called before the last `put` where that is known.
    fn truncated(&self);

    /// What `prepare` would do after `start(schema)`, for an engine that encodes before it is sure
    /// of the schema. Its parts may be `put` once `start` was called with an equal schema. `None`
    /// where parts depend on what came before.
    fn ahead(&self, _schema: &SchemaRef) -> Result<Option<Arc<dyn PartEncoder>>> {
        Ok(None)
    }

    /// `prepare` and `put` in one, for engines with one thread.
    fn push(&self, batch: RecordBatch) -> Result<()> {
        self.put(self.prepare(batch)?)
    }
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// Tells an engine to stop: the reader left, or the time is up.
#[derive(Default)]
pub struct Cancel {
    flag: AtomicBool,
    deadline: Option<Instant>,
    hook: Mutex<Option<Hook>>,
}

impl Cancel {
    #[must_use]
    pub fn new(timeout: Option<Duration>) -> Self {
        Self { deadline: timeout.and_then(|t| Instant::now().checked_add(t)), ..Self::default() }
    }

    /// Asks the engine to stop and runs its hook. Idempotent, callable from any thread.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Release);
        if let Ok(hook) = self.hook.lock()
            && let Some(hook) = hook.as_ref()
        {
            hook();
        }
    }

    /// Sets what `cancel` does beyond raising the flag; runs it at once if already cancelled.
    /// The hook is dropped by [`Cancel::clear`], before the connection it points to is reused.
    pub fn on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) {
        if let Ok(mut slot) = self.hook.lock() {
            if self.flag.load(Ordering::Acquire) {
                hook();
            }
            *slot = Some(Box::new(hook));
        }
    }

    /// Forgets the hook. After this returns, the hook neither runs nor is running.
    pub fn clear(&self) {
        let hook = self.hook.lock().ok().and_then(|mut slot| slot.take());
        drop(hook);
    }

    /// Cheap: one atomic load, and a clock read only where there is a deadline.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.flag.load(Ordering::Acquire) || self.timed_out()
    }

    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// # Errors
    /// [`Code::Cancelled`] or [`Code::QueryTimeout`] once stopped.
    pub fn check(&self) -> Result<()> {
        if self.flag.load(Ordering::Acquire) {
            Err(Error::new(Code::Cancelled, "the reader went away"))
        } else if self.timed_out() {
            Err(Error::new(Code::QueryTimeout, "the statement took longer than its time limit"))
        } else {
            Ok(())
        }
    }
}

/// A database engine. All methods may be called from several threads at once, block, and
/// never hold Python's lock while they wait.
pub trait Database: Send + Sync {
    fn dialect(&self) -> &'static Dialect;
    fn schemas(&self) -> Result<Vec<SchemaInfo>>;
    /// One schema, also one that [`Database::schemas`] leaves out.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    fn schema(&self, schema: &str) -> Result<SchemaInfo> {
        let found = self.schemas()?.into_iter().find(|info| info.name == schema);
        found.ok_or_else(|| Error::new(Code::NotFound, format!("there is no schema {schema:?}")))
    }
    fn relations(&self, schema: &str) -> Result<Vec<RelationInfo>>;
    /// `cancel` is of the work that the answer is for.
    ///
    /// # Errors
    /// [`Code::NotFound`], also where the engine would answer with a relation of another name.
    fn relation(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<RelationInfo>;
    /// # Errors
    /// [`Code::NotFound`] as for [`Database::relation`].
    fn columns(&self, schema: &str, relation: &str) -> Result<Vec<ColumnInfo>>;
    fn indexes(&self, schema: &str, relation: &str) -> Result<Vec<IndexInfo>>;
    fn constraints(&self, schema: &str, relation: &str) -> Result<Vec<ConstraintInfo>>;
    /// The SQL text of a view.
    fn view_definition(&self, schema: &str, view: &str) -> Result<String>;
    /// The DDL of a relation; `None` lets the caller write it from the metadata.
    fn definition(&self, _schema: &str, _relation: &str) -> Result<Option<String>> {
        Ok(None)
    }
    /// What a view reads: pairs of schema and relation.
    fn depends_on(&self, _schema: &str, _view: &str) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
    /// The Arrow schema that a body for this relation should have; text formats are parsed to it.
    fn arrow_schema(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<SchemaRef>;

    /// Streams a relation into `sink`, from one snapshot; returns when all is handed on.
    ///
    /// # Errors
    /// [`Code::NotFound`] as for [`Database::relation`]: nobody has looked before.
    fn scan(&self, scan: &Scan, sink: &dyn Sink, cancel: &Cancel) -> Result<()>;
    /// Streams a query into `sink`, in a read-only transaction.
    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()>;
    /// Writes rows in one transaction: all of them, or none. Returns how many.
    fn write(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64>;
    /// Does within the database what writing all that a scan reads would do, in one transaction. `write`
    /// replaces or creates, and is not to the relation that is read.
    ///
    /// How many rows; `None`, with nothing changed, where it takes a scan and a write to keep every value.
    fn copy_rows(&self, _source: &Scan, _write: &Write, _cancel: &Cancel) -> Result<Option<u64>> {
        Ok(None)
    }

    fn create_schema(&self, _schema: &str) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot create schemas"))
    }
    fn drop_schema(&self, _schema: &str) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot drop schemas"))
    }
    fn drop_relation(&self, _schema: &str, _relation: &str) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot drop relations"))
    }
    fn rename_schema(&self, _from: &str, _to: &str) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot rename schemas"))
    }
    /// Renames within a schema or into another. What is called so is dropped if `overwrite`, in the same
    /// transaction.
    ///
    /// # Errors
    /// [`Code::AlreadyExists`] unless `overwrite`; [`Code::NotEmpty`] or [`Code::ConstraintViolation`] where
    /// others depend on what would be dropped.
    fn rename_relation(&self, _from: (&str, &str), _to: (&str, &str), _overwrite: bool) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot rename relations"))
    }
    /// Makes a relation as another one is, with its rows; `overwrite` as for [`Database::rename_relation`].
    ///
    /// # Errors
    /// As there; [`Code::Unsupported`] where the database cannot tell what makes such a relation.
    fn copy_relation(
        &self,
        _from: (&str, &str),
        _to: (&str, &str),
        _overwrite: bool,
        _cancel: &Cancel,
    ) -> Result<()> {
        Err(Error::new(Code::Unsupported, "this database cannot copy relations"))
    }

    /// Changes whenever the rows may have changed; `None` where the engine cannot tell, or where what
    /// is read may change by itself.
    ///
    /// # Errors
    /// [`Code::NotFound`] as for [`Database::relation`].
    fn data_version(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.relation(schema, relation, &Cancel::default()).map(|_| None)
    }

    /// Changes whenever relations may have come, gone or changed, or the rows of any that has versions;
    /// `None` where the engine cannot tell.
    ///
    /// # Errors
    /// [`Code::DatabaseUnavailable`].
    fn state(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Proves that the database answers.
    fn ping(&self) -> Result<()> {
        self.schemas().map(drop)
    }
    /// Gives all connections back. Later calls fail with [`Code::DatabaseUnavailable`].
    fn close(&self) {}
}
