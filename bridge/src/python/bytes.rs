//! `bytes` objects of any length without holding Python's lock while they are filled.
#![allow(unsafe_code)] // PyBytes has no safe way to be made without a copy under the lock.

use super::attach::detached;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Below this, a copy under the lock is cheaper than giving the lock away.
const SHORT: usize = 64 << 10;

/// All chunks as one `bytes`; each is freed as soon as it is copied.
pub fn concat(py: Python<'_>, chunks: Vec<Vec<u8>>) -> PyResult<Bound<'_, PyBytes>> {
    let length: usize = chunks.iter().map(Vec::len).sum();
    if length <= SHORT {
        return Ok(PyBytes::new(py, &chunks.concat()));
    }
    let size = ffi::Py_ssize_t::try_from(length)?;
    // SAFETY: a null pointer asks for `size` uninitialised bytes; the result is a new reference to
    // a bytes object, or null with an exception set.
    let object = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))?
            .cast_into_unchecked::<PyBytes>()
    };
    // SAFETY: `object` is a bytes object, kept alive by this function.
    let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) } as usize;
    detached(py, move || {
        let mut next = start;
        for chunk in chunks {
            // SAFETY: the lengths of all chunks add up to the length of the object, which nobody
            // else can see before this function returns.
            unsafe { std::ptr::copy_nonoverlapping(chunk.as_ptr(), next as *mut u8, chunk.len()) };
            next += chunk.len();
        }
    });
    Ok(object)
}
