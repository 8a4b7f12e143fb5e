//! One record batch as one encapsulated message: sized first, then each buffer copied once.

use std::cell::RefCell;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, downcast_primitive_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, NullBuffer, ToByteSlice};
use arrow_ipc::{
    Buffer as BufferNode, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder,
};
use arrow_schema::{DataType, Fields};
use flatbuffers::FlatBufferBuilder;

use super::{ALIGNMENT, CONTINUATION};
use crate::buffers;
use crate::error::{Code, Error, Result};

/// True if [`encode`] knows every type: flat ones, whose buffers need no tree walk.
pub(super) fn is_flat(fields: &Fields) -> bool {
    fields.iter().all(|field| {
        let t = field.data_type();
        t.is_primitive()
            || matches!(
                t,
                DataType::Null
                    | DataType::Boolean
                    | DataType::FixedSizeBinary(_)
                    | DataType::Utf8
                    | DataType::Binary
                    | DataType::LargeUtf8
                    | DataType::LargeBinary
            )
    })
}

/// What one buffer of the body is copied from.
enum Piece<'a> {
    Bytes(&'a [u8]),
    /// Bits that may start anywhere in a byte.
    Bits(&'a BooleanBuffer),
    /// Offsets into values that were cut at the front; they start at zero again.
    Offsets32(&'a [i32]),
    Offsets64(&'a [i64]),
}

impl Piece<'_> {
    fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Bits(bits) => bits.len().div_ceil(8),
            Piece::Offsets32(offsets) => size_of_val(*offsets),
            Piece::Offsets64(offsets) => size_of_val(*offsets),
        }
    }

    fn copy_to(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Bits(bits) => copy_bits(bits, out),
            Piece::Offsets32(offsets) => copy_offsets(offsets, out),
            Piece::Offsets64(offsets) => copy_offsets(offsets, out),
        }
    }
}

/// Copies bits to the start of a byte and clears those after the last, so that equal rows give
/// equal bytes.
fn copy_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    let start = out.len();
    if bits.offset().is_multiple_of(8) {
        let first = bits.offset() / 8;
        out.extend_from_slice(&bits.values()[first..first + bits.len().div_ceil(8)]);
    } else {
        out.extend_from_slice(bits.sliced().as_slice());
        out.truncate(start + bits.len().div_ceil(8));
    }
    let used = bits.len() % 8;
    if used != 0
        && let Some(last) = out.last_mut()
    {
        *last &= (1 << used) - 1;
    }
}

fn copy_offsets<T: ArrowNativeType + std::ops::Sub<Output = T>>(offsets: &[T], out: &mut Vec<u8>) {
    match offsets.first() {
        Some(first) if first.as_usize() != 0 => {
            let mut near = [T::default(); 256];
            for some in offsets.chunks(near.len()) {
                near.iter_mut().zip(some).for_each(|(near, offset)| *near = *offset - *first);
                out.extend_from_slice(near[..some.len()].to_byte_slice());
            }
        }
        _ => out.extend_from_slice(offsets.to_byte_slice()),
    }
}

#[derive(Default)]
struct Body<'a> {
    nodes: Vec<FieldNode>,
    buffers: Vec<BufferNode>,
    pieces: Vec<Piece<'a>>,
    len: usize,
}

impl<'a> Body<'a> {
    fn push(&mut self, piece: Piece<'a>) {
        let len = piece.len();
        self.buffers.push(BufferNode::new(self.len as i64, len as i64));
        self.len = (self.len + len).next_multiple_of(ALIGNMENT);
        self.pieces.push(piece);
    }

    /// The field node and the validity buffer, which is empty where nothing is null.
    fn open(&mut self, array: &'a dyn Array) {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let null_count = nulls.map_or(0, NullBuffer::null_count);
        self.nodes.push(FieldNode::new(array.len() as i64, null_count as i64));
        self.push(nulls.map_or(Piece::Bytes(&[]), |nulls| Piece::Bits(nulls.inner())));
    }

    fn column(&mut self, array: &'a dyn Array) -> Result<()> {
        if matches!(array.data_type(), DataType::Null) {
            self.nodes.push(FieldNode::new(array.len() as i64, array.len() as i64));
            return Ok(());
        }
        self.open(array);
        downcast_primitive_array!(
            array => self.push(Piece::Bytes(array.values().inner().as_slice())),
            DataType::Boolean => self.push(Piece::Bits(array.as_boolean().values())),
            DataType::FixedSizeBinary(_) => self.push(Piece::Bytes(array.as_fixed_size_binary().value_data())),
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                self.values(Piece::Offsets32(array.value_offsets()), array.value_offsets(), array.value_data());
            }
            DataType::Binary => {
                let array = array.as_binary::<i32>();
                self.values(Piece::Offsets32(array.value_offsets()), array.value_offsets(), array.value_data());
            }
            DataType::LargeUtf8 => {
                let array = array.as_string::<i64>();
                self.values(Piece::Offsets64(array.value_offsets()), array.value_offsets(), array.value_data());
            }
            DataType::LargeBinary => {
                let array = array.as_binary::<i64>();
                self.values(Piece::Offsets64(array.value_offsets()), array.value_offsets(), array.value_data());
            }
            other => return Err(Error::new(Code::Internal, format!("{other} is not a flat type"))),
        );
        Ok(())
    }

    fn values<T: ArrowNativeType>(&mut self, piece: Piece<'a>, offsets: &[T], values: &'a [u8]) {
        self.push(piece);
        let (first, last) = match (offsets.first(), offsets.last()) {
            (Some(first), Some(last)) => (first.as_usize(), last.as_usize()),
            _ => (0, 0),
        };
        self.push(Piece::Bytes(&values[first..last]));
    }
}

thread_local! {
    /// Keeps its allocation from one batch to the next.
    static BUILDER: RefCell<FlatBufferBuilder<'static>> = RefCell::new(FlatBufferBuilder::new());
}

/// Encodes a batch of flat columns without compression.
pub(super) fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut body = Body::default();
    for column in batch.columns() {
        body.column(column.as_ref())?;
    }
    BUILDER.with_borrow_mut(|builder| {
        builder.reset();
        let buffers = builder.create_vector(&body.buffers);
        let nodes = builder.create_vector(&body.nodes);
        let mut header = RecordBatchBuilder::new(builder);
        header.add_length(batch.num_rows() as i64);
        header.add_nodes(nodes);
        header.add_buffers(buffers);
        let header = header.finish().as_union_value();
        let mut message = MessageBuilder::new(builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(body.len as i64);
        message.add_header(header);
        let root = message.finish();
        builder.finish(root, None);
        frame(builder.finished_data(), &body)
    })
}

fn frame(metadata: &[u8], body: &Body<'_>) -> Result<Vec<u8>> {
    let head = (8 + metadata.len()).next_multiple_of(ALIGNMENT);
    let length = i32::try_from(head - 8)
        .map_err(|_| Error::new(Code::Unsupported, "more columns than one Arrow message can describe"))?;
    let mut out = buffers::taken(head + body.len);
    out.extend_from_slice(&CONTINUATION);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(metadata);
    out.resize(head, 0);
    for piece in &body.pieces {
        piece.copy_to(&mut out);
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    }
    Ok(out)
}
