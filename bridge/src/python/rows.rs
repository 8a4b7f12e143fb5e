//! Rows across the border: out of a backend in pieces, into it as a reader.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::stream::said;
use crate::database::Rows;
use crate::error::{Code, Error, Result};

/// Batches go on in pieces of about this many bytes, however long the backend made them.
const PIECE: usize = 1 << 20;

/// The batch under the schema that was promised; Arrow's own readers believe whatever comes.
pub fn held_to(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options).map_err(
        |error| {
            Error::new(Code::Internal, "the database answered with a batch that breaks its schema")
                .with_source(error)
        },
    )
}

/// Cuts a long batch, without copying; a row is never cut.
pub fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let rows = batch.num_rows();
    let bytes: usize = batch
        .columns()
        .iter()
        .map(|column| {
            column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum();
    let step = (rows * PIECE).checked_div(bytes).unwrap_or(rows).max(1);
    (0..rows).step_by(step).map(move |start| batch.slice(start, step.min(rows - start)))
}

/// Decoded rows, as Python reads them.
pub struct Incoming {
    rows: Box<dyn Rows>,
    failure: Failure,
}

/// What broke the rows, while Python saw only the text of it.
pub type Failure = Arc<Mutex<Option<Error>>>;

impl Incoming {
    pub fn new(rows: Box<dyn Rows>) -> (Self, Failure) {
        let failure = Failure::default();
        (Self { rows, failure: Arc::clone(&failure) }, failure)
    }
}

impl Iterator for Incoming {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next()?;
        Some(next.map_err(|error| {
            let text = said(&error);
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            text
        }))
    }
}

impl RecordBatchReader for Incoming {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
