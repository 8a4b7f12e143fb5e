//! The C side of a connection: the collecting aggregate, the guard, and the patience of its owner.
//!
//! `collect(a, b, …)` is an aggregate whose step hands its arguments to Rust: SQLite then runs a
//! whole range of rows in one `sqlite3_step`, and a value is read where it lies. Stepping row by
//! row and asking for each column costs twice as much.
#![allow(unsafe_code)] // C callbacks; every pointer is to the `Slot` that its connection owns

use std::cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use rusqlite::ffi;

use super::scalar::Scalar;
use crate::database::Cancel;
use crate::error::{Code, Error, Result};

/// The name under which the aggregate is registered; a guarded statement may not call it.
pub const COLLECT: &str = "fsspec_db_collect";

/// Turns SQLite's memory statistics off, once: they put a lock of the whole process around every
/// allocation, which scanning threads would queue for.
pub fn configure() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: before the first connection; if somebody was earlier, SQLite says no and nothing changes.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int) };
    });
}

/// Bounds the values and rows of a connection, until it is dropped.
pub struct ShortValues<'c> {
    connection: &'c rusqlite::Connection,
    before: c_int,
}

impl<'c> ShortValues<'c> {
    #[must_use]
    pub fn new(connection: &'c rusqlite::Connection, bytes: c_int) -> Self {
        Self { connection, before: limit_length(connection, bytes) }
    }
}

impl Drop for ShortValues<'_> {
    fn drop(&mut self) {
        limit_length(self.connection, self.before);
    }
}

fn limit_length(connection: &rusqlite::Connection, bytes: c_int) -> c_int {
    // SAFETY: the handle is the connection's own, and open as long as it is.
    unsafe { ffi::sqlite3_limit(connection.handle(), ffi::SQLITE_LIMIT_LENGTH, bytes) }
}

/// One argument of the aggregate, valid for the call that gave it.
#[repr(transparent)]
pub struct Cell(*mut ffi::sqlite3_value);

impl Cell {
    #[must_use]
    #[inline]
    pub fn scalar(&self) -> Scalar<'_> {
        // SAFETY: SQLite keeps the value alive for the call of the aggregate, and `Cell` borrows
        // live no longer. `bytes` is asked for after the pointer, as the documentation demands.
        unsafe {
            match ffi::sqlite3_value_type(self.0) {
                ffi::SQLITE_INTEGER => Scalar::Int(ffi::sqlite3_value_int64(self.0)),
                ffi::SQLITE_FLOAT => Scalar::Real(ffi::sqlite3_value_double(self.0)),
                ffi::SQLITE_TEXT => {
                    Scalar::Text(slice(ffi::sqlite3_value_text(self.0), ffi::sqlite3_value_bytes(self.0)))
                }
                ffi::SQLITE_BLOB => Scalar::Blob(slice(
                    ffi::sqlite3_value_blob(self.0).cast(),
                    ffi::sqlite3_value_bytes(self.0),
                )),
                _ => Scalar::Null,
            }
        }
    }
}

unsafe fn slice<'a>(pointer: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller passes what SQLite gave: `length` bytes at `pointer`.
        Ok(length) if !pointer.is_null() => unsafe { std::slice::from_raw_parts(pointer, length) },
        _ => &[],
    }
}

/// Takes rows from the aggregate.
pub trait Collect {
    fn row(&mut self, cells: &[Cell]) -> Result<()>;
}

/// What the callbacks of one connection reach.
pub struct Slot {
    collect: cell::Cell<Option<NonNull<dyn Collect>>>,
    cancel: cell::Cell<Option<NonNull<Cancel>>>,
    failure: cell::Cell<Option<Error>>,
    /// While set, the authorizer lets only reading statements through.
    guarded: cell::Cell<bool>,
    denied: cell::Cell<Option<Denied>>,
    /// While set, notes which relations a statement reads, and on behalf of which view.
    reads: cell::RefCell<Option<Vec<Read>>>,
    busy_timeout: Duration,
    /// While set, a lock that somebody holds is not waited for.
    hasty: cell::Cell<bool>,
    busy_since: cell::Cell<Option<Instant>>,
}

/// One relation that a statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub schema: String,
    pub relation: String,
    /// The view that reads it, if it is not the statement itself.
    pub view: Option<String>,
}

/// Why the authorizer refused the last statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Write,
    Other,
}

// SAFETY: a slot is only reached through its connection, which one thread uses at a time; the
// pointers in it are set and cleared within one call on that thread.
unsafe impl Send for Slot {}

/// A connection's slot, at an address that stays.
pub struct SlotBox(NonNull<Slot>);

// SAFETY: as for `Slot`.
unsafe impl Send for SlotBox {}

impl Drop for SlotBox {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `install`; the connection was closed before (field order).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl SlotBox {
    /// Puts the callbacks on a connection. The slot must be dropped after it.
    ///
    /// # Errors
    /// `internal` if SQLite refuses.
    pub fn install(connection: &rusqlite::Connection, busy_timeout: Duration) -> Result<Self> {
        let slot = Box::new(Slot {
            collect: cell::Cell::default(),
            cancel: cell::Cell::default(),
            failure: cell::Cell::default(),
            guarded: cell::Cell::default(),
            denied: cell::Cell::default(),
            reads: cell::RefCell::default(),
            busy_timeout,
            hasty: cell::Cell::default(),
            busy_since: cell::Cell::default(),
        });
        let slot = Self(NonNull::from(Box::leak(slot)));
        let app: *mut c_void = slot.0.as_ptr().cast();
        // SAFETY: the handle is open; `app` outlives the connection.
        unsafe {
            let db = connection.handle();
            let rc = ffi::sqlite3_create_function_v2(
                db,
                c"fsspec_db_collect".as_ptr(),
                -1,
                ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY,
                app,
                None,
                Some(collect_step),
                Some(collect_final),
                None,
            );
            if rc != ffi::SQLITE_OK {
                return Err(Error::new(Code::Internal, "cannot register the collecting aggregate"));
            }
            ffi::sqlite3_set_authorizer(db, Some(authorize), app);
            ffi::sqlite3_progress_handler(db, 4000, Some(progress), app);
            ffi::sqlite3_busy_handler(db, Some(busy), app);
        }
        Ok(slot)
    }

    /// Undoes a setting of the slot when dropped, by a panic as well.
    #[must_use]
    pub fn undo(&self, undo: fn(&Self)) -> Undo {
        Undo(std::mem::ManuallyDrop::new(Self(self.0)), undo)
    }

    fn get(&self) -> &Slot {
        // SAFETY: alive until dropped; shared with callbacks, which also take it by `&`.
        unsafe { self.0.as_ref() }
    }

    pub fn set_guarded(&self, guarded: bool) {
        self.get().guarded.set(guarded);
    }

    pub fn set_hasty(&self, hasty: bool) {
        self.get().hasty.set(hasty);
    }

    #[must_use]
    pub fn take_denied(&self) -> Option<Denied> {
        self.get().denied.take()
    }

    /// Starts to note what statements read.
    pub fn note_reads(&self) {
        *self.get().reads.borrow_mut() = Some(Vec::new());
    }

    #[must_use]
    pub fn take_reads(&self) -> Vec<Read> {
        self.get().reads.borrow_mut().take().unwrap_or_default()
    }

    /// Who may stop the statements that follow. The caller clears it before the cancel ends.
    pub fn set_cancel(&self, cancel: Option<&Cancel>) {
        self.get().cancel.set(cancel.map(NonNull::from));
    }

    /// Who takes the rows of the aggregate. The caller clears it before the collector ends.
    pub fn set_collect(&self, collect: Option<&mut (dyn Collect + '_)>) {
        self.get().collect.set(collect.map(|collect| {
            let pointer: NonNull<dyn Collect + '_> = NonNull::from(collect);
            // SAFETY: only the lifetime changes; the slot is cleared before it ends.
            unsafe {
                std::mem::transmute::<NonNull<dyn Collect + '_>, NonNull<dyn Collect + 'static>>(pointer)
            }
        }));
    }

    #[must_use]
    pub fn take_failure(&self) -> Option<Error> {
        self.get().failure.take()
    }
}

/// What [`SlotBox::undo`] gives. Does not own the slot; dropped before the connection is.
pub struct Undo(std::mem::ManuallyDrop<SlotBox>, fn(&SlotBox));

impl Drop for Undo {
    fn drop(&mut self) {
        (self.1)(&self.0);
    }
}

unsafe extern "C" fn collect_step(
    context: *mut ffi::sqlite3_context,
    argc: c_int,
    argv: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: the application data is the slot; `argv` holds `argc` values, and `Cell` is
    // transparent over a pointer to one.
    unsafe {
        let slot = &*ffi::sqlite3_user_data(context).cast::<Slot>();
        let cells = std::slice::from_raw_parts(argv.cast::<Cell>(), usize::try_from(argc).unwrap_or(0));
        let Some(mut collect) = slot.collect.get() else {
            ffi::sqlite3_result_error_code(context, ffi::SQLITE_MISUSE);
            return;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| collect.as_mut().row(cells)));
        let failure = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => Error::new(Code::Internal, "a panic while rows were collected"),
        };
        slot.failure.set(Some(slot.failure.take().unwrap_or(failure)));
        ffi::sqlite3_result_error_code(context, ffi::SQLITE_ABORT);
    }
}

unsafe extern "C" fn collect_final(context: *mut ffi::sqlite3_context) {
    // SAFETY: called by SQLite with a live context.
    unsafe { ffi::sqlite3_result_null(context) };
}

unsafe extern "C" fn progress(app: *mut c_void) -> c_int {
    // SAFETY: `app` is the slot; a cancel in it is alive while the statement runs.
    unsafe { (*app.cast::<Slot>()).cancel.get().map_or(0, |cancel| c_int::from(cancel.as_ref().stopped())) }
}

unsafe extern "C" fn busy(app: *mut c_void, count: c_int) -> c_int {
    // SAFETY: as in `progress`.
    let (slot, stopped) = unsafe {
        let slot = &*app.cast::<Slot>();
        (slot, slot.cancel.get().is_some_and(|cancel| cancel.as_ref().stopped()))
    };
    if count == 0 {
        slot.busy_since.set(Some(Instant::now()));
    }
    let waited = slot.busy_since.get().map_or(Duration::ZERO, |since| since.elapsed());
    if stopped || slot.hasty.get() || waited >= slot.busy_timeout {
        return 0;
    }
    std::thread::sleep(Duration::from_millis(if count < 10 { 1 } else { 5 }));
    1
}

/// Pragmas that a guarded statement may read; with a `true`, also with an argument.
const PRAGMAS: &[(&str, bool)] = &[
    ("application_id", false),
    ("collation_list", false),
    ("compile_options", false),
    ("database_list", false),
    ("data_version", false),
    ("encoding", false),
    ("foreign_key_list", true),
    ("freelist_count", false),
    ("function_list", false),
    ("index_info", true),
    ("index_list", true),
    ("index_xinfo", true),
    ("journal_mode", false),
    ("module_list", false),
    ("page_count", false),
    ("page_size", false),
    ("schema_version", false),
    ("table_info", true),
    ("table_list", true),
    ("table_xinfo", true),
    ("user_version", false),
];

/// Functions that reach outside the database, or into us.
const FORBIDDEN_FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer", COLLECT];

unsafe extern "C" fn authorize(
    app: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    schema: *const c_char,
    view: *const c_char,
) -> c_int {
    // SAFETY: `app` is the slot; the strings are NULL or NUL-terminated.
    unsafe {
        let slot = &*app.cast::<Slot>();
        let text =
            |pointer: *const c_char| (!pointer.is_null()).then(|| CStr::from_ptr(pointer).to_string_lossy());
        if action == ffi::SQLITE_READ
            && let Some(reads) = slot.reads.borrow_mut().as_mut()
        {
            let owned = |pointer| text(pointer).unwrap_or_default().into_owned();
            reads.push(Read {
                schema: owned(schema),
                relation: owned(first),
                view: text(view).map(std::borrow::Cow::into_owned),
            });
        }
        if !slot.guarded.get() {
            return ffi::SQLITE_OK;
        }
        let denied = match action {
            ffi::SQLITE_SELECT | ffi::SQLITE_READ | ffi::SQLITE_RECURSIVE => None,
            ffi::SQLITE_FUNCTION => {
                let name = text(second).unwrap_or_default();
                FORBIDDEN_FUNCTIONS.iter().any(|f| name.eq_ignore_ascii_case(f)).then_some(Denied::Other)
            }
            ffi::SQLITE_PRAGMA => {
                let name = text(first).unwrap_or_default();
                let allowed = PRAGMAS
                    .iter()
                    .any(|(p, argument)| name.eq_ignore_ascii_case(p) && (*argument || second.is_null()));
                (!allowed).then_some(Denied::Other)
            }
            ffi::SQLITE_ATTACH | ffi::SQLITE_DETACH | ffi::SQLITE_TRANSACTION | ffi::SQLITE_SAVEPOINT => {
                Some(Denied::Other)
            }
            _ => Some(Denied::Write),
        };
        match denied {
            None => ffi::SQLITE_OK,
            Some(denied) => {
                slot.denied.set(Some(denied));
                ffi::SQLITE_DENY
            }
        }
    }
}
