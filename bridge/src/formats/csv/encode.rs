use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::database::Part;
use crate::error::{Code, Error, Result};
use crate::formats::text::{Column, push_json};
use crate::formats::{Encoder, Out, PartEncoder, part_of_text};

const LINE_END: &[u8] = b"\r\n";

/// True if a field cannot hold the text as it is. Looks at all bytes, which the compiler does
/// many at a time.
fn is_special(text: &[u8]) -> bool {
    let special = |byte: &u8| u8::from(matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    text.iter().fold(0, |any, byte| any | special(byte)) != 0
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    // A byte order mark at the start of a body would be taken for one.
    let quoted = text.is_empty() || text.starts_with("\u{feff}".as_bytes()) || is_special(text);
    if quoted {
        push_quoted(text, out);
    } else {
        out.extend_from_slice(text);
    }
}

fn push_quoted(mut text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    while let Some(at) = text.iter().position(|byte| *byte == b'"') {
        out.extend_from_slice(&text[..=at]);
        out.push(b'"');
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
    out.push(b'"');
}

fn push_field(column: &Column<'_>, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        return;
    }
    let cell = column.cell();
    if let Some(text) = cell.text(row) {
        push_text(text.as_bytes(), out);
    } else if let Some((column, row)) = cell.target(row) {
        push_field(column, row, out);
    } else if !cell.push_plain(row, out) {
        let start = out.len();
        if cell.push_base64(row, out) {
            if out.len() == start {
                out.extend_from_slice(b"\"\"");
            }
        } else {
            let mut json = Vec::new();
            push_json(column, row, &mut json);
            push_text(&json, out);
        }
    }
}

/// Encodes batches on any thread.
#[derive(Default)]
struct Records {
    /// Bytes a row of the last batch took, so that buffers are sized ahead.
    width: AtomicUsize,
}

impl PartEncoder for Records {
    fn encode(&self, batch: RecordBatch) -> Result<Part> {
        let columns =
            batch.columns().iter().map(|array| Column::new(array.as_ref())).collect::<Result<Vec<_>>>()?;
        let rows = batch.num_rows();
        let mut out = Vec::with_capacity(rows.saturating_mul(self.width.load(Ordering::Relaxed)));
        for row in 0..rows {
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_field(column, row, &mut out);
            }
            out.extend_from_slice(LINE_END);
        }
        if let Some(width) = out.len().checked_div(rows) {
            self.width.store(width + 1 + width / 32, Ordering::Relaxed);
        }
        Ok(Part::Bytes(rows as u64, out))
    }
}

pub(in crate::formats) struct CsvEncoder {
    schema: SchemaRef,
    parts: Arc<Records>,
}

impl CsvEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef) -> Result<Self> {
        if schema.fields().is_empty() {
            return Err(Error::new(Code::Unsupported, "CSV cannot carry rows without columns"));
        }
        Ok(Self { schema: Arc::clone(schema), parts: Arc::default() })
    }
}

impl Encoder for CsvEncoder {
    fn parts(&self) -> Arc<dyn PartEncoder> {
        Arc::clone(&self.parts) as _
    }

    fn start(&mut self, out: Out<'_>) -> Result<()> {
        let mut header = Vec::new();
        for (place, field) in self.schema.fields().iter().enumerate() {
            if place > 0 {
                header.push(b',');
            }
            push_text(field.name().as_bytes(), &mut header);
        }
        header.extend_from_slice(LINE_END);
        out(header)
    }

    fn write(&mut self, part: Part, out: Out<'_>) -> Result<()> {
        let bytes = part_of_text(self.parts.as_ref(), part)?;
        if bytes.is_empty() { Ok(()) } else { out(bytes) }
    }

    fn finish(&mut self, _out: Out<'_>) -> Result<()> {
        Ok(())
    }
}
