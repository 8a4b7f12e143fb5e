//! PostgreSQL's types, and the Arrow type that holds each exactly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::StringArray;
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use super::wire::Conn;
use crate::error::{Error, Result};

/// The Arrow shape of a column, and how its binary form is read.
#[derive(Clone, Debug)]
pub enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// Precision and scale, at most 38.
    Decimal(u8, i8),
    /// Precision and scale, at most 76.
    BigDecimal(u8, i8),
    /// The binary form is the text.
    Text,
    Json,
    Jsonb,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Enum(Arc<Labels>),
    List(Box<Kind>),
    /// Anything else, as the text that the server makes of it.
    AsText,
}

/// The labels of an enum, in its own order.
#[derive(Debug)]
pub struct Labels {
    pub values: Arc<StringArray>,
    pub keys: HashMap<Vec<u8>, i32>,
}

impl Kind {
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::BigDecimal(precision, scale) => DataType::Decimal256(*precision, *scale),
            Self::Text | Self::Json | Self::Jsonb | Self::AsText => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Enum(_) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Self::List(item) => DataType::List(Arc::new(item.item())),
        }
    }

    /// The field of a list's items.
    #[must_use]
    pub fn item(&self) -> Field {
        self.field("item", true, "")
    }

    /// The Arrow field, with the declared type in its metadata.
    #[must_use]
    pub fn field(&self, name: &str, nullable: bool, declared: &str) -> Field {
        let mut metadata = HashMap::new();
        if !declared.is_empty() {
            metadata.insert("fsspec_db.sql_type".to_owned(), declared.to_owned());
        }
        let extension = match self {
            Self::Json | Self::Jsonb => Some("arrow.json"),
            Self::Uuid => Some("arrow.uuid"),
            _ => None,
        };
        if let Some(extension) = extension {
            metadata.insert("ARROW:extension:name".to_owned(), extension.to_owned());
        }
        Field::new(name, self.data_type(), nullable).with_metadata(metadata)
    }

    /// Whether the server must be asked for text, for want of a binary form that we read.
    #[must_use]
    pub fn is_cast(&self) -> bool {
        matches!(self, Self::AsText)
    }

    /// The types that every server has under the same number.
    fn built_in(oid: u32, typmod: i32) -> Option<Self> {
        let item = |kind| Some(Self::List(Box::new(kind)));
        match oid {
            16 => Some(Self::Bool),
            17 => Some(Self::Bytea),
            20 => Some(Self::Int8),
            21 => Some(Self::Int2),
            23 => Some(Self::Int4),
            19 | 25 | 1042 | 1043 => Some(Self::Text),
            26 => Some(Self::Oid),
            114 => Some(Self::Json),
            700 => Some(Self::Float4),
            701 => Some(Self::Float8),
            1082 => Some(Self::Date),
            1083 => Some(Self::Time),
            1114 => Some(Self::Timestamp),
            1184 => Some(Self::TimestampTz),
            1186 => Some(Self::Interval),
            1700 => Some(Self::numeric(typmod)),
            2950 => Some(Self::Uuid),
            3802 => Some(Self::Jsonb),
            1000 => item(Self::Bool),
            1001 => item(Self::Bytea),
            1003 | 1009 | 1014 | 1015 => item(Self::Text),
            1005 => item(Self::Int2),
            1007 => item(Self::Int4),
            1016 => item(Self::Int8),
            1021 => item(Self::Float4),
            1022 => item(Self::Float8),
            1028 => item(Self::Oid),
            1115 => item(Self::Timestamp),
            1182 => item(Self::Date),
            1183 => item(Self::Time),
            1185 => item(Self::TimestampTz),
            1187 => item(Self::Interval),
            1231 => match Self::numeric(typmod) {
                Self::AsText => Some(Self::AsText),
                kind => item(kind),
            },
            199 => item(Self::Json),
            2951 => item(Self::Uuid),
            3807 => item(Self::Jsonb),
            // The others of the system's own; extensions and users begin at 16384.
            _ => (oid < 16_384).then_some(Self::AsText),
        }
    }

    /// `numeric(p, s)`; the scale may be negative, or more than the precision.
    fn numeric(typmod: i32) -> Self {
        if typmod < 4 {
            return Self::AsText;
        }
        let precision = ((typmod - 4) >> 16) & 0xffff;
        let scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
        // As many digits as stand before and behind the point; none are lost behind it.
        let digits = if scale < 0 { precision - scale } else { precision.max(scale) };
        let (Ok(digits @ 1..=76), Ok(scale)) = (u8::try_from(digits), i8::try_from(scale.max(0))) else {
            return Self::AsText;
        };
        if digits <= 38 { Self::Decimal(digits, scale) } else { Self::BigDecimal(digits, scale) }
    }
}

/// What was learned of the types of one database.
#[derive(Default)]
pub struct Types {
    known: Mutex<HashMap<(u32, i32), Kind>>,
}

impl Types {
    fn known(&self) -> MutexGuard<'_, HashMap<(u32, i32), Kind>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kind of a type. A type that anybody made is looked up, and remembered.
    ///
    /// # Errors
    /// What the server said.
    pub fn kind(&self, conn: &mut Conn, oid: u32, typmod: i32) -> Result<Kind> {
        if let Some(kind) = Kind::built_in(oid, typmod) {
            return Ok(kind);
        }
        if let Some(kind) = self.known().get(&(oid, typmod)) {
            return Ok(kind.clone());
        }
        let kind = self.look_up(conn, oid, typmod)?;
        // An enum may get labels at any time, so it is looked up for each read.
        if !contains_enum(&kind) {
            self.known().insert((oid, typmod), kind.clone());
        }
        Ok(kind)
    }

    fn look_up(&self, conn: &mut Conn, oid: u32, typmod: i32) -> Result<Kind> {
        let oid = oid.to_string();
        let rows = conn.rows(
            "SELECT typtype, typbasetype, typtypmod, typelem, typcategory = 'A' AND typlen = -1 AND typelem <> 0
             FROM pg_catalog.pg_type WHERE oid = $1::pg_catalog.oid",
            &[Some(&oid)],
        )?;
        let Some([Some(kind), base, base_mod, item, array]) = rows.first().map(Vec::as_slice) else {
            return Ok(Kind::AsText);
        };
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u32>().ok());
        match kind.as_str() {
            "d" => {
                let base_mod = base_mod.as_deref().and_then(|text| text.parse().ok()).unwrap_or(-1);
                let typmod = if base_mod == -1 { typmod } else { base_mod };
                number(base).map_or(Ok(Kind::AsText), |base| self.kind(conn, base, typmod))
            }
            "e" => {
                let rows = conn.rows(
                    "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $1::pg_catalog.oid ORDER BY enumsortorder",
                    &[Some(&oid)],
                )?;
                let labels: Vec<String> = rows.into_iter().flatten().flatten().collect();
                let keys = (0..).zip(&labels).map(|(key, label)| (label.as_bytes().to_vec(), key)).collect();
                Ok(Kind::Enum(Arc::new(Labels { values: Arc::new(StringArray::from(labels)), keys })))
            }
            "b" if array.as_deref() == Some("t") => {
                let item = number(item).map_or(Ok(Kind::AsText), |item| self.kind(conn, item, typmod))?;
                let plain = !matches!(item, Kind::AsText | Kind::List(_) | Kind::Enum(_));
                Ok(if plain { Kind::List(Box::new(item)) } else { Kind::AsText })
            }
            _ => Ok(Kind::AsText),
        }
    }

    /// How the server spells types, for the metadata of a query's result.
    ///
    /// # Errors
    /// What the server said.
    pub fn names(conn: &mut Conn, types: &[(u32, i32)]) -> Result<Vec<String>> {
        let list = |each: &dyn Fn(&(u32, i32)) -> String| {
            format!("{{{}}}", types.iter().map(each).collect::<Vec<_>>().join(","))
        };
        let (oids, mods) = (list(&|of| of.0.to_string()), list(&|of| of.1.to_string()));
        let rows = conn.rows(
            "SELECT pg_catalog.format_type(o, m) FROM ROWS FROM (unnest($1::pg_catalog.oid[]), unnest($2::pg_catalog.int4[]))
             WITH ORDINALITY AS t(o, m, n) ORDER BY n",
            &[Some(&oids), Some(&mods)],
        )?;
        Ok(rows.into_iter().flatten().map(Option::unwrap_or_default).collect())
    }
}

fn contains_enum(kind: &Kind) -> bool {
    match kind {
        Kind::Enum(_) => true,
        Kind::List(item) => contains_enum(item),
        _ => false,
    }
}

/// A value that the column's Arrow type cannot hold.
#[must_use]
pub fn misfit(column: &str, what: &str) -> Error {
    let detail = format!("column {column:?} has a value that its type in Arrow cannot say: {what}");
    Error::new(crate::error::Code::ValueOutOfRange, detail).with_column(column)
}
