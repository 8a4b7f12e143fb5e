//! Connections that are kept, and transactions on them that somebody may stop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::socket::Link;
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Idle connections that are kept at most.
const KEPT: usize = 16;

/// A connection of some protocol, as far as keeping and stopping it goes.
pub trait Connection: Send + Sized {
    type Address: Send + Sync;

    /// # Errors
    /// `database-unavailable`, or what the server has against us.
    fn open(address: &Self::Address) -> Result<Self>;
    /// Begins a transaction with a statement of ours; its statements may take so many milliseconds.
    ///
    /// # Errors
    /// What the server said.
    fn begin(&mut self, begin: &str, limit: Option<u128>) -> Result<()>;
    /// Runs a statement of ours that ends a transaction.
    ///
    /// # Errors
    /// What the server said.
    fn end(&mut self, end: &str) -> Result<()>;
    /// Takes away what a statement of the caller's may have left to the session: locks, settings,
    /// cursors.
    ///
    /// # Errors
    /// What the server said.
    fn refresh(&mut self) -> Result<()>;
    /// No request is under way, and none failed in a way that leaves the connection unknown.
    fn is_idle(&self) -> bool;
    /// Another handle to what lies below, by which another thread can shut it.
    ///
    /// # Errors
    /// `database-unavailable`.
    fn link(&self) -> Result<Link>;
    /// Tells the server to stop what this connection does. Runs on a thread that may wait, once the
    /// connection was shut.
    fn teller(&self) -> Box<dyn FnOnce() + Send>;
}

/// The connections of one database.
pub struct Pool<C: Connection> {
    address: C::Address,
    idle: Mutex<Option<Vec<C>>>,
}

impl<C: Connection> Pool<C> {
    #[must_use]
    pub fn new(address: C::Address) -> Self {
        Self { address, idle: Mutex::new(Some(Vec::new())) }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transaction with `begin`, on a kept connection if one still answers.
    ///
    /// # Errors
    /// `database-unavailable`, or what the server said of `begin`.
    pub fn begin<'a>(&'a self, begin: &str, watch: &Watch) -> Result<Session<'a, C>> {
        self.begin_or(begin, None, watch).map(|(session, _)| session)
    }

    /// Begins with `begin`, or where the server refuses that, on the same connection with `otherwise`;
    /// whether it was `begin`.
    ///
    /// # Errors
    /// `database-unavailable`, or what the server said last.
    pub fn begin_either<'a>(
        &'a self,
        begin: &str,
        otherwise: &str,
        watch: &Watch,
    ) -> Result<(Session<'a, C>, bool)> {
        self.begin_or(begin, Some(otherwise), watch)
    }

    fn begin_or<'a>(
        &'a self,
        begin: &str,
        otherwise: Option<&str>,
        watch: &Watch,
    ) -> Result<(Session<'a, C>, bool)> {
        loop {
            let kept = match self.idle().as_mut() {
                Some(idle) => idle.pop(),
                None => return Err(Error::new(Code::DatabaseUnavailable, "the database was closed")),
            };
            let fresh = kept.is_none();
            let conn = match kept {
                Some(conn) => conn,
                None => C::open(&self.address)?,
            };
            let number = watch.add(&conn)?;
            let mut session =
                Session { pool: self, conn: Some(conn), running: watch.running.clone(), number };
            let mut outcome = session.conn()?.begin(begin, watch.timeout()).map(|()| true);
            if let (Err(error), Some(otherwise)) = (&outcome, otherwise)
                && !matches!(error.code(), Code::DatabaseUnavailable | Code::QueryTimeout)
            {
                outcome = session.conn()?.begin(otherwise, watch.timeout()).map(|()| false);
            }
            match outcome {
                Ok(first) => return Ok((session, first)),
                // The server was restarted, or ended what was idle.
                Err(error)
                    if !fresh && error.code() == Code::DatabaseUnavailable && !session.conn()?.is_idle() => {}
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
pub struct Session<'a, C: Connection> {
    pool: &'a Pool<C>,
    conn: Option<C>,
    running: Running,
    number: u64,
}

impl<C: Connection> Session<'_, C> {
    /// # Errors
    /// `internal`, after the end.
    pub fn conn(&mut self) -> Result<&mut C> {
        self.conn.as_mut().ok_or_else(|| Error::new(Code::Internal, "the transaction is over"))
    }

    /// Ends the transaction with `end` and keeps the connection.
    ///
    /// # Errors
    /// What the server said of `end`.
    pub fn end(mut self, end: &str) -> Result<()> {
        self.conn()?.end(end)?;
        self.keep();
        Ok(())
    }

    /// Rolls back, and takes away what a statement of the caller's may have left to the session.
    ///
    /// # Errors
    /// What the server said.
    pub fn end_afresh(mut self) -> Result<()> {
        let conn = self.conn()?;
        conn.end("ROLLBACK")?;
        conn.refresh()?;
        self.keep();
        Ok(())
    }

    /// Whoever stops its reader must not reach the next one's work: a connection is kept once it cannot
    /// be stopped any more, and not if it was.
    fn keep(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if self.running.remove(self.number)
            && let Some(idle) = self.pool.idle().as_mut()
            && idle.len() < KEPT
        {
            idle.push(conn);
        }
    }
}

impl<C: Connection> Drop for Session<'_, C> {
    fn drop(&mut self) {
        // What failed between two statements can be used again once nothing of it is left.
        if let Some(conn) = self.conn.as_mut()
            && conn.is_idle()
            && conn.end("ROLLBACK").is_ok()
            && conn.refresh().is_ok()
        {
            self.keep();
        }
        self.running.remove(self.number);
    }
}

/// A connection that works: how it is shut, and how its server is told.
type Stop = (Link, Box<dyn FnOnce() + Send>);

/// The connections that work for one reader, by number.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<Working>>);

#[derive(Default)]
struct Working {
    next: u64,
    stops: Vec<(u64, Stop)>,
}

impl Running {
    fn working(&self) -> MutexGuard<'_, Working> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, stop: Stop) -> u64 {
        let mut working = self.working();
        working.next += 1;
        let number = working.next;
        working.stops.push((number, stop));
        number
    }

    /// Whether it was there: once the reader was stopped, nothing is.
    fn remove(&self, number: u64) -> bool {
        let stops = &mut self.working().stops;
        let at = stops.iter().position(|(other, _)| *other == number);
        at.map(|at| stops.swap_remove(at)).is_some()
    }

    /// Shuts the sockets, so that our threads return at once, and tells the servers from a thread that
    /// may wait for them.
    fn stop(&self) {
        let stopped = std::mem::take(&mut self.working().stops);
        let stopped: Vec<Stop> = stopped.into_iter().map(|(_, stop)| stop).collect();
        for (link, _) in &stopped {
            link.shut();
        }
        let tell = move || stopped.into_iter().for_each(|(_, teller)| teller());
        // Without a thread, the servers notice when they next write.
        let _ = thread::Builder::new().name("fsspec-db cancel".to_owned()).spawn(tell);
    }
}

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
        cancel.on_cancel(move || hook.stop());
        Self { cancel, running }
    }

    /// The number by which it is known until its work is done.
    ///
    /// # Errors
    /// `cancelled` or `query-timeout` if it is too late already.
    fn add<C: Connection>(&self, conn: &C) -> Result<u64> {
        let number = self.running.add((conn.link()?, conn.teller()));
        self.cancel.check()?;
        Ok(number)
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
