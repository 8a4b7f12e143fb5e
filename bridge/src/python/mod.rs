//! The Python module `fsspec_db._bridge`. Rust never works with Python's lock held: every call
//! that may block detaches, and attaches again only to make or read Python objects.

mod arrow;
mod attach;
mod body;
mod bytes;
mod database;
mod doorbell;
mod errors;
mod fitted;
mod fs;
mod metadata;
mod path;
mod rows;
mod steady;
mod stream;
mod turn;
mod values;
mod work;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Code;
use crate::formats::Format;
use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};

#[pymodule]
#[pyo3(name = "_bridge")]
fn bridge(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let formats = PyDict::new(py);
    for extension in EXTENSIONS {
        if let Some(format) = Format::from_extension(extension) {
            formats.set_item(extension, format.media_type())?;
        }
    }
    module.add("FORMATS", py.import("types")?.getattr("MappingProxyType")?.call1((formats,))?)?;
    module.add("CODES", PyTuple::new(py, Code::ALL.iter().map(|code| code.as_str()))?)?;
    module.add_class::<SchemaInfo>()?;
    module.add_class::<RelationInfo>()?;
    module.add_class::<ColumnInfo>()?;
    module.add_class::<IndexInfo>()?;
    module.add_class::<ConstraintInfo>()?;
    module.add_class::<path::PyPath>()?;
    module.add_class::<stream::PyChunkStream>()?;
    module.add_class::<stream::PyBatchStream>()?;
    module.add_class::<body::PyArrivingBody>()?;
    module.add_class::<doorbell::PyDoorbell>()?;
    module.add_class::<fs::PyDatabaseFs>()?;
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(attach::end, module)?,))?;
    module.add_function(wrap_pyfunction!(errors::set_error_factory, module)?)?;
    module.add_function(wrap_pyfunction!(fitted::fitted, module)?)?;
    module.add_function(wrap_pyfunction!(work::on_cancel, module)?)?;
    module.add_function(wrap_pyfunction!(path::encode_name, module)?)?;
    module.add_function(wrap_pyfunction!(path::decode_name, module)?)?;
    Ok(())
}

/// Every extension of a data format; `arrows` is the registered one of what `arrow` means here.
const EXTENSIONS: [&str; 7] = ["arrow", "arrows", "feather", "parquet", "csv", "jsonl", "json"];
