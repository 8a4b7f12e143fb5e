//! Ranges of a table's primary key, read side by side in one state of the table.
//!
//! MySQL hands no snapshot from one connection to another. But while a table is locked against
//! writing, every snapshot that is taken has the same state of it. The lock is asked for without
//! waiting, so that no writer queues behind us, and held for one round trip; where it is not to be had
//! at once, the table is read by one connection.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::SchemaRef;

use super::build::BatchBuilder;
use super::scan::{FIRST_ROWS, ROWS, Typed};
use super::session::{Pool, READ, Session, Watch};
use super::types::Kind;
use super::values::Bound;
use super::wire::Conn;
use crate::database::Sink;
use crate::dialect::MYSQL;
use crate::engines::order::InOrder;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// Rows of a range, about.
const RANGE: u64 = 2 * ROWS as u64;
/// Tables with fewer rows are read by one connection.
const LEAST: u64 = 4 * RANGE;
/// `LOCK TABLES … NOWAIT` came with MariaDB 10.3; MySQL has none.
const NOWAIT: u32 = 100_300;
/// Seconds after which the server takes back the lock of somebody who fell silent.
const SILENCE: u32 = 2;

/// Other connections whose transactions see the same state of a relation as `session`, which began
/// anew; `None` where it did not, for the relation is not worth it, or its state cannot be held.
///
/// # Errors
/// What the server said, but for the lock.
pub fn share<'p>(
    pool: &'p Pool,
    session: &mut Session<'p>,
    typed: &Typed,
    threads: usize,
    watch: &Watch<'_>,
) -> Result<Option<Vec<Session<'p>>>> {
    let conn = session.conn()?;
    let server = conn.server;
    let fits = server.mariadb && server.version >= NOWAIT && typed.relation.kind == "table";
    let innodb = typed.relation.engine.as_deref() == Some("InnoDB");
    if !fits || !innodb || key(typed).is_none() || estimate(conn, typed)? < LEAST {
        return Ok(None);
    }
    // Connections are made before the lock is asked for: nobody waits for them.
    let Some(mut locker) = begun(pool, READ, watch)? else { return Ok(None) };
    let mut others = Vec::new();
    while others.len() + 1 < threads {
        match begun(pool, READ, watch)? {
            Some(other) => others.push(other),
            None => break,
        }
    }
    if others.is_empty() {
        return Ok(None);
    }
    let silence = format!("SET SESSION wait_timeout = {SILENCE}");
    let lock = format!("LOCK TABLES {} READ NOWAIT", typed.relation.quoted());
    let locked = locker.conn()?.run(&[&silence, &lock]).is_ok();
    let begun = if locked { begin_again(session, &mut others, typed) } else { Ok(false) };
    if !locker.conn()?.idle {
        return Err(Error::new(Code::DatabaseUnavailable, "the connection that holds a lock broke"));
    }
    if locked {
        locker.conn()?.run(&["UNLOCK TABLES"])?;
    }
    // Not to be kept with so little patience.
    locker.end_afresh()?;
    let together = begun?;
    Ok(locked.then_some(if together { others } else { Vec::new() }))
}

/// A transaction, unless there is no connection left for us: fewer are slower, not wrong.
fn begun<'p>(pool: &'p Pool, begin: &str, watch: &Watch<'_>) -> Result<Option<Session<'p>>> {
    match pool.begin(begin, watch) {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.code() == Code::DatabaseUnavailable => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks all before the first has answered, for a writer may be waiting. Whether each also has what
/// keeps the table as it is (its metadata lock), without waiting: one that came for it later, behind an
/// `ALTER TABLE` that waits for another of us, would wait for ever.
fn begin_again<'p>(session: &mut Session<'p>, others: &mut [Session<'p>], typed: &Typed) -> Result<bool> {
    let table = typed.relation.quoted();
    let hold = format!("SET STATEMENT lock_wait_timeout = 0 FOR DO (SELECT 1 FROM {table} LIMIT 0)");
    session.conn()?.ask(&[READ, &hold])?;
    for other in others.iter_mut() {
        other.conn()?.ask(&[READ, &hold])?;
    }
    let mut all = true;
    for one in std::iter::once(session).chain(others) {
        let conn = one.conn()?;
        conn.answers(1)?;
        match conn.answers(1) {
            Err(error) if !conn.idle => return Err(error),
            held => all &= held.is_ok(),
        }
    }
    Ok(all)
}

/// The first column of the primary key, if ranges of it can be counted.
fn key(typed: &Typed) -> Option<&str> {
    let mut columns = typed.relation.columns.iter().zip(&typed.kinds);
    let (column, kind) = columns.find(|(column, _)| column.key == Some(1))?;
    let counted = matches!(
        kind,
        Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::UInt8
            | Kind::UInt16
            | Kind::UInt32
            | Kind::UInt64
    );
    counted.then_some(column.name.as_str())
}

fn estimate(conn: &mut Conn, typed: &Typed) -> Result<u64> {
    let rows = conn.rows(
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
        &[&typed.relation.schema, &typed.relation.name],
    )?;
    Ok(rows.into_iter().flatten().flatten().next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The keys of a table, given out in ranges.
pub struct Ranges<'a> {
    sql: String,
    least: i64,
    most: i64,
    width: u64,
    next: AtomicU64,
    schema: SchemaRef,
    kinds: &'a [Kind],
}

impl<'a> Ranges<'a> {
    /// `None` where there are no keys, or some that 64 bits with a sign do not count.
    ///
    /// # Errors
    /// What the server said.
    pub fn new(
        conn: &mut Conn,
        typed: &Typed,
        select: &str,
        schema: &SchemaRef,
        kinds: &'a [Kind],
    ) -> Result<Option<Self>> {
        let Some(key) = key(typed) else { return Ok(None) };
        let (key, table) = (MYSQL.quoted(key), typed.relation.quoted());
        let ends = format!("SELECT CAST(MIN({key}) AS CHAR), CAST(MAX({key}) AS CHAR) FROM {table}");
        let ends: Vec<i64> = conn
            .rows(&ends, &[])?
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|end| end.parse().ok())
            .collect();
        let [least, most] = ends[..] else { return Ok(None) };
        let count = (estimate(conn, typed)? / RANGE).max(1);
        Ok(Some(Self {
            // Whatever else the columns could be read from: only this way is a range read by itself.
            sql: format!("{select} FORCE INDEX (PRIMARY) WHERE {key} BETWEEN ? AND ?"),
            least,
            most,
            width: (most.abs_diff(least) / count).max(1),
            next: AtomicU64::new(0),
            schema: schema.clone(),
            kinds,
        }))
    }

    /// Reads all ranges, each on the connection that is free.
    ///
    /// # Errors
    /// The sink's, the server's.
    pub fn scan(&self, sessions: Vec<Session<'_>>, sink: &dyn Sink) -> Result<()> {
        let order = InOrder::new(sink, 2 * sessions.len());
        let work = |mut session: Session<'_>| -> Result<()> {
            let _watch = order.watch();
            let outcome = self.read(session.conn()?, &order);
            if outcome.is_err() {
                order.fail();
            }
            outcome.and_then(|()| session.end("COMMIT"))
        };
        let work = &work;
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let handles: Vec<_> =
                sessions.into_iter().map(|session| scope.spawn(move || work(session))).collect();
            let panicked = |_| Err(Error::new(Code::Internal, "a panic on a reading thread"));
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(panicked)).collect()
        });
        // The first failure that is not an echo of another.
        let mut failures: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
        failures.sort_by_key(|failure| failure.code() == Code::Cancelled);
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    fn read(&self, conn: &mut Conn, order: &InOrder<'_>) -> Result<()> {
        let statement = conn.prepare(&self.sql)?;
        let mut builder = BatchBuilder::new(self.schema.clone(), self.kinds, conn.address.null_dates, ROWS);
        while let Some((ticket, first, last)) = self.take() {
            let mut rows = if ticket == 0 { FIRST_ROWS } else { ROWS };
            conn.execute(&statement, &Bound::new(&[Value::Int(first), Value::Int(last)])?)?;
            conn.each_row(|row| {
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
        conn.close(&statement);
        Ok(())
    }

    /// The next range, both ends in it.
    fn take(&self) -> Option<(u64, i64, i64)> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let first = i128::from(self.least) + i128::from(ticket) * i128::from(self.width);
        let last = (first + i128::from(self.width) - 1).min(i128::from(self.most));
        Some((
            ticket,
            i64::try_from(first).ok().filter(|first| *first <= self.most)?,
            i64::try_from(last).ok()?,
        ))
    }
}
