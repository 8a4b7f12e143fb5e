//! CSV after RFC 4180: UTF-8, a header line, CRLF after every record.
//!
//! NULL is an empty field and the empty string is `""`, so that a round trip keeps them apart.
//! A body of one column says NULL as an empty line; in wider bodies empty lines are skipped.
//! Reading also takes LF alone, a byte order mark, and a last record without a line end.

mod decode;
mod encode;
mod records;

pub(super) use decode::open;
pub(super) use encode::CsvEncoder;
