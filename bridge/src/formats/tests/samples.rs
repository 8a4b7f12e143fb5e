//! Batches of every type, with nulls, slices and edges.

use std::sync::Arc;

use arrow_array::builder::{
    Int32Builder, ListBuilder, MapBuilder, StringBuilder, StringRunBuilder, StructBuilder,
};
use arrow_array::types::{Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano};
use arrow_array::*;
use arrow_buffer::i256;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

/// Named columns as a batch whose fields are all nullable.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Types that every format carries.
pub fn scalars() -> RecordBatch {
    let long = "é".repeat(1 << 19);
    batch(vec![
        ("null", Arc::new(NullArray::new(5))),
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX), Some(0), Some(-1)]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX), Some(0), Some(-1)]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX), Some(0), Some(-1)]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX), Some(0), Some(-1)]))),
        ("u8", Arc::new(UInt8Array::from(vec![Some(0), None, Some(u8::MAX), Some(1), Some(2)]))),
        ("u16", Arc::new(UInt16Array::from(vec![Some(0), None, Some(u16::MAX), Some(1), Some(2)]))),
        ("u32", Arc::new(UInt32Array::from(vec![Some(0), None, Some(u32::MAX), Some(1), Some(2)]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX), Some(1), Some(2)]))),
        (
            "f32",
            Arc::new(Float32Array::from(vec![
                Some(f32::MIN_POSITIVE),
                None,
                Some(f32::MAX),
                Some(-0.0),
                Some(0.1),
            ])),
        ),
        (
            "f64",
            Arc::new(Float64Array::from(vec![Some(5e-324), None, Some(f64::MAX), Some(-0.0), Some(0.1)])),
        ),
        (
            "d38",
            Arc::new(
                Decimal128Array::from(vec![
                    Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
                    None,
                    Some(-1),
                    Some(0),
                    Some(100),
                ])
                .with_precision_and_scale(38, 10)
                .unwrap(),
            ),
        ),
        (
            "d76",
            Arc::new(
                Decimal256Array::from(vec![
                    Some(i256::from_string(&"9".repeat(76)).unwrap()),
                    None,
                    Some(i256::from_i128(-1)),
                    Some(i256::ZERO),
                    Some(i256::from_i128(12_345)),
                ])
                .with_precision_and_scale(76, 2)
                .unwrap(),
            ),
        ),
        (
            "date",
            Arc::new(Date32Array::from(vec![Some(0), None, Some(-719_162), Some(2_932_896), Some(19_000)])),
        ),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                None,
                Some(86_399_999_999),
                Some(1),
                Some(3_600_000_000),
            ])),
        ),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(0),
                None,
                Some(-62_135_596_800_000_000),
                Some(253_402_300_799_999_999),
                Some(-1),
            ])),
        ),
        (
            "tsutc",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(0),
                    None,
                    Some(1_700_000_000_123_456),
                    Some(1),
                    Some(-1),
                ])
                .with_timezone("UTC"),
            ),
        ),
        (
            "utf8",
            Arc::new(StringArray::from(vec![
                Some(""),
                None,
                Some("日本 語, \"quoted\"\r\nline\tand\u{0}nul"),
                Some(long.as_str()),
                Some(" \\N NULL null "),
            ])),
        ),
        (
            "large",
            Arc::new(LargeStringArray::from(vec![Some(""), None, Some("a"), Some("😀"), Some("\u{feff}")])),
        ),
        (
            "binary",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(b""),
                None,
                Some(&[0, 255, 13, 10]),
                Some(b"plain"),
                Some(b"="),
            ])),
        ),
        (
            "fixed",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some([0u8; 16]), None, Some([255; 16]), Some([7; 16]), Some([9; 16])].into_iter(),
                    16,
                )
                .unwrap(),
            ),
        ),
    ])
}

/// Types that the Arrow forms carry, and text formats only as far as they can.
pub fn exotic() -> RecordBatch {
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1), None]);
    lists.append_null();
    lists.append_value([]);
    lists.append_value([Some(3)]);
    lists.append_value([Some(4), Some(5), Some(6)]);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for i in 0..5 {
        maps.keys().append_value(format!("k{i}"));
        maps.values().append_value(i);
        maps.append(i != 1).unwrap();
    }
    let mut structs = StructBuilder::from_fields(
        Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]),
        5,
    );
    for i in 0..5 {
        structs.field_builder::<Int32Builder>(0).unwrap().append_value(i);
        structs.field_builder::<StringBuilder>(1).unwrap().append_value(format!("y{i}"));
        structs.append(i != 2);
    }
    let mut runs = StringRunBuilder::<Int32Type>::new();
    for value in ["a", "a", "b", "b", "b"] {
        runs.append_value(value);
    }
    batch(vec![
        (
            "f16",
            cast(&Float32Array::from(vec![Some(1.5), None, Some(0.0), None, Some(-2.0)]), &DataType::Float16)
                .unwrap(),
        ),
        (
            "date64",
            Arc::new(Date64Array::from(vec![Some(0), None, Some(86_400_000), Some(-86_400_000), Some(0)])),
        ),
        ("t32s", Arc::new(Time32SecondArray::from(vec![Some(0), None, Some(86_399), Some(1), Some(2)]))),
        (
            "t32ms",
            Arc::new(Time32MillisecondArray::from(vec![Some(0), None, Some(86_399_999), Some(1), Some(2)])),
        ),
        (
            "t64ns",
            Arc::new(Time64NanosecondArray::from(vec![
                Some(0),
                None,
                Some(86_399_999_999_999),
                Some(1),
                Some(2),
            ])),
        ),
        ("tss", Arc::new(TimestampSecondArray::from(vec![Some(0), None, Some(1), Some(-1), Some(2)]))),
        ("tsms", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(1), Some(-1), Some(2)]))),
        (
            "tsns",
            Arc::new(TimestampNanosecondArray::from(vec![
                Some(i64::MIN),
                None,
                Some(i64::MAX),
                Some(-1),
                Some(2),
            ])),
        ),
        (
            "dur",
            Arc::new(DurationMicrosecondArray::from(vec![
                Some(0),
                None,
                Some(-3_020_399_000_001),
                Some(1),
                Some(-1),
            ])),
        ),
        ("iym", Arc::new(IntervalYearMonthArray::from(vec![Some(0), None, Some(-13), Some(14), Some(2)]))),
        (
            "idt",
            Arc::new(IntervalDayTimeArray::from(vec![
                Some(IntervalDayTime::new(0, 0)),
                None,
                Some(IntervalDayTime::new(-1, 5)),
                Some(IntervalDayTime::new(3, -7)),
                Some(IntervalDayTime::new(1, 1)),
            ])),
        ),
        (
            "imdn",
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                Some(IntervalMonthDayNano::new(0, 0, 0)),
                None,
                Some(IntervalMonthDayNano::new(-1, 5, -1)),
                Some(IntervalMonthDayNano::new(14, -3, 3_600_000_000_001)),
                Some(IntervalMonthDayNano::new(1, 1, 1)),
            ])),
        ),
        (
            "d32",
            Arc::new(
                Decimal32Array::from(vec![Some(1), None, Some(-999_999_999), Some(0), Some(5)])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
        ),
        (
            "d64",
            Arc::new(
                Decimal64Array::from(vec![Some(1), None, Some(-999_999_999), Some(0), Some(5)])
                    .with_precision_and_scale(18, 0)
                    .unwrap(),
            ),
        ),
        (
            "lbin",
            Arc::new(LargeBinaryArray::from_opt_vec(vec![
                Some(b"a"),
                None,
                Some(b""),
                Some(b"bb"),
                Some(b"c"),
            ])),
        ),
        (
            "view",
            Arc::new(StringViewArray::from(vec![
                Some("short"),
                None,
                Some("a text longer than twelve bytes"),
                Some(""),
                Some("x"),
            ])),
        ),
        (
            "bview",
            Arc::new(BinaryViewArray::from(vec![
                Some(b"short".as_slice()),
                None,
                Some(b"bytes longer than twelve bytes"),
                Some(b""),
                Some(b"x"),
            ])),
        ),
        (
            "dict",
            Arc::new(DictionaryArray::<Int8Type>::from_iter([
                Some("a"),
                None,
                Some("b"),
                Some("a"),
                Some(""),
            ])),
        ),
        ("ree", Arc::new(runs.finish())),
        ("list", Arc::new(lists.finish())),
        ("map", Arc::new(maps.finish())),
        ("struct", Arc::new(structs.finish())),
    ])
}

/// All columns null.
pub fn nulls(schema: &SchemaRef) -> RecordBatch {
    let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), 3)).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

/// The batch, some of its slices, an empty one and an all-null one.
pub fn variants(batch: &RecordBatch) -> Vec<RecordBatch> {
    vec![batch.clone(), batch.slice(1, 3), batch.slice(2, 0), batch.slice(3, 2), nulls(&batch.schema())]
}
