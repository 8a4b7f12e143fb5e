//! Native engines, each behind the [`Database`](crate::database::Database) trait.

pub mod sqlite;
