//! `DatabaseFs`: the tree over a database.
//!
//! A path names a node; a node is listed ([`tree`]), read ([`read`]), written ([`write`]), copied
//! ([`copy`]) or managed ([`manage`]). The database behind it is known by its trait alone.

mod copy;
mod documents;
mod entry;
mod manage;
mod read;
mod tree;
mod write;

use std::sync::{Arc, PoisonError, RwLock};

pub use entry::{Entry, Node};
pub use read::Reading;
pub use write::Writing;

use crate::database::{Access, Cancel, Database};
use crate::dialect::Dialect;
use crate::engines;
use crate::error::{Code, Error, Result};
use crate::formats::Format;
use crate::metadata::RelationInfo;
use crate::path::Path;
use crate::url::Url;

/// The extensions that listings show unless told otherwise.
const LISTED: [&str; 3] = ["arrow", "parquet", "csv"];

/// The tree over one database. Cheap to clone; every method may be called from any thread.
#[derive(Clone)]
pub struct DatabaseFs {
    database: Arc<dyn Database>,
    access: Access,
    formats: Arc<RwLock<Arc<[String]>>>,
}

impl DatabaseFs {
    #[must_use]
    pub fn new(database: Arc<dyn Database>, access: Access) -> Self {
        let formats = LISTED.iter().map(|&extension| extension.to_owned()).collect();
        Self { database, access, formats: Arc::new(RwLock::new(formats)) }
    }

    /// Opens a native engine by its address.
    ///
    /// # Errors
    /// `invalid-parameter` for an address without an engine, and whatever the engine says.
    pub fn open(url: &str, access: Access, threads: Option<usize>) -> Result<Self> {
        Ok(Self::new(engines::open(Url::parse(url)?, access, threads)?, access))
    }

    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        self.database.dialect()
    }

    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The extensions that listings show.
    #[must_use]
    pub fn formats(&self) -> Arc<[String]> {
        Arc::clone(&self.formats.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// # Errors
    /// `invalid-parameter` for an unknown extension.
    pub fn set_formats(&self, formats: Vec<String>) -> Result<()> {
        for extension in &formats {
            format_of(extension)?;
        }
        *self.formats.write().unwrap_or_else(PoisonError::into_inner) = formats.into();
        Ok(())
    }

    /// Changes whenever the rows of a relation may have changed; `None` where nothing can tell.
    ///
    /// # Errors
    /// `invalid-path`, `not-found`, and whatever the database says.
    pub fn data_version(&self, path: &str) -> Result<Option<String>> {
        match Path::parse(path)? {
            Path::Relation { schema, relation } | Path::Data { schema, relation, .. } => {
                self.database.data_version(&schema, &relation)
            }
            Path::Root | Path::Schema(_) => self.database.state(),
            _ => Ok(None),
        }
    }

    /// # Errors
    /// `database-unavailable`, and whatever the database says.
    pub fn ping(&self) -> Result<()> {
        self.database.ping()
    }

    /// Gives all connections back.
    pub fn close(&self) {
        self.database.close();
    }

    /// One relation, under exactly this name.
    fn relation(&self, schema: &str, relation: &str) -> Result<RelationInfo> {
        self.relation_within(schema, relation, &Cancel::default())
    }

    /// As [`DatabaseFs::relation`], for work that may be called off.
    fn relation_within(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<RelationInfo> {
        let info = self.database.relation(schema, relation, cancel)?;
        if info.name == relation {
            Ok(info)
        } else {
            let path = Path::Relation { schema: schema.to_owned(), relation: relation.to_owned() };
            Err(Error::new(Code::NotFound, format!("there is no relation {relation:?}"))
                .with_path(path.to_string()))
        }
    }

    /// # Errors
    /// `read-only` or `forbidden` below `needed`.
    fn allow(&self, needed: Access, path: &Path) -> Result<()> {
        if self.access >= needed {
            Ok(())
        } else if self.access == Access::Read {
            Err(Error::new(Code::ReadOnly, "this filesystem is opened for reading only")
                .with_path(path.to_string()))
        } else {
            Err(Error::new(Code::Forbidden, "this filesystem may write rows, but not create, drop or rename")
                .with_path(path.to_string()))
        }
    }
}

fn format_of(extension: &str) -> Result<Format> {
    Format::from_extension(extension)
        .ok_or_else(|| Error::new(Code::InvalidParameter, format!("there is no format {extension:?}")))
}

/// Names the path in an error that names none.
fn at<T>(path: &Path, outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| match error.path() {
        Some(_) => error,
        None => error.with_path(path.to_string()),
    })
}
