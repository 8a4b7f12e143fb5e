//! Paths, as Python sees them.

use pyo3::prelude::*;

use crate::path::{self, Path};

/// The one path segment of an identifier; `root` if the segment stands at the root.
#[pyfunction]
#[pyo3(signature = (name, *, root=false))]
pub fn encode_name(name: &str, root: bool) -> String {
    path::encode_name(name, root)
}

/// The identifier of a canonical segment.
#[pyfunction]
pub fn decode_name(segment: &str) -> PyResult<String> {
    Ok(path::decode_name(segment)?)
}

/// A parsed path. `str(path)` is its canonical spelling.
#[pyclass(module = "fsspec_db._bridge", name = "Path", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub struct PyPath(Path);

#[pymethods]
impl PyPath {
    #[staticmethod]
    fn parse(path: &str) -> PyResult<Self> {
        Ok(Self(Path::parse(path)?))
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    #[getter]
    fn schema(&self) -> Option<&str> {
        self.0.schema()
    }

    #[getter]
    fn relation(&self) -> Option<&str> {
        self.0.relation()
    }

    #[getter]
    fn extension(&self) -> Option<&str> {
        self.0.extension()
    }

    #[getter]
    fn facet(&self) -> Option<&'static str> {
        self.0.facet().map(path::Facet::as_str)
    }

    #[getter]
    fn item(&self) -> Option<String> {
        self.0.item().map(std::borrow::Cow::into_owned)
    }

    #[getter]
    fn parent(&self) -> String {
        self.0.parent().to_string()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Path.parse({:?})", self.0.to_string())
    }
}
