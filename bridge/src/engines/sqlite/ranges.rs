//! A relation cut into ranges of its rowid, by count.

use std::sync::{Mutex, PoisonError};

use rusqlite::types::Value as Stored;

use super::catalogue::Relation;
use super::connection::Conn;
use super::fault::internal;
use super::ffi::{COLLECT, Collect};
use crate::dialect::SQLITE;
use crate::error::Result;

/// Rows of the first range: small, so that the first byte is soon.
pub const FIRST_ROWS: usize = 1024;

/// What a batch should weigh; a chunk on the wire is about as much.
const TARGET_BYTES: usize = 1 << 20;

/// The statements that read a relation range by range.
pub struct Ranges {
    /// Collects the rows of a range; its bounds are the first two parameters.
    collect: String,
    /// Finds where the range after the next so many rows starts.
    boundary: Option<String>,
    plan: Option<String>,
    values: Vec<Stored>,
}

impl Ranges {
    pub fn new(
        relation: &Relation,
        rowid: &str,
        columns: &[usize],
        filter: Option<(String, Vec<Stored>)>,
    ) -> Self {
        let from = relation.quoted();
        let cells = cells(relation, columns);
        let (condition, values) =
            filter.map_or((String::new(), Vec::new()), |(sql, values)| (format!(" AND ({sql})"), values));
        let plan = (!values.is_empty() || !condition.is_empty())
            .then(|| format!("EXPLAIN QUERY PLAN SELECT 1 FROM {from} WHERE ?1 <= ?2{condition}"));
        Self {
            collect: format!(
                "SELECT {COLLECT}({cells}) FROM {from} NOT INDEXED WHERE {rowid} >= ?1 AND {rowid} <= ?2{condition}"
            ),
            boundary: Some(format!(
                "SELECT {rowid} FROM {from} NOT INDEXED WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT 1 OFFSET ?2"
            )),
            plan,
            values,
        }
    }

    /// One range of all rows, for relations that have no rowid.
    pub fn everything(relation: &Relation, columns: &[usize]) -> Self {
        let (from, cells) = (relation.quoted(), cells(relation, columns));
        Self {
            collect: format!("SELECT {COLLECT}({cells}) FROM {from} WHERE ?1 <= ?2"),
            boundary: None,
            plan: None,
            values: Vec::new(),
        }
    }

    /// Whether SQLite would rather look the filter up in an index than pass over all rows.
    pub fn prefers_index(&self, conn: &Conn) -> Result<bool> {
        let Some(plan) = &self.plan else { return Ok(false) };
        let read = || -> rusqlite::Result<bool> {
            let mut statement = conn.raw().prepare_cached(plan)?;
            for (index, value) in (3..).zip(&self.values) {
                statement.raw_bind_parameter(index, value)?;
            }
            let mut rows = statement.raw_query();
            let mut searches = false;
            while let Some(row) = rows.next()? {
                searches |= row.get_ref(3)?.as_str().is_ok_and(|detail| detail.starts_with("SEARCH"));
            }
            Ok(searches)
        };
        read().map_err(internal)
    }

    pub fn collect(&self, conn: &mut Conn, ticket: &Ticket, collect: &mut dyn Collect) -> Result<()> {
        let mut values = Vec::with_capacity(2 + self.values.len());
        values.extend([Stored::Integer(ticket.first), Stored::Integer(ticket.last)]);
        values.extend_from_slice(&self.values);
        conn.collect(&self.collect, &values, collect)
    }
}

fn cells(relation: &Relation, columns: &[usize]) -> String {
    let names: Vec<String> =
        columns.iter().map(|&index| SQLITE.quoted(&relation.columns[index].name)).collect();
    names.join(", ")
}

/// A range of rowids, both ends included.
pub struct Ticket {
    pub number: u64,
    first: i64,
    last: i64,
}

/// Gives out ranges of so many rows each, one after the other. Where a range ends depends on the
/// rows alone, so that the batches of one version are the same on every machine.
pub struct Tickets<'a> {
    ranges: &'a Ranges,
    state: Mutex<TicketState>,
}

/// Where a range starts; nowhere after the last.
type Boundary = Option<i64>;

struct TicketState {
    number: u64,
    rows: usize,
    first: Option<i64>,
    /// The start of the range after the next, once looked up.
    looked: Option<Boundary>,
}

impl<'a> Tickets<'a> {
    pub fn new(ranges: &'a Ranges, rows: usize) -> Self {
        let state = TicketState { number: 0, rows, first: Some(i64::MIN), looked: None };
        Self { ranges, state: Mutex::new(state) }
    }

    /// Whether there is more than one range.
    pub fn look(&self, conn: &mut Conn) -> Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.boundary(conn, &state)?;
        state.looked = Some(next);
        Ok(next.is_some())
    }

    pub fn take(&self, conn: &mut Conn) -> Result<Option<Ticket>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = state.first else { return Ok(None) };
        let next = match state.looked.take() {
            Some(next) => next,
            None => self.boundary(conn, &state)?,
        };
        let ticket = Ticket { number: state.number, first, last: next.map_or(i64::MAX, |next| next - 1) };
        state.number += 1;
        state.first = next;
        Ok(Some(ticket))
    }

    fn boundary(&self, conn: &mut Conn, state: &TicketState) -> Result<Option<i64>> {
        let (Some(sql), Some(first)) = (&self.ranges.boundary, state.first) else { return Ok(None) };
        let rows = i64::try_from(state.rows).unwrap_or(i64::MAX);
        let find = || -> rusqlite::Result<Option<i64>> {
            let mut statement = conn.raw().prepare_cached(sql)?;
            let mut rows = statement.query([first, rows])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        find().map_err(internal)
    }

    /// Sizes the ranges that follow by what the first one weighed.
    pub fn weigh(&self, rows: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(rows) {
            let each = each.max(1);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.rows = (TARGET_BYTES / each).clamp(FIRST_ROWS / 4, 65_536);
        }
    }
}
