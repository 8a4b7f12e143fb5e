//! An Arrow file has one dictionary a column, which may only grow. Batches come with their own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, DictionaryArray, PrimitiveArray, RecordBatch, UInt64Array};
use arrow_buffer::ArrowNativeType;
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::{concat::concat, take::take};

use crate::error::{Code, Error, Result};

/// The dictionaries written so far, by column.
pub(super) struct Unifier(Vec<Option<Column>>);

impl Unifier {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let column = |data_type: &DataType| match data_type {
            DataType::Dictionary(_, value) if has_bytes(value) => Some(Column::default()),
            _ => None,
        };
        Self(schema.fields().iter().map(|field| column(field.data_type())).collect())
    }

    /// The same rows, with dictionaries that start with those written before.
    pub(super) fn unify(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.0.iter().all(Option::is_none) {
            return Ok(batch);
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, known) in batch.columns().iter().zip(&mut self.0) {
            columns.push(match known {
                Some(known) => known.unify(column)?,
                None => Arc::clone(column),
            });
        }
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }
}

/// Types whose values are told apart by their bytes.
fn has_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary | DataType::Utf8View
    )
}

#[derive(Default)]
struct Column {
    values: Option<ArrayRef>,
    places: HashMap<Vec<u8>, usize>,
}

impl Column {
    fn unify(&mut self, column: &ArrayRef) -> Result<ArrayRef> {
        let Some(dictionary) = column.as_any_dictionary_opt() else {
            return Ok(Arc::clone(column));
        };
        let values = dictionary.values();
        if let Some(known) = &self.values
            && known.to_data().ptr_eq(&values.to_data())
        {
            return Ok(Arc::clone(column));
        }
        let bytes = cast(values, &DataType::Binary)?;
        let bytes: &BinaryArray = bytes.as_binary();
        let mut map = Vec::with_capacity(values.len());
        let mut missing = Vec::new();
        let before = self.places.len();
        for place in 0..values.len() {
            // A null in the dictionary is only ever reached through a key; it becomes a null key.
            if bytes.is_null(place) {
                map.push(None);
                continue;
            }
            let next = before + missing.len();
            let known = *self.places.entry(bytes.value(place).to_vec()).or_insert(next);
            if known == next {
                missing.push(place as u64);
            }
            map.push(Some(known));
        }
        let merged = match &self.values {
            Some(known) if missing.is_empty() => Arc::clone(known),
            Some(known) => {
                let fresh = take(values, &UInt64Array::from(missing), None)?;
                concat(&[known, &fresh])?
            }
            None => take(values, &UInt64Array::from(missing), None)?,
        };
        self.values = Some(Arc::clone(&merged));
        rekey(column, &map, merged)
    }
}

fn rekey(column: &ArrayRef, map: &[Option<usize>], values: ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(key, _) = column.data_type() else {
        return Err(Error::new(Code::Internal, "not a dictionary"));
    };
    match key.as_ref() {
        DataType::Int8 => rekeyed::<Int8Type>(column, map, values),
        DataType::Int16 => rekeyed::<Int16Type>(column, map, values),
        DataType::Int32 => rekeyed::<Int32Type>(column, map, values),
        DataType::Int64 => rekeyed::<Int64Type>(column, map, values),
        DataType::UInt8 => rekeyed::<UInt8Type>(column, map, values),
        DataType::UInt16 => rekeyed::<UInt16Type>(column, map, values),
        DataType::UInt32 => rekeyed::<UInt32Type>(column, map, values),
        DataType::UInt64 => rekeyed::<UInt64Type>(column, map, values),
        other => Err(Error::new(Code::Internal, format!("{other} is no dictionary key"))),
    }
}

fn rekeyed<K: ArrowDictionaryKeyType>(
    column: &ArrayRef,
    map: &[Option<usize>],
    values: ArrayRef,
) -> Result<ArrayRef> {
    let too_many =
        || Error::new(Code::Unsupported, "more distinct values than the dictionary's keys can tell apart");
    let keys: Result<PrimitiveArray<K>> = column
        .as_dictionary::<K>()
        .keys()
        .iter()
        .map(|key| match key.and_then(|key| map[key.as_usize()]) {
            Some(place) => K::Native::from_usize(place).map(Some).ok_or_else(too_many),
            None => Ok(None),
        })
        .collect();
    Ok(Arc::new(DictionaryArray::try_new(keys?, values)?))
}
