//! Lists, structs and maps from JSON.

use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, LargeListArray, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use serde_json::Value;

use super::builder::{Builder, Token};
use super::number::Misfit;
use crate::error::{Code, Error, Result};

/// Collects a batch's values, so that children are built column by column.
pub(in crate::formats) struct Nested {
    data_type: DataType,
    values: Vec<Value>,
}

impl Nested {
    /// Of a [plain](super::builder::plain) type.
    pub(super) fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), values: Vec::new() }
    }

    /// `serde_json` refuses more than 128 levels.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Misfit> {
        let value: Value = serde_json::from_str(text).map_err(|_| Misfit::Syntax)?;
        // Built once alone, so that what does not fit is told with its row.
        build(&self.data_type, &[&value]).map_err(|_| Misfit::Range)?;
        self.values.push(value);
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.values.push(Value::Null);
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let values = std::mem::take(&mut self.values);
        build(&self.data_type, &values.iter().collect::<Vec<_>>())
    }
}

fn misfit(value: &Value, data_type: &DataType) -> Error {
    Error::new(Code::ValueOutOfRange, format!("{value} is no {data_type}"))
}

fn build(data_type: &DataType, values: &[&Value]) -> Result<ArrayRef> {
    let nulls = || Some(values.iter().map(|value| !value.is_null()).collect::<NullBuffer>());
    Ok(match data_type {
        DataType::List(field) => {
            let (lengths, items) = items(values, data_type)?;
            let items = build(field.data_type(), &items)?;
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                OffsetBuffer::from_lengths(lengths),
                items,
                nulls(),
            )?)
        }
        DataType::LargeList(field) => {
            let (lengths, items) = items(values, data_type)?;
            let items = build(field.data_type(), &items)?;
            Arc::new(LargeListArray::try_new(
                Arc::clone(field),
                OffsetBuffer::from_lengths(lengths),
                items,
                nulls(),
            )?)
        }
        DataType::FixedSizeList(field, size) => {
            let length = usize::try_from(*size).unwrap_or(0);
            let mut all = Vec::with_capacity(values.len() * length);
            for value in values {
                match value {
                    Value::Null => all.resize(all.len() + length, &Value::Null),
                    Value::Array(items) if items.len() == length => all.extend(items),
                    other => return Err(misfit(other, data_type)),
                }
            }
            let items = build(field.data_type(), &all)?;
            Arc::new(FixedSizeListArray::try_new(Arc::clone(field), *size, items, nulls())?)
        }
        DataType::Struct(fields) => {
            for value in values {
                let known = match value {
                    Value::Null => true,
                    Value::Object(members) => members.keys().all(|name| fields.find(name).is_some()),
                    _ => false,
                };
                if !known {
                    return Err(misfit(value, data_type));
                }
            }
            let columns = fields.iter().map(|field| {
                let members: Vec<&Value> =
                    values.iter().map(|value| value.get(field.name()).unwrap_or(&Value::Null)).collect();
                build(field.data_type(), &members)
            });
            Arc::new(StructArray::try_new(fields.clone(), columns.collect::<Result<_>>()?, nulls())?)
        }
        DataType::Map(field, sorted) => {
            let (lengths, entries) = items(values, data_type)?;
            let DataType::Struct(fields) = field.data_type() else {
                return Err(Error::new(Code::Internal, "a map without entries"));
            };
            let [keys, items] = ["key", "value"].map(|name| {
                entries.iter().map(|entry| entry.get(name).unwrap_or(&Value::Null)).collect::<Vec<_>>()
            });
            if entries.iter().any(|entry| entry.as_object().is_none_or(|entry| entry.len() > 2)) {
                return Err(Error::new(Code::ValueOutOfRange, "a map is an array of keys and values"));
            }
            let columns = vec![build(fields[0].data_type(), &keys)?, build(fields[1].data_type(), &items)?];
            let entries = StructArray::try_new(fields.clone(), columns, None)?;
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                OffsetBuffer::from_lengths(lengths),
                entries,
                nulls(),
                *sorted,
            )?)
        }
        scalar => {
            let mut builder = Builder::new(scalar)?;
            for value in values {
                let json;
                let token = match value {
                    Value::Null => Token::Null,
                    Value::Bool(true) => Token::Literal("true"),
                    Value::Bool(false) => Token::Literal("false"),
                    Value::String(text) => Token::Text(text),
                    Value::Number(number) => {
                        json = number.to_string();
                        Token::Literal(&json)
                    }
                    nested => {
                        json = nested.to_string();
                        Token::Json(&json)
                    }
                };
                builder.push(token).map_err(|_| misfit(value, scalar))?;
            }
            builder.finish()?
        }
    })
}

fn items<'v>(values: &[&'v Value], data_type: &DataType) -> Result<(Vec<usize>, Vec<&'v Value>)> {
    let mut lengths = Vec::with_capacity(values.len());
    let mut all = Vec::new();
    for value in values {
        match value {
            Value::Null => lengths.push(0),
            Value::Array(items) => {
                lengths.push(items.len());
                all.extend(items);
            }
            other => return Err(misfit(other, data_type)),
        }
    }
    Ok((lengths, all))
}
