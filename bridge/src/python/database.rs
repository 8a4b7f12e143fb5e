//! The way back: a database written in Python, behind the [`Database`] trait.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use pyo3::PyClass;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::arrow::{Batches, reader_of};
use super::attach::attached;
use super::rows::{Incoming, held_to, pieces};
use super::steady::Steady;
use super::turn::Turn;
use super::values::params_to;
use super::work::interruptible;
use crate::database::{Cancel, Database, Query, Rows, Scan, Sink, Write, WriteMode};
use crate::dialect::Dialect;
use crate::engines::overlap::overlapped;
use crate::error::{Code, Error, Result};
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};
use crate::shape::Shape;
use crate::value::Params;

/// A Python object with the methods of `AbstractDatabase`.
pub struct PyDatabase {
    object: Py<PyAny>,
    dialect: &'static Dialect,
    /// `None` for a backend that says it is concurrent.
    turn: Option<Turn>,
    closed: AtomicBool,
    /// Schemas that were listed once: a backend may answer for schemas that it does not have.
    schemas: Mutex<HashSet<String>>,
}

impl PyDatabase {
    pub fn new(object: Bound<'_, PyAny>) -> PyResult<Self> {
        let dialect: String = object.call_method0("dialect")?.extract()?;
        let concurrent =
            object.getattr_opt("concurrent")?.is_some_and(|flag| flag.is_truthy().unwrap_or(false));
        Ok(Self {
            dialect: Dialect::by_name(&dialect),
            turn: (!concurrent).then(Turn::default),
            closed: AtomicBool::new(false),
            schemas: Mutex::default(),
            object: object.unbind(),
        })
    }

    /// Runs `work` on the object, in turn. `value` is what a `ValueError` means here.
    fn with<T>(&self, value: Code, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        let _turn = self.turn.as_ref().map(Turn::take);
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::DatabaseUnavailable, "the database was closed"));
        }
        attached(value, |py| work(self.object.bind(py)))
    }

    fn list<T>(&self, method: &str, names: &[&str]) -> Result<Vec<T>>
    where
        T: PyClass + Clone + Sync,
    {
        self.with(Code::InvalidParameter, |object| {
            let answer = object.call_method1(method, PyTuple::new(object.py(), names)?)?;
            answer.try_iter()?.map(|info| record(method, &info?)).collect()
        })
    }

    /// Calls an optional method; `None` where the object has none.
    fn optional<T>(
        &self,
        method: &str,
        work: impl FnOnce(Bound<'_, PyAny>) -> PyResult<T>,
    ) -> Result<Option<T>> {
        self.with(Code::InvalidParameter, |object| object.getattr_opt(method)?.map(work).transpose())
    }

    /// Calls a method that a backend may lack.
    fn command(
        &self,
        method: &str,
        work: impl FnOnce(Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>>,
    ) -> Result<()> {
        self.optional(method, |method| work(method).map(drop))?
            .ok_or_else(|| Error::new(Code::Unsupported, format!("this database has no {method}()")))
    }

    fn has_schema(&self, schema: &str) -> Result<()> {
        let known = |set: &HashSet<String>| set.contains(schema);
        if known(&self.schemas.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let listed: HashSet<String> = self.schemas()?.into_iter().map(|info| info.name).collect();
        let found = known(&listed);
        *self.schemas.lock().unwrap_or_else(PoisonError::into_inner) = listed;
        if found { Ok(()) } else { Err(Error::new(Code::NotFound, format!("there is no schema {schema:?}"))) }
    }

    fn is_there(&self, (schema, relation): (&str, &str)) -> Result<bool> {
        match self.relation(schema, relation, &Cancel::default()) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Code::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn forget_schemas(&self) {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn version(&self, names: (&str, &str)) -> Result<Option<String>> {
        self.with(Code::InvalidParameter, |object| version_of(object, names))
    }

    fn select(&self, schema: &str, relation: &str, shape: &Shape) -> Result<Batches> {
        let columns = self.columns(schema, relation)?;
        let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
        let (sql, values) = shape.select(self.dialect, schema, relation, &names);
        self.with(Code::InvalidQuery, |object| {
            let params = params_to(object.py(), &Params::Positional(values))?;
            Batches::of(match object.getattr_opt("read_relation")? {
                Some(method) => method.call1((schema, relation, sql, params))?,
                None => object.call_method1("query", (sql, params))?,
            })
        })
    }

    /// Hands batches on until they end, or the limit cuts them, which `cut` is told. `columns` are what was asked for: a
    /// backend that answers with more of them than that, as the simplest do, need not choose.
    fn pump(
        &self,
        mut batches: Batches,
        columns: Option<&[String]>,
        (limit, cut): (Option<u64>, &dyn Fn()),
        version: Option<String>,
        sink: &dyn Sink,
        cancel: &Cancel,
    ) -> Result<()> {
        let whole = batches.schema();
        let chosen: Option<Vec<usize>> =
            columns.and_then(|names| names.iter().map(|name| whole.index_of(name).ok()).collect());
        let schema = match &chosen {
            Some(chosen) => Arc::new(whole.project(chosen)?),
            None => Arc::clone(&whole),
        };
        let mut steady = version.is_some().then(|| Steady::new(Arc::clone(&schema)));
        if let Some(version) = version {
            sink.version(version);
        }
        sink.start(schema)?;
        let mut left = limit.unwrap_or(u64::MAX);
        overlapped(sink, |encoder| {
            let mut each = |batch: &RecordBatch| pieces(batch).try_for_each(|piece| encoder.push(piece));
            loop {
                cancel.check()?;
                let next = {
                    let _turn = self.turn.as_ref().map(Turn::take);
                    batches.next()?
                };
                let Some(batch) = next else { break };
                let mut batch = held_to(&whole, &batch)?;
                if let Some(chosen) = &chosen {
                    batch = batch.project(chosen)?;
                }
                let rows = batch.num_rows();
                let more = rows as u64 > left;
                if more {
                    batch = batch.slice(0, usize::try_from(left).unwrap_or(rows));
                    cut();
                }
                left -= batch.num_rows() as u64;
                match &mut steady {
                    Some(steady) => steady.push(&batch, &mut each)?,
                    None => each(&batch)?,
                }
                if more {
                    break;
                }
            }
            steady.map_or(Ok(()), |mut steady| steady.finish(&mut each))
        })
    }

    fn insert(&self, write: &Write, mode: &str, rows: Box<dyn Rows>) -> Result<u64> {
        self.take(rows, |object, reader| {
            let names = (write.schema.as_str(), write.relation.as_str());
            if write.if_version.is_some() {
                let now = version_of(object, names)?;
                write.check(|| Ok(now))?;
            }
            if let (Some(version), Some(method)) = (&write.if_version, object.getattr_opt("insert_if")?) {
                return method.call1((names.0, names.1, reader, mode, version));
            }
            if let Some(method) = object.getattr_opt("insert_stream")? {
                return method.call1((names.0, names.1, reader, mode));
            }
            let table = reader.call_method0("read_all")?;
            object.call_method1("insert", (names.0, names.1, table, mode))
        })
    }

    fn create(&self, write: &Write, rows: Box<dyn Rows>) -> Result<u64> {
        self.has_schema(&write.schema)?;
        let names = (write.schema.as_str(), write.relation.as_str());
        if self.optional("create_relation_from", |_| Ok(()))?.is_some() {
            return self.take(rows, |object, reader| {
                object.call_method1("create_relation_from", (names.0, names.1, reader))
            });
        }
        let schema = rows.schema();
        self.command("create_relation", |method| {
            let empty = Box::new(arrow_array::RecordBatchIterator::new([], schema));
            let schema = reader_of(method.py(), empty)?.getattr("schema")?;
            method.call1((names.0, names.1, schema))
        })?;
        self.insert(write, "append", rows).inspect_err(|_| {
            // A relation that could not be filled is not left behind.
            let _ = self.drop_relation(names.0, names.1);
        })
    }

    /// Gives rows to a method that takes them all, or raises; it says how many there were.
    fn take(
        &self,
        rows: Box<dyn Rows>,
        call: impl for<'py> FnOnce(&Bound<'py, PyAny>, Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
    ) -> Result<u64> {
        self.with(Code::InvalidParameter, |object| {
            count(&call(object, reader_of(object.py(), Box::new(Incoming::new(rows)))?)?)
        })
    }
}

impl Database for PyDatabase {
    fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        self.list("list_schemas", &[])
    }

    fn relations(&self, schema: &str) -> Result<Vec<RelationInfo>> {
        self.has_schema(schema)?;
        self.list("list_relations", &[schema])
    }

    fn relation(&self, schema: &str, relation: &str, _cancel: &Cancel) -> Result<RelationInfo> {
        self.has_schema(schema)?;
        let info: RelationInfo = self.with(Code::InvalidParameter, |object| {
            record("relation_info", &object.call_method1("relation_info", (schema, relation))?)
        })?;
        if info.name == relation {
            Ok(info)
        } else {
            Err(Error::new(Code::NotFound, format!("there is no relation {relation:?}")))
        }
    }

    fn columns(&self, schema: &str, relation: &str) -> Result<Vec<ColumnInfo>> {
        self.list("list_columns", &[schema, relation])
    }

    fn indexes(&self, schema: &str, relation: &str) -> Result<Vec<IndexInfo>> {
        self.list("list_indexes", &[schema, relation])
    }

    fn constraints(&self, schema: &str, relation: &str) -> Result<Vec<ConstraintInfo>> {
        self.list("list_constraints", &[schema, relation])
    }

    fn view_definition(&self, schema: &str, view: &str) -> Result<String> {
        self.with(Code::InvalidParameter, |object| {
            object.call_method1("view_definition", (schema, view))?.extract()
        })
    }

    fn definition(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.optional("definition", |method| method.call1((schema, relation))?.extract()).map(Option::flatten)
    }

    fn depends_on(&self, schema: &str, view: &str) -> Result<Vec<(String, String)>> {
        let pairs = self.optional("depends_on", |method| {
            method.call1((schema, view))?.try_iter()?.map(|pair| pair?.extract()).collect()
        })?;
        Ok(pairs.unwrap_or_default())
    }

    fn arrow_schema(&self, schema: &str, relation: &str, cancel: &Cancel) -> Result<SchemaRef> {
        let none = Shape { limit: Some(0), ..Shape::default() };
        interruptible(cancel, || Ok(self.select(schema, relation, &none)?.schema()))
    }

    fn scan(&self, scan: &Scan, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        interruptible(cancel, || {
            self.relation(&scan.schema, &scan.relation, cancel)?;
            // Rows that `order` leaves equal may come in any order.
            let steady = scan.shape.order.is_empty() && !scan.shape.reads_clock();
            let version = || self.version((&scan.schema, &scan.relation));
            let before = if steady { version()? } else { None };
            let batches = self.select(&scan.schema, &scan.relation, &scan.shape)?;
            // The state that is read lies between two looks: it is of that version if both saw the same.
            let version = match before {
                Some(before) => version()?.filter(|now| *now == before),
                None => None,
            };
            let (columns, limit) = (scan.shape.columns.as_deref(), scan.shape.limit);
            self.pump(batches, columns, (limit, &|| ()), version, sink, cancel)
        })
    }

    fn query(&self, query: &Query, sink: &dyn Sink, cancel: &Cancel) -> Result<()> {
        interruptible(cancel, || {
            let batches = self.with(Code::InvalidQuery, |object| {
                let params = params_to(object.py(), &query.params)?;
                Batches::of(object.call_method1("query", (&query.sql, params))?)
            })?;
            self.pump(batches, None, (query.limit, &|| sink.truncated()), None, sink, cancel)
        })
    }

    fn write(&self, write: &Write, rows: Box<dyn Rows>, cancel: &Cancel) -> Result<u64> {
        interruptible(cancel, || match write.mode {
            WriteMode::Replace => self.insert(write, "truncate", rows),
            WriteMode::Append => self.insert(write, "append", rows),
            WriteMode::Upsert => self.insert(write, "upsert", rows),
            WriteMode::Create => self.create(write, rows),
        })
    }

    fn copy_rows(&self, source: &Scan, write: &Write, cancel: &Cancel) -> Result<Option<u64>> {
        if write.mode == WriteMode::Create || self.optional("copy_rows", |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        let columns = self.columns(&source.schema, &source.relation)?;
        let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
        let (sql, values) = source.shape.select(self.dialect, &source.schema, &source.relation, &names);
        let (from, to) = ((&source.schema, &source.relation), (&write.schema, &write.relation));
        write.check(|| self.version((to.0, to.1)))?;
        interruptible(cancel, || {
            self.with(Code::InvalidPredicate, |object| {
                let params = params_to(object.py(), &Params::Positional(values))?;
                let arguments = (from, to, sql, params, write.if_version.as_deref());
                let answer = object.call_method1("copy_rows", arguments)?;
                if answer.is_none() { Ok(None) } else { count(&answer).map(Some) }
            })
        })
    }

    fn create_schema(&self, schema: &str) -> Result<()> {
        self.command("create_schema", |method| method.call1((schema,)))
    }

    fn drop_schema(&self, schema: &str) -> Result<()> {
        self.forget_schemas();
        self.has_schema(schema)?;
        let outcome = self.command("drop_schema", |method| method.call1((schema,)));
        self.forget_schemas();
        outcome
    }

    fn drop_relation(&self, schema: &str, relation: &str) -> Result<()> {
        self.command("drop_relation", |method| method.call1((schema, relation)))
    }

    fn rename_schema(&self, from: &str, to: &str) -> Result<()> {
        let outcome = self.command("rename_schema", |method| method.call1((from, to)));
        self.forget_schemas();
        outcome
    }

    fn rename_relation(&self, from: (&str, &str), to: (&str, &str), overwrite: bool) -> Result<()> {
        if overwrite && self.is_there(to)? {
            return self.command("replace_relation", |method| method.call1((from, to)));
        }
        self.command("rename_relation", |method| method.call1((from, to)))
    }

    fn copy_relation(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        overwrite: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        interruptible(cancel, || {
            if !overwrite && self.is_there(to)? {
                let detail = format!("there is a relation {:?} already", to.1);
                return Err(Error::new(Code::AlreadyExists, detail));
            }
            self.command("copy_relation", |method| {
                let options = PyDict::new(method.py());
                options.set_item("overwrite", overwrite)?;
                method.call((from, to), Some(&options))
            })
        })
    }

    fn data_version(&self, schema: &str, relation: &str) -> Result<Option<String>> {
        self.relation(schema, relation, &Cancel::default())?;
        self.version((schema, relation))
    }

    fn state(&self) -> Result<Option<String>> {
        Ok(self.optional("state", |method| method.call0()?.extract())?.flatten())
    }

    fn ping(&self) -> Result<()> {
        match self.optional("ping", |method| method.call0().map(drop))? {
            Some(()) => Ok(()),
            None => self.schemas().map(drop),
        }
    }

    fn close(&self) {
        // Nobody is left to hear that closing failed.
        let _ = self.optional("close", |method| {
            // Set within the call's own turn: nothing else is called after it, and it only once.
            self.closed.store(true, Ordering::Release);
            method.call0().map(drop)
        });
        self.closed.store(true, Ordering::Release);
    }
}

fn version_of(object: &Bound<'_, PyAny>, names: (&str, &str)) -> PyResult<Option<String>> {
    let method = object.getattr_opt("data_version")?;
    method.map_or(Ok(None), |method| method.call1(names)?.extract())
}

/// A record of metadata, as a backend makes it.
fn record<T>(method: &str, info: &Bound<'_, PyAny>) -> PyResult<T>
where
    T: PyClass + Clone + Sync,
{
    match info.cast::<T>() {
        Ok(info) => Ok(info.borrow().clone()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "{method}() must give {}, not {}",
            T::type_object(info.py()).name()?,
            info.get_type().fully_qualified_name()?
        ))),
    }
}

/// How many rows a backend says it wrote.
fn count(answer: &Bound<'_, PyAny>) -> PyResult<u64> {
    answer.extract::<u64>().map_err(|_| {
        let answer = answer.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
        PyValueError::new_err(format!("insert() must return how many rows it wrote, not {answer}"))
    })
}
