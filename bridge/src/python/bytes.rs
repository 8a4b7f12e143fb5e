//! `bytes` objects of any length without holding Python's lock while they are filled.
#![allow(unsafe_code)] // PyBytes has no safe way to be made without a copy under the lock.

use super::attach::detached;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Below this, a copy under the lock is cheaper than giving the lock away.
const SHORT: usize = 64 << 10;

/// From here on a second thread helps to copy.
const SHARED: usize = 8 << 20;

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
        advise_huge_pages(start, length);
        // First touching so much memory costs more than copying it; two threads share that.
        let mut first = chunks;
        let second = first.split_off(first.len() / 2);
        let middle = start + first.iter().map(Vec::len).sum::<usize>();
        // SAFETY: the lengths of all chunks add up to the length of the object, which nobody else
        // can see before this function returns; the two halves do not overlap.
        std::thread::scope(|scope| unsafe {
            if length >= SHARED {
                scope.spawn(move || copy(second, middle));
                copy(first, start);
            } else {
                copy(first, start);
                copy(second, middle);
            }
        });
    });
    Ok(object)
}

/// Copies chunks one behind the other, and frees each.
///
/// # Safety
/// There is room for all of them at `to`.
unsafe fn copy(chunks: Vec<Vec<u8>>, to: usize) {
    let mut next = to;
    for chunk in chunks {
        // SAFETY: by contract.
        unsafe { std::ptr::copy_nonoverlapping(chunk.as_ptr(), next as *mut u8, chunk.len()) };
        next += chunk.len();
    }
}

/// Asks for large pages under fresh memory, where the system gives them to those who ask.
#[cfg(target_os = "linux")]
fn advise_huge_pages(start: usize, length: usize) {
    const PAGE: usize = 2 << 20;
    let aligned = start.next_multiple_of(PAGE);
    let end = (start + length) / PAGE * PAGE;
    if end > aligned {
        // SAFETY: the range lies within one live allocation; advice changes no content.
        unsafe { libc::madvise(aligned as *mut libc::c_void, end - aligned, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: usize, _length: usize) {}
