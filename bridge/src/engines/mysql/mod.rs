//! MySQL and MariaDB: the binary protocol into Arrow, streamed, in one snapshot.

mod address;
mod build;
mod catalogue;
mod cells;
mod connect;
mod copy;
mod decimal;
mod fault;
mod ingest;
mod json;
mod login;
mod named;
mod query;
mod ranges;
mod scan;
mod session;
mod statement;
mod structure;
mod types;
mod values;
mod view;
mod wire;
mod write;

use std::sync::Arc;

use arrow_schema::SchemaRef;

use self::address::Address;
use self::catalogue::Relation;
use self::scan::{Scanner, Typed};
use self::session::{Pool, READ, WRITE, Watch};
use self::wire::Conn;
use crate::database::{Access, Cancel, Database, Query, Rows, Scan, Sink, Write, WriteMode};
use crate::dialect::{Dialect, MYSQL};
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};
use crate::url::Url;

/// Connections that one scan uses at most, unless the caller says otherwise.
const MAX_THREADS: usize = 4;

/// One server, and all its schemas.
pub struct Mysql {
    pool: Pool,
    access: Access,
    null_dates: bool,
    threads: usize,
}

impl Mysql {
    /// # Errors
    /// `invalid-parameter`, `database-unavailable`.
    pub fn open(url: &Url, access: Access, threads: Option<usize>) -> Result<Arc<dyn Database>> {
        let address = Address::new(url)?;
        let null_dates = address.null_dates;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or(cores.min(MAX_THREADS)).max(1);
        let database = Self { pool: Pool::new(Arc::new(address)), access, null_dates, threads };
        database.ping()?;
        Ok(Arc::new(database))
    }

    /// Runs `read` in a read-only transaction.
    fn reading<T>(&self, cancel: &Cancel, read: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        self.within(READ, cancel, read)
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
        self.within(WRITE, cancel, work)
    }

    fn within<T>(
        &self,
        begin: &str,
        cancel: &Cancel,
        work: impl FnOnce(&mut Conn) -> Result<T>,
    ) -> Result<T> {
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(begin, &watch)?;
            let outcome = work(session.conn()?)?;
            session.end("COMMIT")?;
            Ok(outcome)
        };
        run().map_err(|error| watch.reason(error))
    }

    /// Runs a statement that makes its own transaction.
    fn changing(&self, sql: &str) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| conn.run(&[sql]).map(drop))
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

    /// Tables are made, and renamed, in transactions of their own. So a new one is filled under
    /// another name and gets its own at the end; what fails takes it away again.
    fn create(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64> {
        let (schema, passing) = (write.schema.as_str(), write::passing_name());
        catalogue::check_name(&write.relation)?;
        let taken = self.about(schema, &write.relation, |_, _| Ok(()));
        match taken {
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
            Ok(()) => {
                let detail = format!("there is a relation {:?} already", write.relation);
                return Err(Error::new(Code::AlreadyExists, detail));
            }
        }
        let sql = write::create(schema, &passing, &rows.schema())?;
        self.changing(&sql).map_err(|error| match error.code() {
            Code::InvalidQuery => Error::new(Code::SchemaMismatch, error.detail()),
            _ => error,
        })?;
        let filled = self
            .writing(Access::Manage, cancel, |conn| {
                write::write(conn, (schema, &passing), WriteMode::Append, rows, cancel)
            })
            .and_then(|total| {
                self.rename((schema, &passing), (schema, &write.relation), false).map(|()| total)
            });
        if filled.is_err() {
            let mut table = String::new();
            MYSQL.relation_into(&mut table, schema, &passing);
            self.changing(&format!("DROP TABLE IF EXISTS {table}"))?;
        }
        filled
    }
}

fn quoted((schema, relation): (&str, &str)) -> String {
    let mut out = String::new();
    MYSQL.relation_into(&mut out, schema, relation);
    out
}

impl Database for Mysql {
    fn dialect(&self) -> &'static Dialect {
        &MYSQL
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

    fn definition(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.about(schema, relation, |conn, relation| relation.definition(conn))
    }

    fn depends_on(&self, schema: &str, view: &str) -> Result<Vec<(String, String)>> {
        self.about(schema, view, |conn, relation| relation.depends_on(conn))
    }

    fn arrow_schema(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<SchemaRef> {
        self.reading(cancel, |conn| {
            let typed = Typed::load(conn, schema, relation)?;
            let all: Vec<usize> = (0..typed.relation.columns.len()).collect();
            Ok(typed.schema(&all, self.null_dates))
        })
    }

    fn scan(&self, scan: &Scan, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let watch = Watch::new(cancel);
        let scanner = Scanner { pool: &self.pool, threads: self.threads };
        let outcome = scanner.scan((&scan.schema, &scan.relation), &scan.shape, sink, &watch);
        outcome.map_err(|error| watch.reason(error))
    }

    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        let watch = Watch::new(cancel);
        let run = || {
            let mut session = self.pool.begin(READ, &watch)?;
            let outcome = query::query(session.conn()?, query, sink);
            if session.conn()?.idle {
                session.end_afresh()?;
            }
            outcome
        };
        run().map_err(|error| watch.reason(error))
    }

    fn write(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64> {
        write.check(|| self.data_version(&write.schema, &write.relation))?;
        if write.mode == WriteMode::Create {
            return self.create(write, rows, cancel);
        }
        self.writing(Access::Write, cancel, |conn| {
            write::write(conn, (&write.schema, &write.relation), write.mode, rows, cancel)
        })
    }

    fn copy_rows(&self, source: &Scan, write: &Write, cancel: &Cancel) -> Result<Option<u64>> {
        if write.mode == WriteMode::Create {
            return Ok(None);
        }
        write.check(|| self.data_version(&write.schema, &write.relation))?;
        self.writing(Access::Write, cancel, |conn| {
            copy::copy_rows(conn, source, (&write.schema, &write.relation))
        })
    }

    fn create_schema(&self, schema: &str) -> Result<()> {
        catalogue::check_name(schema)?;
        self.changing(&format!("CREATE DATABASE {} DEFAULT CHARACTER SET utf8mb4", MYSQL.quoted(schema)))
    }

    fn drop_schema(&self, schema: &str) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| {
            catalogue::check_empty(conn, schema)?;
            conn.run(&[&format!("DROP DATABASE {}", MYSQL.quoted(schema))]).map(drop)
        })
    }

    fn drop_relation(&self, schema: &str, relation: &str) -> Result<()> {
        self.writing(Access::Manage, &Cancel::default(), |conn| {
            let relation = Relation::load(conn, schema, relation)?;
            conn.run(&[&format!("DROP {} {}", relation.sql_kind(), relation.quoted())]).map(drop)
        })
    }

    fn rename_relation(&self, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
        self.rename(from, to, overwrite)
    }

    fn copy_relation(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        self.copy(from, to, overwrite, cancel)
    }

    fn ping(&self) -> Result<()> {
        self.reading(&Cancel::default(), |conn| conn.run(&["DO 1"]).map(drop))
    }

    fn close(&self) {
        self.pool.close();
    }
}
