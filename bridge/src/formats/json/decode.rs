use std::borrow::Cow;
use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};

use super::object::{Members, Name};
use super::split::Split;
use crate::body::Body;
use crate::database::Rows;
use crate::error::{Code, Error, Result};
use crate::formats::text::{Guess, Table, Token, push_json_string};

/// Distinct names that a body without a target may use.
const MAX_COLUMNS: usize = 1 << 14;

/// Opens a body: one array, or one object a line. It is read once to see which columns it has,
/// with a target only as far as needed, and once for the rows.
pub(in crate::formats) fn open(
    body: Box<dyn Body>,
    array: bool,
    target: Option<&SchemaRef>,
) -> Result<Box<dyn Rows>> {
    let mut split = Split::new(body, array)?;
    let table = match target {
        Some(target) => Table::of(present(&mut split, target)?.into_iter())?,
        None => Table::new(guess(&mut split)?)?,
    };
    split.rewind()?;
    let names = Names::new(table.schema().fields().iter().map(|field| field.name().clone()));
    let last = vec![0; names.all.len()];
    Ok(Box::new(JsonRows { split, names, table, last }))
}

/// Columns by name. Members mostly come in the order of the columns.
struct Names {
    all: Vec<String>,
    /// Each name as JSON, colon included.
    spelled: Vec<Vec<u8>>,
    places: HashMap<String, usize>,
}

impl Names {
    fn new(names: impl Iterator<Item = String>) -> Self {
        let mut all = Self { all: Vec::new(), spelled: Vec::new(), places: HashMap::new() };
        names.for_each(|name| all.push(name));
        all
    }

    fn push(&mut self, name: String) {
        let mut spelled = Vec::with_capacity(name.len() + 3);
        push_json_string(&name, &mut spelled);
        spelled.push(b':');
        self.spelled.push(spelled);
        self.places.insert(name.clone(), self.all.len());
        self.all.push(name);
    }

    fn expected(&self, place: usize) -> Option<&[u8]> {
        self.spelled.get(place).map(Vec::as_slice)
    }

    /// The column of a name, or the name where there is no such column.
    fn place<'n>(&self, name: Name<'n>, expected: usize) -> Result<usize, Cow<'n, str>> {
        match name {
            Name::Expected => Ok(expected),
            Name::Other(name) => self.places.get(name.as_ref()).copied().ok_or(name),
        }
    }
}

fn malformed(fault: &str, row: u64) -> Error {
    Error::new(Code::MalformedBody, format!("not a JSON body: {fault}")).with_row(row)
}

fn unknown(name: &str, row: u64) -> Error {
    Error::new(Code::SchemaMismatch, format!("there is no column {name:?}")).with_column(name).with_row(row)
}

/// The target's fields that some row has; all of them if no row has any.
fn present(split: &mut Split, target: &SchemaRef) -> Result<Vec<Field>> {
    let fields = target.fields();
    let names = Names::new(fields.iter().map(|field| field.name().clone()));
    let mut seen = vec![false; fields.len()];
    let mut row = 0;
    while seen.iter().any(|seen| !seen)
        && let Some(object) = split.next()?
    {
        row += 1;
        let mut members = Members::new(object);
        let mut expected = 0;
        while let Some((name, _)) =
            members.next(names.expected(expected)).map_err(|fault| malformed(fault, row))?
        {
            let place = names.place(name, expected).map_err(|name| unknown(&name, row))?;
            seen[place] = true;
            expected = place + 1;
        }
    }
    let none = seen.iter().all(|seen| !seen);
    let kept = fields.iter().zip(&seen).filter(|(_, seen)| none || **seen);
    Ok(kept.map(|(field, _)| field.as_ref().clone()).collect())
}

fn guess(split: &mut Split) -> Result<Vec<(Field, bool)>> {
    let mut names = Names::new(std::iter::empty());
    let mut guesses: Vec<Guess> = Vec::new();
    let mut row = 0;
    while let Some(object) = split.next()? {
        row += 1;
        let mut members = Members::new(object);
        let mut expected = 0;
        while let Some((name, value)) =
            members.next(names.expected(expected)).map_err(|fault| malformed(fault, row))?
        {
            let place = match names.place(name, expected) {
                Ok(place) => place,
                Err(_) if guesses.len() == MAX_COLUMNS => {
                    return Err(malformed("more columns than a table can have", row));
                }
                Err(name) => {
                    names.push(name.into_owned());
                    guesses.push(Guess::default());
                    guesses.len() - 1
                }
            };
            guesses[place].see(value.token());
            expected = place + 1;
        }
    }
    if guesses.is_empty() {
        return Err(Error::new(Code::MalformedBody, "a JSON body without members does not say its columns"));
    }
    Ok(names.all.iter().zip(&guesses).map(|(name, guess)| guess.field(name, true)).collect())
}

struct JsonRows {
    split: Split,
    names: Names,
    table: Table,
    /// The last row that had each column, counted from 1.
    last: Vec<u64>,
}

impl JsonRows {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(object) = self.split.next()? {
            let row = self.table.row();
            let mut members = Members::new(object);
            let mut expected = 0;
            while let Some((name, value)) =
                members.next(self.names.expected(expected)).map_err(|fault| malformed(fault, row))?
            {
                let place = self.names.place(name, expected).map_err(|name| unknown(&name, row))?;
                if self.last[place] == row {
                    let name = &self.names.all[place];
                    return Err(malformed("two members of one name", row).with_column(name));
                }
                self.last[place] = row;
                self.table.push(place, value.token())?;
                expected = place + 1;
            }
            for (place, last) in self.last.iter().enumerate() {
                if *last != row {
                    self.table.push(place, Token::Null)?;
                }
            }
            if self.table.end_row() {
                break;
            }
        }
        self.table.take()
    }
}

impl Iterator for JsonRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl Rows for JsonRows {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }
}
