//! A virtual table over rows on their way in.
//!
//! `INSERT INTO t SELECT c0, c1, … FROM rows` runs the whole body in one statement: no
//! binding, no stepping, and the table's cursor stays at its end between rows.
#![allow(unsafe_code)] // a virtual table is a struct of C callbacks

use std::collections::hash_map::RandomState;
use std::ffi::{CString, c_char, c_int, c_void};
use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::ffi;

use super::store::{Stored, Values};
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// How often who waits looks whether it is still worth it.
const PATIENCE: Duration = Duration::from_millis(20);

/// A name for the virtual table that no table has: one of that name would be read in its place.
#[must_use]
pub fn fresh_name() -> String {
    format!("fsspec_db_rows_{:016x}", RandomState::new().build_hasher().finish())
}

/// What comes next; `None` once nothing will.
///
/// # Errors
/// `cancelled`, `query-timeout`.
pub fn receive<T>(receiver: &Receiver<T>, cancel: &Cancel) -> Result<Option<T>> {
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(received) => return Ok(Some(received)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => cancel.check()?,
        }
    }
}

/// So many rows of every column.
pub struct StoredBatch {
    pub rows: usize,
    pub columns: Vec<Stored>,
}

/// The source that the virtual table reads: batches as they are decoded.
pub struct Source<'c> {
    batches: Receiver<Result<StoredBatch>>,
    cancel: &'c Cancel,
    name: CString,
    declaration: CString,
    batch: StoredBatch,
    row: usize,
    /// Rows given out before the current batch.
    before: u64,
    ended: bool,
    failure: Option<Error>,
}

impl<'c> Source<'c> {
    #[must_use]
    pub fn new(
        name: &str,
        batches: Receiver<Result<StoredBatch>>,
        columns: usize,
        cancel: &'c Cancel,
    ) -> Self {
        let names: Vec<String> = (0..columns).map(|index| format!("c{index}")).collect();
        let declaration = CString::new(format!("CREATE TABLE x({})", names.join(", "))).unwrap_or_default();
        let batch = StoredBatch { rows: 0, columns: Vec::new() };
        let name = CString::new(name).unwrap_or_default();
        Self { name, batches, cancel, declaration, batch, row: 0, before: 0, ended: false, failure: None }
    }

    /// Puts the virtual table on a connection, for as long as the source lives.
    ///
    /// # Errors
    /// `internal` if SQLite refuses.
    ///
    /// # Safety
    /// The source must not move or end before the last statement that reads the table has ended.
    pub unsafe fn install(&mut self, connection: &rusqlite::Connection) -> Result<()> {
        // SAFETY: the handle is open; the module is static; the source lives on by contract.
        let code = unsafe {
            let app: *mut c_void = std::ptr::from_mut(self).cast();
            ffi::sqlite3_create_module_v2(
                connection.handle(),
                self.name.as_ptr(),
                &raw const MODULE,
                app,
                None,
            )
        };
        if code == ffi::SQLITE_OK {
            Ok(())
        } else {
            Err(Error::new(Code::Internal, "cannot install the row source"))
        }
    }

    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// The row given out last, from 1; unknown once SQLite has taken all before it stores any.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        (!self.ended).then(|| self.before + self.row as u64 + 1)
    }

    /// Rows given out, once all are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.before
    }

    fn advance(&mut self) -> Result<()> {
        self.row += 1;
        if self.row < self.batch.rows { Ok(()) } else { self.next_batch() }
    }

    fn next_batch(&mut self) -> Result<()> {
        self.before += self.batch.rows as u64;
        loop {
            self.batch = StoredBatch { rows: 0, columns: Vec::new() };
            self.row = 0;
            match receive(&self.batches, self.cancel)? {
                None => {
                    self.ended = true;
                    return Ok(());
                }
                Some(batch) => {
                    self.batch = batch?;
                    if self.batch.rows > 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[repr(C)]
struct Table {
    base: ffi::sqlite3_vtab,
    source: *mut Source<'static>,
}

#[repr(C)]
struct Cursor {
    base: ffi::sqlite3_vtab_cursor,
    source: *mut Source<'static>,
}

static MODULE: ffi::sqlite3_module = ffi::sqlite3_module {
    iVersion: 0,
    xCreate: None, // eponymous only: it is there without CREATE VIRTUAL TABLE
    xConnect: Some(connect),
    xBestIndex: Some(best_index),
    xDisconnect: Some(disconnect),
    xDestroy: None,
    xOpen: Some(open),
    xClose: Some(close),
    xFilter: Some(filter),
    xNext: Some(next),
    xEof: Some(eof),
    xColumn: Some(column),
    xRowid: Some(rowid),
    xUpdate: None,
    xBegin: None,
    xSync: None,
    xCommit: None,
    xRollback: None,
    xFindFunction: None,
    xRename: None,
    xSavepoint: None,
    xRelease: None,
    xRollbackTo: None,
    xShadowName: None,
    xIntegrity: None,
};

unsafe extern "C" fn connect(
    db: *mut ffi::sqlite3,
    app: *mut c_void,
    _argc: c_int,
    _argv: *const *const c_char,
    table: *mut *mut ffi::sqlite3_vtab,
    _error: *mut *mut c_char,
) -> c_int {
    // SAFETY: `app` is the installed source; SQLite takes the table until `disconnect`.
    unsafe {
        let source = app.cast::<Source<'static>>();
        let code = ffi::sqlite3_declare_vtab(db, (*source).declaration.as_ptr());
        if code == ffi::SQLITE_OK {
            let made = Box::new(Table { base: std::mem::zeroed(), source });
            *table = Box::into_raw(made).cast();
        }
        code
    }
}

unsafe extern "C" fn best_index(_table: *mut ffi::sqlite3_vtab, info: *mut ffi::sqlite3_index_info) -> c_int {
    // SAFETY: SQLite gives a live struct.
    unsafe {
        (*info).estimatedCost = 1e6;
        (*info).estimatedRows = 1_000_000;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn disconnect(table: *mut ffi::sqlite3_vtab) -> c_int {
    // SAFETY: made by `connect`.
    drop(unsafe { Box::from_raw(table.cast::<Table>()) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn open(
    table: *mut ffi::sqlite3_vtab,
    cursor: *mut *mut ffi::sqlite3_vtab_cursor,
) -> c_int {
    // SAFETY: `table` is ours; SQLite takes the cursor until `close`.
    unsafe {
        let made = Box::new(Cursor { base: std::mem::zeroed(), source: (*table.cast::<Table>()).source });
        *cursor = Box::into_raw(made).cast();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: made by `open`.
    drop(unsafe { Box::from_raw(cursor.cast::<Cursor>()) });
    ffi::SQLITE_OK
}

/// Moves the source; what goes wrong is kept for the writer, and ends the statement.
unsafe fn moved(cursor: *mut ffi::sqlite3_vtab_cursor, by: fn(&mut Source<'static>) -> Result<()>) -> c_int {
    // SAFETY: the cursor is ours, and its source outlives the statement.
    let source = unsafe { &mut *(*cursor.cast::<Cursor>()).source };
    let outcome = catch_unwind(AssertUnwindSafe(|| by(source)));
    let failure = match outcome {
        Ok(Ok(())) => return ffi::SQLITE_OK,
        Ok(Err(error)) => error,
        Err(_) => Error::new(Code::Internal, "a panic while rows were read"),
    };
    source.failure = Some(failure);
    ffi::SQLITE_ABORT
}

unsafe extern "C" fn filter(
    cursor: *mut ffi::sqlite3_vtab_cursor,
    _number: c_int,
    _text: *const c_char,
    _argc: c_int,
    _argv: *mut *mut ffi::sqlite3_value,
) -> c_int {
    // SAFETY: as `moved` asks.
    unsafe { moved(cursor, Source::next_batch) }
}

unsafe extern "C" fn next(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: as `moved` asks.
    unsafe { moved(cursor, Source::advance) }
}

unsafe extern "C" fn eof(cursor: *mut ffi::sqlite3_vtab_cursor) -> c_int {
    // SAFETY: the cursor is ours.
    unsafe { c_int::from((*(*cursor.cast::<Cursor>()).source).ended) }
}

unsafe extern "C" fn rowid(cursor: *mut ffi::sqlite3_vtab_cursor, rowid: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: the cursor is ours.
    unsafe {
        *rowid = i64::try_from((*(*cursor.cast::<Cursor>()).source).row().unwrap_or(0)).unwrap_or(i64::MAX);
    };
    ffi::SQLITE_OK
}

unsafe extern "C" fn column(
    cursor: *mut ffi::sqlite3_vtab_cursor,
    context: *mut ffi::sqlite3_context,
    index: c_int,
) -> c_int {
    // SAFETY: the cursor is ours. Text and blobs stay where they are until the next row, and
    // SQLite has made its record of them by then.
    unsafe {
        let source = &*(*cursor.cast::<Cursor>()).source;
        let row = source.row;
        let Some(stored) = usize::try_from(index).ok().and_then(|index| source.batch.columns.get(index))
        else {
            return ffi::SQLITE_RANGE;
        };
        if stored.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return ffi::SQLITE_OK; // NULL is what a context starts with
        }
        match &stored.values {
            Values::Null => {}
            Values::Int(values) => ffi::sqlite3_result_int64(context, values[row]),
            Values::Real(values) => ffi::sqlite3_result_double(context, values[row]),
            Values::Text(offsets, values) => {
                let (start, length) = span(offsets, row);
                let pointer = values.as_ptr().add(start).cast();
                ffi::sqlite3_result_text(context, pointer, length, ffi::SQLITE_STATIC());
            }
            Values::Blob(offsets, values) => {
                let (start, length) = span(offsets, row);
                if length == 0 {
                    ffi::sqlite3_result_zeroblob(context, 0);
                } else {
                    let pointer = values.as_ptr().add(start).cast();
                    ffi::sqlite3_result_blob(context, pointer, length, ffi::SQLITE_STATIC());
                }
            }
        }
    }
    ffi::SQLITE_OK
}

fn span(offsets: &[i32], row: usize) -> (usize, c_int) {
    let start = offsets[row];
    (usize::try_from(start).unwrap_or(0), offsets[row + 1] - start)
}
