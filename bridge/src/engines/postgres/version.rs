//! The data version of a relation: which state of the server its rows are of.

use super::catalogue::Relation;
use super::wire::Conn;
use crate::error::Result;

const STATE: &str = "
    SELECT pg_catalog.pg_relation_size($1::pg_catalog.oid), pg_catalog.pg_postmaster_start_time(),
        CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.txid_current_snapshot() END
    WHERE pg_catalog.has_table_privilege($1, 'SELECT')";

/// What changes when a transaction ends that has written, or the server starts.
const ALL: &str = "
    SELECT CAST(pg_catalog.pg_postmaster_start_time() AS text) || ' ' || pg_catalog.txid_current_snapshot()
    WHERE NOT pg_catalog.pg_is_in_recovery()";

/// On a standby, how much was replayed; none on one that has received what it has yet to replay, for a
/// commit may be half seen there.
const REPLAYED: &str = "
    SELECT pg_catalog.pg_last_wal_replay_lsn()
    WHERE pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()";

/// Whether all that inherit from a relation, or are parts of it, are kept too.
const HEIRS: &str = "
    WITH RECURSIVE heirs(relation) AS (
        SELECT $1::pg_catalog.oid
        UNION SELECT i.inhrelid FROM heirs JOIN pg_catalog.pg_inherits i ON i.inhparent = relation)
    SELECT pg_catalog.bool_and";

/// Every plan for rows of a table gives them in its order, so that it does not matter which one the server
/// takes, nor who else reads: a bitmap of those in an index is in that order too. What is switched off is
/// taken all the same where the rest is as well.
pub const STEADY: [&str; 6] = [
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL enable_indexscan = off",
    "SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_bitmapscan = on",
    "SET LOCAL enable_seqscan = on",
];

/// The state that a transaction sees of a relation whose rows only commits change.
pub struct State {
    /// Changes when a transaction ends or the server starts, on a standby when more is replayed; none where
    /// that cannot be told just now.
    pub version: Option<String>,
    /// On a standby the version is told after the snapshot was taken, and may be that of a later state.
    pub replayed: bool,
    /// Bytes of the table, without those of its heirs.
    pub size: u64,
}

impl State {
    /// None where the rows may change without a commit, or are not ours to hold.
    ///
    /// # Errors
    /// What the server said.
    pub fn load(conn: &mut Conn, relation: &Relation) -> Result<Option<Self>> {
        if !relation.kept {
            return Ok(None);
        }
        let oid = [Some(relation.oid.as_str())];
        if relation.heirs {
            let sql = format!(
                "{HEIRS}({}) FROM heirs JOIN pg_catalog.pg_class c ON c.oid = relation",
                Relation::KEPT
            );
            if conn.rows(&sql, &oid)?.into_iter().flatten().flatten().next().as_deref() != Some("t") {
                return Ok(None);
            }
        }
        let Some(mut told) = conn.rows(STATE, &oid)?.into_iter().next() else { return Ok(None) };
        let mut seen = told.pop().flatten();
        let start = told.pop().flatten().unwrap_or_default();
        let size = told.pop().flatten().and_then(|size| size.parse().ok()).unwrap_or(0);
        let replayed = seen.is_none();
        if replayed {
            seen = conn.rows(REPLAYED, &[])?.into_iter().flatten().flatten().next();
        }
        let start: String = start.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(Some(Self { version: seen.map(|seen| format!("{start}-{seen}")), replayed, size }))
    }
}

/// A version of all that the server has; none on a standby.
///
/// # Errors
/// What the server said.
pub fn of_all(conn: &mut Conn) -> Result<Option<String>> {
    Ok(conn.rows(ALL, &[])?.into_iter().flatten().flatten().next())
}
