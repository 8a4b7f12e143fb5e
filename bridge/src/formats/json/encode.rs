use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::database::Part;
use crate::error::{Code, Error, Result};
use crate::formats::text::{Column, push_json, push_json_string};
use crate::formats::{Encoder, Out, PartEncoder, part_of_text};

/// What separates rows from those before them, so that parts join without looking at each other.
const SEPARATOR: &[u8; 2] = b"\n,";

/// Encodes batches on any thread.
struct Objects {
    /// What comes before each value: `{"a":`, `,"b":` …
    keys: Vec<Vec<u8>>,
    /// In an array, rows start with [`SEPARATOR`]; otherwise they end with a line feed.
    array: bool,
    /// Bytes a row of the last batch took, so that buffers are sized ahead.
    width: AtomicUsize,
}

impl PartEncoder for Objects {
    fn encode(&self, batch: RecordBatch) -> Result<Part> {
        let columns =
            batch.columns().iter().map(|array| Column::new(array.as_ref())).collect::<Result<Vec<_>>>()?;
        let rows = batch.num_rows();
        let mut out = Vec::with_capacity(rows.saturating_mul(self.width.load(Ordering::Relaxed)));
        for row in 0..rows {
            if self.array {
                out.extend_from_slice(SEPARATOR);
            }
            for (key, column) in self.keys.iter().zip(&columns) {
                out.extend_from_slice(key);
                push_json(column, row, &mut out);
            }
            out.extend_from_slice(if columns.is_empty() { b"{}" } else { b"}" });
            if !self.array {
                out.push(b'\n');
            }
        }
        if let Some(width) = out.len().checked_div(rows) {
            self.width.store(width + 1 + width / 32, Ordering::Relaxed);
        }
        Ok(Part::Bytes(rows as u64, out))
    }
}

pub(in crate::formats) struct JsonEncoder {
    parts: Arc<Objects>,
    empty: bool,
}

impl JsonEncoder {
    /// `array` for one JSON array, else one object a line.
    pub(in crate::formats) fn new(schema: &SchemaRef, array: bool) -> Result<Self> {
        let mut names = HashSet::new();
        let mut keys = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            if !names.insert(field.name()) {
                let detail = "a JSON object cannot have two members of one name; give the columns aliases";
                return Err(Error::new(Code::Unsupported, detail).with_column(field.name()));
            }
            let mut key = vec![if keys.is_empty() { b'{' } else { b',' }];
            push_json_string(field.name(), &mut key);
            key.push(b':');
            keys.push(key);
        }
        Ok(Self { parts: Arc::new(Objects { keys, array, width: AtomicUsize::new(0) }), empty: true })
    }
}

impl Encoder for JsonEncoder {
    fn parts(&self) -> Arc<dyn PartEncoder> {
        Arc::clone(&self.parts) as _
    }

    fn start(&mut self, out: Out<'_>) -> Result<()> {
        if self.parts.array { out(b"[".to_vec()) } else { Ok(()) }
    }

    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()> {
        let mut bytes = part_of_text(self.parts.as_ref(), part)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if self.parts.array && self.empty {
            bytes[..SEPARATOR.len()].copy_from_slice(b"\n ");
        }
        self.empty = false;
        out(bytes)
    }

    fn finish(&mut self, out: Out<'_>) -> Result<()> {
        if self.parts.array { out(b"\n]\n".to_vec()) } else { Ok(()) }
    }
}
