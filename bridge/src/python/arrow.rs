//! Arrow data between Rust and Python, by the Arrow PyCapsule interface.
#![allow(unsafe_code)] // A capsule holds a C struct, which only a raw pointer can move out.

use std::sync::Arc;

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;
use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::errors::attached;
use crate::error::{Code, Error, Result};

const STREAM: &std::ffi::CStr = c"arrow_array_stream";

/// A capsule that owns `reader` until somebody takes it out.
pub fn export<'py>(py: Python<'py>, reader: Box<dyn RecordBatchReader + Send>) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), STREAM)
}

/// Takes the stream out of whatever has `__arrow_c_stream__`.
fn import(object: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let capsule = object.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: by the PyCapsule interface, a capsule of this name holds a valid stream, which the
    // consumer may move out, leaving a released one behind.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    RecordBatchStreamReader::try_new(stream).map_err(|error| Error::from(error).into())
}

/// Batches that a Python database answered with.
pub enum Batches {
    /// Any Arrow stream; it takes Python's lock by itself where it needs it.
    Stream(RecordBatchStreamReader),
    /// A `pyarrow.RecordBatchReader`, read through Python so that what its source raises stays the
    /// exception that it was.
    Reader(Py<PyAny>, SchemaRef),
}

impl Batches {
    /// # Errors
    /// `TypeError` for what holds no record batches.
    pub fn of(answer: Bound<'_, PyAny>) -> PyResult<Self> {
        if answer.hasattr("read_next_batch")? && answer.hasattr("schema")? {
            let empty = answer.getattr("schema")?.call_method0("empty_table")?;
            let schema = import(&empty)?.schema();
            return Ok(Self::Reader(answer.unbind(), schema));
        }
        if answer.hasattr("__arrow_c_stream__")? {
            return Ok(Self::Stream(import(&answer)?));
        }
        Err(PyTypeError::new_err(format!(
            "query() must return a pyarrow.Table or an object with __arrow_c_stream__, not {}",
            answer.get_type().fully_qualified_name()?
        )))
    }

    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Stream(reader) => reader.schema(),
            Self::Reader(_, schema) => Arc::clone(schema),
        }
    }

    /// The next batch, pulled without Python's lock where the source allows; `None` at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Stream(reader) => Ok(reader.next().transpose()?),
            Self::Reader(reader, _) => {
                let mut stream = attached(Code::Internal, |py| {
                    match reader.bind(py).call_method0("read_next_batch") {
                        Ok(batch) => import(&batch).map(Some),
                        Err(end) if end.is_instance_of::<PyStopIteration>(py) => Ok(None),
                        Err(raised) => Err(raised),
                    }
                })?;
                match &mut stream {
                    Some(batch) => Ok(batch.next().transpose()?),
                    None => Ok(None),
                }
            }
        }
    }
}

/// A reader on the Python side of batches that Rust makes.
pub fn reader_of<'py>(
    py: Python<'py>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'py, PyAny>> {
    let capsule = export(py, reader)?;
    py.import("pyarrow")?.getattr("RecordBatchReader")?.call_method1("_import_from_c_capsule", (capsule,))
}

/// Runs `work` without Python's lock, whether or not this thread holds it.
pub fn detached<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    Python::try_attach(|py| py.detach(work))
        .unwrap_or_else(|| Err(Error::new(Code::DatabaseUnavailable, "Python is shutting down")))
}
