//! MySQL's types, and the Arrow type that holds each exactly.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::StringArray;
use arrow_schema::{DataType, Field, TimeUnit};

use super::statement::Described;
use crate::error::{Code, Error};

/// The character set of what is no text.
const BINARY: u16 = 63;
const IS_UNSIGNED: u16 = 0x20;

/// The Arrow shape of a column, and how the binary protocol sends it.
#[derive(Clone, Debug)]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float,
    Double,
    /// Precision and scale, at most 38.
    Decimal(u8, i8),
    /// Precision and scale, at most 65.
    BigDecimal(u8, i8),
    Text,
    Json,
    Binary,
    Date,
    /// Without a zone.
    Datetime,
    /// In UTC, as the session is.
    Timestamp,
    /// ±838 hours.
    Time,
    Enum(Arc<Labels>),
}

/// The labels of an enum, in their order. Last, the empty one that stands for what was none of
/// them when it was written.
#[derive(Debug)]
pub struct Labels {
    pub values: Arc<StringArray>,
    pub keys: HashMap<Vec<u8>, i32>,
}

impl Labels {
    #[must_use]
    pub fn new(mut labels: Vec<String>) -> Self {
        if !labels.iter().any(String::is_empty) {
            labels.push(String::new());
        }
        let keys = (0..).zip(&labels).map(|(key, label)| (label.as_bytes().to_vec(), key)).collect();
        Self { values: Arc::new(StringArray::from(labels)), keys }
    }
}

impl Kind {
    /// What a column of a result is.
    #[must_use]
    pub fn of(column: &Described) -> Self {
        let unsigned = column.flags & IS_UNSIGNED != 0;
        match (column.kind, unsigned) {
            (1, false) => Self::Int8,
            (1, true) => Self::UInt8,
            (2, false) => Self::Int16,
            (2, true) | (13, _) => Self::UInt16,
            (3 | 9, false) => Self::Int32,
            (3 | 9, true) => Self::UInt32,
            (8, false) => Self::Int64,
            (8, true) => Self::UInt64,
            (4, _) => Self::Float,
            (5, _) => Self::Double,
            (0 | 246, _) => Self::decimal(column.length, column.decimals, unsigned),
            (10 | 14, _) => Self::Date,
            (12 | 18, _) => Self::Datetime,
            (7 | 17, _) => Self::Timestamp,
            (11 | 19, _) => Self::Time,
            (245, _) => Self::Json,
            // BIT, and a vector.
            (16 | 242 | 255, _) => Self::Binary,
            (6, _) => Self::Text,
            _ if column.charset == BINARY => Self::Binary,
            _ if column.format.as_deref() == Some("json") => Self::Json,
            _ => Self::Text,
        }
    }

    /// The server says how many characters a decimal takes, with its sign and its point.
    fn decimal(length: u32, decimals: u8, unsigned: bool) -> Self {
        let precision = length.saturating_sub(u32::from(decimals > 0)).saturating_sub(u32::from(!unsigned));
        let scale = decimals.min(38);
        let precision = u8::try_from(precision).unwrap_or(u8::MAX).max(scale).clamp(1, 76);
        let scale = scale.cast_signed();
        if precision <= 38 { Self::Decimal(precision, scale) } else { Self::BigDecimal(precision, scale) }
    }

    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt8 => DataType::UInt8,
            Self::UInt16 => DataType::UInt16,
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::BigDecimal(precision, scale) => DataType::Decimal256(*precision, *scale),
            Self::Text | Self::Json => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Datetime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Time => DataType::Duration(TimeUnit::Microsecond),
            Self::Enum(_) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        }
    }

    /// The Arrow field, with the declared type in its metadata.
    #[must_use]
    pub fn field(&self, name: &str, nullable: bool, declared: &str) -> Field {
        let mut metadata = HashMap::from([("fsspec_db.sql_type".to_owned(), declared.to_owned())]);
        if matches!(self, Self::Json) {
            metadata.insert("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        }
        Field::new(name, self.data_type(), nullable).with_metadata(metadata)
    }

    /// How the type of a result's column would be declared.
    #[must_use]
    pub fn declared(&self, column: &Described) -> String {
        match self {
            Self::Int8 => "tinyint",
            Self::Int16 => "smallint",
            Self::Int32 => "int",
            Self::Int64 => "bigint",
            Self::UInt8 => "tinyint unsigned",
            Self::UInt16 if column.kind == 13 => "year",
            Self::UInt16 => "smallint unsigned",
            Self::UInt32 => "int unsigned",
            Self::UInt64 => "bigint unsigned",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal(precision, scale) | Self::BigDecimal(precision, scale) => {
                return format!("decimal({precision},{scale})");
            }
            Self::Text | Self::Enum(_) => "text",
            Self::Json => "json",
            Self::Binary if column.kind == 16 => "bit",
            Self::Binary if column.kind == 255 => "geometry",
            Self::Binary => "blob",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Timestamp => "timestamp",
            Self::Time => "time",
        }
        .to_owned()
    }
}

/// The members of `enum('a','it''s')` or `set(…)`, as the catalogue spells the type.
#[must_use]
pub fn members(declared: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut rest = declared.split_once('(').map_or("", |(_, rest)| rest).chars().peekable();
    while rest.next_if_eq(&'\'').is_some() {
        let mut member = String::new();
        while let Some(c) = rest.next() {
            match c {
                '\'' if rest.next_if_eq(&'\'').is_none() => break,
                '\\' => member.push(match rest.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('0') => '\0',
                    Some('Z') => '\u{1a}',
                    Some(c) => c,
                    None => break,
                }),
                c => member.push(c),
            }
        }
        members.push(member);
        rest.next_if_eq(&',');
    }
    members
}

/// A value that the column's Arrow type cannot hold.
#[must_use]
pub fn misfit(column: &str, what: &str) -> Error {
    let detail = format!("column {column:?} has a value that its type in Arrow cannot say: {what}");
    Error::new(Code::ValueOutOfRange, detail).with_column(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_unquoted() {
        assert_eq!(
            members("enum('a','it''s','a,b','q\\\\b','日本','')"),
            ["a", "it's", "a,b", "q\\b", "日本", ""]
        );
        assert_eq!(members("set('x')"), ["x"]);
        assert_eq!(members("int(11)"), [""; 0]);
    }

    #[test]
    fn digits_are_counted_without_sign_and_point() {
        let kind = |length, decimals, unsigned| Kind::decimal(length, decimals, unsigned).data_type();
        assert_eq!(kind(17, 2, false), DataType::Decimal128(15, 2));
        assert_eq!(kind(16, 2, true), DataType::Decimal128(15, 2));
        assert_eq!(kind(66, 0, false), DataType::Decimal256(65, 0));
        assert_eq!(kind(67, 30, false), DataType::Decimal256(65, 30));
        assert_eq!(kind(0, 0, false), DataType::Decimal128(1, 0));
    }
}
