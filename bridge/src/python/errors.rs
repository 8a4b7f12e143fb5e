//! Errors in both directions. What a Python backend raised is raised again, the very object.

use std::sync::{PoisonError, RwLock};

use pyo3::exceptions::{
    PyConnectionError, PyFileExistsError, PyFileNotFoundError, PyIsADirectoryError, PyNotADirectoryError,
    PyNotImplementedError, PyPermissionError, PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;

use crate::error::{Code, Error};

/// Makes an exception of `(code, detail, path, column, row, sqlstate)`.
static FACTORY: RwLock<Option<Py<PyAny>>> = RwLock::new(None);

#[pyfunction]
pub fn set_error_factory(factory: Py<PyAny>) {
    let before = FACTORY.write().unwrap_or_else(PoisonError::into_inner).replace(factory);
    drop(before);
}

impl From<Error> for PyErr {
    fn from(mut error: Error) -> Self {
        if let Some(source) = error.take_source() {
            match source.downcast::<PyErr>() {
                Ok(raised) => return located(*raised, error.path()),
                Err(source) => error = error.with_source(source),
            }
        }
        Python::try_attach(|py| made(py, &error))
            .unwrap_or_else(|| PyRuntimeError::new_err(error.detail().to_owned()))
    }
}

/// What Python raised, with the path that it is about where it has room for one: an engine knows none.
fn located(raised: PyErr, path: Option<&str>) -> PyErr {
    if let Some(path) = path {
        Python::try_attach(|py| {
            let value = raised.value(py);
            if value.getattr_opt("path").is_ok_and(|place| place.is_some_and(|place| place.is_none())) {
                // An exception that does not let itself be told goes on as it is.
                drop(value.setattr("path", path));
            }
        });
    }
    raised
}

fn made(py: Python<'_>, error: &Error) -> PyErr {
    let factory =
        FACTORY.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|factory| factory.clone_ref(py));
    let Some(factory) = factory else {
        return PyRuntimeError::new_err(format!("{}: {}", error.code().as_str(), error.detail()));
    };
    let context =
        (error.code().as_str(), error.detail(), error.path(), error.column(), error.row(), error.sqlstate());
    match factory.bind(py).call1(context) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// What Python raised, as an error that is raised again as it was. `value` is what `ValueError`
/// means where it was raised.
pub fn caught(py: Python<'_>, raised: PyErr, value: Code) -> Error {
    let code = code_of(py, &raised, value);
    let detail =
        raised.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    Error::new(code, detail).with_source(raised)
}

fn code_of(py: Python<'_>, raised: &PyErr, value: Code) -> Code {
    let named = raised.value(py).getattr_opt("code").ok().flatten();
    if let Some(name) = named.and_then(|name| name.extract::<String>().ok())
        && let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name)
    {
        return *code;
    }
    if raised.is_instance_of::<PyFileNotFoundError>(py) {
        Code::NotFound
    } else if raised.is_instance_of::<PyFileExistsError>(py) {
        Code::AlreadyExists
    } else if raised.is_instance_of::<PyNotADirectoryError>(py) {
        Code::NotADirectory
    } else if raised.is_instance_of::<PyIsADirectoryError>(py) {
        Code::IsADirectory
    } else if raised.is_instance_of::<PyPermissionError>(py) {
        Code::Forbidden
    } else if raised.is_instance_of::<PyTimeoutError>(py) {
        Code::QueryTimeout
    } else if raised.is_instance_of::<PyConnectionError>(py) {
        Code::DatabaseUnavailable
    } else if raised.is_instance_of::<PyNotImplementedError>(py) {
        Code::Unsupported
    } else if raised.is_instance_of::<PyValueError>(py) {
        value
    } else {
        Code::Internal
    }
}
