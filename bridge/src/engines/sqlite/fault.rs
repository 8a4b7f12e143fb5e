//! SQLite's result codes as our errors.

use rusqlite::ffi;

use crate::database::Cancel;
use crate::error::{Code, Error};

/// The error of a statement that we wrote ourselves.
#[must_use]
pub fn internal(error: rusqlite::Error) -> Error {
    of(error, Code::Internal)
}

/// The error of a statement that came from a caller.
#[must_use]
pub fn of_query(error: rusqlite::Error) -> Error {
    of(error, Code::InvalidQuery)
}

/// An interrupted statement is the cancel's own story.
#[must_use]
pub fn stopped(error: Error, cancel: &Cancel) -> Error {
    match error.code() {
        // A wait for a lock that is called off ends as a lock that was not had.
        Code::Cancelled | Code::DatabaseUnavailable => cancel.check().err().unwrap_or(error),
        _ => error,
    }
}

fn of(error: rusqlite::Error, otherwise: Code) -> Error {
    let (extended, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (failure.extended_code, message.clone()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, Some(msg.clone())),
        _ => return Error::new(otherwise, error.to_string()).with_source(error),
    };
    let text = message.unwrap_or_else(|| error.to_string());
    Error::new(code_of(extended, otherwise), text).with_source(error)
}

fn code_of(extended: i32, otherwise: Code) -> Code {
    match extended & 0xff {
        ffi::SQLITE_CONSTRAINT => Code::ConstraintViolation,
        ffi::SQLITE_READONLY => Code::ReadOnly,
        ffi::SQLITE_AUTH | ffi::SQLITE_PERM => Code::Forbidden,
        ffi::SQLITE_INTERRUPT => Code::Cancelled,
        ffi::SQLITE_TOOBIG | ffi::SQLITE_MISMATCH => Code::ValueOutOfRange,
        ffi::SQLITE_FULL => Code::SpoolFull,
        ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_CORRUPT
        | ffi::SQLITE_NOTADB
        | ffi::SQLITE_PROTOCOL => Code::DatabaseUnavailable,
        _ => otherwise,
    }
}
