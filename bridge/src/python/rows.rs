//! Rows across the border: out of a backend in pieces, into it as a reader.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};

use super::stream::said;
use super::work::Work;
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

/// Cuts a long batch evenly, without copying; a row is never cut.
pub fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let rows = batch.num_rows();
    let bytes: usize = batch
        .columns()
        .iter()
        .map(|column| {
            column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum();
    let count = ((bytes + PIECE / 2) / PIECE).max(1);
    // Bits are copied fastest from where a byte begins.
    let step = rows.div_ceil(count).next_multiple_of(8).max(1);
    (0..rows).step_by(step).map(move |start| batch.slice(start, step.min(rows - start)))
}

/// Batches that foreign code reads. It only hears the text of an error: the work keeps the error itself.
pub struct Incoming<R> {
    rows: R,
    work: Option<Arc<Work>>,
}

impl<R: Rows> Incoming<R> {
    /// For the work of this thread, whichever threads read.
    pub fn new(rows: R) -> Self {
        Self { rows, work: Work::current() }
    }
}

impl<R: Rows> Iterator for Incoming<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next()?;
        Some(next.map_err(|error| {
            let text = said(&error);
            if let Some(work) = &self.work {
                work.fail(error);
            }
            text
        }))
    }
}

impl<R: Rows> RecordBatchReader for Incoming<R> {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
