//! The tree, as Python walks it.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::attach::detached;
use super::body::body_of;
use super::database::PyDatabase;
use super::stream::{PyBatchStream, PyChunkStream, SIGNALS};
use super::values::params_from;
use crate::database::{Access, Cancel, Query, WriteMode};
use crate::error::Result;
use crate::formats::{EncodeOptions, IpcCodec};
use crate::fs::{DatabaseFs, Entry, Node, Reading, Writing};
use crate::stream::{self, Task, calm, timed};

/// The tree over one database. Every method may be called from any thread.
#[pyclass(module = "fsspec_db._bridge", name = "DatabaseFs", frozen)]
pub struct PyDatabaseFs {
    fs: DatabaseFs,
    native: bool,
}

#[pymethods]
impl PyDatabaseFs {
    #[staticmethod]
    #[pyo3(signature = (url, *, access="read", threads=None))]
    fn open(py: Python<'_>, url: &str, access: &str, threads: Option<usize>) -> PyResult<Self> {
        let access = Access::by_name(access)?;
        let fs = run(py, || DatabaseFs::open(url, access, threads))?;
        Ok(Self { fs, native: true })
    }

    #[staticmethod]
    #[pyo3(signature = (database, *, access="write"))]
    fn wrap(database: Bound<'_, PyAny>, access: &str) -> PyResult<Self> {
        let access = Access::by_name(access)?;
        let fs = DatabaseFs::new(Arc::new(PyDatabase::new(database)?), access);
        Ok(Self { fs, native: false })
    }

    #[getter]
    fn dialect(&self) -> &'static str {
        self.fs.dialect().name
    }

    #[getter]
    fn access(&self) -> &'static str {
        self.fs.access().as_str()
    }

    #[getter]
    fn formats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.fs.formats().iter())
    }

    #[setter]
    fn set_formats(&self, formats: Vec<String>) -> PyResult<()> {
        Ok(self.fs.set_formats(formats)?)
    }

    fn ls<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyList>> {
        let entries = run(py, || self.fs.ls(path))?;
        let entries: Vec<_> = entries.iter().map(|entry| shown(py, entry)).collect::<PyResult<_>>()?;
        PyList::new(py, entries)
    }

    fn info<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyDict>> {
        shown(py, &run(py, || self.fs.info(path))?)
    }

    #[allow(clippy::too_many_arguments)] // Python's keywords.
    #[pyo3(signature = (path, shape="", *, extension=None, codec=None, timeout=None, spool=None))]
    fn read(
        &self,
        path: &str,
        shape: &str,
        extension: Option<String>,
        codec: Option<&str>,
        timeout: Option<f64>,
        spool: Option<PathBuf>,
    ) -> PyResult<PyChunkStream> {
        let reading = reading(extension, codec, timeout)?;
        let spool = spool.map(|path| stream::spool(&path)).transpose()?;
        Ok(PyChunkStream(calm(|| self.fs.read(path, shape, &reading, spool))?))
    }

    #[pyo3(signature = (path, wanted, *, timeout=None))]
    fn read_several(
        &self,
        path: &str,
        wanted: Vec<(String, Option<PathBuf>)>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<PyChunkStream>> {
        let timeout = seconds(timeout)?;
        let opened = wanted
            .into_iter()
            .map(|(extension, spool)| Ok((extension, spool.map(|path| stream::spool(&path)).transpose()?)));
        let opened = opened.collect::<Result<Vec<_>>>()?;
        let streams = calm(|| self.fs.read_several(path, opened, timeout))?;
        Ok(streams.into_iter().map(PyChunkStream).collect())
    }

    #[pyo3(signature = (path, shape="", *, timeout=None))]
    fn read_batches(&self, path: &str, shape: &str, timeout: Option<f64>) -> PyResult<PyBatchStream> {
        let timeout = seconds(timeout)?;
        Ok(PyBatchStream::new(calm(|| self.fs.read_batches(path, shape, timeout))?))
    }

    #[pyo3(signature = (sql, params=None, *, extension="arrow", codec=None, limit=None, timeout=None))]
    fn query(
        &self,
        sql: String,
        params: Option<&Bound<'_, PyAny>>,
        extension: &str,
        codec: Option<&str>,
        limit: Option<u64>,
        timeout: Option<f64>,
    ) -> PyResult<PyChunkStream> {
        let query = Query { sql, params: params_from(params)?, limit };
        Ok(PyChunkStream(self.fs.query(query, &reading(Some(extension.to_owned()), codec, timeout)?)?))
    }

    #[pyo3(signature = (sql, params=None, *, limit=None, timeout=None))]
    fn query_batches(
        &self,
        sql: String,
        params: Option<&Bound<'_, PyAny>>,
        limit: Option<u64>,
        timeout: Option<f64>,
    ) -> PyResult<PyBatchStream> {
        let query = Query { sql, params: params_from(params)?, limit };
        Ok(PyBatchStream::new(self.fs.query_batches(query, seconds(timeout)?)?))
    }

    #[allow(clippy::too_many_arguments)] // Python's keywords.
    #[pyo3(signature = (path, body, mode="replace", *, create=false, extension=None, timeout=None, if_version=None))]
    fn write(
        &self,
        py: Python<'_>,
        path: &str,
        body: &Bound<'_, PyAny>,
        mode: &str,
        create: bool,
        extension: Option<String>,
        timeout: Option<f64>,
        if_version: Option<String>,
    ) -> PyResult<(u64, bool)> {
        let body = body_of(body)?;
        let writing = Writing { mode: write_mode(mode)?, create, extension, if_version };
        let timeout = seconds(timeout)?;
        let path = path.to_owned();
        self.work(py, timeout, move |fs, cancel| fs.write(&path, body, &writing, cancel))
    }

    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // Python's keywords.
    #[pyo3(signature = (source, target, mode="replace", *, create=false, timeout=None, if_version=None))]
    fn copy_rows(
        &self,
        py: Python<'_>,
        source: (String, String),
        target: String,
        mode: &str,
        create: bool,
        timeout: Option<f64>,
        if_version: Option<String>,
    ) -> PyResult<Option<(u64, bool)>> {
        let writing = Writing { mode: write_mode(mode)?, create, extension: None, if_version };
        self.work(py, seconds(timeout)?, move |fs, cancel| {
            fs.copy_rows((&source.0, &source.1), &target, &writing, cancel)
        })
    }

    fn create_schema(&self, py: Python<'_>, schema: &str) -> PyResult<()> {
        run(py, || self.fs.create_schema(schema))
    }

    fn drop_schema(&self, py: Python<'_>, schema: &str) -> PyResult<()> {
        run(py, || self.fs.drop_schema(schema))
    }

    fn drop_relation(&self, py: Python<'_>, schema: &str, relation: &str) -> PyResult<()> {
        run(py, || self.fs.drop_relation(schema, relation))
    }

    fn rename_schema(&self, py: Python<'_>, source: &str, target: &str) -> PyResult<()> {
        run(py, || self.fs.rename_schema(source, target))
    }

    #[allow(clippy::needless_pass_by_value)] // Extracted from tuples.
    #[pyo3(signature = (source, target, *, overwrite=false))]
    fn rename_relation(
        &self,
        py: Python<'_>,
        source: (String, String),
        target: (String, String),
        overwrite: bool,
    ) -> PyResult<()> {
        run(py, || self.fs.rename_relation((&source.0, &source.1), (&target.0, &target.1), overwrite))
    }

    #[pyo3(signature = (source, target, *, overwrite=false, timeout=None))]
    fn copy_relation(
        &self,
        py: Python<'_>,
        source: (String, String),
        target: (String, String),
        overwrite: bool,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        self.work(py, seconds(timeout)?, move |fs, cancel| {
            fs.copy_relation((&source.0, &source.1), (&target.0, &target.1), overwrite, cancel)
        })
    }

    fn data_version(&self, py: Python<'_>, path: &str) -> PyResult<Option<String>> {
        run(py, || self.fs.data_version(path))
    }

    fn ping(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.fs.ping())
    }

    fn close(&self, py: Python<'_>) {
        detached(py, || self.fs.close());
    }
}

impl PyDatabaseFs {
    /// Runs what may take long, and stops it on Ctrl-C.
    fn work<T: Send + 'static>(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        job: impl FnOnce(&DatabaseFs, &Cancel) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        if !self.native {
            // Ctrl-C reaches the backend's own Python code, on this thread.
            return run(py, || timed(timeout, |cancel| job(&self.fs, cancel)));
        }
        let fs = self.fs.clone();
        let task = Task::start(timeout, move |cancel| job(&fs, cancel))?;
        let mut interrupt = None;
        loop {
            match detached(py, || task.wait(SIGNALS)) {
                Poll::Ready(done) => return interrupt.map_or_else(|| Ok(done?), Err),
                Poll::Pending => {
                    if let Err(signal) = py.check_signals() {
                        task.cancel();
                        interrupt = Some(signal);
                    }
                }
            }
        }
    }
}

/// Runs `work` without Python's lock; a panic in it is an error.
fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    Ok(detached(py, || calm(work))?)
}

fn shown<'py>(py: Python<'py>, entry: &Entry) -> PyResult<Bound<'py, PyDict>> {
    let shown = PyDict::new(py);
    shown.set_item(intern!(py, "name"), &entry.path)?;
    match entry.node {
        Node::Directory => {
            shown.set_item(intern!(py, "size"), 0)?;
            shown.set_item(intern!(py, "type"), intern!(py, "directory"))?;
            shown.set_item(intern!(py, "media_type"), py.None())?;
        }
        Node::File { size, media_type } => {
            shown.set_item(intern!(py, "size"), size)?;
            shown.set_item(intern!(py, "type"), intern!(py, "file"))?;
            shown.set_item(intern!(py, "media_type"), media_type)?;
        }
    }
    shown.set_item(intern!(py, "kind"), &entry.kind)?;
    shown.set_item(intern!(py, "comment"), entry.comment.as_deref())?;
    shown.set_item(intern!(py, "row_count"), entry.row_count)?;
    Ok(shown)
}

fn reading(extension: Option<String>, codec: Option<&str>, timeout: Option<f64>) -> PyResult<Reading> {
    let ipc_codec = match codec {
        None => None,
        Some("zstd") => Some(IpcCodec::Zstd),
        Some("lz4") => Some(IpcCodec::Lz4),
        Some(other) => return Err(PyValueError::new_err(format!("codec is 'zstd' or 'lz4', not {other:?}"))),
    };
    Ok(Reading { extension, options: EncodeOptions { ipc_codec }, timeout: seconds(timeout)? })
}

fn seconds(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    timeout
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| PyValueError::new_err("timeout is a number of seconds, zero or more"))
        })
        .transpose()
}

fn write_mode(mode: &str) -> PyResult<WriteMode> {
    match mode {
        "replace" => Ok(WriteMode::Replace),
        "append" => Ok(WriteMode::Append),
        "upsert" => Ok(WriteMode::Upsert),
        "create" => Ok(WriteMode::Create),
        other => Err(PyValueError::new_err(format!(
            "mode is 'replace', 'append', 'upsert' or 'create', not {other:?}"
        ))),
    }
}
