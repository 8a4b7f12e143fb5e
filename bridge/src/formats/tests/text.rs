use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::body;
use super::samples::{batch, exotic, scalars};
use crate::formats::{EncodeOptions, Format, encoder};

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(body(format, &batches[0].schema(), batches, EncodeOptions::default())).unwrap()
}

fn small() -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])) as ArrayRef),
        ("a \"name\"", Arc::new(StringArray::from(vec![Some(""), Some("x,\"y\"\n")]))),
        ("f", Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(1.5)]))),
    ])
}

#[test]
fn csv_keeps_null_and_the_empty_string_apart() {
    assert_eq!(
        text(Format::Csv, &[small()]),
        "id,\"a \"\"name\"\"\",f\r\n9223372036854775807,\"\",NaN\r\n,\"x,\"\"y\"\"\n\",1.5\r\n"
    );
}

#[test]
fn json_rows_join_across_parts() {
    let rows = "{\"id\":9223372036854775807,\"a \\\"name\\\"\":\"\",\"f\":\"NaN\"}";
    let second = "{\"id\":null,\"a \\\"name\\\"\":\"x,\\\"y\\\"\\n\",\"f\":1.5}";
    let batches = [small().slice(0, 0), small(), small().slice(1, 0), small().slice(1, 1)];
    assert_eq!(text(Format::Json, &batches), format!("[\n {rows}\n,{second}\n,{second}\n]\n"));
    assert_eq!(text(Format::Jsonl, &batches), format!("{rows}\n{second}\n{second}\n"));
    assert_eq!(text(Format::Json, &batches[..1]), "[\n]\n");
}

#[test]
fn every_type_is_valid_json() {
    for sample in [scalars(), exotic()] {
        for line in text(Format::Jsonl, &[sample.clone(), sample.slice(1, 3)]).lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), sample.num_columns());
        }
        let array: serde_json::Value =
            serde_json::from_str(&text(Format::Json, std::slice::from_ref(&sample))).unwrap();
        assert_eq!(array.as_array().unwrap().len(), sample.num_rows());
    }
}

#[test]
fn two_columns_of_one_name_are_no_json() {
    let twins = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(vec![2]))),
    ]);
    for format in [Format::Json, Format::Jsonl] {
        assert!(encoder(format, &twins.schema(), EncodeOptions::default()).is_err());
    }
    assert_eq!(text(Format::Csv, &[twins]), "a,a\r\n1,2\r\n");
}
