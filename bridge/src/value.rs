//! Scalars that travel beside SQL: bound literals and query parameters.

/// One bound value. Nothing in it is ever spliced into SQL text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// An exact decimal, or an integer beyond 64 bits, as its digits.
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00; UTC if `utc`, else without a zone.
    Timestamp {
        micros: i64,
        utc: bool,
    },
    /// 16 bytes, big endian.
    Uuid([u8; 16]),
    List(Vec<Value>),
}

/// Parameters of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Params {
    Positional(Vec<Value>),
    Named(Vec<(String, Value)>),
}

impl Params {
    #[must_use]
    pub fn none() -> Self {
        Params::Positional(Vec::new())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Params::Positional(values) => values.is_empty(),
            Params::Named(values) => values.is_empty(),
        }
    }
}
