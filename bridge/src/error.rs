//! One small error tree: a stable code, a sentence, and what the case knows.

use std::error::Error as StdError;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The stable, public name of a kind of failure.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, so that tables elsewhere can be checked for completeness.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The path is not in the grammar.
    InvalidPath = "invalid-path",
    /// No such schema, relation, item or column.
    NotFound = "not-found",
    /// The relation to create is there already.
    AlreadyExists = "already-exists",
    /// A file was used as a directory.
    NotADirectory = "not-a-directory",
    /// A directory was used as a file.
    IsADirectory = "is-a-directory",
    /// The database or the filesystem does not accept writes.
    ReadOnly = "read-only",
    /// The engine or the backend denies it.
    Forbidden = "forbidden",
    /// `where` is outside the allow-list, or does not parse.
    InvalidPredicate = "invalid-predicate",
    /// An unknown or malformed shaping parameter or option.
    InvalidParameter = "invalid-parameter",
    /// The database refused the text of a query, or its parameters.
    InvalidQuery = "invalid-query",
    /// A body that is not in its format.
    MalformedBody = "malformed-body",
    /// A body that ended before its end.
    IncompleteBody = "incomplete-body",
    /// Columns that the relation does not have, or types that cannot be carried.
    SchemaMismatch = "schema-mismatch",
    /// A value that the column cannot hold exactly.
    ValueOutOfRange = "value-out-of-range",
    /// A constraint of the database was violated.
    ConstraintViolation = "constraint-violation",
    /// The state that a write was meant for is not the present one any more.
    PreconditionFailed = "precondition-failed",
    /// A schema that still has relations.
    NotEmpty = "not-empty",
    /// The engine or the format cannot do this.
    Unsupported = "unsupported",
    /// The database cannot be reached, or is locked by somebody else.
    DatabaseUnavailable = "database-unavailable",
    /// The time limit of a statement passed.
    QueryTimeout = "query-timeout",
    /// More bytes than allowed.
    BodyTooLarge = "body-too-large",
    /// No room left where bodies are spooled.
    SpoolFull = "spool-full",
    /// The reader went away.
    Cancelled = "cancelled",
    /// A fault of this program.
    Internal = "internal",
}

/// A failure with a [`Code`], a sentence for people, and its context.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    detail: String,
    path: Option<String>,
    column: Option<String>,
    row: Option<u64>,
    sqlstate: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            path: None,
            column: None,
            row: None,
            sqlstate: None,
            source: None,
        }))
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// The row of the body or result, counted from 1.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        self.0.row
    }

    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    #[must_use]
    pub fn with_column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    #[must_use]
    pub fn with_row(mut self, row: u64) -> Self {
        self.0.row = Some(row);
        self
    }

    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.0.sqlstate = Some(sqlstate.into());
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same failure once more, without its cause: for others who wait for the same.
    #[must_use]
    pub fn again(&self) -> Self {
        let Inner { code, detail, path, column, row, sqlstate, source: _ } = &*self.0;
        Self(Box::new(Inner {
            code: *code,
            detail: detail.clone(),
            path: path.clone(),
            column: column.clone(),
            row: *row,
            sqlstate: sqlstate.clone(),
            source: None,
        }))
    }

    /// The boxed cause, for a floor above that knows its type.
    pub fn take_source(&mut self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.0.source.take()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        match error {
            arrow_schema::ArrowError::ExternalError(source) => match source.downcast::<Error>() {
                Ok(inner) => *inner,
                Err(source) => Error::new(Code::Internal, source.to_string()),
            },
            other => Error::new(Code::Internal, other.to_string()).with_source(other),
        }
    }
}

impl From<Error> for arrow_schema::ArrowError {
    fn from(error: Error) -> Self {
        arrow_schema::ArrowError::ExternalError(Box::new(error))
    }
}
