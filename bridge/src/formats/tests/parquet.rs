use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Int64Array, ListArray, RecordBatch, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Schema, UnionFields, UnionMode};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::samples::{batch, exotic, scalars, variants};
use super::{body, rows};
use crate::error::Code;
use crate::formats::{EncodeOptions, Format, encoder};

fn without(sample: &RecordBatch, names: &[&str]) -> RecordBatch {
    let kept: Vec<usize> = (0..sample.num_columns())
        .filter(|place| !names.contains(&sample.schema().field(*place).name().as_str()))
        .collect();
    sample.project(&kept).unwrap()
}

/// Runs come back as their values, which Parquet encodes as runs anyway.
fn carried(sample: &RecordBatch) -> RecordBatch {
    without(sample, &["ree"])
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
fn intervals_are_texts_to_others_and_intervals_to_us() {
    let sample = exotic();
    let place = sample.schema().index_of("imdn").unwrap();
    let intervals = sample.project(&[place]).unwrap();
    let item = Arc::new(Field::new("item", intervals.schema().field(0).data_type().clone(), true));
    let lists = ListArray::new(
        item,
        OffsetBuffer::from_lengths([2, 0, 3]),
        Arc::clone(intervals.column(0)),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let lists = batch(vec![("imdn", Arc::new(lists) as _)]);
    for sample in [&intervals, &lists] {
        let bytes =
            body(Format::Parquet, &sample.schema(), std::slice::from_ref(sample), EncodeOptions::default());
        assert_eq!(&rows(Format::Parquet, &bytes, None).unwrap(), sample);
        let read = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
        let read = read.build().unwrap().next().unwrap().unwrap();
        if sample == &intervals {
            let texts: Vec<_> = read.column(0).as_string::<i32>().iter().collect();
            assert_eq!(
                texts,
                [
                    Some("PT0S"),
                    None,
                    Some("P-1M5DT-0.000000001S"),
                    Some("P14M-3DT3600.000000001S"),
                    Some("P1M1DT0.000000001S")
                ]
            );
        }
    }
}

#[test]
fn a_text_that_claims_to_be_an_interval_is_refused() {
    let claim = HashMap::from([("fsspec_db.arrow_type".to_owned(), "month_day_nano".to_owned())]);
    let field = Field::new("span", DataType::Utf8, true).with_metadata(claim);
    let schema = Arc::new(Schema::new(vec![field]));
    for text in ["", "one day", "P99999999999M"] {
        let sample = RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(vec![text]))]);
        let bytes = body(Format::Parquet, &schema, &[sample.unwrap()], EncodeOptions::default());
        let error = rows(Format::Parquet, &bytes, None).unwrap_err();
        assert_eq!((error.code(), error.column()), (Code::ValueOutOfRange, Some("span")), "{text}");
    }
}

#[test]
fn what_parquet_has_no_type_for_is_refused_before_the_first_byte() {
    let either = UnionFields::from_fields(vec![Field::new("a", DataType::Int8, true)]);
    let union = Field::new("either", DataType::Union(either, UnionMode::Dense), true);
    let error = encoder(Format::Parquet, &Arc::new(Schema::new(vec![union])), EncodeOptions::default());
    assert_eq!(error.err().unwrap().code(), Code::Unsupported);
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

/// A body whose footer is a schema of `count` elements, each with so many children.
fn forged(count: u32, children: i32) -> Vec<u8> {
    fn varint(mut value: u32, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut footer = vec![0x15, 0x02, 0x19, 0xfc];
    varint(count, &mut footer);
    for _ in 0..count {
        // repetition_type, name, num_children
        footer.extend_from_slice(&[0x35, 0x02, 0x18, 0x01, b'a', 0x15]);
        varint((children << 1).cast_unsigned() ^ (children >> 31).cast_unsigned(), &mut footer);
        footer.push(0);
    }
    footer.push(0);
    let mut body = b"PAR1".to_vec();
    body.extend_from_slice(&footer);
    body.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    body.extend_from_slice(b"PAR1");
    body
}

#[test]
fn a_schema_that_would_end_the_process_is_malformed() {
    for (count, children) in [(1_000_000, 1), (3, i32::MAX), (3, -1)] {
        let error = rows(Format::Parquet, &forged(count, children), None).unwrap_err();
        assert_eq!(error.code(), Code::MalformedBody, "{error}");
    }
}

#[test]
fn a_length_beyond_the_body_is_malformed_however_large_it_is() {
    let footer_of = |size: u32| {
        let mut body = forged(1, 0);
        let place = body.len() - 8;
        body[place..place + 4].copy_from_slice(&size.to_le_bytes());
        body
    };
    for size in [10_000, 65 << 20, u32::MAX] {
        let error = rows(Format::Parquet, &footer_of(size), None).unwrap_err();
        assert_eq!(error.code(), Code::MalformedBody, "{size}: {error}");
    }
    let ones = batch(vec![("one", Arc::new(Int64Array::from(vec![1; 10])) as _)]);
    let bytes = written(&ones, Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0);
    // The first page's header: its type, then its size unpacked and packed, of one byte each.
    assert_eq!([bytes[4], bytes[5], bytes[6], bytes[8]], [0x15, 0x04, 0x15, 0x15], "a dictionary page");
    let largest = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    let bytes = [&bytes[..7], &largest, &[0x15], &largest, &bytes[10..]].concat();
    let error = rows(Format::Parquet, &bytes, None).unwrap_err();
    assert_eq!(error.code(), Code::MalformedBody, "{error}");
}

/// A body of text columns in one codec, as other programs write them.
fn written(sample: &RecordBatch, codec: Compression, version: WriterVersion) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(codec).set_writer_version(version).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), sample.schema(), Some(properties)).unwrap();
    writer.write(sample).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn every_codec_is_read() {
    let sample = without(&exotic(), &["ree", "imdn"]);
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let bytes = written(&sample, codec, version);
            assert_eq!(
                rows(Format::Parquet, &bytes, None).unwrap().num_rows(),
                sample.num_rows(),
                "{codec:?}"
            );
        }
    }
}

#[test]
fn a_page_that_unpacks_to_more_than_it_says_is_malformed() {
    let zeros = batch(vec![("z", Arc::new(Int64Array::from(vec![0; 100_000])) as _)]);
    for codec in [Compression::GZIP(GzipLevel::default()), Compression::BROTLI(BrotliLevel::default())] {
        let properties =
            WriterProperties::builder().set_compression(codec).set_dictionary_enabled(false).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), zeros.schema(), Some(properties)).unwrap();
        writer.write(&zeros).unwrap();
        let mut bytes = writer.into_inner().unwrap();
        // The first page's header: its type, then its size unpacked, of three bytes or more.
        assert_eq!(bytes[4..7], [0x15, 0x00, 0x15], "a data page");
        bytes[7] = 0x80;
        bytes[8] = 0x80;
        bytes[9] &= 0x80;
        bytes[9] |= 0x01;
        let error = rows(Format::Parquet, &bytes, None).unwrap_err();
        assert_eq!(error.code(), Code::MalformedBody, "{error}");
        assert!(error.detail().contains("more than its header says"), "{error}");
    }
}
