//! One cell as SQLite stores it.

/// Text and blobs are borrowed until the statement moves on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Int(i64),
    Real(f64),
    /// What SQLite calls text; not proven to be UTF-8.
    Text(&'a [u8]),
    Blob(&'a [u8]),
}
