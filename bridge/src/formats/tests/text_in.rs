use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;

use super::samples::{batch, exotic, scalars, variants};
use super::{body, rows};
use crate::error::{Code, Error};
use crate::formats::{EncodeOptions, Format};

const TEXTS: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Json];

fn target(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(
        columns.iter().map(|(name, t)| Field::new(*name, t.clone(), true)).collect::<Vec<_>>(),
    ))
}

fn int_text() -> SchemaRef {
    target(&[("id", DataType::Int64), ("name", DataType::Utf8)])
}

fn csv(text: &str, target: Option<&SchemaRef>) -> Result<RecordBatch, Error> {
    rows(Format::Csv, text.as_bytes(), target)
}

fn jsonl(text: &str, target: Option<&SchemaRef>) -> Result<RecordBatch, Error> {
    rows(Format::Jsonl, text.as_bytes(), target)
}

fn json(text: &str, target: Option<&SchemaRef>) -> Result<RecordBatch, Error> {
    rows(Format::Json, text.as_bytes(), target)
}

#[test]
fn every_type_comes_back_equal_where_the_target_says_it() {
    for sample in [scalars(), exotic()] {
        let batches = variants(&sample);
        let expected = concat_batches(&sample.schema(), &batches).unwrap();
        for format in TEXTS {
            let bytes = body(format, &sample.schema(), &batches, EncodeOptions::default());
            let decoded = rows(format, &bytes, Some(&sample.schema())).unwrap();
            for (field, (a, b)) in
                sample.schema().fields().iter().zip(expected.columns().iter().zip(decoded.columns()))
            {
                let a = match a.data_type() {
                    DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Utf8View => {
                        cast(a, &DataType::Utf8).unwrap()
                    }
                    DataType::BinaryView => cast(a, &DataType::Binary).unwrap(),
                    _ => Arc::clone(a),
                };
                if matches!(a.data_type(), DataType::Map(..)) {
                    // Their entries' fields differ in name and nullability.
                    assert_eq!(format!("{a:?}"), format!("{b:?}"), "{format:?} {field}");
                } else {
                    assert_eq!(a.as_ref(), b.as_ref(), "{format:?} {field}");
                }
            }
        }
    }
}

#[test]
fn a_single_column_keeps_its_nulls_and_empty_strings() {
    let single = batch(vec![(
        "only",
        Arc::new(StringArray::from(vec![None, Some(""), Some("x"), None, None])) as ArrayRef,
    )]);
    for format in TEXTS {
        let bytes = body(format, &single.schema(), std::slice::from_ref(&single), EncodeOptions::default());
        assert_eq!(rows(format, &bytes, Some(&single.schema())).unwrap(), single, "{format:?}");
    }
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let decoded = csv("name,id\r\n", Some(&int_text())).unwrap();
    assert_eq!((decoded.num_rows(), decoded.schema().field(0).name().as_str()), (0, "name"));
    assert_eq!(json("[]", Some(&int_text())).unwrap().num_rows(), 0);
    assert_eq!(json(" [ ] \n", Some(&int_text())).unwrap().num_columns(), 2);
    assert_eq!(jsonl("\n", Some(&int_text())).unwrap().num_rows(), 0);
}

#[test]
fn line_ends_marks_and_blank_lines_are_taken() {
    for text in [
        "id,name\n1,a\n2,b\n",
        "\u{feff}id,name\r\n1,a\r\n2,b",
        "id,name\n\n1,a\n\r\n2,\"b\"\n\n",
        "\"id\",\"name\"\n\"1\",a\n2,b",
    ] {
        let decoded = csv(text, Some(&int_text())).unwrap();
        assert_eq!(decoded.column(0).as_primitive::<Int64Type>().values(), &[1, 2], "{text:?}");
        assert_eq!(decoded.column(1).as_string::<i32>().value(1), "b");
    }
}

#[track_caller]
fn refused(result: Result<RecordBatch, Error>, code: Code, column: Option<&str>, row: Option<u64>) {
    let error = result.expect_err("it must be refused");
    assert_eq!((error.code(), error.column(), error.row()), (code, column, row), "{error}");
}

#[test]
fn csv_errors_say_where_they_are() {
    let t = int_text();
    let t = Some(&t);
    refused(csv("id,who\n1,a\n", t), Code::SchemaMismatch, Some("who"), None);
    refused(csv("id,id\n1,2\n", t), Code::MalformedBody, Some("id"), None);
    refused(csv("\n", t), Code::MalformedBody, None, None);
    refused(csv("", t), Code::MalformedBody, None, None);
    refused(csv("id,name\n1,a\nx,b\n", t), Code::ValueOutOfRange, Some("id"), Some(2));
    refused(csv("id,name\n9223372036854775808,b\n", t), Code::ValueOutOfRange, Some("id"), Some(1));
    refused(csv("id,name\n1.5,b\n", t), Code::ValueOutOfRange, Some("id"), Some(1));
    refused(csv("id,name\n\"\",b\n", t), Code::ValueOutOfRange, Some("id"), Some(1));
    refused(csv("id,name\n1\n", t), Code::MalformedBody, None, Some(1));
    refused(csv("id,name\n1,a\n1,a,\n", t), Code::MalformedBody, None, Some(2));
    refused(csv("id,name\n1,a\"b\n", t), Code::MalformedBody, None, Some(1));
    refused(csv("id,name\n1,\"a\"b\n", t), Code::MalformedBody, None, Some(1));
    refused(csv("id,name\n1,a\n1,\"a\n", t), Code::IncompleteBody, None, Some(2));
    refused(csv("id,name\n1,a\rb\n", t), Code::MalformedBody, None, Some(1));
    refused(rows(Format::Csv, b"id,name\n1,\xff\n", t), Code::MalformedBody, None, Some(1));
}

#[test]
fn a_zone_is_there_where_the_column_has_one_and_only_there() {
    let zoned = target(&[("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))]);
    let local = target(&[("at", DataType::Timestamp(TimeUnit::Microsecond, None))]);
    let (with, without) = ("at\n2024-05-06T07:08:09Z\n", "at\n2024-05-06T07:08:09\n");
    assert!(csv(with, Some(&zoned)).is_ok() && csv(without, Some(&local)).is_ok());
    refused(csv(without, Some(&zoned)), Code::ValueOutOfRange, Some("at"), Some(1));
    refused(csv(with, Some(&local)), Code::ValueOutOfRange, Some("at"), Some(1));
}

#[test]
fn json_errors_say_where_they_are() {
    let t = int_text();
    let t = Some(&t);
    refused(jsonl("{\"id\":1}\n{\"who\":1}\n", t), Code::SchemaMismatch, Some("who"), Some(2));
    refused(jsonl("{\"id\":1}\n{\"id\":1.5}\n", t), Code::ValueOutOfRange, Some("id"), Some(2));
    refused(jsonl("{\"id\":9223372036854775808}\n", t), Code::ValueOutOfRange, Some("id"), Some(1));
    refused(jsonl("{\"id\":{}}\n", t), Code::ValueOutOfRange, Some("id"), Some(1));
    refused(jsonl("{\"id\":1,\"id\":2}\n", t), Code::MalformedBody, Some("id"), Some(1));
    refused(jsonl("{\"id\":01}\n", t), Code::MalformedBody, None, Some(1));
    refused(jsonl("{\"id\":1}{\"id\":2}\n", t), Code::MalformedBody, None, Some(1));
    refused(jsonl("{\"id\":1}\nnull\n", t), Code::MalformedBody, None, Some(2));
    refused(jsonl("{\"id\":1}\n{\"id\":", t), Code::IncompleteBody, None, Some(2));
    refused(jsonl("{\"name\":\"\\ud800\"}", t), Code::MalformedBody, None, Some(1));
    refused(jsonl("{\"name\":\"\u{1}\"}", t), Code::MalformedBody, None, Some(1));
    refused(jsonl("{\"name\":[1,]}", t), Code::MalformedBody, None, Some(1));
    refused(json("[{\"id\":1},]", t), Code::MalformedBody, None, Some(1));
    refused(json("[{\"id\":1} {\"id\":1}]", t), Code::MalformedBody, None, Some(1));
    refused(json("[{\"id\":1}] x", t), Code::MalformedBody, None, Some(1));
    refused(json("[{\"id\":1}", t), Code::IncompleteBody, None, None);
    refused(json("{\"id\":1}", t), Code::MalformedBody, None, None);
    refused(
        json(&format!("[{{\"id\":{}1{}}}]", "[".repeat(200), "]".repeat(200)), t),
        Code::MalformedBody,
        None,
        Some(1),
    );
}

#[test]
fn a_missing_member_is_null_and_an_absent_column_is_absent() {
    let t = int_text();
    let decoded =
        jsonl("{\"name\":\"a\"}\n{\"name\":null}\n{ \"name\" : \"\\u65e5\\ud83d\\ude00\\n\" }", Some(&t))
            .unwrap();
    assert_eq!(decoded.num_columns(), 1);
    let names: Vec<_> = decoded.column(0).as_string::<i32>().iter().collect();
    assert_eq!(names, [Some("a"), None, Some("日😀\n")]);
    let decoded = jsonl("{\"name\":\"a\"}\n{\"id\":7}\n", Some(&t)).unwrap();
    let ids: Vec<_> = decoded.column(0).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(ids, [None, Some(7)]);
}

fn types(decoded: &RecordBatch) -> Vec<DataType> {
    decoded.schema().fields().iter().map(|field| field.data_type().clone()).collect()
}

#[test]
fn types_of_a_csv_come_from_the_whole_body() {
    let decoded = csv(
        "i,f,d,b,day,ts,utc,zip,plus,big,mixed,empty,nothing\n\
         1,1,0.12345678901234567890,true,2020-01-31,2020-01-31T00:00:00,2020-01-31T00:00:00Z,007,+1,1e400,1,\"\",\n\
         -9223372036854775808,2.50,12,false,2020-02-29,2020-01-31 10:00:00.5,2020-01-31 00:00:00+00:00,8,2,1,x,a,\n",
        None,
    )
    .unwrap();
    assert_eq!(
        types(&decoded),
        [
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal128(22, 20),
            DataType::Boolean,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
        ]
    );
    assert_eq!(decoded.column(1).as_primitive::<Float64Type>().value(1).to_string(), "2.5");
    assert_eq!(decoded.column(2).as_primitive::<Decimal128Type>().value(0), 12_345_678_901_234_567_890);
    assert_eq!(decoded.column(12).null_count(), 2);
}

#[test]
fn booleans_are_taken_as_other_programs_write_them() {
    let t = target(&[("b", DataType::Boolean)]);
    let decoded = csv("b\ntrue\nFalse\nTRUE\n0\n1\n", Some(&t)).unwrap();
    let values: Vec<_> = decoded.column(0).as_boolean().iter().flatten().collect();
    assert_eq!(values, [true, false, true, false, true]);
    assert_eq!(types(&csv("b,i\nTrue,1\nFalse,0\n", None).unwrap()), [DataType::Boolean, DataType::Int64]);
    refused(csv("b\nyes\n", Some(&t)), Code::ValueOutOfRange, Some("b"), Some(1));
}

#[test]
fn types_of_json_keep_texts_and_numbers_apart() {
    let decoded = jsonl(
        "{\"i\":1,\"f\":1,\"t\":\"1\",\"m\":1,\"n\":{\"a\":[1]},\"big\":18446744073709551615,\"late\":null}\n\
         {\"i\":2,\"f\":1.5,\"t\":\"2\",\"m\":\"1\",\"n\":null,\"big\":1,\"late\":true,\"new\":\"2020-01-31\"}\n",
        None,
    )
    .unwrap();
    assert_eq!(
        types(&decoded),
        [
            DataType::Int64,
            DataType::Float64,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Utf8,
            DataType::Decimal128(20, 0),
            DataType::Boolean,
            DataType::Date32,
        ]
    );
    let mixed: Vec<_> = decoded.column(3).as_string::<i32>().iter().flatten().collect();
    assert_eq!(mixed, ["1", "\"1\""]);
    assert_eq!(decoded.column(4).as_string::<i32>().value(0), "{\"a\":[1]}");
    assert_eq!(
        decoded.schema().field(3).metadata().get("ARROW:extension:name").map(ToString::to_string).as_deref(),
        Some("arrow.json")
    );
}

#[test]
fn rows_beyond_one_batch_and_one_buffer_keep_their_order() {
    let many = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..50_000)) as ArrayRef),
        (
            "text",
            Arc::new(StringArray::from_iter(
                (0..50_000).map(|i| (i % 7 != 0).then(|| "é,\"\n".repeat(i % 13))),
            )),
        ),
    ]);
    for format in TEXTS {
        let bytes = body(
            format,
            &many.schema(),
            &[many.slice(0, 20_000), many.slice(20_000, 30_000)],
            EncodeOptions::default(),
        );
        assert_eq!(rows(format, &bytes, Some(&many.schema())).unwrap(), many, "{format:?}");
        assert_eq!(rows(format, &bytes, None).unwrap(), many, "{format:?}");
    }
}

#[test]
fn a_json_array_cut_anywhere_is_refused() {
    let sample = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("text", Arc::new(StringArray::from(vec!["a", "é", "\"\\"]))),
    ]);
    let bytes = body(Format::Json, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
    let whole = bytes.trim_ascii_end().len();
    for end in 1..whole {
        assert!(rows(Format::Json, &bytes[..end], Some(&sample.schema())).is_err(), "cut at {end}");
        assert!(rows(Format::Json, &bytes[..end], None).is_err(), "cut at {end}");
    }
}

#[test]
fn json_members_may_be_nested_where_the_target_is() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let t = target(&[("l", list)]);
    assert_eq!(
        jsonl("{\"l\":[1,null]}\n{\"l\":null}\n", Some(&t))
            .unwrap()
            .column(0)
            .as_list::<i32>()
            .value(0)
            .len(),
        2
    );
    refused(jsonl("{\"l\":[1]}\n{\"l\":[\"x\"]}\n", Some(&t)), Code::ValueOutOfRange, Some("l"), Some(2));
    refused(jsonl("{\"l\":7}\n", Some(&t)), Code::ValueOutOfRange, Some("l"), Some(1));
}
