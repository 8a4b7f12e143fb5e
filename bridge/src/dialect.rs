//! How databases spell the little SQL that we write.

/// What differs between databases in the statements we render; plain data.
#[derive(Debug)]
pub struct Dialect {
    pub name: &'static str,
    /// The quote around identifiers, doubled inside.
    pub quote: char,
    pub placeholder: Placeholder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `?`
    Question,
    /// `$1`, `$2` …
    Dollar,
}

pub static SQLITE: Dialect = Dialect { name: "sqlite", quote: '"', placeholder: Placeholder::Question };
pub static POSTGRESQL: Dialect =
    Dialect { name: "postgresql", quote: '"', placeholder: Placeholder::Dollar };
pub static MYSQL: Dialect = Dialect { name: "mysql", quote: '`', placeholder: Placeholder::Question };
pub static DUCKDB: Dialect = Dialect { name: "duckdb", quote: '"', placeholder: Placeholder::Question };
pub static GENERIC: Dialect = Dialect { name: "generic", quote: '"', placeholder: Placeholder::Question };

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
}
