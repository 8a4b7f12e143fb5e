//! Streams, as Python takes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyTuple};

use super::arrow;
use super::attach::{attach, detached};
use super::bytes::{Gathering, lent};
use super::doorbell::PyDoorbell;
use crate::error::{Code, Error};
use crate::stream::{BatchStream, ChunkStream, Wake};

/// How long a wait may keep Ctrl-C waiting.
pub const SIGNALS: Duration = Duration::from_millis(100);

/// Encoded bytes of one read, produced ahead on Rust threads, at most a few chunks.
#[pyclass(module = "fsspec_db._bridge", name = "ChunkStream", frozen)]
pub struct PyChunkStream(pub ChunkStream);

#[pymethods]
impl PyChunkStream {
    #[pyo3(signature = (wake, bell=None))]
    fn poll<'py>(
        &self,
        py: Python<'py>,
        wake: Py<PyAny>,
        bell: Option<&PyDoorbell>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let ring = || -> Wake {
            match bell {
                Some(bell) => Box::new(bell.ringer(wake)),
                None => Box::new(move || call(wake)),
            }
        };
        match self.0.poll(ring) {
            Poll::Pending => Ok(None),
            Poll::Ready(chunk) => lent(py, chunk?.unwrap_or_default()).map(Some),
        }
    }

    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.wait(py)?.map(|chunk| PyBytes::new(py, &chunk)))
    }

    fn read_all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let Some(first) = self.wait(py)? else { return Ok(PyBytes::new(py, b"")) };
        if self.0.complete() {
            return Ok(PyBytes::new(py, &first));
        }
        let mut whole = Gathering::new(py)?.push(first)?;
        while let Some(chunk) = self.wait(py)? {
            whole = whole.push(chunk)?;
        }
        whole.finish()
    }

    fn close(&self, py: Python<'_>) {
        detached(py, || self.0.close());
    }

    #[getter]
    fn complete(&self) -> bool {
        self.0.complete()
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.0.truncated()
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    #[getter]
    fn version(&self) -> Option<&str> {
        self.0.version()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*exc))]
    fn __exit__(&self, py: Python<'_>, exc: &Bound<'_, PyTuple>) {
        let _ = exc;
        self.close(py);
    }
}

impl PyChunkStream {
    fn wait(&self, py: Python<'_>) -> PyResult<Option<Vec<u8>>> {
        loop {
            match detached(py, || self.0.wait(Some(SIGNALS))) {
                Poll::Ready(chunk) => return Ok(chunk?),
                Poll::Pending => py.check_signals()?,
            }
        }
    }
}

fn call(wake: Py<PyAny>) {
    attach(|py| {
        if let Err(raised) = wake.call0(py) {
            raised.write_unraisable(py, Some(wake.bind(py)));
        }
        drop(wake);
    });
}

/// Record batches of one read, for anything that takes an Arrow C stream, once.
#[pyclass(module = "fsspec_db._bridge", name = "BatchStream", frozen)]
pub struct PyBatchStream {
    stream: Arc<BatchStream>,
    taken: Mutex<bool>,
    failure: Failure,
}

/// What ended the stream, for a C interface can only carry its text.
type Failure = Arc<Mutex<Option<Error>>>;

impl PyBatchStream {
    pub fn new(stream: BatchStream) -> Self {
        Self { stream: Arc::new(stream), taken: Mutex::new(false), failure: Failure::default() }
    }
}

#[pymethods]
impl PyBatchStream {
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A consumer that asks for other types casts by itself, as the interface allows.
        let _ = requested_schema;
        if std::mem::replace(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner), true) {
            return Err(PyValueError::new_err("this stream was taken before"));
        }
        let stream = Arc::clone(&self.stream);
        let schema = detached(py, || stream.schema())?;
        let failure = Arc::clone(&self.failure);
        arrow::export(py, Box::new(Exported { stream, schema, failure }))
    }

    fn check(&self) -> PyResult<()> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    #[getter]
    fn truncated(&self) -> bool {
        self.stream.truncated()
    }

    fn close(&self, py: Python<'_>) {
        detached(py, || self.stream.close());
    }
}

struct Exported {
    stream: Arc<BatchStream>,
    schema: SchemaRef,
    failure: Failure,
}

impl Iterator for Exported {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.stream.next() {
            Ok(batch) => batch.map(Ok),
            Err(error) => {
                let text = said(&error);
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Some(Err(text))
            }
        }
    }
}

impl RecordBatchReader for Exported {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        self.stream.close();
    }
}

/// An error as the C interface carries it: without NUL, which would abort the process.
pub fn said(error: &Error) -> ArrowError {
    let detail = error.detail().replace('\0', "\u{fffd}");
    if error.code() == Code::Internal {
        ArrowError::ComputeError(detail)
    } else {
        ArrowError::InvalidArgumentError(detail)
    }
}
