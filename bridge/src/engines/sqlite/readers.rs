//! Read connections, and the proof that several of them see one state of the database.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Conn, Location, Mode};
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// Connections kept open while nobody uses them.
const MAX_IDLE: usize = 32;

/// How often a writer may get between two looks at the version before we do without.
const TRIES: usize = 32;

/// Read connections of one database, and the one that watches its version.
pub struct Readers {
    location: Location,
    /// The files themselves, to see when another is put in the place of one.
    files: Vec<PathBuf>,
    state: Mutex<State>,
    closed: AtomicBool,
    unknown: AtomicI64,
}

struct State {
    idle: Vec<Conn>,
    monitor: Option<Conn>,
    identity: Vec<Option<(u64, u64)>>,
    /// How many files we have seen in this place.
    generation: i64,
}

impl Readers {
    #[must_use]
    pub fn new(location: Location, files: Vec<PathBuf>) -> Self {
        let state = State { idle: Vec::new(), monitor: None, identity: Vec::new(), generation: 0 };
        Self {
            location,
            files,
            state: Mutex::new(state),
            closed: AtomicBool::new(false),
            unknown: AtomicI64::new(0),
        }
    }

    /// A read transaction, and the version of the database that it sees.
    ///
    /// # Errors
    /// `database-unavailable`, `cancelled`, `query-timeout`.
    pub fn begin(&self, cancel: &Cancel) -> Result<Reader<'_>> {
        for _ in 0..TRIES {
            let mut reader = self.take(cancel)?;
            let seen = reader.conn()?.watched(cancel, Conn::begin_read)?;
            if let Some((known, version)) = reader.conn()?.known
                && known == seen
            {
                reader.version = version;
                return Ok(reader);
            }
            reader.conn()?.rollback();
            let before = self.version(cancel)?;
            let seen = reader.conn()?.watched(cancel, Conn::begin_read)?;
            // We hold a lock now, which a writer may wait for while the watcher would wait for the writer.
            if self.version_now(cancel)? == Some(before) && reader.is_of(before) {
                reader.conn()?.known = Some((seen, before));
                reader.version = before;
                return Ok(reader);
            }
        }
        let mut reader = self.take(cancel)?;
        reader.conn()?.watched(cancel, Conn::begin_read)?;
        // A version of its own, that nothing is remembered under.
        reader.version = self.unknown.fetch_sub(1, Ordering::Relaxed) - 1;
        Ok(reader)
    }

    /// Another read transaction on the same state, or `None` if the database has moved on.
    ///
    /// The other one began before and is open still, so that the version read now bounds both.
    ///
    /// # Errors
    /// `database-unavailable`, `cancelled`, `query-timeout`.
    pub fn join(&self, version: i64, cancel: &Cancel) -> Result<Option<Reader<'_>>> {
        if version < 0 {
            return Ok(None);
        }
        let mut reader = self.take(cancel)?;
        let Some(seen) = reader.conn()?.hastily(Conn::begin_read)? else { return Ok(None) };
        reader.version = version;
        if let Some((known, of)) = reader.conn()?.known
            && known == seen
        {
            return Ok((of == version).then_some(reader));
        }
        if self.version_now(cancel)? != Some(version) || !reader.is_of(version) {
            return Ok(None);
        }
        reader.conn()?.known = Some((seen, version));
        Ok(Some(reader))
    }

    /// Moves with every commit of anybody. On a connection that never writes, so that it sees our own.
    ///
    /// # Errors
    /// `database-unavailable`, `cancelled`, `query-timeout`.
    pub fn version(&self, cancel: &Cancel) -> Result<i64> {
        let started = Instant::now();
        loop {
            if let Some(version) = self.version_now(cancel)? {
                return Ok(version);
            }
            // Waited for here, not within SQLite: others need the watcher meanwhile.
            cancel.check()?;
            if started.elapsed() >= self.location.busy_timeout {
                return Err(Error::new(Code::DatabaseUnavailable, "database is locked"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The version, unless that means waiting for a lock.
    fn version_now(&self, cancel: &Cancel) -> Result<Option<i64>> {
        let mut state = self.state();
        self.check_open()?;
        self.notice_replacement(&mut state);
        let generation = state.generation;
        let monitor = match &mut state.monitor {
            Some(monitor) => monitor,
            none => none.insert(Conn::open(&self.location, Mode::Read, cancel)?),
        };
        Ok(monitor.hastily(Conn::data_version)?.map(|version| (generation << 32) + version))
    }

    /// # Errors
    /// `database-unavailable` once closed.
    pub fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(unavailable()) } else { Ok(()) }
    }

    pub fn close(&self) {
        let mut state = self.state();
        self.closed.store(true, Ordering::Release);
        state.idle.clear();
        state.monitor = None;
    }

    fn take(&self, cancel: &Cancel) -> Result<Reader<'_>> {
        for _ in 0..TRIES {
            let (idle, generation) = {
                let mut state = self.state();
                self.check_open()?;
                self.notice_replacement(&mut state);
                (state.idle.pop(), state.generation)
            };
            let reader = |conn| Reader { readers: self, conn: Some(conn), version: -1, generation };
            if let Some(conn) = idle {
                return Ok(reader(conn));
            }
            let opened = reader(Conn::open(&self.location, Mode::Read, cancel)?);
            // The file may have been replaced between the look at it and its opening.
            let mut state = self.state();
            self.notice_replacement(&mut state);
            if state.generation == generation {
                return Ok(opened);
            }
            drop(state);
        }
        Err(Error::new(Code::DatabaseUnavailable, "the database file is being replaced again and again"))
    }

    /// A file that was put in the place of ours is another database: connections to the old one go.
    fn notice_replacement(&self, state: &mut State) {
        let identity: Vec<_> = self.files.iter().map(|file| identity(file)).collect();
        if identity != state.identity {
            state.idle.clear();
            state.monitor = None;
            state.identity = identity;
            state.generation += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn identity(file: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_file: &std::path::Path) -> Option<(u64, u64)> {
    None
}

fn unavailable() -> Error {
    Error::new(Code::DatabaseUnavailable, "the database is closed")
}

/// A read transaction; ends, and gives its connection back, when dropped.
pub struct Reader<'a> {
    readers: &'a Readers,
    conn: Option<Conn>,
    /// What the transaction sees; negative if that could not be told.
    pub version: i64,
    generation: i64,
}

impl Reader<'_> {
    /// Whether the connection is to the files that this version is of.
    fn is_of(&self, version: i64) -> bool {
        version >> 32 == self.generation
    }

    /// # Errors
    /// Never in practice: the connection is there until the reader is dropped.
    pub fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or_else(unavailable)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        conn.rollback();
        let mut state = self.readers.state();
        let welcome = !self.readers.closed.load(Ordering::Acquire)
            && state.generation == self.generation
            && state.idle.len() < MAX_IDLE
            && !std::thread::panicking()
            && conn.raw().is_autocommit();
        if welcome {
            state.idle.push(conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_joins_a_state_that_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let writer = rusqlite::Connection::open(&file).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
        let location = Location {
            uri: format!("file:{}", file.display()),
            attached: Vec::new(),
            busy_timeout: Duration::ZERO,
        };
        let readers = Readers::new(location, vec![file]);
        let begin = || readers.begin(&Cancel::default()).unwrap();
        let first = begin();
        let joins = |reader: &Reader<'_>| readers.join(reader.version, &Cancel::default()).unwrap().is_some();
        assert!(joins(&first));
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert!(!joins(&first), "a connection that has yet to say what it sees");
        let second = begin();
        assert!(joins(&second));
        assert!(!joins(&first), "a connection that is known to see another state");
    }
}
