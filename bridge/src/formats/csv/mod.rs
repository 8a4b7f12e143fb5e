//! CSV after RFC 4180: UTF-8, a header line, CRLF after every record.
//!
//! NULL is an empty field and the empty string is `""`, so that a round trip keeps them apart.
//! A body of one column says NULL as an empty line; in wider bodies empty lines are skipped.

mod encode;

pub(super) use encode::CsvEncoder;
