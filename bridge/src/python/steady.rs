//! Batches that depend on their rows alone.
//!
//! A database may cut them as its threads happen to meet, and leave what lies below a NULL to chance. The
//! bytes of a version may not depend on either.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, Scalar};
use arrow_array::{make_array, new_null_array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::concat::concat;
use arrow_select::zip::zip;

use crate::error::Result;

/// Rows of every batch but the last.
const ROWS: usize = 8192;

/// Joins and cuts batches to those of so many rows.
pub struct Steady {
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl Steady {
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, waiting: Vec::new(), rows: 0 }
    }

    /// Takes a batch, and gives those that are full by now.
    pub fn push(
        &mut self,
        batch: &RecordBatch,
        each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let length = (ROWS - self.rows).min(batch.num_rows() - start);
            self.waiting.push(batch.slice(start, length));
            self.rows += length;
            start += length;
            if self.rows == ROWS {
                self.finish(each)?;
            }
        }
        Ok(())
    }

    /// Gives what waits, if anything does.
    pub fn finish(&mut self, each: &mut dyn FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let (parts, rows) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.rows));
        if rows == 0 {
            return Ok(());
        }
        let column = |at| {
            let pieces: Vec<&ArrayRef> = parts.iter().map(|part| part.column(at)).collect();
            settled(&joined(&pieces)?)
        };
        let columns = (0..self.schema.fields().len()).map(column).collect::<Result<_, ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        each(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

fn joined(pieces: &[&ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let [first, rest @ ..] = pieces else { return concat(&[]) };
    if rest.is_empty() {
        return Ok(Arc::clone(first));
    }
    // Of one dictionary they are joined as they are; `concat` might leave out what is not used.
    if let Some(dictionary) = first.as_any_dictionary_opt()
        && rest.iter().all(|other| {
            other.as_any_dictionary_opt().is_some_and(|other| other.values() == dictionary.values())
        })
    {
        let keys: Vec<ArrayRef> = pieces.iter().map(|piece| make_array(keys(piece))).collect();
        let keys: Vec<&dyn Array> = keys.iter().map(AsRef::as_ref).collect();
        let keys = concat(&keys)?.to_data().into_builder().data_type(first.data_type().clone());
        return Ok(make_array(keys.add_child_data(dictionary.values().to_data()).build()?));
    }
    concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// The keys of a dictionary, as an array of their own.
fn keys(array: &ArrayRef) -> arrow_data::ArrayData {
    array.as_any_dictionary_opt().map_or_else(|| array.to_data(), |dictionary| dictionary.keys().to_data())
}

/// The same values, and below each NULL what is always the same.
fn settled(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data_type = array.data_type();
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).map(bits_of);
    if let Some(values) = array.as_boolean_opt() {
        let values = match &nulls {
            Some(nulls) => values.values() & nulls.inner(),
            None => values.values().clone(),
        };
        return Ok(Arc::new(BooleanArray::new(bits(&values), nulls)));
    }
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let keys = settled(&make_array(dictionary.keys().to_data()))?.to_data().into_builder();
        let keys = keys.data_type(data_type.clone()).add_child_data(dictionary.values().to_data());
        return Ok(make_array(keys.build()?));
    }
    if !array.to_data().child_data().is_empty() {
        return with_settled_children(&match nulls {
            Some(nulls) => without_values(array, nulls)?,
            None => copied(array)?,
        });
    }
    let Some(nulls) = nulls else { return Ok(Arc::clone(array)) };
    let empty = !nulls.inner();
    let width = match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    };
    if let Some(width) = width {
        let data = array.to_data();
        let start = data.offset() * width;
        let mut values = data.buffers()[0].as_slice()[start..start + data.len() * width].to_vec();
        for row in empty.set_indices() {
            values[row * width..(row + 1) * width].fill(0);
        }
        let data = data.into_builder().offset(0).buffers(vec![Buffer::from_vec(values)]).nulls(Some(nulls));
        return Ok(make_array(data.align_buffers(true).build()?));
    }
    // Of whole bytes none has bits after the last one, so that nothing is to be copied.
    if array.len().is_multiple_of(8) && is_empty(array, &empty) {
        return Ok(Arc::clone(array));
    }
    without_values(array, nulls)
}

/// A copy in which nothing lies below a NULL.
fn without_values(array: &ArrayRef, nulls: NullBuffer) -> Result<ArrayRef, ArrowError> {
    let none = Scalar::new(new_null_array(array.data_type(), 1));
    zip(&BooleanArray::new(nulls.into_inner(), None), array, &none)
}

/// A copy of the rows alone: of what they are a part of, the rest lies around them.
fn copied(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}

/// Whether all that is NULL has no length.
fn is_empty(array: &ArrayRef, empty: &BooleanBuffer) -> bool {
    fn all<T: PartialEq>(offsets: &[T], empty: &BooleanBuffer) -> bool {
        empty.set_indices().all(|row| offsets[row] == offsets[row + 1])
    }
    match array.data_type() {
        DataType::Utf8 => all(array.as_string::<i32>().value_offsets(), empty),
        DataType::LargeUtf8 => all(array.as_string::<i64>().value_offsets(), empty),
        DataType::Binary => all(array.as_binary::<i32>().value_offsets(), empty),
        DataType::LargeBinary => all(array.as_binary::<i64>().value_offsets(), empty),
        _ => false,
    }
}

fn with_settled_children(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let children = data.child_data().iter().map(|child| Ok(settled(&make_array(child.clone()))?.to_data()));
    let children = children.collect::<Result<_, ArrowError>>()?;
    Ok(make_array(data.into_builder().child_data(children).build()?))
}

fn bits_of(nulls: &NullBuffer) -> NullBuffer {
    NullBuffer::new(bits(nulls.inner()))
}

/// The same bits, from the start of a byte, and none set after them.
fn bits(bits: &BooleanBuffer) -> BooleanBuffer {
    let mut clean = BooleanBufferBuilder::new(bits.len());
    clean.append_buffer(bits);
    clean.finish()
}
