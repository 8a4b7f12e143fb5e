//! Rows of a body that is still arriving.

use std::io::{Seek, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};

use super::body;
use crate::body::{Arriving, ArrivingFile};
use crate::error::{Code, Result};
use crate::formats::{EncodeOptions, Format, decode};

/// The rows of each batch, once `then` was done with a body whose bytes have all been received.
fn counts(format: Format, then: impl FnOnce(&Arriving)) -> Vec<Result<usize>> {
    let ids: Arc<Int64Array> = Arc::new((0..1000).collect());
    let batch = RecordBatch::try_from_iter([("id", ids as _)]).unwrap();
    let schema = batch.schema();
    let bytes = body(format, &schema, &[batch], EncodeOptions::default());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    let arriving = Arc::new(Arriving::new(bytes.len() as u64));
    let source = Box::new(ArrivingFile::new(file, Arc::clone(&arriving)));
    thread::scope(|scope| {
        let rows = scope.spawn(|| {
            let rows = decode(format, source, Some(&schema))?;
            Ok(rows.map(|batch| batch.map(|batch| batch.num_rows())).collect())
        });
        arriving.received(bytes.len() as u64);
        thread::sleep(Duration::from_millis(20)); // time enough to come to a wrong end
        then(&arriving);
        rows.join().unwrap().unwrap_or_else(|error| vec![Err(error)])
    })
}

#[test]
fn rows_do_not_end_before_the_body_is_proven_to_be_whole() {
    for &format in Format::ALL {
        let rows = counts(format, Arriving::abandon);
        assert_eq!(rows.last().unwrap().as_ref().unwrap_err().code(), Code::IncompleteBody, "{format:?}");
    }
}

#[test]
fn a_body_that_became_whole_has_all_its_rows() {
    for &format in Format::ALL {
        let rows = counts(format, Arriving::complete);
        assert_eq!(rows.into_iter().sum::<Result<usize>>().unwrap(), 1000, "{format:?}");
    }
}
