//! Reading a relation: ranges of the rowid side by side in one snapshot, or one statement.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::PartSpool;
use super::build::BatchBuilder;
use super::catalogue::{Relation, has_statistics};
use super::check::Checker;
use super::connection::bind_all;
use super::decimals;
use super::ffi::{Cell, Collect};
use super::ranges::{FIRST_ROWS, Ranges, Tickets};
use super::readers::{Reader, Readers};
use super::select;
use super::types::Kind;
use crate::database::{Cancel, Sink};
use crate::dialect::SQLITE;
use crate::engines::order::InOrder;
use crate::error::{Code, Error, Result};
use crate::shape::{Order, Shape};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};

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
    pub fn scan(
        &self,
        mut reader: Reader<'a>,
        typed: &Typed,
        shape: &Shape,
        version: Option<String>,
        sink: &dyn Sink,
    ) -> Result<()> {
        let relation = &typed.relation;
        let shape = &*decimals::by_value(shape, relation)?;
        let columns = selected(relation, shape)?;
        let kinds: Vec<Kind> = columns.iter().map(|&index| typed.kinds[index]).collect();
        let schema = typed.schema(&columns);
        let start = |version: Option<String>| {
            if let Some(version) = version {
                sink.version(version);
            }
            sink.start(schema.clone())
        };
        let filter = shape
            .filter_sql(&SQLITE)
            .map(|(sql, values)| Ok::<_, Error>((sql, bind_all(&values)?)))
            .transpose()?;
        let whole = shape.order.is_empty() && shape.limit.is_none() && shape.offset == 0;
        if let (Some(rowid), true) = (relation.rowid, whole && columns.len() <= MAX_ARGUMENTS) {
            let ranges = Ranges::new(relation, rowid, &columns, filter);
            if !ranges.prefers_index(reader.conn()?)? {
                start(version)?;
                return self.ranges(
                    &mut reader,
                    &ranges,
                    &|| BatchBuilder::new(schema.clone(), &kinds, FIRST_ROWS),
                    sink,
                );
            }
        }
        let whole = shape.predicate.is_none() && shape.order.is_empty();
        let mut shape = Cow::Borrowed(shape);
        if whole && relation.has_versions() {
            // As the table is kept: of an index that has all columns, the order would be another.
            shape.to_mut().order = relation.key().map(ascending).collect();
        }
        // A connection may know other statistics than the next one, and go another way through the rows.
        let steady = relation.has_versions() && (whole || !has_statistics(reader.conn()?, &relation.schema)?);
        start(version.filter(|_| steady))?;
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
            let _watch = order.watch();
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
            match self.readers.join(version, self.cancel)? {
                Some(reader) => others.push(reader),
                None => break,
            }
        }
        Ok(others)
    }
}

fn ascending(column: &str) -> Order {
    Order { column: column.to_owned(), descending: false, collation: None }
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
