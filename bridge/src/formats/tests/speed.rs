//! Prints rates; run with `cargo test --release --no-default-features -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow_ipc::writer::StreamWriter;

use super::body;
use super::samples::batch;
use crate::formats::{EncodeOptions, Format, IpcCodec, decode};

const ROWS: i64 = 8_192;
const BATCHES: usize = 32;

/// Sixteen columns like TPC-H's `lineitem`.
fn lineitem() -> RecordBatch {
    let ints =
        |step: i64| Arc::new(Int64Array::from_iter_values((0..ROWS).map(|i| i * step % 200_000))) as ArrayRef;
    let decimals = |step: i128| {
        let values = (0..i128::from(ROWS)).map(|i| i * step % 9_000_000);
        Arc::new(Decimal128Array::from_iter_values(values).with_precision_and_scale(15, 2).unwrap())
            as ArrayRef
    };
    let dates = |step: i32| {
        Arc::new(Date32Array::from_iter_values((0..ROWS as i32).map(|i| 8_000 + i * step % 2_500)))
            as ArrayRef
    };
    let texts = |words: &[&str]| {
        Arc::new(StringArray::from_iter_values((0..ROWS as usize).map(|i| words[i % words.len()])))
            as ArrayRef
    };
    let comments = (0..ROWS).map(|i| format!("carefully final deposits {i} sleep"));
    batch(vec![
        ("l_orderkey", ints(1)),
        ("l_partkey", ints(7_919)),
        ("l_suppkey", ints(31)),
        ("l_linenumber", ints(3)),
        ("l_quantity", decimals(100)),
        ("l_extendedprice", decimals(123_457)),
        ("l_discount", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|i| i as f64 / 100.0)))),
        ("l_tax", decimals(1)),
        ("l_returnflag", texts(&["A", "N", "R"])),
        ("l_linestatus", texts(&["O", "F"])),
        ("l_shipdate", dates(1)),
        ("l_commitdate", dates(3)),
        ("l_receiptdate", dates(7)),
        ("l_shipinstruct", texts(&["DELIVER IN PERSON", "TAKE BACK RETURN", "NONE", "COLLECT COD"])),
        ("l_shipmode", texts(&["TRUCK", "MAIL", "REG AIR", "AIR", "FOB", "RAIL", "SHIP"])),
        ("l_comment", Arc::new(StringArray::from_iter_values(comments))),
    ])
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn report(name: &str, time: Duration, bytes: usize) {
    let rows = ROWS as f64 * BATCHES as f64;
    println!(
        "{name:<28} {:>8.1} ms {:>8.1} Mrow/s {:>8.0} MB/s",
        time.as_secs_f64() * 1e3,
        rows / time.as_secs_f64() / 1e6,
        bytes as f64 / time.as_secs_f64() / 1e6
    );
}

#[test]
#[ignore = "prints rates"]
fn speed() {
    let sample = lineitem();
    let batches = vec![sample.clone(); BATCHES];
    let schema = sample.schema();
    let writer = |reserve: bool| {
        let mut total = 0;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for batch in &batches {
            if reserve {
                writer.get_mut().reserve(batch.get_array_memory_size() + 4_096);
            }
            writer.write(batch).unwrap();
            total += std::mem::take(writer.get_mut()).len();
        }
        total
    };
    let total = writer(false);
    report("StreamWriter to Vec", best(|| writer(false)), total);
    report("StreamWriter to sized Vec", best(|| writer(true)), total);
    for (name, format, ipc_codec) in [
        ("arrow", Format::ArrowStream, None),
        ("arrow zstd", Format::ArrowStream, Some(IpcCodec::Zstd)),
        ("arrow lz4", Format::ArrowStream, Some(IpcCodec::Lz4)),
        ("feather", Format::ArrowFile, None),
        ("parquet", Format::Parquet, None),
        ("csv", Format::Csv, None),
        ("jsonl", Format::Jsonl, None),
        ("json", Format::Json, None),
    ] {
        let options = EncodeOptions { ipc_codec };
        let encode = || {
            let mut encoder = crate::formats::encoder(format, &schema, options).unwrap();
            let parts = encoder.parts();
            let mut total = 0;
            let mut out = |chunk: Vec<u8>| {
                total += chunk.len();
                Ok(())
            };
            encoder.start(&mut out).unwrap();
            for batch in &batches {
                let part = parts.encode(batch.clone()).unwrap();
                encoder.write(part, &mut out).unwrap();
            }
            encoder.finish(&mut out).unwrap();
            total
        };
        let total = encode();
        report(&format!("encode {name}"), best(encode), total);
        let bytes: Arc<[u8]> = body(format, &schema, &batches, options).into();
        let read = |target| {
            let body = Box::new(Cursor::new(Arc::clone(&bytes)));
            decode(format, body, target).unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>()
        };
        report(&format!("decode {name}"), best(|| read(Some(&schema))), bytes.len());
        if matches!(format, Format::Csv | Format::Jsonl | Format::Json) {
            report(&format!("decode {name}, inferred"), best(|| read(None)), bytes.len());
        }
    }
}
