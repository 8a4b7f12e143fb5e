//! Reading a relation: rows become batches while they arrive, of one statement or of several beside
//! each other.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

use super::build::BatchBuilder;
use super::catalogue::Relation;
use super::ranges::{self, Ranges};
use super::session::{Pool, READ, Watch};
use super::statement::Described;
use super::types::{Kind, Labels, members};
use super::values::Bound;
use super::wire::Conn;
use crate::database::Sink;
use crate::dialect::MYSQL;
use crate::engines::overlap::overlapped;
use crate::error::{Code, Error, Result};
use crate::shape::Shape;
use crate::value::Value;

/// Rows of a batch; the first is smaller, so that the first byte is soon.
pub const ROWS: usize = 8192;
pub const FIRST_ROWS: usize = 1024;

/// What a relation's columns are, as a read sees them.
pub struct Typed {
    pub relation: Relation,
    pub kinds: Vec<Kind>,
}

impl Typed {
    /// # Errors
    /// `not-found`, or what the server said.
    pub fn load(conn: &mut Conn, schema: &str, name: &str) -> Result<Self> {
        let relation = Relation::load(conn, schema, name)?;
        let all: Vec<usize> = (0..relation.columns.len()).collect();
        let statement = conn.prepare(&select(&relation, &all))?;
        conn.close(&statement);
        let kinds = relation.columns.iter().zip(&statement.columns);
        let kinds = kinds.map(|(column, described)| kind(&column.declared, described)).collect();
        Ok(Self { relation, kinds })
    }

    /// The Arrow schema of some columns.
    #[must_use]
    pub fn schema(&self, columns: &[usize], null_dates: bool) -> SchemaRef {
        let field = |&index: &usize| {
            let (column, kind) = (&self.relation.columns[index], &self.kinds[index]);
            let dated = matches!(kind, Kind::Date | Kind::Datetime | Kind::Timestamp);
            kind.field(&column.name, column.nullable || (null_dates && dated), &column.declared)
        };
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// Indexes of the columns that a shape selects.
    fn selected(&self, shape: &Shape) -> Result<Vec<usize>> {
        let columns = &self.relation.columns;
        let Some(names) = &shape.columns else { return Ok((0..columns.len()).collect()) };
        let find = |name: &String| {
            columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                Error::new(Code::InvalidParameter, format!("there is no column {name:?}")).with_column(name)
            })
        };
        names.iter().map(find).collect()
    }
}

/// The catalogue knows the labels of an enum, and the server's description the rest.
fn kind(declared: &str, described: &Described) -> Kind {
    if declared.starts_with("enum(") {
        return Kind::Enum(Arc::new(Labels::new(members(declared))));
    }
    Kind::of(described)
}

fn select(relation: &Relation, columns: &[usize]) -> String {
    let mut sql = String::from("SELECT ");
    for (at, &index) in columns.iter().enumerate() {
        if at > 0 {
            sql.push_str(", ");
        }
        MYSQL.quote_into(&mut sql, &relation.columns[index].name);
    }
    sql.push_str(" FROM ");
    MYSQL.relation_into(&mut sql, &relation.schema, &relation.name);
    sql
}

/// One scan: where from, and on how many connections.
pub struct Scanner<'a> {
    pub pool: &'a Pool,
    pub threads: usize,
}

impl Scanner<'_> {
    /// Streams the shaped relation into `sink`.
    ///
    /// # Errors
    /// The sink's, the server's, `cancelled`, `query-timeout`.
    pub fn scan(&self, place: (&str, &str), shape: &Shape, sink: &dyn Sink, watch: &Watch<'_>) -> Result<()> {
        let mut session = self.pool.begin(READ, watch)?;
        let mut typed = Typed::load(session.conn()?, place.0, place.1)?;
        let mut others = Vec::new();
        let whole = shape.predicate.is_none() && shape.order.is_empty() && !is_cut(shape);
        if self.threads > 1
            && whole
            && let Some(begun) = ranges::share(self.pool, &mut session, &typed, self.threads, watch)?
        {
            others = begun;
            // The state is another, and so may be the columns.
            typed = Typed::load(session.conn()?, place.0, place.1)?;
        }
        let columns = typed.selected(shape)?;
        let kinds: Vec<Kind> = columns.iter().map(|&index| typed.kinds[index].clone()).collect();
        let conn = session.conn()?;
        let schema = typed.schema(&columns, conn.address.null_dates);
        let select = select(&typed.relation, &columns);
        let ranges =
            if others.is_empty() { None } else { Ranges::new(conn, &typed, &select, &schema, &kinds)? };
        sink.start(schema.clone())?;
        if let Some(ranges) = ranges {
            others.push(session);
            return ranges.scan(others, sink);
        }
        let (sql, values) = shaped(select, shape);
        let bound = Bound::new(&values)?;
        let statement = conn.prepare(&sql).map_err(predicate)?;
        conn.execute(&statement, &bound).map_err(predicate)?;
        stream(conn, schema, &kinds, sink, || Row::Wanted).map_err(predicate)?;
        conn.close(&statement);
        session.end("COMMIT")
    }
}

fn is_cut(shape: &Shape) -> bool {
    shape.limit.is_some() || shape.offset > 0
}

/// Adds the shape to a `SELECT`; its literals are bound.
#[must_use]
pub fn shaped(mut sql: String, shape: &Shape) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    if let Some((filter, bound)) = shape.filter_sql(&MYSQL) {
        sql.push_str(" WHERE ");
        sql.push_str(&filter);
        values = bound;
    }
    if let Some(order) = shape.order_sql(&MYSQL) {
        sql.push_str(" ORDER BY ");
        sql.push_str(&order);
    }
    if is_cut(shape) {
        // There is no offset without a limit.
        sql.extend([" LIMIT ", &shape.limit.unwrap_or(u64::MAX).to_string()]);
        sql.extend([" OFFSET ", &shape.offset.to_string()]);
    }
    (sql, values)
}

/// What the server has against a condition is against the request's, for the rest is ours.
pub fn predicate(error: Error) -> Error {
    match (error.code(), error.sqlstate()) {
        (Code::InvalidQuery | Code::ValueOutOfRange, Some(state)) => {
            Error::new(Code::InvalidPredicate, error.detail()).with_sqlstate(state)
        }
        _ => error,
    }
}

/// Whether a row that has come is wanted, and those after it.
pub enum Row {
    Wanted,
    Enough,
}

/// Cuts the rows of a running statement into batches for a sink, and encodes those beside reading.
///
/// # Errors
/// The sink's, the server's, `value-out-of-range`.
pub fn stream(
    conn: &mut Conn,
    schema: SchemaRef,
    kinds: &[Kind],
    sink: &dyn Sink,
    mut wanted: impl FnMut() -> Row,
) -> Result<()> {
    overlapped(sink, |batches| {
        let mut builder = BatchBuilder::new(schema, kinds, conn.address.null_dates, ROWS);
        let mut rows = FIRST_ROWS;
        let mut enough = false;
        let outcome = conn.each_row(|row| {
            // A batch goes out only when the row after it is there: a cut is known before its last.
            if let Row::Enough = wanted() {
                enough = true;
                return Err(Error::new(Code::Cancelled, "there are more rows than asked for"));
            }
            if builder.rows() >= rows || builder.is_full() {
                rows = ROWS;
                batches.push(builder.finish()?)?;
            }
            builder.push(row)
        });
        match outcome {
            Err(_) if enough => {}
            outcome => outcome?,
        }
        if builder.rows() > 0 { batches.push(builder.finish()?) } else { Ok(()) }
    })
}
