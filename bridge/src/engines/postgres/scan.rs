//! Reading a relation: ranges of its pages side by side under one exported snapshot, or one stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_schema::SchemaRef;

use super::build::BatchBuilder;
use super::catalogue::Relation;
use super::fault::unexpected;
use super::session::{Pool, Session, Watch};
pub use super::typed::Typed;
use super::types::{Kind, Types};
use super::values;
use super::version::{STEADY, State};
use super::wire::Conn;
use crate::database::{Cancel, Sink};
use crate::dialect::POSTGRESQL;
use crate::engines::order::InOrder;
use crate::error::{Code, Error, Result};
use crate::shape::Shape;

/// A transaction that sees one state and that no statement can make writable: it has a snapshot
/// from its first statement on, and after that the server refuses.
pub const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";
/// The same, before its snapshot.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Rows of a batch; the first is smaller, so that the first byte is soon.
pub const ROWS: usize = 8192;
const FIRST_ROWS: usize = 1024;

/// Pages of a range.
const PAGES: u64 = 256;

/// Bytes of a page, at least.
const LEAST_PAGE: u64 = 1024;

/// What the server says of a lock that it does not wait for any longer.
const LOCKED: &str = "55P03";

/// Ranges of pages are found without reading all others from this version on.
const TID_RANGES: u32 = 140_000;

/// Rows that come in the order of an index are sorted further without being gathered from this version on.
const INCREMENTAL_SORTS: u32 = 130_000;

/// One scan: where from, and on how many connections.
pub struct Scanner<'a> {
    pub pool: &'a Pool,
    pub types: &'a Types,
    /// The version of a standby that was seen last.
    pub replayed: &'a Mutex<Option<String>>,
    pub threads: usize,
}

impl Scanner<'_> {
    /// Streams the shaped relation into `sink`.
    ///
    /// # Errors
    /// The sink's, the server's, `cancelled`, `query-timeout`.
    pub fn scan(
        &self,
        (schema, name): (&str, &str),
        shape: &Shape,
        sink: &dyn Sink,
        cancel: &Cancel,
    ) -> Result<()> {
        let watch = Watch::new(cancel);
        let outcome = self.begin_and_scan((schema, name), shape, sink, &watch, self.threads);
        outcome.map_err(|error| watch.reason(error))
    }

    fn begin_and_scan(
        &self,
        place: (&str, &str),
        shape: &Shape,
        sink: &dyn Sink,
        watch: &Watch<'_>,
        threads: usize,
    ) -> Result<()> {
        let (mut session, typed, state) = self.begin(place, watch)?;
        let columns = typed.selected(shape)?;
        let kinds: Vec<Kind> = columns.iter().map(|&index| typed.kinds[index].clone()).collect();
        let select = typed.select(&columns);
        let schema = typed.schema(&columns);
        let conn = session.conn()?;
        let incremental = conn.version >= INCREMENTAL_SORTS;
        let steady = state.as_ref().filter(|_| shape.order.is_empty() || incremental);
        let start = || {
            let version = steady.and_then(|state| state.version.clone());
            if let Some(version) = version.filter(|_| !shape.reads_clock()) {
                sink.version(version);
            }
            sink.start(schema.clone())
        };
        // An order that leaves no rows equal needs none of this.
        let before: &[&str] = if steady.is_some() && shape.order.is_empty() { &STEADY } else { &[] };
        let rows_only = shape.predicate.is_none() && shape.order.is_empty();
        if !(rows_only && shape.limit.is_none() && shape.offset == 0) {
            start()?;
            let (sql, values) = shaped(select, shape, steady.map(|_| &typed.relation));
            let mut batches = Batches::new(schema.clone(), &kinds, sink);
            stream(conn, before, &sql, &values, &kinds, |row| batches.row(row)).map_err(predicate)?;
            batches.finish()?;
            return session.end("COMMIT");
        }
        // Of a table with a version it does not matter how many of us read: the batches are those of ranges.
        let cut = match &state {
            Some(state) => !typed.relation.heirs && state.size > PAGES * LEAST_PAGE,
            None => threads > 1,
        };
        if cut && typed.relation.kind == "table" && conn.version >= TID_RANGES {
            let pages = pages(conn, &typed.relation)?;
            if pages > PAGES {
                let snapshot = if threads > 1 { export(conn)? } else { None };
                if threads > 1 && snapshot.is_none() {
                    drop(session);
                    return self.begin_and_scan(place, shape, sink, watch, 1);
                }
                start()?;
                let table = typed.relation.quoted();
                let next = AtomicU64::new(0);
                let ranges = Ranges { table, select, pages, next, schema: schema.clone(), kinds: &kinds };
                return self.ranges(session, snapshot, &ranges, sink, watch);
            }
        }
        start()?;
        let mut batches = Batches::new(schema.clone(), &kinds, sink);
        copy_out(conn, before, &select, |row| batches.row(row))?;
        batches.finish()?;
        session.end("COMMIT")
    }

    /// A transaction that reads a relation, with the state that it sees if only commits change that.
    fn begin(
        &self,
        (schema, name): (&str, &str),
        watch: &Watch<'_>,
    ) -> Result<(Session<'_>, Typed, Option<State>)> {
        let mut tries = 2;
        loop {
            let before = self.replayed().clone();
            let (mut session, held) = self.hold((schema, name), watch)?;
            let conn = session.conn()?;
            let typed = Typed::load(conn, self.types, schema, name)?;
            let mut state = State::load(conn, &typed.relation)?;
            tries -= 1;
            if let Some(state) = &mut state {
                // The snapshot lies between two looks: it is of that version if both saw the same.
                if state.replayed && state.version != before {
                    self.replayed().clone_from(&state.version);
                    if tries > 0 {
                        session.end("COMMIT")?;
                        continue;
                    }
                    state.version = None;
                }
                if !held {
                    state.version = None;
                }
            }
            return Ok((session, typed, state));
        }
    }

    fn replayed(&self) -> MutexGuard<'_, Option<String>> {
        self.replayed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the relation as it is before the snapshot is taken: one that is rewritten or truncated
    /// between the two would seem empty. What cannot be locked, or not by us, is read all the same; whether
    /// it is held.
    fn hold(&self, (schema, name): (&str, &str), watch: &Watch<'_>) -> Result<(Session<'_>, bool)> {
        let mut table = String::new();
        POSTGRESQL.relation_into(&mut table, schema, name);
        let locked = format!("{BEGIN}; LOCK TABLE {table} IN ACCESS SHARE MODE");
        self.pool.begin_either(&locked, &format!("ROLLBACK; {READ}"), watch)
    }

    fn ranges<'s>(
        &'s self,
        session: Session<'s>,
        snapshot: Option<String>,
        ranges: &Ranges<'_>,
        sink: &dyn Sink,
        watch: &Watch<'_>,
    ) -> Result<()> {
        let mut sessions = Vec::new();
        let wanted = self.threads.min(usize::try_from(ranges.pages.div_ceil(PAGES)).unwrap_or(1));
        let begin = snapshot.map(|snapshot| format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'"));
        while let (Some(begin), true) = (&begin, sessions.len() + 1 < wanted) {
            match self.pool.begin(begin, watch) {
                Ok(other) => sessions.push(other),
                // No connection is left for us: fewer are slower, not wrong.
                Err(error) if error.code() == Code::DatabaseUnavailable => break,
                Err(error) => return Err(error),
            }
        }
        let order = InOrder::new(sink, 2 * (sessions.len() + 1));
        let work = |mut session: Session<'_>, first: bool| -> Result<()> {
            let _watch = order.watch();
            let conn = session.conn()?;
            let outcome = match if first { Ok(true) } else { ranges.join(conn) } {
                Ok(true) => ranges.read(conn, &order),
                Ok(false) => return Ok(()),
                Err(error) => Err(error),
            };
            if outcome.is_err() {
                order.fail();
            }
            outcome.and_then(|()| session.end("COMMIT"))
        };
        let work = &work;
        let outcomes = std::thread::scope(|scope| {
            let handles: Vec<_> =
                sessions.into_iter().map(|other| scope.spawn(move || work(other, false))).collect();
            let mut outcomes = vec![work(session, true)];
            let panicked = |_| Err(Error::new(Code::Internal, "a panic on a reading thread"));
            outcomes.extend(handles.into_iter().map(|handle| handle.join().unwrap_or_else(panicked)));
            outcomes
        });
        // The first failure that is not an echo of another.
        let mut failures: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
        failures.sort_by_key(|failure| failure.code() == Code::Cancelled);
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Pages of a table, given out in ranges.
struct Ranges<'a> {
    table: String,
    select: String,
    pages: u64,
    next: AtomicU64,
    schema: SchemaRef,
    kinds: &'a [Kind],
}

impl Ranges<'_> {
    /// Whether a further connection has all locks of its reads without waiting. One that waited, with a
    /// range to read, behind somebody who waits for another of us, would wait for ever.
    fn join(&self, conn: &mut Conn) -> Result<bool> {
        let table = &self.table;
        let outcome = conn.run(&format!(
            "SET LOCAL lock_timeout = 1; SELECT FROM {table} LIMIT 0; SET LOCAL lock_timeout TO DEFAULT"
        ));
        match outcome {
            Err(error) if error.sqlstate() == Some(LOCKED) => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// Reads ranges until none is left. The next is asked for before the last has arrived.
    fn read(&self, conn: &mut Conn, order: &InOrder<'_>) -> Result<()> {
        let mut builder = BatchBuilder::new(self.schema.clone(), self.kinds, ROWS);
        while let Some((ticket, sql)) = self.take() {
            let mut rows = if ticket == 0 { FIRST_ROWS } else { ROWS };
            copy_out(conn, &STEADY, &sql, |row| {
                builder.push(row)?;
                if builder.rows() >= rows || builder.is_full() {
                    rows = ROWS;
                    let part = order.sink().prepare(builder.finish()?)?;
                    order.put(ticket, Some(part), false)?;
                }
                Ok(())
            })?;
            let rest = if builder.rows() > 0 { Some(order.sink().prepare(builder.finish()?)?) } else { None };
            order.put(ticket, rest, true)?;
        }
        Ok(())
    }

    fn take(&self) -> Option<(u64, String)> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (first, end) = (ticket.checked_mul(PAGES)?, (ticket + 1) * PAGES);
        if first >= self.pages {
            return None;
        }
        let mut sql = format!("{} WHERE ctid >= '({first},0)'", self.select);
        if end < self.pages {
            sql.extend([" AND ctid < '(", &end.to_string(), ",0)'"]);
        }
        Some((ticket, sql))
    }
}

/// Pages of a table whose rows we may ask for by their place, which takes the privilege to read all
/// columns; none of others. All locks of reading it are held from then on, those of its indexes too.
fn pages(conn: &mut Conn, relation: &Relation) -> Result<u64> {
    let sql = format!(
        "SELECT pg_catalog.pg_relation_size(t) / pg_catalog.current_setting('block_size')::int8, (SELECT 1 FROM {} LIMIT 0)
         FROM CAST($1 AS pg_catalog.oid) AS t WHERE pg_catalog.has_table_privilege(t, 'SELECT')",
        relation.quoted()
    );
    let rows = conn.rows(&sql, &[Some(&relation.oid)])?;
    Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// A name for the snapshot; none where the server cannot give it (on a standby, in some poolers).
fn export(conn: &mut Conn) -> Result<Option<String>> {
    match conn.rows("SELECT pg_catalog.pg_export_snapshot()", &[]) {
        Ok(rows) => {
            let name = rows.into_iter().flatten().flatten().next();
            Ok(name.filter(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')))
        }
        Err(error) if error.code() == Code::DatabaseUnavailable => Err(error),
        Err(_) => Ok(None),
    }
}

/// Adds the shape to a `SELECT`; its literals are bound. Rows that `order` leaves equal come in that of the
/// `table`, if it has a state.
#[must_use]
pub fn shaped(
    mut sql: String,
    shape: &Shape,
    table: Option<&Relation>,
) -> (String, Vec<crate::value::Value>) {
    let mut values = Vec::new();
    if let Some((filter, bound)) = shape.filter_sql(&POSTGRESQL) {
        sql.push_str(" WHERE ");
        sql.push_str(&filter);
        values = bound;
    }
    if let Some(order) = shape.order_sql(&POSTGRESQL) {
        sql.push_str(" ORDER BY ");
        sql.push_str(&order);
        if let Some(table) = table {
            sql.push_str(if table.heirs { ", tableoid, ctid" } else { ", ctid" });
        }
    }
    if let Some(limit) = shape.limit {
        sql.extend([" LIMIT ", &limit.to_string()]);
    }
    if shape.offset > 0 {
        sql.extend([" OFFSET ", &shape.offset.to_string()]);
    }
    (sql, values)
}

/// What the server has against a condition is against the request's, for the rest is ours.
pub fn predicate(error: Error) -> Error {
    match (error.code(), error.sqlstate()) {
        (Code::InvalidQuery | Code::ValueOutOfRange, Some(state)) => {
            Error::new(Code::InvalidPredicate, error.detail()).with_sqlstate(state)
        }
        _ => error,
    }
}

/// Streams a statement of ours through binary `COPY`, after others that give nothing.
///
/// # Errors
/// The server's, or `each`'s.
pub fn copy_out(
    conn: &mut Conn,
    before: &[&str],
    sql: &str,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let copy = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
    conn.put_query(&[before, &[copy.as_str()]].concat().join("; "));
    conn.flush()?;
    let mut begun = false;
    conn.answer(|tag, body| {
        if tag != b'd' {
            return Ok(());
        }
        let row = if begun {
            body
        } else {
            begun = true;
            after_header(body)?
        };
        // The trailer counts -1 columns.
        if row.is_empty() || row.starts_with(&[0xff, 0xff]) { Ok(()) } else { each(row) }
    })
}

/// The header shares a message with the first row.
fn after_header(body: &[u8]) -> Result<&[u8]> {
    let rest = body.strip_prefix(b"PGCOPY\n\xff\r\n\0").and_then(|rest| rest.get(4..));
    let (length, rest) = rest
        .and_then(|rest| rest.split_first_chunk::<4>())
        .ok_or_else(|| unexpected("a COPY without its header"))?;
    rest.get(u32::from_be_bytes(*length) as usize..).ok_or_else(|| unexpected("a COPY header cut short"))
}

/// Streams a statement with bound values, after others of ours that give nothing.
///
/// # Errors
/// The server's, or `each`'s.
pub fn stream(
    conn: &mut Conn,
    before: &[&str],
    sql: &str,
    bound: &[crate::value::Value],
    kinds: &[Kind],
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (types, texts) = values::bound(bound)?;
    let texts: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_deref().map(str::as_bytes)).collect();
    let formats: Vec<u16> = kinds.iter().map(|kind| u16::from(!kind.is_cast())).collect();
    for statement in before {
        conn.put_parse(statement, &[]);
        conn.put_bind(&[], &[], &[]);
        conn.put(b'E', &[0, 0, 0, 0, 0]);
    }
    conn.put_parse(sql, &types);
    conn.put_bind(&[], &texts, &formats);
    conn.put(b'E', &[0, 0, 0, 0, 0]);
    conn.put(b'S', &[]);
    conn.flush()?;
    conn.answer(|tag, body| if tag == b'D' { each(body) } else { Ok(()) })
}

/// Cuts rows into batches for a sink.
pub struct Batches<'a> {
    builder: BatchBuilder,
    rows: usize,
    sink: &'a dyn Sink,
}

impl<'a> Batches<'a> {
    #[must_use]
    pub fn new(schema: SchemaRef, kinds: &[Kind], sink: &'a dyn Sink) -> Self {
        Self { builder: BatchBuilder::new(schema, kinds, FIRST_ROWS), rows: FIRST_ROWS, sink }
    }

    /// Adds a row. A batch goes out only when the row after it is there.
    ///
    /// # Errors
    /// The sink's, or `value-out-of-range`.
    pub fn row(&mut self, row: &[u8]) -> Result<()> {
        if self.builder.rows() >= self.rows || self.builder.is_full() {
            self.rows = ROWS;
            self.sink.push(self.builder.finish()?)?;
        }
        self.builder.push(row)
    }

    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> Result<()> {
        if self.builder.rows() > 0 { self.sink.push(self.builder.finish()?) } else { Ok(()) }
    }
}
