//! Native engines, each behind the [`Database`](crate::database::Database) trait.

mod column;
mod meet;
pub mod mysql;
mod order;
pub mod overlap;
pub mod postgres;
mod session;
mod socket;
pub mod sqlite;
mod tls;

use std::sync::Arc;

use crate::database::{Access, Database};
use crate::error::{Code, Error, Result};
use crate::url::Url;

/// Replacing the rows of a table must not change those of others.
fn would_change_others(relation: &str, key: &str, action: &str) -> Error {
    let detail = format!(
        "replacing the rows of {relation:?} would change rows of another table, by its foreign key {key:?} (ON DELETE {action}): \
         update by primary key instead"
    );
    Error::new(Code::ConstraintViolation, detail)
}

/// Opens the engine of an address's scheme. `threads` bounds the parallelism of a scan.
///
/// # Errors
/// `invalid-parameter` for a scheme without an engine, and whatever the engine says.
pub fn open(url: Url, access: Access, threads: Option<usize>) -> Result<Arc<dyn Database>> {
    match url.scheme.as_str() {
        "sqlite" if url.login.is_some() || !url.hosts.is_empty() => Err(Error::new(
            Code::InvalidParameter,
            "the file stands after three slashes: sqlite:///file.db, or sqlite:////absolute/file.db",
        )),
        "sqlite" => {
            let Url { path, query, .. } = url;
            sqlite::Sqlite::open(&sqlite::Options { path, access, threads, query })
        }
        "mysql" | "mariadb" => mysql::Mysql::open(&url, access, threads),
        "postgresql" | "postgres" => postgres::Postgres::open(&url, access, threads),
        other => Err(Error::new(Code::InvalidParameter, format!("there is no native engine for {other}://"))),
    }
}
