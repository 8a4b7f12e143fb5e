//! Reading a relation: ranges of the rowid side by side in one snapshot, or one statement.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use rusqlite::types::Value as Stored;

use super::ahead::PartSpool;
use super::build::BatchBuilder;
use super::catalogue::Relation;
use super::check::Checker;
use super::connection::{Conn, bind_all};
use super::ffi::{COLLECT, Cell, Collect};
use super::order::InOrder;
use super::readers::{Reader, Readers};
use super::select;
use super::types::Kind;
use crate::database::{Cancel, Sink};
use crate::dialect::SQLITE;
use crate::error::{Code, Error, Result};
use crate::shape::Shape;

/// Rows of the first range: small, so that the first byte is soon.
const FIRST_ROWS: usize = 1024;

/// What a batch should weigh; a chunk on the wire is about as much.
const TARGET_BYTES: usize = 1 << 20;

/// A relation whose column types have been made sure of, for one version of the database.
#[derive(Debug)]
pub struct Typed {
    pub relation: Relation,
    pub kinds: Vec<Kind>,
}

impl Typed {
    /// The Arrow schema of all its columns.
    #[must_use]
    pub fn whole_schema(&self) -> SchemaRef {
        self.schema(&(0..self.relation.columns.len()).collect::<Vec<_>>())
    }

    /// The Arrow schema of some of its columns.
    #[must_use]
    pub fn schema(&self, columns: &[usize]) -> SchemaRef {
        let fields = columns.iter().map(|&index| {
            let column = &self.relation.columns[index];
            self.kinds[index].field(&column.name, !column.not_null, &column.declared)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// One scan: where from, how many threads, and who watches.
pub struct Scanner<'a> {
    pub readers: &'a Readers,
    pub threads: usize,
    pub cancel: &'a Cancel,
}

impl<'a> Scanner<'a> {
    /// Streams the shaped relation into `sink`.
    ///
    /// # Errors
    /// The sink's, the database's, `cancelled`, `query-timeout`.
    pub fn scan(&self, reader: Reader<'a>, typed: &Typed, shape: &Shape, sink: &dyn Sink) -> Result<()> {
        let relation = &typed.relation;
        let columns = selected(relation, shape)?;
        let kinds: Vec<Kind> = columns.iter().map(|&index| typed.kinds[index]).collect();
        let schema = typed.schema(&columns);
        sink.start(schema.clone())?;
        let mut reader = reader;
        let filter = shape
            .filter_sql(&SQLITE)
            .map(|(sql, values)| Ok::<_, Error>((sql, bind_all(&values)?)))
            .transpose()?;
        let whole = shape.order.is_empty() && shape.limit.is_none() && shape.offset == 0;
        if let (Some(rowid), true) = (relation.rowid, whole && columns.len() <= MAX_ARGUMENTS) {
            let ranges = Ranges::new(relation, rowid, &columns, filter);
            if !ranges.prefers_index(reader.conn()?)? {
                return self.ranges(
                    &mut reader,
                    &ranges,
                    &|| BatchBuilder::new(schema.clone(), &kinds, FIRST_ROWS),
                    sink,
                );
            }
        }
        let (sql, values) = shape.select(&SQLITE, &relation.schema, &relation.name, &relation.column_names());
        let values = bind_all(&values)?;
        let cancel = self.cancel;
        reader.conn()?.watched(cancel, |conn| select::stream(conn, &sql, &values, schema, &kinds, sink))
    }

    /// Encodes the whole relation as what it declares to be, and so makes sure that it is.
    ///
    /// `None` where that cannot be done, or where some value does not fit.
    ///
    /// # Errors
    /// The database's, `cancelled`, `query-timeout`.
    pub fn ahead(
        &self,
        reader: &mut Reader<'a>,
        typed: &Typed,
        sink: &dyn Sink,
    ) -> Result<Option<PartSpool>> {
        let relation = &typed.relation;
        let columns: Vec<usize> = (0..relation.columns.len()).collect();
        let Some(rowid) = relation.rowid else { return Ok(None) };
        if columns.len() > MAX_ARGUMENTS || typed.kinds.contains(&Kind::Any) {
            return Ok(None);
        }
        let schema = typed.whole_schema();
        let Some(parts) = sink.ahead(&schema)? else { return Ok(None) };
        let spool = PartSpool::new(parts);
        let ranges = Ranges::new(relation, rowid, &columns, None);
        let builder = || BatchBuilder::new(schema.clone(), &typed.kinds, FIRST_ROWS);
        match self.ranges(reader, &ranges, &builder, &spool) {
            Ok(()) => Ok(Some(spool)),
            // A misfit, or no room to wait in: then it takes two passes.
            Err(error) if matches!(error.code(), Code::Internal | Code::SpoolFull) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure of the type of every column; rowid ranges side by side where there are any.
    ///
    /// # Errors
    /// The database's, `cancelled`, `query-timeout`.
    pub fn decide(&self, reader: &mut Reader<'a>, relation: &Relation) -> Result<Vec<Kind>> {
        let declared = relation.declared();
        if relation.is_certain() {
            return Ok(declared);
        }
        let columns: Vec<usize> = (0..relation.columns.len()).collect();
        if columns.len() > MAX_ARGUMENTS {
            return self.decide_by_stepping(reader, relation, declared);
        }
        let checker = Mutex::new(Checker::new(declared.clone()));
        let (ranges, version) = match relation.rowid {
            Some(rowid) => (Ranges::new(relation, rowid, &columns, None), reader.version),
            None => (Ranges::everything(relation, &columns), -1),
        };
        let tickets = Tickets::new(&ranges, CHECK_ROWS);
        let work = |reader: &mut Reader<'_>| -> Result<()> {
            reader.conn()?.watched(self.cancel, |conn| {
                let mut mine = Checking(Checker::new(declared.clone()));
                while let Some(ticket) = tickets.take(conn)? {
                    self.cancel.check()?;
                    ranges.collect(conn, &ticket, &mut mine)?;
                }
                checker.lock().unwrap_or_else(PoisonError::into_inner).merge(&mine.0);
                Ok(())
            })
        };
        let more = reader.conn()?.watched(self.cancel, |conn| tickets.look(conn))?;
        let others = if more { self.others(version)? } else { Vec::new() };
        side_by_side(reader, others, &work)?;
        Ok(checker.into_inner().unwrap_or_else(PoisonError::into_inner).decide())
    }

    fn decide_by_stepping(
        &self,
        reader: &mut Reader<'a>,
        relation: &Relation,
        declared: Vec<Kind>,
    ) -> Result<Vec<Kind>> {
        let names = relation.column_names();
        let (sql, _) = Shape::default().select(&SQLITE, &relation.schema, &relation.name, &names);
        let mut checker = Checker::new(declared);
        reader.conn()?.watched(self.cancel, |conn| select::check(conn, &sql, &mut checker))?;
        Ok(checker.decide())
    }

    fn ranges(
        &self,
        reader: &mut Reader<'a>,
        ranges: &Ranges,
        builder: &(dyn Fn() -> BatchBuilder + Sync),
        sink: &dyn Sink,
    ) -> Result<()> {
        let tickets = Tickets::new(ranges, FIRST_ROWS);
        let more = reader.conn()?.watched(self.cancel, |conn| tickets.look(conn))?;
        let others = if more { self.others(reader.version)? } else { Vec::new() };
        let order = InOrder::new(sink, 2 * (others.len() + 1));
        // The first range alone, so that its weight sizes all that follow, on every machine alike.
        reader.conn()?.watched(self.cancel, |conn| {
            let mut building = Building { builder: builder(), order: &order, ticket: 0 };
            let Some(ticket) = tickets.take(conn)? else { return Ok(()) };
            ranges.collect(conn, &ticket, &mut building)?;
            let (rows, bytes) = building.flush()?;
            tickets.weigh(rows, bytes);
            Ok(())
        })?;
        let work = |reader: &mut Reader<'_>| -> Result<()> {
            let outcome = reader.conn()?.watched(self.cancel, |conn| {
                let mut building = Building { builder: builder(), order: &order, ticket: 0 };
                while let Some(ticket) = tickets.take(conn)? {
                    self.cancel.check()?;
                    building.ticket = ticket.number;
                    ranges.collect(conn, &ticket, &mut building)?;
                    building.flush()?;
                }
                Ok(())
            });
            if outcome.is_err() {
                order.fail();
            }
            outcome
        };
        side_by_side(reader, others, &work)
    }

    /// As many more connections to the same state as may help.
    fn others(&self, version: i64) -> Result<Vec<Reader<'a>>> {
        let mut others = Vec::new();
        while others.len() + 1 < self.threads {
            match self.readers.join(version)? {
                Some(reader) => others.push(reader),
                None => break,
            }
        }
        Ok(others)
    }
}

/// Arguments that an aggregate takes by SQLite's default limit.
const MAX_ARGUMENTS: usize = 1000;

/// Rows that one thread checks before it comes back for more.
const CHECK_ROWS: usize = 16_384;

/// Runs `work` on this thread and on one more for each other reader. The first failure that is
/// not an echo of another is the outcome.
fn side_by_side(
    reader: &mut Reader<'_>,
    others: Vec<Reader<'_>>,
    work: &(dyn Fn(&mut Reader<'_>) -> Result<()> + Sync),
) -> Result<()> {
    if others.is_empty() {
        return work(reader);
    }
    let outcomes = std::thread::scope(|scope| {
        let handles: Vec<_> =
            others.into_iter().map(|mut other| scope.spawn(move || work(&mut other))).collect();
        let mut outcomes = vec![work(reader)];
        for handle in handles {
            let panicked = |_| Err(Error::new(Code::Internal, "a panic on a scanning thread"));
            outcomes.push(handle.join().unwrap_or_else(panicked));
        }
        outcomes
    });
    let mut failures: Vec<Error> = outcomes.into_iter().filter_map(Result::err).collect();
    failures.sort_by_key(|failure| failure.code() == Code::Cancelled);
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// Indexes of the columns that a shape selects.
fn selected(relation: &Relation, shape: &Shape) -> Result<Vec<usize>> {
    let Some(names) = &shape.columns else { return Ok((0..relation.columns.len()).collect()) };
    let find = |name: &String| {
        relation.columns.iter().position(|column| column.name == *name).ok_or_else(|| {
            Error::new(Code::InvalidParameter, format!("there is no column {name:?}")).with_column(name)
        })
    };
    names.iter().map(find).collect()
}

/// The statements that read a relation range by range.
struct Ranges {
    /// Collects the rows of a range; its bounds are the first two parameters.
    collect: String,
    /// Finds where the range after the next so many rows starts.
    boundary: Option<String>,
    plan: Option<String>,
    values: Vec<Stored>,
}

impl Ranges {
    fn new(
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
    fn everything(relation: &Relation, columns: &[usize]) -> Self {
        let (from, cells) = (relation.quoted(), cells(relation, columns));
        Self {
            collect: format!("SELECT {COLLECT}({cells}) FROM {from} WHERE ?1 <= ?2"),
            boundary: None,
            plan: None,
            values: Vec::new(),
        }
    }

    /// Whether SQLite would rather look the filter up in an index than pass over all rows.
    fn prefers_index(&self, conn: &Conn) -> Result<bool> {
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
        read().map_err(super::fault::internal)
    }

    fn collect(&self, conn: &mut Conn, ticket: &Ticket, collect: &mut dyn Collect) -> Result<()> {
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
struct Ticket {
    number: u64,
    first: i64,
    last: i64,
}

/// Gives out ranges of so many rows each, one after the other. Where a range ends depends on the
/// rows alone, so that the batches of one version are the same on every machine.
struct Tickets<'a> {
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
    fn new(ranges: &'a Ranges, rows: usize) -> Self {
        let state = TicketState { number: 0, rows, first: Some(i64::MIN), looked: None };
        Self { ranges, state: Mutex::new(state) }
    }

    /// Whether there is more than one range.
    fn look(&self, conn: &mut Conn) -> Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.boundary(conn, &state)?;
        state.looked = Some(next);
        Ok(next.is_some())
    }

    fn take(&self, conn: &mut Conn) -> Result<Option<Ticket>> {
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
        find().map_err(super::fault::internal)
    }

    /// Sizes the ranges that follow by what the first one weighed.
    fn weigh(&self, rows: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(rows) {
            let each = each.max(1);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.rows = (TARGET_BYTES / each).clamp(FIRST_ROWS / 4, 65_536);
        }
    }
}

/// Builds batches of the rows of a range.
struct Building<'a> {
    builder: BatchBuilder,
    order: &'a InOrder<'a>,
    ticket: u64,
}

impl Building<'_> {
    /// Hands on what is left of the range; returns its rows and bytes.
    fn flush(&mut self) -> Result<(usize, usize)> {
        if self.builder.rows() == 0 {
            self.order.put(self.ticket, None, true)?;
            return Ok((0, 0));
        }
        let batch = self.builder.finish()?;
        let weight = (batch.num_rows(), weight(&batch)?);
        let part = self.order.sink().prepare(batch)?;
        self.order.put(self.ticket, Some(part), true)?;
        Ok(weight)
    }
}

impl Collect for Building<'_> {
    #[inline]
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        self.builder.push(cells.iter().map(Cell::scalar))?;
        if self.builder.rows().is_multiple_of(16) && self.builder.is_full() {
            let part = self.order.sink().prepare(self.builder.finish()?)?;
            self.order.put(self.ticket, Some(part), false)?;
        }
        Ok(())
    }
}

/// Bytes of a batch's values, without spare capacity.
fn weight(batch: &RecordBatch) -> Result<usize> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}

struct Checking(Checker);

impl Collect for Checking {
    #[inline]
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for (index, cell) in cells.iter().enumerate() {
            self.0.push(index, cell.scalar());
        }
        Ok(())
    }
}
