//! The five records of metadata, as Python makes, shows and pickles them.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::metadata::{ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo};

macro_rules! record {
    ($class:ident($($signature:tt)*) { $($field:ident: $kind:ty),* $(,)? }) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = ($($signature)*))]
            fn py_new($($field: $kind),*) -> Self {
                Self { $($field),* }
            }

            /// What `pickle` and `copy` call the class with.
            fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                ($(&self.$field,)*).into_pyobject(py)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                Ok(format!("{}{}", stringify!($class), self.__getnewargs__(py)?.repr()?))
            }
        }
    };
}

record!(SchemaInfo(name, catalog=None, comment=None) {
    name: String,
    catalog: Option<String>,
    comment: Option<String>,
});

record!(RelationInfo(name, kind, row_count=None, size_bytes=None, comment=None) {
    name: String,
    kind: String,
    row_count: Option<i64>,
    size_bytes: Option<i64>,
    comment: Option<String>,
});

record!(ColumnInfo(name, data_type, nullable, default, ordinal, primary_key=false, comment=None) {
    name: String,
    data_type: String,
    nullable: bool,
    default: Option<String>,
    ordinal: i64,
    primary_key: bool,
    comment: Option<String>,
});

record!(IndexInfo(name, columns, unique, method=None) {
    name: String,
    columns: Vec<String>,
    unique: bool,
    method: Option<String>,
});

record!(ConstraintInfo(name, kind, columns, references=None, expr=None) {
    name: String,
    kind: String,
    columns: Vec<String>,
    references: Option<String>,
    expr: Option<String>,
});
