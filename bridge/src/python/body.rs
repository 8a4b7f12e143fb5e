//! Bodies to write: bytes in memory, or a file by its name.

use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString};

use crate::formats::Body;

/// # Errors
/// `TypeError` for anything else, and the `OSError` of a file that cannot be opened.
pub fn body_of(body: &Bound<'_, PyAny>) -> PyResult<Box<dyn Body>> {
    if body.is_instance_of::<PyBytes>() {
        return Ok(Box::new(Cursor::new(body.extract::<PyBackedBytes>()?)));
    }
    if body.is_instance_of::<PyString>() || body.hasattr("__fspath__")? {
        return Ok(Box::new(File::open(body.extract::<PathBuf>()?)?));
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
