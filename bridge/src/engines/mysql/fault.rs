//! What MySQL says went wrong, as an [`Error`].

use super::cells::number;
use crate::error::{Code, Error};

/// The body of an `ERR` packet after its first byte: a number, `#` and an SQLSTATE, a text.
pub fn of_packet(body: &[u8]) -> Error {
    let errno = number::<2>(body) as u16;
    let rest = body.get(2..).unwrap_or_default();
    let (state, message) = match rest {
        [b'#', rest @ ..] if rest.len() >= 5 => rest.split_at(5),
        rest => (&b"HY000"[..], rest),
    };
    of_errno(errno, &String::from_utf8_lossy(state), &String::from_utf8_lossy(message))
}

/// An error, or a warning that says that a value would not be what was sent.
pub fn of_errno(errno: u16, sqlstate: &str, message: &str) -> Error {
    let error = Error::new(code(errno), format!("{message} (error {errno})")).with_sqlstate(sqlstate);
    match place(message) {
        (Some(column), Some(row)) => error.with_column(column).with_row(row),
        (Some(column), None) => error.with_column(column),
        (None, _) => error,
    }
}

/// `… column 'c' at row 3`, or `Column 'c' …`, where the server says that.
fn place(message: &str) -> (Option<&str>, Option<u64>) {
    let row = message.rsplit_once(" at row ").and_then(|(_, row)| row.parse().ok());
    // `Incorrect … value: '…' for column `db`.`t`.`c``, or 'c', or plain; values may quote anything.
    let column = message.rsplit_once("olumn ").and_then(|(_, rest)| {
        let name = rest.split_once(" at row ").map_or(rest, |(name, _)| name);
        // `Invalid JSON text: … in value for column 't.c'.`
        if let Some(json) = name.strip_suffix("'.") {
            return json.rsplit_once('.').map(|(_, name)| name);
        }
        let quote = name.chars().next().filter(|c| matches!(c, '\'' | '`'))?;
        name.rsplit_once(quote)?.0.rsplit_once(quote).map(|(_, name)| name)
    });
    (column, row)
}

/// <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>,
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>
fn code(errno: u16) -> Code {
    match errno {
        1290 | 1792 | 1836 | 3159 => Code::ReadOnly,
        1044 | 1142 | 1143 | 1227 | 1345 | 1370 | 1410 | 1419 => Code::Forbidden,
        1049 | 1051 | 1109 | 1146 | 1356 => Code::NotFound,
        1007 | 1050 => Code::AlreadyExists,
        1010 => Code::NotEmpty,
        1969 | 3024 => Code::QueryTimeout,
        1264
        | 1265
        | 1292
        | 1366
        | 1367
        | 1406
        | 1411
        | 1416
        | 1690
        | 3140
        | 3141
        | 3156
        | 3548
        | 3616
        | 3617
        | 3643
        | 3988
        | 6136..=6138 => Code::ValueOutOfRange,
        1022 | 1048 | 1062 | 1169 | 1216 | 1217 | 1263 | 1364 | 1451 | 1452 | 1557 | 1586 | 1644 | 1761
        | 1762 | 3730 | 3819 | 4025 => Code::ConstraintViolation,
        1235 | 1295 | 1289 | 1435 | 1450 | 1478 => Code::Unsupported,
        // Who we are, how many, whether the server goes down, and whom we lost to.
        1040
        | 1041
        | 1043
        | 1045
        | 1047
        | 1053
        | 1079
        | 1129
        | 1130
        | 1152
        | 1153
        | 1158..=1161
        | 1184
        | 1203
        | 1205
        | 1213
        | 1226
        | 1251
        | 1317
        | 1412
        | 1698
        | 1862
        | 1927
        | 2002..=2062
        | 3118
        | 3572
        | 4031
        | 4151 => Code::DatabaseUnavailable,
        1021 | 1030 | 1037 | 1038 | 1114 | 1815 => Code::Internal,
        _ => Code::InvalidQuery,
    }
}

/// The connection broke.
pub fn broken(error: &std::io::Error) -> Error {
    Error::new(Code::DatabaseUnavailable, format!("the connection to MySQL broke: {error}"))
}

/// The server said what this protocol does not have.
pub fn unexpected(what: &str) -> Error {
    Error::new(Code::DatabaseUnavailable, format!("MySQL answered what was not asked: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_column_and_row() {
        for (message, column, row) in [
            ("Out of range value for column 'n' at row 3", Some("n"), Some(3)),
            ("Incorrect string value: '\\xF0' for column `a`.`t`.`c d` at row 12", Some("c d"), Some(12)),
            ("Column 'id' cannot be null", Some("id"), None),
            (
                "Invalid JSON text: \"Invalid value.\" at position 0 in value for column 't.c d'.",
                Some("c d"),
                None,
            ),
            ("Duplicate entry '7' for key 'PRIMARY'", None, None),
        ] {
            let error = of_errno(1264, "22003", message);
            assert_eq!((error.column(), error.row()), (column, row), "{message}");
        }
    }
}
