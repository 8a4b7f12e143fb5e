//! How databases spell the little SQL that we write.

/// What differs between databases in the statements we render; plain data.
#[derive(Debug)]
pub struct Dialect {
    pub name: &'static str,
    /// The quote around identifiers, doubled inside.
    pub quote: char,
    pub placeholder: Placeholder,
    /// Whether `ILIKE` is an operator; elsewhere both sides are folded by `LOWER`.
    pub ilike: bool,
    pub casts: Casts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `?`
    Question,
    /// `$1`, `$2` …
    Dollar,
}

/// A scalar type to cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CastType {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    /// Precision and scale, where given.
    Decimal(Option<(u8, u8)>),
    Text,
    Blob,
    Date,
    Time,
    Timestamp,
    TimestampTz,
}

/// The names of the types in `CAST(… AS …)`.
#[derive(Debug)]
pub struct Casts {
    pub boolean: &'static str,
    pub smallint: &'static str,
    pub integer: &'static str,
    pub bigint: &'static str,
    pub real: &'static str,
    pub double: &'static str,
    pub decimal: &'static str,
    /// Whether `decimal` takes a precision and a scale.
    pub decimal_digits: bool,
    pub text: &'static str,
    pub blob: &'static str,
    pub date: &'static str,
    pub time: &'static str,
    pub timestamp: &'static str,
    pub timestamptz: &'static str,
}

/// SQLite casts to storage classes. Its temporal values are texts, and `CAST(… AS DATE)` would make
/// `2024` of `2024-05-06`; so those casts are to text.
pub static SQLITE: Dialect = Dialect {
    name: "sqlite",
    quote: '"',
    placeholder: Placeholder::Question,
    ilike: false,
    casts: Casts {
        boolean: "INTEGER",
        smallint: "INTEGER",
        integer: "INTEGER",
        bigint: "INTEGER",
        real: "REAL",
        double: "REAL",
        decimal: "NUMERIC",
        decimal_digits: false,
        text: "TEXT",
        blob: "BLOB",
        date: "TEXT",
        time: "TEXT",
        timestamp: "TEXT",
        timestamptz: "TEXT",
    },
};

pub static POSTGRESQL: Dialect = Dialect {
    name: "postgresql",
    quote: '"',
    placeholder: Placeholder::Dollar,
    ilike: true,
    casts: Casts { decimal: "NUMERIC", text: "TEXT", blob: "BYTEA", ..STANDARD },
};

pub static MYSQL: Dialect = Dialect {
    name: "mysql",
    quote: '`',
    placeholder: Placeholder::Question,
    ilike: false,
    casts: Casts {
        boolean: "SIGNED",
        smallint: "SIGNED",
        integer: "SIGNED",
        bigint: "SIGNED",
        real: "FLOAT",
        double: "DOUBLE",
        text: "CHAR",
        blob: "BINARY",
        time: "TIME(6)",
        timestamp: "DATETIME(6)",
        timestamptz: "DATETIME(6)",
        ..STANDARD
    },
};

pub static DUCKDB: Dialect = Dialect {
    name: "duckdb",
    quote: '"',
    placeholder: Placeholder::Question,
    ilike: true,
    casts: Casts { double: "DOUBLE", ..STANDARD },
};

pub static GENERIC: Dialect = Dialect {
    name: "generic",
    quote: '"',
    placeholder: Placeholder::Question,
    ilike: false,
    casts: STANDARD,
};

const STANDARD: Casts = Casts {
    boolean: "BOOLEAN",
    smallint: "SMALLINT",
    integer: "INTEGER",
    bigint: "BIGINT",
    real: "REAL",
    double: "DOUBLE PRECISION",
    decimal: "DECIMAL",
    decimal_digits: true,
    text: "VARCHAR",
    blob: "BLOB",
    date: "DATE",
    time: "TIME",
    timestamp: "TIMESTAMP",
    timestamptz: "TIMESTAMP WITH TIME ZONE",
};

impl Dialect {
    /// The dialect of that name; unknown names are `generic`.
    #[must_use]
    pub fn by_name(name: &str) -> &'static Dialect {
        match name.to_ascii_lowercase().as_str() {
            "sqlite" => &SQLITE,
            "postgres" | "postgresql" => &POSTGRESQL,
            "mysql" | "mariadb" => &MYSQL,
            "duckdb" => &DUCKDB,
            _ => &GENERIC,
        }
    }

    /// Appends `name` as a quoted identifier.
    pub fn quote_into(&self, out: &mut String, name: &str) {
        out.push(self.quote);
        for c in name.chars() {
            if c == self.quote {
                out.push(c);
            }
            out.push(c);
        }
        out.push(self.quote);
    }

    #[must_use]
    pub fn quoted(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len() + 2);
        self.quote_into(&mut out, name);
        out
    }

    /// Appends `schema.relation`, or the relation alone where the database has no schemas.
    pub fn relation_into(&self, out: &mut String, schema: &str, relation: &str) {
        if !schema.is_empty() {
            self.quote_into(out, schema);
            out.push('.');
        }
        self.quote_into(out, relation);
    }

    /// Appends the placeholder of the `ordinal`-th value, counted from 1.
    pub fn placeholder_into(&self, out: &mut String, ordinal: usize) {
        match self.placeholder {
            Placeholder::Question => out.push('?'),
            Placeholder::Dollar => {
                out.push('$');
                out.push_str(&ordinal.to_string());
            }
        }
    }

    /// Appends the name of a type to cast to.
    pub fn cast_into(&self, out: &mut String, to: CastType) {
        let casts = &self.casts;
        out.push_str(match to {
            CastType::Boolean => casts.boolean,
            CastType::SmallInt => casts.smallint,
            CastType::Integer => casts.integer,
            CastType::BigInt => casts.bigint,
            CastType::Real => casts.real,
            CastType::Double => casts.double,
            CastType::Decimal(_) => casts.decimal,
            CastType::Text => casts.text,
            CastType::Blob => casts.blob,
            CastType::Date => casts.date,
            CastType::Time => casts.time,
            CastType::Timestamp => casts.timestamp,
            CastType::TimestampTz => casts.timestamptz,
        });
        if let CastType::Decimal(Some((precision, scale))) = to
            && casts.decimal_digits
        {
            out.extend(["(", &precision.to_string(), ", ", &scale.to_string(), ")"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_inside_identifiers() {
        assert_eq!(SQLITE.quoted(r#"a"b`c"#), r#""a""b`c""#);
        assert_eq!(MYSQL.quoted(r#"a"b`c"#), r#"`a"b``c`"#);
        assert_eq!(SQLITE.quoted(""), r#""""#);
    }

    #[test]
    fn names_of_dialects_are_forgiving() {
        for (name, dialect) in [
            ("SQLite", "sqlite"),
            ("postgres", "postgresql"),
            ("MariaDB", "mysql"),
            ("duckdb", "duckdb"),
            ("oracle", "generic"),
        ] {
            assert_eq!(Dialect::by_name(name).name, dialect);
        }
    }

    #[test]
    fn a_schema_without_a_name_is_left_out() {
        let mut out = String::new();
        GENERIC.relation_into(&mut out, "", "t");
        out.push(' ');
        GENERIC.relation_into(&mut out, "s", "t");
        assert_eq!(out, r#""t" "s"."t""#);
    }

    #[test]
    fn a_decimal_keeps_its_digits_where_the_dialect_can_say_them() {
        let spell = |dialect: &Dialect| {
            let mut out = String::new();
            dialect.cast_into(&mut out, CastType::Decimal(Some((12, 2))));
            out
        };
        assert_eq!(spell(&SQLITE), "NUMERIC");
        assert_eq!(spell(&POSTGRESQL), "NUMERIC(12, 2)");
        assert_eq!(spell(&MYSQL), "DECIMAL(12, 2)");
    }
}
