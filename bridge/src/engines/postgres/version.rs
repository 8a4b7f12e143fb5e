//! The data version of a relation: which state of the server its rows are of.

use super::wire::{Conn, Row};
use crate::error::Result;

/// Of `pg_class` as `c`: its rows change by commits alone. Not those that are kept elsewhere, that are
/// computed, that depend on who asks, or that a crash empties.
const KEPT: &str = "c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relrowsecurity";

/// Of `pg_namespace` as `n` besides: they are no system's, and we can hold them as they are.
const OURS: &str = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";

/// Changes when a transaction ends or the server starts, on a standby when more is replayed. None on one
/// that has received what it has yet to replay, for a commit may be half seen there.
const VERSION: &str = "
    pg_catalog.to_hex((1000000 * pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()))::int8)
    || CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN '-' || pg_catalog.txid_current_snapshot()
       WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
       THEN '-replayed-' || pg_catalog.pg_last_wal_replay_lsn() END";

const PAGES: &str = "
    pg_catalog.pg_relation_size(pg_catalog.to_regclass(pg_catalog.format('%I.%I', $1::pg_catalog.text, $2::pg_catalog.text)))
    / pg_catalog.current_setting('block_size')::int8";

/// Whether all that inherit from a relation, or are parts of it, have versions too.
const HEIRS: &str = "
    WITH RECURSIVE heirs(relation) AS (
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text
        UNION SELECT i.inhrelid FROM heirs JOIN pg_catalog.pg_inherits i ON i.inhparent = relation)
    SELECT pg_catalog.bool_and";

/// All rows of a table come in its order, whoever else reads it.
pub const STEADY: &str =
    "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// Then some rows do too, whichever plan the server takes: a bitmap of those in an index is in that order.
pub const BY_BITMAP: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off";

/// The state that a transaction sees of a relation whose rows only commits change.
pub struct State {
    /// None where it cannot be told just now.
    pub version: Option<String>,
    /// The rows are in one table, not in heirs or partitions of it.
    pub alone: bool,
    pub pages: u64,
}

impl State {
    /// Three columns for [`State::of`], of a statement over `pg_class c` and `pg_namespace n` whose values
    /// are the names of a schema and a relation. What costs most is asked once, however many rows there are.
    #[must_use]
    pub fn columns() -> String {
        let kept = format!("CASE WHEN {KEPT} AND {OURS} THEN");
        format!("{kept} c.relhassubclass END, {kept} (SELECT {VERSION}) END, {kept} (SELECT {PAGES}) END")
    }

    /// The state that the last three cells of a row tell, if there is one.
    ///
    /// # Errors
    /// What the server said.
    pub fn of(conn: &mut Conn, row: &mut Row, names: (&str, &str)) -> Result<Option<Self>> {
        let pages = row.pop().flatten().and_then(|pages| pages.parse().ok());
        let version = row.pop().flatten();
        let Some(heirs) = row.pop().flatten() else { return Ok(None) };
        let alone = heirs == "f";
        if !alone {
            let sql = format!("{HEIRS}({KEPT}) FROM heirs JOIN pg_catalog.pg_class c ON c.oid = relation");
            let kept = conn.rows(&sql, &[Some(names.0), Some(names.1)])?;
            if kept.into_iter().flatten().flatten().next().as_deref() != Some("t") {
                return Ok(None);
            }
        }
        Ok(Some(Self { version, alone, pages: pages.unwrap_or(0) }))
    }

    /// The state of a relation; none where it has none, or is not there.
    ///
    /// # Errors
    /// What the server said.
    pub fn load(conn: &mut Conn, schema: &str, relation: &str) -> Result<Option<Self>> {
        let sql = format!(
            "SELECT {} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text",
            Self::columns()
        );
        let found = conn.rows(&sql, &[Some(schema), Some(relation)])?.into_iter().next();
        found.map_or(Ok(None), |mut row| Self::of(conn, &mut row, (schema, relation)))
    }

    /// On a standby the version is told after the snapshot was taken, and may be that of a later state.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.contains("replayed"))
    }
}
