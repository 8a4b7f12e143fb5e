//! PostgreSQL: binary COPY into Arrow, under one snapshot, on several connections.

mod address;
mod build;
mod catalogue;
mod connect;
mod copy;
mod fault;
mod files;
mod ingest;
mod login;
mod numeric;
mod parameters;
mod plan;
mod query;
mod row;
mod scan;
mod secure;
mod session;
mod structure;
mod typed;
mod types;
mod values;
mod version;
mod wire;
mod write;

use std::sync::{Arc, Mutex};

use arrow_schema::SchemaRef;

use self::address::Address;
use self::catalogue::Relation;
use self::scan::{READ, Scanner, Typed};
use self::session::{Pool, Watch};
use self::types::Types;
use self::version::State;
use self::wire::Conn;
use self::write::WRITE;
use crate::database::{Access, Cancel, Database, Query, Rows, Scan, Sink, Write, WriteMode};
use crate::dialect::{Dialect, POSTGRESQL};
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};
use crate::url::Url;

/// Connections that one scan uses at most, unless the caller says otherwise.
const MAX_THREADS: usize = 4;

/// One PostgreSQL database.
pub struct Postgres {
    pool: Pool,
    types: Types,
    access: Access,
    threads: usize,
    /// The version of a standby that was seen last.
    replayed: Mutex<Option<String>>,
}

impl Postgres {
    /// # Errors
    /// `invalid-parameter`, `database-unavailable`.
    pub fn open(url: &Url, access: Access, threads: Option<usize>) -> Result<Arc<dyn Database>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let database = Self {
            pool: Pool::new(Address::new(url)?),
            types: Types::default(),
            access,
            threads: threads.unwrap_or(cores.min(MAX_THREADS)).max(1),
            replayed: Mutex::default(),
        };
        database.ping()?;
        Ok(Arc::new(database))
    }

    /// Runs `read` in a read-only transaction.
    fn reading<T>(&self, cancel: &Cancel, read: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(READ, &watch)?;
            let outcome = read(session.conn()?)?;
            session.end("COMMIT")?;
            Ok(outcome)
        };
        run().map_err(|error| watch.reason(error))
    }

    /// Runs `work` in a transaction that may write.
    fn writing<T>(
        &self,
        least: Access,
        cancel: &Cancel,
        work: impl FnOnce(&mut Conn) -> Result<T>,
    ) -> Result<T> {
        if self.access < least {
            let detail = format!("the database was opened with access {:?}", self.access.as_str());
            return Err(Error::new(Code::ReadOnly, detail));
        }
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(WRITE, &watch)?;
            let outcome = work(session.conn()?)?;
            session.end("COMMIT")?;
            Ok(outcome)
        };
        run().map_err(|error| watch.reason(error))
    }

    fn changing(&self, sql: &str) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| conn.run(sql))
    }

    fn about<T>(
        &self,
        schema: &str,
        relation: &str,
        read: impl FnOnce(&mut Conn, Relation) -> Result<T>,
    ) -> Result<T> {
        self.reading(&Cancel::default(), |conn| {
            let relation = Relation::load(conn, schema, relation)?;
            read(conn, relation)
        })
    }
}

impl Database for Postgres {
    fn dialect(&self) -> &'static Dialect {
        &POSTGRESQL
    }

    fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        self.reading(&Cancel::default(), catalogue::schemas)
    }

    fn schema(&self, schema: &str) -> Result<SchemaInfo> {
        self.reading(&Cancel::default(), |conn| catalogue::schema(conn, schema))
    }

    fn relations(&self, schema: &str) -> Result<Vec<RelationInfo>> {
        self.reading(&Cancel::default(), |conn| catalogue::relations(conn, schema))
    }

    fn relation(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<RelationInfo> {
        self.reading(cancel, |conn| Ok(Relation::load(conn, schema, relation)?.info()))
    }

    fn columns(&self, schema: &str, relation: &str) -> Result<Vec<ColumnInfo>> {
        self.about(schema, relation, |_, relation| Ok(relation.column_infos()))
    }

    fn indexes(&self, schema: &str, relation: &str) -> Result<Vec<IndexInfo>> {
        self.about(schema, relation, |conn, relation| relation.indexes(conn))
    }

    fn constraints(&self, schema: &str, relation: &str) -> Result<Vec<ConstraintInfo>> {
        self.about(schema, relation, |conn, relation| relation.constraints(conn))
    }

    fn view_definition(&self, schema: &str, view: &str) -> Result<String> {
        self.about(schema, view, |conn, relation| relation.view_definition(conn))
    }

    fn depends_on(&self, schema: &str, view: &str) -> Result<Vec<(String, String)>> {
        self.about(schema, view, |conn, relation| relation.depends_on(conn))
    }

    fn arrow_schema(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<SchemaRef> {
        self.reading(cancel, |conn| {
            let typed = Typed::load(conn, &self.types, schema, relation)?;
            Ok(typed.schema(&(0..typed.relation.columns.len()).collect::<Vec<_>>()))
        })
    }

    fn scan(&self, scan: &Scan, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let Self { pool, types, replayed, threads, .. } = self;
        let scanner = Scanner { pool, types, replayed, threads: *threads };
        scanner.scan((&scan.schema, &scan.relation), &scan.shape, sink, cancel)
    }

    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(READ, &watch)?;
            let outcome = query::query(session.conn()?, &self.types, query, sink).map_err(query::refused);
            if session.conn()?.idle {
                session.end_afresh()?;
            }
            outcome
        };
        run().map_err(|error| watch.reason(error))
    }

    fn write(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64> {
        self.writing(Access::Write, cancel, |conn| write::write(conn, &self.types, write, rows, cancel))
    }

    fn copy_rows(&self, source: &Scan, write: &Write, cancel: &Cancel) -> Result<Option<u64>> {
        let least = if write.mode == WriteMode::Create { Access::Manage } else { Access::Write };
        self.writing(least, cancel, |conn| copy::copy_rows(conn, source, write))
    }

    fn create_schema(&self, schema: &str) -> Result<()> {
        write::nameable(schema)?;
        self.changing(&format!("CREATE SCHEMA {}", POSTGRESQL.quoted(schema)))
    }

    fn drop_schema(&self, schema: &str) -> Result<()> {
        write::nameable(schema)?;
        self.changing(&format!("DROP SCHEMA {}", POSTGRESQL.quoted(schema)))
    }

    fn drop_relation(&self, schema: &str, relation: &str) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| {
            let relation = Relation::load(conn, schema, relation)?;
            structure::drop_relation(conn, &relation)
        })
    }

    fn rename_schema(&self, from: &str, to: &str) -> Result<()> {
        write::nameable(to)?;
        self.changing(&format!(
            "ALTER SCHEMA {} RENAME TO {}",
            POSTGRESQL.quoted(from),
            POSTGRESQL.quoted(to)
        ))
    }

    fn rename_relation(&self, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| {
            structure::rename_relation(conn, from, to, overwrite)
        })
    }

    fn copy_relation(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        self.writing(Access::Manage, cancel, |conn| structure::copy_relation(conn, from, to, overwrite))
    }

    fn data_version(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.about(schema, relation, |conn, relation| {
            Ok(State::load(conn, &relation)?.and_then(|state| state.version))
        })
    }

    fn state(&self) -> Result<Option<String>> {
        self.reading(&Cancel::default(), version::of_all)
    }

    fn ping(&self) -> Result<()> {
        self.reading(&Cancel::default(), |conn| conn.run("SELECT 1"))
    }

    fn close(&self) {
        self.pool.close();
    }
}
