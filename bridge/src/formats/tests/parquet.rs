use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_select::concat::concat_batches;

use super::samples::{batch, exotic, scalars, variants};
use super::{body, rows};
use crate::error::Code;
use crate::formats::{EncodeOptions, Format, encoder};

/// Columns that Parquet has no type for.
const UNSUPPORTED: [&str; 1] = ["imdn"];

fn carried(sample: &RecordBatch) -> RecordBatch {
    let kept: Vec<usize> = (0..sample.num_columns())
        .filter(|place| {
            let name = sample.schema().field(*place).name().clone();
            // Runs come back as their values, which Parquet encodes as runs anyway.
            !UNSUPPORTED.contains(&name.as_str()) && name != "ree"
        })
        .collect();
    sample.project(&kept).unwrap()
}

#[test]
fn every_type_that_parquet_has_comes_back_equal() {
    for sample in [scalars(), carried(&exotic())] {
        let batches = variants(&sample);
        let expected = concat_batches(&sample.schema(), &batches).unwrap();
        let bytes = body(Format::Parquet, &sample.schema(), &batches, EncodeOptions::default());
        let decoded = rows(Format::Parquet, &bytes, None).unwrap();
        for (field, (a, b)) in
            sample.schema().fields().iter().zip(expected.columns().iter().zip(decoded.columns()))
        {
            assert_eq!(a, b, "{field}");
        }
    }
}

#[test]
fn what_parquet_has_no_type_for_is_refused_before_the_first_byte() {
    for name in UNSUPPORTED {
        let sample = exotic();
        let place = sample.schema().index_of(name).unwrap();
        let schema = sample.project(&[place]).unwrap().schema();
        let error = encoder(Format::Parquet, &schema, EncodeOptions::default()).err().unwrap();
        assert_eq!(error.code(), Code::Unsupported);
    }
}

#[test]
fn a_table_without_rows_keeps_its_schema() {
    let sample = scalars();
    let bytes = body(Format::Parquet, &sample.schema(), &[], EncodeOptions::default());
    let decoded = rows(Format::Parquet, &bytes, None).unwrap();
    assert_eq!((decoded.num_rows(), decoded.schema().fields()), (0, sample.schema().fields()));
}

#[test]
fn many_rows_make_several_groups_and_the_same_bytes() {
    let many = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..300_000)) as _),
        ("text", Arc::new(StringArray::from_iter_values((0..300_000).map(|i| format!("row {i}"))))),
    ]);
    let batches: Vec<RecordBatch> = (0..30).map(|i| many.slice(i * 10_000, 10_000)).collect();
    let bytes = body(Format::Parquet, &many.schema(), &batches, EncodeOptions::default());
    assert_eq!(bytes, body(Format::Parquet, &many.schema(), &batches, EncodeOptions::default()));
    assert_eq!(rows(Format::Parquet, &bytes, None).unwrap(), many);
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let sample = carried(&exotic());
    let bytes =
        body(Format::Parquet, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
    for end in (1..bytes.len()).step_by(11) {
        let error = rows(Format::Parquet, &bytes[..end], None).expect_err("a part must not decode");
        assert!(matches!(error.code(), Code::IncompleteBody | Code::MalformedBody), "{error} at {end}");
    }
}
