use std::io::Cursor;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{Array, DictionaryArray, RecordBatch, cast::AsArray};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::StreamWriter;
use arrow_select::concat::concat_batches;

use super::samples::{batch, exotic, scalars, variants};
use super::{body, rows};
use crate::error::Code;
use crate::formats::{EncodeOptions, Format, IpcCodec};

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
        let read: Vec<_> = StreamReader::try_new(Cursor::new(stream), None).unwrap().map(Result::unwrap).collect();
        equal(&expected, &concat_batches(&sample.schema(), &read).unwrap());
        let file = body(Format::ArrowFile, &sample.schema(), &batches, EncodeOptions::default());
        let read: Vec<_> = FileReader::try_new(Cursor::new(file), None).unwrap().map(Result::unwrap).collect();
        equal(&expected, &concat_batches(&sample.schema(), &read).unwrap());
    }
}

#[test]
fn a_flat_stream_is_as_long_as_arrows_own() {
    let sample = scalars();
    let ours = body(Format::ArrowStream, &sample.schema(), &[sample.clone()], EncodeOptions::default());
    let mut writer = StreamWriter::try_new(Vec::new(), &sample.schema()).unwrap();
    writer.write(&sample).unwrap();
    writer.finish().unwrap();
    assert_eq!(ours.len(), writer.into_inner().unwrap().len());
}

#[test]
fn each_form_is_accepted_for_the_other() {
    let sample = scalars();
    for (written, read) in [(Format::ArrowStream, Format::ArrowFile), (Format::ArrowFile, Format::ArrowStream)] {
        let bytes = body(written, &sample.schema(), &[sample.clone()], EncodeOptions::default());
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
        let values: Vec<_> = column.downcast_dict::<arrow_array::StringArray>().unwrap().into_iter().collect();
        assert_eq!(
            values,
            [Some("a"), None, Some("b"), Some("c"), Some("b"), Some("b"), Some("a"), None]
        );
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
    let bytes = body(Format::ArrowStream, &sample.schema(), &[sample.clone()], EncodeOptions::default());
    let error = rows(Format::ArrowStream, &bytes[..bytes.len() - 8], None).unwrap_err();
    assert_eq!(error.code(), Code::IncompleteBody);
}

#[test]
fn bytes_after_the_end_are_malformed() {
    let sample = scalars();
    let mut bytes = body(Format::ArrowStream, &sample.schema(), &[sample.clone()], EncodeOptions::default());
    bytes.push(0);
    let error = rows(Format::ArrowStream, &bytes, None).unwrap_err();
    assert_eq!(error.code(), Code::MalformedBody);
}
