use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};

use super::records::Records;
use crate::body::Body;
use crate::database::Rows;
use crate::error::{Code, Error, Result};
use crate::formats::text::{Guess, Table, Token};

/// Opens a body; without a target it is read twice, the first time for its types.
pub(in crate::formats) fn open(body: Box<dyn Body>, target: Option<&SchemaRef>) -> Result<Box<dyn Rows>> {
    let mut records = Records::new(body)?;
    let names = header(&mut records)?;
    let table = if let Some(target) = target {
        Table::of(fields(&names, target)?.into_iter())?
    } else {
        let columns = guess(&mut records, &names)?;
        records.rewind()?;
        records.next()?;
        Table::new(columns)?
    };
    Ok(Box::new(CsvRows { records, width: names.len(), table }))
}

fn header(records: &mut Records) -> Result<Vec<String>> {
    if !records.next()? || records.is_blank() {
        return Err(records.malformed("there is no header"));
    }
    let names: Vec<String> = records.fields()?.map(|(name, _)| name.to_owned()).collect();
    let mut known = HashSet::new();
    for name in &names {
        if !known.insert(name) {
            return Err(records.malformed("two columns of one name").with_column(name));
        }
    }
    Ok(names)
}

/// The target's fields in the order of the header.
fn fields(names: &[String], target: &SchemaRef) -> Result<Vec<Field>> {
    let field = |name: &String| match target.field_with_name(name) {
        Ok(field) => Ok(field.clone()),
        Err(_) => {
            Err(Error::new(Code::SchemaMismatch, format!("there is no column {name:?}")).with_column(name))
        }
    };
    names.iter().map(field).collect()
}

/// NULL is an empty field without quotes.
fn is_null(field: (&str, bool)) -> bool {
    field.0.is_empty() && !field.1
}

fn guess(records: &mut Records, names: &[String]) -> Result<Vec<(Field, bool)>> {
    let mut guesses = vec![Guess::default(); names.len()];
    let mut row = 1;
    while next(records, names.len(), row)? {
        for (field, guess) in records.fields()?.zip(&mut guesses) {
            if !is_null(field) {
                guess.see(Token::Literal(field.0));
            }
        }
        row += 1;
    }
    Ok(names.iter().zip(&guesses).map(|(name, guess)| guess.field(name, false)).collect())
}

/// Reads the next record and checks its width; skips empty lines where they cannot be a row.
fn next(records: &mut Records, width: usize, row: u64) -> Result<bool> {
    records.set_row(row);
    loop {
        if !records.next()? {
            return Ok(false);
        }
        if records.len() == width {
            return Ok(true);
        }
        if !records.is_blank() {
            return Err(records.malformed(format_args!("{} fields under a header of {width}", records.len())));
        }
    }
}

struct CsvRows {
    records: Records,
    width: usize,
    table: Table,
}

impl CsvRows {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while next(&mut self.records, self.width, self.table.row())? {
            for (column, field) in self.records.fields()?.enumerate() {
                if is_null(field) {
                    self.table.push_null(column);
                } else {
                    self.table.push(column, Token::Text(field.0))?;
                }
            }
            if self.table.end_row() {
                break;
            }
        }
        self.table.take()
    }
}

impl Iterator for CsvRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Rows for CsvRows {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }
}
