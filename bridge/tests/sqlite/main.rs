//! The SQLite engine through the `Database` trait, on real files.
#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

mod ahead;
mod copying;
mod decimals;
mod guard;
mod reading;
mod snapshots;
mod writing;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use _bridge::database::{Access, Cancel, Database, Part, Query, Rows, Scan, Sink, Write, WriteMode};
use _bridge::engines::sqlite::{Options, Sqlite};
use _bridge::error::{Code, Error, Result};
use _bridge::shape::Shape;
use _bridge::value::{Params, Value};
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use rusqlite::Connection;

/// A database file that goes with its folder.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(sql: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.connection().execute_batch(sql).unwrap();
        folder
    }

    fn file(&self) -> String {
        self.0.path().join("test.db").to_str().unwrap().to_owned()
    }

    /// Somebody else's connection.
    fn connection(&self) -> Connection {
        Connection::open(Path::new(&self.file())).unwrap()
    }

    fn open(&self, access: Access) -> Arc<dyn Database> {
        self.open_with(access, None)
    }

    fn open_with(&self, access: Access, threads: Option<usize>) -> Arc<dyn Database> {
        Sqlite::open(&Options { path: self.file(), access, threads, query: Vec::new() }).unwrap()
    }

    /// The first column of the first row, as text.
    fn text(&self, sql: &str) -> String {
        self.connection()
            .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| match value {
                rusqlite::types::Value::Integer(value) => value.to_string(),
                rusqlite::types::Value::Real(value) => format!("{value:?}"),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(blob) => format!("{blob:02x?}"),
                rusqlite::types::Value::Null => "NULL".to_owned(),
            })
            .unwrap()
    }
}

/// Keeps what it is given.
#[derive(Default)]
struct Collected {
    schema: OnceLock<SchemaRef>,
    batches: Mutex<Vec<RecordBatch>>,
    truncated: OnceLock<()>,
}

impl Sink for Collected {
    fn start(&self, schema: SchemaRef) -> Result<()> {
        self.schema.set(schema).map_err(|_| Error::new(Code::Internal, "started twice"))
    }

    fn prepare(&self, batch: RecordBatch) -> Result<Part> {
        Ok(Part::Batch(batch))
    }

    fn put(&self, part: Part) -> Result<()> {
        if let Part::Batch(batch) = part {
            self.batches.lock().unwrap().push(batch);
        }
        Ok(())
    }

    fn truncated(&self) {
        self.truncated.set(()).unwrap();
    }
}

impl Collected {
    fn schema(&self) -> SchemaRef {
        self.schema.get().unwrap().clone()
    }

    fn batches(&self) -> Vec<RecordBatch> {
        self.batches.lock().unwrap().clone()
    }

    fn one(&self) -> RecordBatch {
        arrow_select::concat::concat_batches(&self.schema(), &self.batches()).unwrap()
    }

    fn types(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.data_type().to_string()).collect()
    }

    /// Each row as text, cells apart by a bar.
    fn rows(&self) -> Vec<String> {
        let batch = self.one();
        let options = arrow_cast::display::FormatOptions::default().with_null("NULL");
        let formatters: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow_cast::display::ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        (0..batch.num_rows())
            .map(|row| formatters.iter().map(|f| f.value(row).to_string()).collect::<Vec<_>>().join("|"))
            .collect()
    }
}

fn scan(database: &Arc<dyn Database>, relation: &str) -> Result<Collected> {
    scan_shaped(database, relation, "")
}

fn scan_shaped(database: &Arc<dyn Database>, relation: &str, shape: &str) -> Result<Collected> {
    let names: Vec<String> =
        database.columns("main", relation)?.into_iter().map(|column| column.name).collect();
    let shape = Shape::parse(shape)?.bind(&names)?;
    let sink = Collected::default();
    let scan = Scan { schema: "main".to_owned(), relation: relation.to_owned(), shape };
    database.scan(&scan, &sink, &Cancel::default())?;
    Ok(sink)
}

fn query(database: &Arc<dyn Database>, sql: &str, params: Params, limit: Option<u64>) -> Result<Collected> {
    let sink = Collected::default();
    database.query(&Query { sql: sql.to_owned(), params, limit }, &sink, &Cancel::default())?;
    Ok(sink)
}

fn ask(database: &Arc<dyn Database>, sql: &str) -> Result<Collected> {
    query(database, sql, Params::none(), None)
}

/// Rows on their way in, one batch after the other, or a failure at the end.
struct Body {
    schema: SchemaRef,
    batches: std::vec::IntoIter<Result<RecordBatch>>,
}

impl Iterator for Body {
    type Item = Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

impl Rows for Body {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn write(
    database: &Arc<dyn Database>,
    relation: &str,
    mode: WriteMode,
    batches: Vec<RecordBatch>,
) -> Result<u64> {
    write_results(database, relation, mode, batches[0].schema(), batches.into_iter().map(Ok).collect())
}

fn write_results(
    database: &Arc<dyn Database>,
    relation: &str,
    mode: WriteMode,
    schema: SchemaRef,
    batches: Vec<Result<RecordBatch>>,
) -> Result<u64> {
    let body = Body { schema, batches: batches.into_iter() };
    let target = Write { schema: "main".to_owned(), relation: relation.to_owned(), mode, if_version: None };
    database.write(&target, Box::new(body), &Cancel::default())
}

fn fails<T>(outcome: Result<T>) -> Error {
    match outcome {
        Ok(_) => panic!("this was to fail"),
        Err(error) => error,
    }
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

fn nulls(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(Array::null_count).sum()
}
