//! Arrow data between Rust and Python, by the Arrow `PyCapsule` interface.
#![allow(unsafe_code)] // Capsules hold C structs, and their callers hold the lock or do not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::attach::{Inside, attach, attached, foreign};
use crate::error::{Code, Error};
use crate::stream::panicked;

const STREAM: &std::ffi::CStr = c"arrow_array_stream";

/// A capsule that owns `reader` until somebody takes it out.
pub fn export(py: Python<'_>, reader: Box<dyn RecordBatchReader + Send>) -> PyResult<Bound<'_, PyCapsule>> {
    let stream = FFI_ArrowArrayStream::new(Box::new(Foreign(Some(reader))));
    PyCapsule::new_with_value(py, stream, STREAM)
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
    pub fn next(&mut self) -> crate::error::Result<Option<RecordBatch>> {
        match self {
            Self::Stream(reader) => foreign(|| Ok(reader.next().transpose()?)),
            Self::Reader(reader, _) => {
                let mut stream =
                    attached(Code::Internal, |py| match reader.bind(py).call_method0("read_next_batch") {
                        Ok(batch) => import(&batch).map(Some),
                        Err(end) if end.is_instance_of::<PyStopIteration>(py) => Ok(None),
                        Err(raised) => Err(raised),
                    })?;
                match &mut stream {
                    Some(batch) => Ok(batch.next().transpose()?),
                    None => Ok(None),
                }
            }
        }
    }
}

impl Drop for Batches {
    /// Lets the reader go at once: dropped without Python's lock, it would stay, and its query with
    /// it, until somebody takes the lock next.
    fn drop(&mut self) {
        if let Self::Reader(reader, _) = self {
            attach(|py| drop(std::mem::replace(reader, py.None())));
        }
    }
}

/// A reader on the Python side of batches that Rust makes.
pub fn reader_of(py: Python<'_>, reader: Box<dyn RecordBatchReader + Send>) -> PyResult<Bound<'_, PyAny>> {
    let capsule = export(py, reader)?;
    py.import("pyarrow")?.getattr("RecordBatchReader")?.call_method1("_import_from_c_capsule", (capsule,))
}

/// A reader in the hands of foreign code, which may or may not hold Python's lock when it calls:
/// the reader must not keep it while it waits, for its producer may need it.
struct Foreign(Option<Box<dyn RecordBatchReader + Send>>);

impl Iterator for Foreign {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        // A panic must not run on into the foreign frames.
        released(|| catch_unwind(AssertUnwindSafe(|| reader.next())))
            .unwrap_or_else(|panic| Some(Err(panicked(panic.as_ref()).into())))
    }
}

impl RecordBatchReader for Foreign {
    fn schema(&self) -> SchemaRef {
        self.0.as_ref().map_or_else(|| Arc::new(Schema::empty()), RecordBatchReader::schema)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let reader = self.0.take();
        released(|| drop(reader));
    }
}

/// Runs `work` without Python's lock, whether or not this thread holds it.
///
/// `Python::attach` counts how often this thread has attached, and would be wrong here: Arrow's
/// own code releases the lock behind its back before it calls a reader.
fn released<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // SAFETY: may be called at any time.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return work();
    }
    let _inside = Inside::enter();
    // SAFETY: the interpreter is initialized; any thread may ensure, with or without the lock.
    let state = unsafe { ffi::PyGILState_Ensure() };
    // SAFETY: the lock is held since the line above, and the token does not leave this one.
    let outcome = unsafe { Python::assume_attached() }.detach(work);
    // SAFETY: `detach` has taken the lock again; `state` comes from this thread's own call.
    unsafe { ffi::PyGILState_Release(state) };
    outcome
}
