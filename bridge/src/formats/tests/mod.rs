// An array says its type first.
#![allow(clippy::from_iter_instead_of_collect)]

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;

use super::{EncodeOptions, Format, decode, encoder};
use crate::error::Result;

mod arriving;
mod ipc;
mod parquet;
mod samples;
mod speed;
mod text;
mod text_in;

/// The whole body of some batches.
fn body(format: Format, schema: &SchemaRef, batches: &[RecordBatch], options: EncodeOptions) -> Vec<u8> {
    let mut encoder = encoder(format, schema, options).unwrap();
    let parts = encoder.parts();
    let mut bytes = Vec::new();
    let mut out = |chunk: Vec<u8>| {
        assert!(!chunk.is_empty(), "an empty chunk would read as the end");
        bytes.extend_from_slice(&chunk);
        Ok(())
    };
    encoder.start(&mut out).unwrap();
    for batch in batches {
        let part = parts.encode(batch.clone()).unwrap();
        encoder.write(part, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    bytes
}

fn rows(format: Format, bytes: &[u8], target: Option<&SchemaRef>) -> Result<RecordBatch> {
    let rows = decode(format, Box::new(Cursor::new(bytes.to_vec())), target)?;
    let schema = rows.schema();
    let batches: Vec<RecordBatch> = rows.collect::<Result<_>>()?;
    Ok(concat_batches(&schema, &batches)?)
}
