//! Intervals of months, days and nanoseconds, which Parquet has no type for: carried as ISO 8601
//! durations, and known again by the metadata of their field.

use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef};

use crate::error::{Code, Error, Result};
use crate::formats::text::iso;

/// The key of the metadata, and its value.
const KEY: &str = "fsspec_db.arrow_type";
const INTERVAL: &str = "month_day_nano";

/// The schema with its intervals as texts; none where it has no intervals.
pub(super) fn with_texts(schema: &SchemaRef) -> Option<SchemaRef> {
    changed(schema, &text_field)
}

/// The schema with its intervals again; none where it has no such texts.
pub(super) fn with_intervals(schema: &SchemaRef) -> Option<SchemaRef> {
    changed(schema, &interval_field)
}

type Change = dyn Fn(&Field) -> Option<Field>;

fn changed(schema: &SchemaRef, change: &Change) -> Option<SchemaRef> {
    let all = schema.fields().iter();
    let fields: Vec<Option<Field>> = all.clone().map(|field| change(field)).collect();
    if fields.iter().all(Option::is_none) {
        return None;
    }
    let fields = all.zip(fields).map(|(field, new)| new.map_or_else(|| Arc::clone(field), Arc::new));
    let schema = Schema::new_with_metadata(fields.collect::<Vec<FieldRef>>(), schema.metadata().clone());
    Some(Arc::new(schema))
}

fn text_field(field: &Field) -> Option<Field> {
    match field.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let mut metadata = field.metadata().clone();
            metadata.insert(KEY.to_owned(), INTERVAL.to_owned());
            Some(field.clone().with_data_type(DataType::Utf8).with_metadata(metadata))
        }
        DataType::List(item) => Some(field.clone().with_data_type(DataType::List(text_field(item)?.into()))),
        _ => None,
    }
}

fn interval_field(field: &Field) -> Option<Field> {
    match field.data_type() {
        DataType::Utf8 if field.metadata().get(KEY).is_some_and(|value| value == INTERVAL) => {
            let mut metadata = field.metadata().clone();
            metadata.remove(KEY);
            let interval = DataType::Interval(IntervalUnit::MonthDayNano);
            Some(field.clone().with_data_type(interval).with_metadata(metadata))
        }
        DataType::List(item) => {
            Some(field.clone().with_data_type(DataType::List(interval_field(item)?.into())))
        }
        _ => None,
    }
}

/// The batch as `schema` has it, which is that of [`with_texts`] or of [`with_intervals`].
///
/// # Errors
/// `value-out-of-range` with the column, for a text that is no such interval.
pub(super) fn carried(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        as_type(column, field.data_type()).map_err(|error| error.with_column(field.name()))
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)?)
}

fn as_type(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    Ok(match (array.data_type(), wanted) {
        (have, wanted) if have == wanted => Arc::clone(array),
        (DataType::Interval(_), DataType::Utf8) => {
            let intervals = array.as_primitive::<IntervalMonthDayNanoType>();
            let mut texts = StringBuilder::with_capacity(intervals.len(), 16 * intervals.len());
            let mut text = Vec::new();
            for interval in intervals {
                texts.append_option(interval.map(|value| {
                    text.clear();
                    iso::push_interval(value.months, value.days, value.nanoseconds.into(), &mut text);
                    String::from_utf8_lossy(&text).into_owned()
                }));
            }
            Arc::new(texts.finish())
        }
        (DataType::Utf8, DataType::Interval(_)) => {
            let texts = array.as_string::<i32>();
            let mut intervals = PrimitiveBuilder::<IntervalMonthDayNanoType>::with_capacity(texts.len());
            for text in texts {
                intervals.append_option(text.map(interval).transpose()?);
            }
            Arc::new(intervals.finish())
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let items = as_type(list.values(), item.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, nulls)?)
        }
        (have, _) => return Err(Error::new(Code::Internal, format!("{have} is no interval"))),
    })
}

fn interval(text: &str) -> Result<IntervalMonthDayNano> {
    let parse = || {
        let (months, days, nanos) = iso::parse_interval(text.as_bytes())?;
        let (months, days) = (months.try_into().ok()?, days.try_into().ok()?);
        Some(IntervalMonthDayNano::new(months, days, nanos.try_into().ok()?))
    };
    parse().ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        Error::new(Code::ValueOutOfRange, format!("{shown:?} is no interval"))
    })
}
