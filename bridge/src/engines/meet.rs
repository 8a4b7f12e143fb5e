//! The columns of a body meet those of the relation that it is written to.

use arrow_schema::Schema;

use crate::error::{Code, Error, Result};
use crate::fit::position;

/// A column of a relation, as far as a body is concerned.
pub trait Member {
    fn name(&self) -> &str;
    /// What the database generates comes out of a read, and is made anew on the way in.
    fn generated(&self) -> bool;
    /// The place in the primary key, counted from 1.
    fn key(&self) -> Option<usize>;
}

/// Where each column of a body goes: its position there, and that in the relation. Generated ones go
/// nowhere.
///
/// # Errors
/// `schema-mismatch` for a column that the relation has not, one that is there twice, or none to write.
pub fn meet<C: Member>(relation: &str, columns: &[C], body: &Schema) -> Result<Vec<(usize, usize)>> {
    let mut met: Vec<(usize, usize)> = Vec::with_capacity(body.fields().len());
    for (index, field) in body.fields().iter().enumerate() {
        let name = field.name();
        let Some(at) = position(columns.iter().map(Member::name), name) else {
            return Err(mismatch(name, format!("the body has a column {name:?} that {relation:?} has not")));
        };
        if met.iter().any(|(_, other)| *other == at) {
            let name = columns[at].name();
            return Err(mismatch(name, format!("the body has column {name:?} twice")));
        }
        met.push((index, at));
    }
    met.retain(|(_, at)| !columns[*at].generated());
    if met.is_empty() {
        return Err(Error::new(Code::SchemaMismatch, "the body has no column to write"));
    }
    Ok(met)
}

/// The columns of one relation, all or some, whose values another one takes as they are, under the same
/// names; what it generates itself is passed over. `None` where some value might not be the same.
pub fn taken_over<'c, C: Member>(
    source: &'c [C],
    selected: Option<&[String]>,
    target: &[C],
    same: impl Fn(&C, &C) -> bool,
) -> Option<Vec<&'c str>> {
    let mut names = Vec::with_capacity(source.len());
    for column in source {
        if selected.is_some_and(|selected| !selected.iter().any(|name| name == column.name())) {
            continue;
        }
        let taker = target.iter().find(|taker| taker.name() == column.name())?;
        if taker.generated() {
            continue;
        }
        if !same(column, taker) {
            return None;
        }
        names.push(column.name());
    }
    (!names.is_empty()).then_some(names)
}

/// The columns of the primary key, in its order.
pub fn key<C: Member>(columns: &[C]) -> Vec<&C> {
    let mut key: Vec<&C> = columns.iter().filter(|column| column.key().is_some()).collect();
    key.sort_by_key(|column| column.key());
    key
}

/// The columns of the primary key, all of which are `written`.
///
/// # Errors
/// `schema-mismatch` where there is no such key, or not all of it is written.
pub fn whole_key<'c, C: Member>(
    relation: &str,
    columns: &'c [C],
    written: impl Fn(&str) -> bool,
) -> Result<Vec<&'c C>> {
    let key = key(columns);
    if key.is_empty() {
        let detail = format!("{relation:?} has no primary key to upsert by");
        return Err(Error::new(Code::SchemaMismatch, detail));
    }
    match key.iter().map(|column| column.name()).find(|name| !written(name)) {
        Some(name) => Err(mismatch(name, format!("the body lacks {name:?}, a column of the primary key"))),
        None => Ok(key),
    }
}

fn mismatch(column: &str, detail: String) -> Error {
    Error::new(Code::SchemaMismatch, detail).with_column(column)
}

/// A type of columns whose fields have the usual names.
macro_rules! member {
    ($column:ty) => {
        impl $crate::engines::meet::Member for $column {
            fn name(&self) -> &str {
                &self.name
            }
            fn generated(&self) -> bool {
                self.generated
            }
            fn key(&self) -> Option<usize> {
                self.key
            }
        }
    };
}
pub(super) use member;
