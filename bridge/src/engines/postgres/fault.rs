//! What PostgreSQL says went wrong, as an [`Error`].

use crate::error::{Code, Error};

/// The fields of an `ErrorResponse`: a letter and a text each.
pub fn of_response(body: &[u8]) -> Error {
    let mut sqlstate = String::new();
    let mut message = String::new();
    let mut hint = None;
    let mut column = None;
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let text = || String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => sqlstate = text(),
            b'M' => message = text(),
            b'D' | b'H' if hint.is_none() => hint = Some(text()),
            b'c' => column = Some(text()),
            _ => {}
        }
    }
    if sqlstate.is_empty() && message.is_empty() {
        return unexpected("an error that says nothing");
    }
    if let Some(hint) = hint {
        message = format!("{message} ({hint})");
    }
    let error = Error::new(code(&sqlstate), message).with_sqlstate(sqlstate);
    match column {
        Some(column) => error.with_column(column),
        None => error,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn code(sqlstate: &str) -> Code {
    match sqlstate {
        "25006" => Code::ReadOnly,
        "42501" => Code::Forbidden,
        "42P01" | "3F000" | "3D000" => Code::NotFound,
        "42P07" | "42P06" => Code::AlreadyExists,
        "2BP01" => Code::NotEmpty,
        "57014" => Code::QueryTimeout,
        // A transaction that was idle for longer than the server allows.
        "25P03" => Code::DatabaseUnavailable,
        "0A000" => Code::Unsupported,
        "22003" | "22001" | "22007" | "22008" | "22015" | "22P02" | "22P03" | "22P05" | "22021" => {
            Code::ValueOutOfRange
        }
        _ => match sqlstate.get(..2) {
            Some("23") => Code::ConstraintViolation,
            Some("08" | "28" | "53" | "57" | "40" | "55") => Code::DatabaseUnavailable,
            Some("58" | "XX" | "F0") | None => Code::Internal,
            Some(_) => Code::InvalidQuery,
        },
    }
}

/// The connection broke.
pub fn broken(error: &std::io::Error) -> Error {
    Error::new(Code::DatabaseUnavailable, format!("the connection to PostgreSQL broke: {error}"))
}

/// The server said what this protocol does not have.
pub fn unexpected(what: &str) -> Error {
    Error::new(Code::DatabaseUnavailable, format!("PostgreSQL answered what was not asked: {what}"))
}
