use std::io::Cursor;
use std::task::Poll;

use _bridge::formats::{EncodeOptions, Format, decode};
use _bridge::stream::{ChunkStream, Wanted};

use super::*;

fn encoded(database: &Arc<dyn Database>, format: Format) -> Vec<u8> {
    let database = database.clone();
    let wanted = Wanted { format, options: EncodeOptions::default(), spool: None };
    let stream = ChunkStream::rows_of(wanted, None, move |sink, cancel| {
        let scan = Scan { schema: "main".to_owned(), relation: "t".to_owned(), shape: Shape::default() };
        database.scan(&scan, sink, cancel)
    })
    .unwrap();
    let mut bytes = Vec::new();
    while let Poll::Ready(chunk) = stream.wait(None) {
        match chunk.unwrap() {
            Some(chunk) => bytes.extend(chunk),
            None => break,
        }
    }
    assert!(stream.complete());
    bytes
}

fn decoded(bytes: Vec<u8>, format: Format) -> RecordBatch {
    let rows = decode(format, Box::new(Cursor::new(bytes)), None).unwrap();
    let schema = rows.schema();
    let batches: Vec<RecordBatch> = rows.map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&schema, &batches).unwrap()
}

/// More than the spool holds in memory.
const MANY: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, d DATE, c DECIMAL(15,2));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    INSERT INTO t SELECT i, 'a text to fill the spool with, number ' || i, date(i % 20000 * 86400, 'unixepoch'), i / 100.0 FROM n;";

#[test]
fn the_first_read_gives_the_bytes_of_every_later_one() {
    let folder = Folder::with(MANY);
    for format in [Format::ArrowStream, Format::ArrowFile, Format::Csv, Format::Jsonl, Format::Json] {
        let database = folder.open(Access::Read);
        let first = encoded(&database, format);
        assert!(first.len() > 8 << 20);
        assert!(first == encoded(&database, format), "{format:?}");
        if format == Format::ArrowStream {
            assert_eq!(decoded(first, format), scan(&folder.open(Access::Read), "t").unwrap().one());
        }
    }
}

#[test]
fn a_misfit_in_the_last_row_is_found_before_the_first_byte() {
    let folder = Folder::with(MANY);
    folder.connection().execute_batch("INSERT INTO t VALUES (200001, x'ff', 'someday', 0.001)").unwrap();
    for format in [Format::ArrowStream, Format::Parquet] {
        let got = decoded(encoded(&folder.open(Access::Read), format), format);
        let types: Vec<String> = got.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
        assert_eq!(types, ["Int64", "Binary", "Utf8", "Float64"], "{format:?}");
        assert_eq!(got.num_rows(), 200_001);
    }
}
