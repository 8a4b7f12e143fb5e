//! PostgreSQL: binary COPY into Arrow, under one snapshot, on several connections.

mod address;
mod build;
mod catalogue;
mod fault;
mod numeric;
mod query;
mod scan;
mod session;
mod socket;
mod types;
mod values;
mod wire;

use std::sync::Arc;

use arrow_schema::SchemaRef;

use self::address::Address;
use self::catalogue::Relation;
use self::scan::{READ, Scanner, Typed};
use self::session::{Pool, Watch};
use self::types::Types;
use self::wire::Conn;
use crate::database::{Access, Cancel, Database, Query, Rows, Scan, Sink, Write};
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
        let scanner = Scanner { pool: &self.pool, types: &self.types, threads: self.threads };
        scanner.scan((&scan.schema, &scan.relation), &scan.shape, sink, cancel)
    }

    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(READ, &watch)?;
            let outcome = query::query(session.conn()?, &self.types, query, sink);
            if session.conn()?.idle {
                session.end_afresh()?;
            }
            outcome
        };
        run().map_err(|error| watch.reason(error))
    }

    fn write(&self, _write: &Write, _rows: Box<dyn Rows>, _cancel: &Cancel) -> Result<u64> {
        let _ = self.access;
        Err(Error::new(Code::Unsupported, "PostgreSQL cannot be written to yet"))
    }

    fn data_version(&self, _schema: &str, _relation: &str) -> Result<Option<String>> {
        let rows = self.reading(&Cancel::default(), |conn| {
            conn.rows("SELECT pg_catalog.txid_current_snapshot()", &[])
        })?;
        Ok(rows.into_iter().flatten().flatten().next())
    }

    fn ping(&self) -> Result<()> {
        self.reading(&Cancel::default(), |conn| conn.run("SELECT 1"))
    }

    fn close(&self) {
        self.pool.close();
    }
}
