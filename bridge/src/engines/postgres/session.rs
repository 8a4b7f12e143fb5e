//! Connections that are kept, and transactions on them that somebody may stop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::address::Address;
use super::connect::{self, Canceller};
use super::wire::Conn;
use crate::database::Cancel;
use crate::engines::socket::Link;
use crate::error::{Code, Error, Result};

/// Idle connections that are kept at most.
const KEPT: usize = 16;

/// The connections of one database.
pub struct Pool {
    address: Address,
    idle: Mutex<Option<Vec<Conn>>>,
}

impl Pool {
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, idle: Mutex::new(Some(Vec::new())) }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Conn>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transaction with `begin`, on a kept connection if one still answers.
    ///
    /// # Errors
    /// `database-unavailable`, or what the server said of `begin`.
    pub fn begin<'a>(&'a self, begin: &str, watch: &Watch) -> Result<Session<'a>> {
        loop {
            let kept = match self.idle().as_mut() {
                Some(idle) => idle.pop(),
                None => return Err(Error::new(Code::DatabaseUnavailable, "the database was closed")),
            };
            let fresh = kept.is_none();
            let mut conn = match kept {
                Some(conn) => conn,
                None => connect::open(&self.address)?,
            };
            watch.add(&conn)?;
            let deadline = watch.timeout().map_or_else(String::new, at_most);
            match conn.run(&format!("{begin}{deadline}")) {
                Ok(()) => return Ok(Session { pool: self, conn: Some(conn) }),
                // The server was restarted, or ended what was idle.
                Err(error) if !fresh && error.code() == Code::DatabaseUnavailable => watch.forget(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends all connections; nothing can be begun any more.
    pub fn close(&self) {
        drop(self.idle().take());
    }
}

/// A transaction. Unless it is ended, dropping it closes its connection, which rolls it back.
pub struct Session<'a> {
    pool: &'a Pool,
    conn: Option<Conn>,
}

impl Session<'_> {
    /// # Errors
    /// `internal`, after the end.
    pub fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or_else(|| Error::new(Code::Internal, "the transaction is over"))
    }

    /// Ends the transaction with `end` and keeps the connection.
    ///
    /// # Errors
    /// What the server said of `end`.
    pub fn end(mut self, end: &str) -> Result<()> {
        self.conn()?.run(end)?;
        self.keep();
        Ok(())
    }

    /// Rolls back, and takes away what a statement of the caller's may have left to the session:
    /// locks, settings, cursors.
    ///
    /// # Errors
    /// What the server said.
    pub fn end_afresh(mut self) -> Result<()> {
        let conn = self.conn()?;
        conn.run("ROLLBACK")?;
        conn.run("DISCARD ALL")?;
        self.keep();
        Ok(())
    }

    fn keep(&mut self) {
        if let (Some(conn), Some(idle)) = (self.conn.take(), self.pool.idle().as_mut())
            && idle.len() < KEPT
        {
            idle.push(conn);
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // What failed between two statements can be used again once it is rolled back.
        if let Some(conn) = self.conn.as_mut()
            && conn.idle
            && conn.run("ROLLBACK").is_ok()
        {
            self.keep();
        }
    }
}

/// Limits the statements that follow in a transaction. Whoever set a shorter limit for the role or
/// the database meant it.
fn at_most(ms: u128) -> String {
    format!(
        "; SELECT pg_catalog.set_config('statement_timeout', '{ms}', true)
           WHERE pg_catalog.current_setting('statement_timeout')::interval NOT BETWEEN '1 us' AND '{ms} ms'"
    )
}

type Running = Arc<Mutex<Vec<(Canceller, Link)>>>;

/// Stops the connections that work for one reader once it leaves, or its time is up.
pub struct Watch<'a> {
    cancel: &'a Cancel,
    running: Running,
}

impl<'a> Watch<'a> {
    #[must_use]
    pub fn new(cancel: &'a Cancel) -> Self {
        let running = Running::default();
        let hook = running.clone();
        cancel.on_cancel(move || stop(&hook));
        Self { cancel, running }
    }

    fn running(&self) -> MutexGuard<'_, Vec<(Canceller, Link)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `cancelled` or `query-timeout` if it is too late already.
    pub fn add(&self, conn: &Conn) -> Result<()> {
        self.running().push((conn.canceller(), conn.link()?));
        self.cancel.check()
    }

    fn forget(&self) {
        self.running().pop();
    }

    /// Milliseconds that are left, at least one.
    fn timeout(&self) -> Option<u128> {
        let left = self.cancel.deadline()?.saturating_duration_since(std::time::Instant::now());
        Some(left.as_millis().clamp(1, i32::MAX as u128))
    }

    /// What stopped the work, rather than what a stopped connection made of it.
    #[must_use]
    pub fn reason(&self, error: Error) -> Error {
        self.cancel.check().err().unwrap_or(error)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.cancel.clear();
    }
}

/// Shuts the sockets, so that our threads return at once, and tells the servers from a thread that
/// may wait for them.
fn stop(running: &Running) {
    let stopped = std::mem::take(&mut *running.lock().unwrap_or_else(PoisonError::into_inner));
    for (_, link) in &stopped {
        link.shut();
    }
    let tell = move || stopped.iter().for_each(|(canceller, _)| canceller.cancel());
    // Without a thread, the servers notice when they next write.
    let _ = thread::Builder::new().name("fsspec-db cancel".to_owned()).spawn(tell);
}
