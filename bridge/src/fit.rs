//! The rows of a body as the columns of a relation take them.

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{FieldRef, Schema, SchemaRef};

use crate::error::{Code, Error, Result};
use crate::widen::widen;

/// Which columns of a body go where, and as what.
#[derive(Debug)]
pub struct Fit {
    /// The relation's columns that the body has, in the body's order.
    pub schema: SchemaRef,
    picked: Vec<usize>,
}

impl Fit {
    /// Columns meet by name, in any order; case matters only where two of `columns` differ by nothing
    /// else. The body may also have those that are `passed_over`, which nobody takes.
    ///
    /// # Errors
    /// `schema-mismatch` for a column that the relation has not, one that is there twice, or none.
    pub fn new(body: &Schema, columns: &Schema, passed_over: &[String]) -> Result<Self> {
        let mut picked = Vec::with_capacity(body.fields().len());
        let mut fields: Vec<FieldRef> = Vec::with_capacity(body.fields().len());
        for (index, field) in body.fields().iter().enumerate() {
            let name = field.name();
            let at = position(columns.fields().iter().map(|field| field.name().as_str()), name);
            match at.map(|at| &columns.fields()[at]) {
                Some(found) if fields.iter().any(|other| other.name() == found.name()) => {
                    return Err(mismatch(name, "is there twice"));
                }
                Some(found) => {
                    picked.push(index);
                    fields.push(FieldRef::clone(found));
                }
                None if passed_over.contains(name) => {}
                None => return Err(mismatch(name, "is none of the relation's")),
            }
        }
        if picked.is_empty() {
            return Err(Error::new(Code::SchemaMismatch, "the body has no column to write"));
        }
        Ok(Self { schema: SchemaRef::new(Schema::new(fields)), picked })
    }

    /// A batch under the relation's types; `first_row` is its first row, counted from 1.
    ///
    /// # Errors
    /// Those of [`widen`]; `constraint-violation` for a NULL where the relation takes none.
    pub fn fit(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch> {
        let columns = self.picked.iter().zip(self.schema.fields()).map(|(&index, field)| {
            let column = widen(batch.column(index), field.data_type(), field.name(), first_row)?;
            match (0..column.len()).find(|&row| !field.is_nullable() && column.is_null(row)) {
                Some(row) => Err(missing(field.name(), first_row + row as u64)),
                None => Ok(column),
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)?)
    }
}

/// The place of a name among `names`; case matters only where two of them differ by nothing else.
pub fn position<'n>(mut names: impl Iterator<Item = &'n str> + Clone, name: &str) -> Option<usize> {
    let folded = name.to_lowercase();
    let mut same = names.clone().enumerate().filter(|(_, other)| other.to_lowercase() == folded);
    names.position(|other| other == name).or_else(|| {
        let (at, _) = same.next()?;
        same.next().is_none().then_some(at)
    })
}

fn missing(name: &str, row: u64) -> Error {
    let detail = format!("column {name:?} takes no NULL");
    Error::new(Code::ConstraintViolation, detail).with_column(name).with_row(row)
}

fn mismatch(name: &str, what: &str) -> Error {
    Error::new(Code::SchemaMismatch, format!("column {name:?} of the body {what}")).with_column(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array};
    use arrow_schema::{DataType, Field};

    use super::*;

    fn body(names: &[&str]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
        let columns = vec![numbers; names.len()];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn relation() -> Schema {
        Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("B", DataType::Int64, false),
            Field::new("c", DataType::Utf8, true),
        ])
    }

    fn fit(names: &[&str], passed_over: &[String]) -> Result<RecordBatch> {
        let body = body(names);
        Fit::new(&body.schema(), &relation(), passed_over)?.fit(&body, 11)
    }

    #[test]
    fn columns_meet_by_name_and_take_the_types_of_the_relation() {
        let fitted = fit(&["A", "made"], &["made".to_owned()]).unwrap();
        assert_eq!(fitted.schema().fields()[0].as_ref(), &relation().fields()[0].as_ref().clone());
        assert_eq!((fitted.num_rows(), fitted.num_columns()), (2, 1));
    }

    #[test]
    fn what_the_relation_cannot_take_is_named() {
        assert_eq!(
            Fit::new(&Schema::empty(), &relation(), &[]).expect_err("nothing to write").code(),
            Code::SchemaMismatch
        );
        for (names, code, column, row) in [
            (vec!["x"], Code::SchemaMismatch, Some("x"), None),
            (vec!["a", "A"], Code::SchemaMismatch, Some("A"), None),
            (vec!["c"], Code::SchemaMismatch, Some("c"), None),
            (vec!["b"], Code::ConstraintViolation, Some("B"), Some(12)),
        ] {
            let error = fit(&names, &[]).expect_err("it must be refused");
            assert_eq!((error.code(), error.column(), error.row()), (code, column, row), "{error}");
        }
    }
}
