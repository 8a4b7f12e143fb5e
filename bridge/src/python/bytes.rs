//! Bytes for Python: parts gathered in one `bytes` object, or one that is lent without a copy.
#![allow(unsafe_code)] // PyBytes has no safe way to grow, nor to be filled without Python's lock.

use std::ffi::c_int;

use super::attach::detached;
use crate::buffers;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

unsafe extern "C" {
    /// Part of Python's stable interface, but not of `pyo3::ffi`.
    fn _PyBytes_Resize(object: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> c_int;
}

/// From here on, a copy costs more than an object that lends its memory.
const LONG: usize = 16 << 10;

/// The bytes as `bytes`, or as a `memoryview` of them where they are many.
pub fn lent(py: Python<'_>, bytes: Vec<u8>) -> PyResult<Bound<'_, PyAny>> {
    if bytes.len() < LONG {
        return Ok(PyBytes::new(py, &bytes).into_any());
    }
    Ok(PyMemoryView::from(Bound::new(py, Lender(bytes))?.as_any())?.into_any())
}

/// Owns what a `memoryview` shows.
#[pyclass(module = "fsspec_db._bridge", frozen)]
struct Lender(Vec<u8>);

impl Drop for Lender {
    fn drop(&mut self) {
        buffers::given_back(std::mem::take(&mut self.0));
    }
}

#[pymethods]
impl Lender {
    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = &slf.get().0;
        // SAFETY: the view is one to be filled. It keeps `slf` alive, which never changes its bytes.
        let filled = unsafe {
            let (start, length) = (bytes.as_ptr().cast_mut().cast(), ffi::Py_ssize_t::try_from(bytes.len())?);
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// Room grows by at least this; what is not filled costs addresses, not memory.
const STEP: usize = 8 << 20;

/// The parts so far. Each is freed as soon as it is copied, so that one's memory serves the next.
pub struct Gathering<'py> {
    object: Bound<'py, PyBytes>,
    filled: usize,
    room: usize,
}

impl<'py> Gathering<'py> {
    pub fn new(py: Python<'py>) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(STEP)?;
        // SAFETY: a null pointer asks for uninitialised bytes; the result is a new reference to a
        // bytes object, or null with an exception set.
        let object = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))?
                .cast_into_unchecked()
        };
        Ok(Self { object, filled: 0, room: STEP })
    }

    /// Adds a part, without holding Python's lock while it is copied.
    pub fn push(mut self, part: Vec<u8>) -> PyResult<Self> {
        let end = self.filled + part.len();
        if end > self.room {
            let room = (self.room + self.room / 2).max(end + STEP);
            self = self.resized(room)?;
        }
        // SAFETY: the object is a bytes object, alive, and longer than what is filled.
        let to = unsafe { ffi::PyBytes_AsString(self.object.as_ptr()).add(self.filled) } as usize;
        detached(self.object.py(), move || {
            populate(to, part.len());
            // SAFETY: there is room for the part, in an object that nobody else can see yet.
            unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), to as *mut u8, part.len()) };
            buffers::given_back(part);
        });
        self.filled = end;
        Ok(self)
    }

    /// All parts, one behind the other.
    pub fn finish(self) -> PyResult<Bound<'py, PyBytes>> {
        let length = self.filled;
        Ok(self.resized(length)?.object)
    }

    fn resized(self, room: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(room)?;
        let (py, filled) = (self.object.py(), self.filled);
        let mut object = self.object.into_ptr();
        // SAFETY: this is the only reference to the object, as the call asks; it is given back to
        // an object of the new size, or is null with an exception set.
        let object = unsafe {
            _PyBytes_Resize(&raw mut object, size);
            Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked()
        };
        Ok(Self { object, filled, room })
    }
}

/// Asks for fresh pages at once, which is cheaper than one fault for each. (Large pages were
/// measured too: they took longer to come than all copying.)
#[cfg(target_os = "linux")]
fn populate(start: usize, length: usize) {
    const PAGE: usize = 4096;
    let (from, until) = (start.next_multiple_of(PAGE), (start + length) / PAGE * PAGE);
    if until > from {
        // SAFETY: the range lies within one live allocation; populating changes no content. An
        // older kernel refuses, and the copy takes its faults.
        unsafe { libc::madvise(from as *mut libc::c_void, until - from, libc::MADV_POPULATE_WRITE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn populate(_start: usize, _length: usize) {}
