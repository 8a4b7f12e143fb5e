//! Batches from values that come row by row.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};

use super::Token;
use super::builder::{Builder, plain};
use super::number::Misfit;
use crate::error::{Code, Error, Result};

/// A batch ends at whichever comes first.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;
/// How much of a value an error shows.
const SHOWN: usize = 64;

/// Builds batches and knows where it is, so that errors can say so.
pub(in crate::formats) struct Table {
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Rows of finished batches.
    before: u64,
    rows: usize,
    bytes: usize,
}

impl Table {
    /// Columns of a relation, each read to its own type.
    pub(in crate::formats) fn of(fields: impl Iterator<Item = Field>) -> Result<Self> {
        Self::new(fields.map(|field| (field, false)).collect())
    }

    /// Columns with a mark on those that keep JSON text.
    pub(in crate::formats) fn new(columns: Vec<(Field, bool)>) -> Result<Self> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut builders = Vec::with_capacity(columns.len());
        for (field, json) in columns {
            let data_type = plain(field.data_type());
            let builder = if json { Builder::json_text() } else { Builder::new(&data_type)? };
            builders.push(builder);
            // Nullable, so that it is the engine that refuses a NULL, and says which column.
            fields.push(field.with_data_type(data_type).with_nullable(true));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), builders, before: 0, rows: 0, bytes: 0 })
    }

    pub(in crate::formats) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The row that is being filled, counted from 1.
    pub(in crate::formats) fn row(&self) -> u64 {
        self.before + self.rows as u64 + 1
    }

    /// Appends a column's value to the row.
    pub(in crate::formats) fn push(&mut self, column: usize, token: Token<'_>) -> Result<()> {
        self.bytes += token.text().len();
        self.builders[column].push(token).map_err(|misfit| self.misfit(column, token.text(), misfit))
    }

    pub(in crate::formats) fn push_null(&mut self, column: usize) {
        self.builders[column].push_null();
    }

    fn misfit(&self, column: usize, text: &str, misfit: Misfit) -> Error {
        let field = self.schema.field(column);
        let shown = match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        let detail = match misfit {
            Misfit::Syntax => format!("{shown:?} is no {}", field.data_type()),
            Misfit::Range => format!("{} cannot hold {shown:?} exactly", field.data_type()),
        };
        Error::new(Code::ValueOutOfRange, detail).with_column(field.name()).with_row(self.row())
    }

    /// Ends the row; true if it is time for [`Table::take`].
    pub(in crate::formats) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The rows so far, if any.
    pub(in crate::formats) fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?))
    }
}
