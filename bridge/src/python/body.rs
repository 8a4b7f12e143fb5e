//! Bodies to write: bytes in memory, a file by its name, or a file that is still being received.

use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString};

use crate::body::{Arriving, ArrivingFile, Body};

/// A file that is written while its bytes arrive, up to a length that was declared.
///
/// Rows are made of what was received; they end only after `complete`.
#[pyclass(module = "fsspec_db._bridge", name = "ArrivingBody", frozen)]
pub struct PyArrivingBody {
    file: PathBuf,
    arriving: Arc<Arriving>,
}

#[pymethods]
impl PyArrivingBody {
    #[new]
    fn new(file: PathBuf, length: u64) -> Self {
        Self { file, arriving: Arc::new(Arriving::new(length)) }
    }

    fn received(&self, size: u64) {
        self.arriving.received(size);
    }

    #[getter]
    fn taken(&self) -> u64 {
        self.arriving.taken()
    }

    fn complete(&self) {
        self.arriving.complete();
    }

    fn abandon(&self) {
        self.arriving.abandon();
    }
}

/// # Errors
/// `TypeError` for anything else, and the `OSError` of a file that cannot be opened.
pub fn body_of(body: &Bound<'_, PyAny>) -> PyResult<Box<dyn Body>> {
    if body.is_instance_of::<PyBytes>() {
        return Ok(Box::new(Cursor::new(body.extract::<PyBackedBytes>()?)));
    }
    if body.is_instance_of::<PyString>() || body.hasattr("__fspath__")? {
        return Ok(Box::new(File::open(body.extract::<PathBuf>()?)?));
    }
    if let Ok(body) = body.cast::<PyArrivingBody>() {
        let body = body.get();
        return Ok(Box::new(ArrivingFile::new(File::open(&body.file)?, Arc::clone(&body.arriving))));
    }
    match PyBuffer::<u8>::get(body) {
        // Whoever else holds the buffer could change it while it is read.
        Ok(buffer) => Ok(Box::new(Cursor::new(buffer.to_vec(body.py())?))),
        Err(_) => Err(PyTypeError::new_err(format!(
            "a body is bytes or the name of a file, not {}",
            body.get_type().fully_qualified_name()?
        ))),
    }
}
