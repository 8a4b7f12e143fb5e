//! For backends in Python: rows as a relation takes them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use pyo3::prelude::*;

use super::arrow::{Batches, reader_of};
use super::rows::Incoming;
use crate::database::Rows;
use crate::error::Result;
use crate::fit::Fit;

struct Fitted {
    batches: Batches,
    fit: Fit,
    /// How many came before.
    rows: u64,
}

impl Iterator for Fitted {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.batches.next().transpose()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let first = self.rows + 1;
        self.rows += batch.num_rows() as u64;
        Some(self.fit.fit(&batch, first))
    }
}

impl Rows for Fitted {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.fit.schema)
    }
}

/// The batches of `reader` with the columns and types of a relation.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // made for this call
#[pyo3(signature = (reader, columns, *, passed_over=None))]
pub fn fitted<'py>(
    reader: Bound<'py, PyAny>,
    columns: &Bound<'py, PyAny>,
    passed_over: Option<Vec<String>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = reader.py();
    let columns = Batches::of(columns.call_method0("empty_table")?)?.schema();
    let batches = Batches::of(reader)?;
    let fit = Fit::new(&batches.schema(), &columns, passed_over.as_deref().unwrap_or_default())?;
    reader_of(py, Box::new(Incoming::new(Fitted { batches, fit, rows: 0 })))
}
