//! Declared types, what SQLite really stores under them, and the Arrow type that holds it exactly.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, TimeUnit};

/// The Arrow shape of a column while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Int,
    Real,
    Text,
    Json,
    Blob,
    Bool,
    Date,
    Time,
    Timestamp,
    /// Precision and scale, at most 38.
    Decimal(u8, i8),
    /// Nothing declared, or nothing that binds: by content alone.
    Any,
}

/// SQLite's own rule of column affinity (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

/// Digits that a double keeps exactly through decimal and back.
pub const EXACT_DIGITS: u8 = 15;

impl Affinity {
    #[must_use]
    pub fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        if upper.contains("INT") {
            Self::Integer
        } else if ["CHAR", "CLOB", "TEXT"].iter().any(|word| upper.contains(word)) {
            Self::Text
        } else if upper.is_empty() || upper.contains("BLOB") {
            Self::Blob
        } else if ["REAL", "FLOA", "DOUB"].iter().any(|word| upper.contains(word)) {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

impl Kind {
    /// What a declared type asks for.
    #[must_use]
    pub fn declared(declared: &str) -> Self {
        let upper = declared.trim().to_ascii_uppercase();
        let (word, arguments) = split_arguments(&upper);
        match word {
            "BOOL" | "BOOLEAN" => return Self::Bool,
            "DATE" => return Self::Date,
            "TIME" => return Self::Time,
            "DATETIME" | "TIMESTAMP" => return Self::Timestamp,
            "JSON" => return Self::Json,
            "DECIMAL" | "NUMERIC" | "DEC" | "DECIMAL_TEXT" => {
                return match arguments.as_slice() {
                    [p] => decimal(*p, 0),
                    [p, s] => decimal(*p, *s),
                    _ => Self::Any,
                };
            }
            _ => {}
        }
        match Affinity::of(&upper) {
            Affinity::Integer => Self::Int,
            Affinity::Text => Self::Text,
            Affinity::Real => Self::Real,
            Affinity::Blob if !upper.is_empty() => Self::Blob,
            Affinity::Blob | Affinity::Numeric => Self::Any,
        }
    }

    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Int => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Text | Self::Json | Self::Any => DataType::Utf8,
            Self::Blob => DataType::Binary,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        }
    }

    /// The Arrow field, with the declared type in its metadata.
    #[must_use]
    pub fn field(self, name: &str, nullable: bool, declared: &str) -> Field {
        let mut metadata = HashMap::new();
        if !declared.is_empty() {
            metadata.insert(SQL_TYPE.to_owned(), declared.to_owned());
        }
        if self == Self::Json {
            metadata.insert("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        }
        Field::new(name, self.data_type(), nullable).with_metadata(metadata)
    }
}

/// Field metadata with the engine's declared type.
pub const SQL_TYPE: &str = "fsspec_db.sql_type";

fn decimal(precision: i64, scale: i64) -> Kind {
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s)) if s >= 0 && scale <= precision => Kind::Decimal(p, s),
        _ => Kind::Any,
    }
}

/// `DECIMAL(15, 2)` is `("DECIMAL", [15, 2])`.
fn split_arguments(declared: &str) -> (&str, Vec<i64>) {
    let Some((word, rest)) = declared.split_once('(') else {
        return (declared.split_whitespace().next().unwrap_or(""), Vec::new());
    };
    let inside = rest.split_once(')').map_or(rest, |(inside, _)| inside);
    (word.trim(), inside.split(',').filter_map(|part| part.trim().parse().ok()).collect())
}

/// What was seen in one column: enough to choose the narrowest type that holds it all.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // a set, merged bit by bit
pub struct Seen {
    pub int: bool,
    /// An integer that a double cannot hold.
    pub wide_int: bool,
    pub real: bool,
    pub text: bool,
    /// A blob, or text that is not UTF-8.
    pub bytes: bool,
    /// A value that the declared kind cannot hold.
    pub misfit: bool,
}

impl Seen {
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            int: self.int | other.int,
            wide_int: self.wide_int | other.wide_int,
            real: self.real | other.real,
            text: self.text | other.text,
            bytes: self.bytes | other.bytes,
            misfit: self.misfit | other.misfit,
        }
    }

    /// The kind that holds every value exactly: the declared one where all fit.
    #[must_use]
    pub fn decide(self, declared: Kind) -> Kind {
        let fits = !self.misfit && declared != Kind::Any;
        match self {
            _ if fits => declared,
            Self { bytes: true, .. } => Kind::Blob,
            Self { text: true, .. } | Self { wide_int: true, real: true, .. } => Kind::Text,
            Self { real: true, .. } => Kind::Real,
            Self { int: true, .. } => Kind::Int,
            _ => Kind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_map_as_documented() {
        for (declared, kind) in [
            ("INTEGER", Kind::Int),
            ("BIGINT UNSIGNED", Kind::Int),
            ("VARCHAR(25)", Kind::Text),
            ("DOUBLE PRECISION", Kind::Real),
            ("blob", Kind::Blob),
            ("", Kind::Any),
            ("NUMERIC", Kind::Any),
            ("decimal(15, 2)", Kind::Decimal(15, 2)),
            ("DECIMAL_TEXT(38,10)", Kind::Decimal(38, 10)),
            ("DECIMAL(99,2)", Kind::Any),
            ("NUMERIC(5)", Kind::Decimal(5, 0)),
            ("DATETIME", Kind::Timestamp),
            ("timestamp(6)", Kind::Timestamp),
            ("DATE", Kind::Date),
            ("JSON", Kind::Json),
            ("BOOLEAN", Kind::Bool),
        ] {
            assert_eq!(Kind::declared(declared), kind, "{declared}");
        }
    }

    #[test]
    fn a_dirty_column_takes_the_narrowest_exact_type() {
        let int = Seen { int: true, ..Seen::default() };
        let real = Seen { real: true, misfit: true, ..Seen::default() };
        let wide = Seen { int: true, wide_int: true, ..Seen::default() };
        let text = Seen { text: true, misfit: true, ..Seen::default() };
        let bytes = Seen { bytes: true, misfit: true, ..Seen::default() };
        assert_eq!(int.decide(Kind::Int), Kind::Int);
        assert_eq!(int.merge(real).decide(Kind::Int), Kind::Real);
        assert_eq!(wide.merge(real).decide(Kind::Int), Kind::Text);
        assert_eq!(int.merge(text).decide(Kind::Int), Kind::Text);
        assert_eq!(text.merge(bytes).decide(Kind::Date), Kind::Blob);
        assert_eq!(Seen::default().decide(Kind::Date), Kind::Date);
        assert_eq!(int.decide(Kind::Any), Kind::Int);
    }
}
