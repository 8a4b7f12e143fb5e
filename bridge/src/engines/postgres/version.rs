//! The data version of a relation: which state of the server its rows are of.

use super::wire::{Conn, Row};
use crate::error::Result;

/// One row for relations whose rows change by commits alone: none for those that are kept elsewhere, that
/// the system makes up, that are computed, that depend on who asks, or that a crash empties. The version
/// changes when a transaction ends or the server starts, on a standby when more is replayed; it is NULL on
/// one that has received what it has yet to replay, for a commit may be half seen there.
///
/// Then how many tables the rows are in, and their pages.
const STATE: &str = "
    WITH RECURSIVE reads(relation) AS (
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text AND c.relkind IN ('r', 'p')
            AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
            AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
        UNION SELECT i.inhrelid FROM reads JOIN pg_catalog.pg_inherits i ON i.inhparent = relation)
    SELECT pg_catalog.to_hex((1000000 * pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()))::int8)
        || CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN '-' || pg_catalog.txid_current_snapshot()
            WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
                THEN '-replayed-' || pg_catalog.pg_last_wal_replay_lsn() END,
        pg_catalog.count(*),
        COALESCE(pg_catalog.sum(pg_catalog.pg_relation_size(relation)
            / pg_catalog.current_setting('block_size')::int8), 0)
    FROM reads JOIN pg_catalog.pg_class c ON c.oid = relation
    HAVING pg_catalog.bool_and(c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relrowsecurity)";

/// Every plan for the rows of a table gives them in the order of the table, so that it does not matter
/// which one the server takes, nor who else reads.
pub const STEADY: &str =
    "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0;
    SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off";

/// The state that a transaction sees of a relation.
pub struct State {
    /// None where it cannot be told just now.
    pub version: Option<String>,
    /// The rows are in one table, not in heirs or partitions of it.
    pub alone: bool,
    pub pages: u64,
}

impl State {
    /// The statement for [`State::of`], of a schema and a relation.
    pub const ASK: &str = STATE;

    #[must_use]
    pub fn of(rows: Vec<Row>) -> Option<Self> {
        let [version, tables, pages] = <[_; 3]>::try_from(rows.into_iter().next()?).ok()?;
        let alone = tables.is_some_and(|count| count == "1");
        Some(Self { version, alone, pages: pages?.parse().ok()? })
    }

    /// # Errors
    /// What the server said.
    pub fn load(conn: &mut Conn, schema: &str, relation: &str) -> Result<Option<Self>> {
        Ok(Self::of(conn.rows(STATE, &[Some(schema), Some(relation)])?))
    }

    /// On a standby the version is told after the snapshot was taken, and may be that of a later state.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.contains("replayed"))
    }
}
