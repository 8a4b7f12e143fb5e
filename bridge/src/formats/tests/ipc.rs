use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{Array, BooleanArray, DictionaryArray, Int64Array, NullArray, RecordBatch, StringArray};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::StreamWriter;
use arrow_select::concat::concat_batches;

use super::samples::{batch, exotic, scalars, variants};
use super::{body, rows};
use crate::error::Code;
use crate::formats::{EncodeOptions, Format, IpcCodec, decode};

const FORMS: [Format; 2] = [Format::ArrowStream, Format::ArrowFile];
const CODECS: [Option<IpcCodec>; 3] = [None, Some(IpcCodec::Zstd), Some(IpcCodec::Lz4)];

fn equal(batch: &RecordBatch, decoded: &RecordBatch) {
    assert_eq!(batch.num_rows(), decoded.num_rows());
    for (field, (a, b)) in batch.schema().fields().iter().zip(batch.columns().iter().zip(decoded.columns())) {
        assert_eq!(a.data_type(), b.data_type(), "{field}");
        assert!(a.to_data() == b.to_data(), "{field}: {a:?} {b:?}");
    }
}

#[test]
fn every_type_comes_back_equal() {
    for sample in [scalars(), exotic()] {
        let batches = variants(&sample);
        let expected = concat_batches(&sample.schema(), &batches).unwrap();
        for format in FORMS {
            for ipc_codec in CODECS {
                let bytes = body(format, &sample.schema(), &batches, EncodeOptions { ipc_codec });
                equal(&expected, &rows(format, &bytes, None).unwrap());
            }
        }
    }
}

#[test]
fn arrows_own_readers_agree() {
    for sample in [scalars(), exotic()] {
        let batches = variants(&sample);
        let expected = concat_batches(&sample.schema(), &batches).unwrap();
        let stream = body(Format::ArrowStream, &sample.schema(), &batches, EncodeOptions::default());
        let read: Vec<_> =
            StreamReader::try_new(Cursor::new(stream), None).unwrap().map(Result::unwrap).collect();
        equal(&expected, &concat_batches(&sample.schema(), &read).unwrap());
        let file = body(Format::ArrowFile, &sample.schema(), &batches, EncodeOptions::default());
        let read: Vec<_> =
            FileReader::try_new(Cursor::new(file), None).unwrap().map(Result::unwrap).collect();
        equal(&expected, &concat_batches(&sample.schema(), &read).unwrap());
    }
}

#[test]
fn a_flat_stream_is_as_long_as_arrows_own() {
    let sample = scalars();
    let ours =
        body(Format::ArrowStream, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
    let mut writer = StreamWriter::try_new(Vec::new(), &sample.schema()).unwrap();
    writer.write(&sample).unwrap();
    writer.finish().unwrap();
    assert_eq!(ours.len(), writer.into_inner().unwrap().len());
}

#[test]
fn each_form_is_accepted_for_the_other() {
    let sample = scalars();
    for (written, read) in
        [(Format::ArrowStream, Format::ArrowFile), (Format::ArrowFile, Format::ArrowStream)]
    {
        let bytes = body(written, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
        equal(&sample, &rows(read, &bytes, None).unwrap());
    }
}

#[test]
fn a_table_without_rows_keeps_its_schema() {
    let sample = scalars();
    for format in FORMS {
        let bytes = body(format, &sample.schema(), &[], EncodeOptions::default());
        let decoded = rows(format, &bytes, None).unwrap();
        assert_eq!((decoded.num_rows(), decoded.schema()), (0, sample.schema()));
    }
}

#[test]
fn a_file_unites_the_dictionaries_of_its_batches() {
    let dictionary = |values: &[Option<&'static str>]| {
        let array: DictionaryArray<Int8Type> = values.iter().copied().collect();
        batch(vec![("d", Arc::new(array) as _)])
    };
    let batches = [
        dictionary(&[Some("a"), None, Some("b")]),
        dictionary(&[Some("c"), Some("b")]),
        dictionary(&[Some("b"), Some("a"), None]),
    ];
    for format in FORMS {
        let bytes = body(format, &batches[0].schema(), &batches, EncodeOptions::default());
        let decoded = rows(format, &bytes, None).unwrap();
        let column = decoded.column(0).as_dictionary::<Int8Type>();
        let values: Vec<_> =
            column.downcast_dict::<arrow_array::StringArray>().unwrap().into_iter().collect();
        assert_eq!(values, [Some("a"), None, Some("b"), Some("c"), Some("b"), Some("b"), Some("a"), None]);
        assert_eq!(column.len(), 8);
    }
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let sample = exotic();
    let batches = variants(&sample);
    for format in FORMS {
        let bytes = body(format, &sample.schema(), &batches, EncodeOptions::default());
        for end in (1..bytes.len()).step_by(7) {
            let error = rows(format, &bytes[..end], None).expect_err("a part must not decode");
            assert!(matches!(error.code(), Code::IncompleteBody | Code::MalformedBody), "{error} at {end}");
        }
        let error = rows(format, &bytes[..bytes.len() - 1], None).unwrap_err();
        assert_eq!(error.code(), Code::IncompleteBody);
    }
}

#[test]
fn a_stream_cut_between_batches_is_incomplete() {
    let sample = scalars();
    let bytes =
        body(Format::ArrowStream, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
    let error = rows(Format::ArrowStream, &bytes[..bytes.len() - 8], None).unwrap_err();
    assert_eq!(error.code(), Code::IncompleteBody);
}

#[test]
fn bytes_after_the_end_are_malformed() {
    let sample = scalars();
    let mut bytes =
        body(Format::ArrowStream, &sample.schema(), std::slice::from_ref(&sample), EncodeOptions::default());
    bytes.push(0);
    let error = rows(Format::ArrowStream, &bytes, None).unwrap_err();
    assert_eq!(error.code(), Code::MalformedBody);
}

#[test]
fn a_batch_of_a_whole_table_is_read_in_parts() {
    const ROWS: i64 = 700_000;
    let words: DictionaryArray<Int8Type> =
        (0..ROWS).map(|i| (i % 11 != 0).then(|| ["a", "b"][i as usize % 2])).collect();
    let table = batch(vec![
        ("id", Arc::new(Int64Array::from_iter((0..ROWS).map(|i| (i % 3 != 0).then_some(i)))) as _),
        (
            "flag",
            Arc::new(BooleanArray::from_iter((0..ROWS).map(|i| (i % 5 != 0).then_some(i % 2 == 0)))) as _,
        ),
        (
            "text",
            Arc::new(StringArray::from_iter((0..ROWS).map(|i| (i % 7 != 0).then(|| format!("row {i}")))))
                as _,
        ),
        ("none", Arc::new(NullArray::new(ROWS as usize)) as _),
        ("word", Arc::new(words) as _),
    ]);
    for format in FORMS {
        let slice = table.slice(5, ROWS as usize - 5);
        let bytes =
            body(format, &table.schema(), &[slice.clone(), table.slice(0, 3)], EncodeOptions::default());
        let decoded: Vec<_> =
            decode(format, Box::new(Cursor::new(bytes.clone())), None).unwrap().map(Result::unwrap).collect();
        assert!(decoded.len() > 10 && decoded.iter().all(|batch| batch.num_rows() <= 65_536 + 64));
        equal(
            &concat_batches(&table.schema(), [&slice, &table.slice(0, 3)]).unwrap(),
            &concat_batches(&decoded[0].schema(), &decoded).unwrap(),
        );
        for tenth in 1..10 {
            let cut = &bytes[..bytes.len() * tenth / 10];
            let error = rows(format, cut, None).expect_err("a part must not decode");
            assert_eq!(error.code(), Code::IncompleteBody);
        }
    }
}

/// A file whose footer names its one batch many times.
#[test]
fn messages_that_overlap_are_malformed() {
    let sample = batch(vec![("id", Arc::new(Int64Array::from_iter_values(0..1_000)) as _)]);
    let schema = sample.schema();
    let bytes = body(Format::ArrowFile, &schema, &[sample], EncodeOptions::default());
    let footer_length =
        u32::from_le_bytes(bytes[bytes.len() - 10..bytes.len() - 6].try_into().unwrap()) as usize;
    let footer = &bytes[bytes.len() - 10 - footer_length..bytes.len() - 10];
    let block = *arrow_ipc::root_as_footer(footer).unwrap().recordBatches().unwrap().get(0);
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let batches = builder.create_vector(&[block; 100]);
    let schema = arrow_ipc::convert::IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, &schema);
    let mut forged = arrow_ipc::FooterBuilder::new(&mut builder);
    forged.add_version(arrow_ipc::MetadataVersion::V5);
    forged.add_schema(schema);
    forged.add_recordBatches(batches);
    let root = forged.finish();
    builder.finish(root, None);
    let forged = builder.finished_data();
    let mut file = bytes[..bytes.len() - 10 - footer_length].to_vec();
    file.extend_from_slice(forged);
    file.extend_from_slice(&(forged.len() as u32).to_le_bytes());
    file.extend_from_slice(b"ARROW1");
    assert_eq!(rows(Format::ArrowFile, &file, None).unwrap_err().code(), Code::MalformedBody);
}
