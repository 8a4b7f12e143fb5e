//! Prepared statements: what they give, their values, their rows.

use super::cells::Reader;
use super::fault::{of_packet, unexpected};
use super::values::Bound;
use super::wire::{Answer, Conn, Done};
use crate::error::{Code, Error, Result};

const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const CLOSE: u8 = 0x19;

const EXECUTE_BULK: u8 = 0xfa;
/// Types come before the values.
const WITH_TYPES: u16 = 128;

/// MariaDB takes many rows of values for one statement.
pub const BULK: u32 = 1 << 2;
/// MariaDB says with a column what its type alone does not.
pub const EXTENDED_METADATA: u32 = 1 << 3;

/// One column of a result, as the server describes it.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub name: String,
    /// A number of <https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html>.
    pub kind: u8,
    pub flags: u16,
    pub charset: u16,
    /// Characters that it takes to show, at most; bytes for what is no text.
    pub length: u32,
    pub decimals: u8,
    /// MariaDB's word for what it is beyond its type: `json`.
    pub format: Option<String>,
}

impl Described {
    fn read(body: &[u8], extended: bool) -> Result<Self> {
        let mut reader = Reader(body);
        for _catalog_schema_table_origin in 0..4 {
            reader.sized()?;
        }
        let mut column = Self { name: reader.text()?, ..Self::default() };
        let _original_name = reader.sized()?;
        if extended {
            let mut more = Reader(reader.sized()?);
            while !more.0.is_empty() {
                let what = more.number::<1>()?;
                let text = more.text()?;
                if what == 1 {
                    column.format = Some(text);
                }
            }
        }
        let _length_of_the_rest = reader.length()?;
        column.charset = reader.number::<2>()? as u16;
        column.length = reader.number::<4>()? as u32;
        column.kind = reader.number::<1>()? as u8;
        column.flags = reader.number::<2>()? as u16;
        column.decimals = reader.number::<1>()? as u8;
        Ok(column)
    }
}

/// A statement that the server keeps for a connection.
#[derive(Clone, Debug)]
pub struct Statement {
    pub id: u32,
    pub parameters: usize,
    pub columns: Vec<Described>,
}

impl Conn {
    /// # Errors
    /// What the server said of the statement.
    pub fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if sql.contains('\0') {
            return Err(Error::new(Code::InvalidQuery, "the statement has a NUL in it"));
        }
        self.command(PREPARE).extend_from_slice(sql.as_bytes());
        self.end_message();
        self.flush()?;
        let range = self.packet()?;
        let (id, columns, parameters) = match self.body(range) {
            [0, rest @ ..] => {
                let mut reader = Reader(rest);
                (reader.number::<4>()?, reader.number::<2>()?, reader.number::<2>()?)
            }
            [0xff, rest @ ..] => {
                let error = of_packet(rest);
                self.idle = true;
                return Err(error);
            }
            _ => return Err(unexpected("no answer to a statement to prepare")),
        };
        let (columns, parameters) = (columns as usize, parameters as usize);
        self.definitions(parameters)?;
        let columns = self.definitions(columns)?;
        self.idle = true;
        Ok(Statement { id: id as u32, parameters, columns })
    }

    /// Descriptions and the end of them; none have no end.
    fn definitions(&mut self, count: usize) -> Result<Vec<Described>> {
        let extended = self.server.extended & EXTENDED_METADATA != 0;
        let mut columns = Vec::with_capacity(count.min(4096));
        if count == 0 {
            return Ok(columns);
        }
        for _ in 0..count {
            let range = self.packet()?;
            columns.push(Described::read(self.body(range), extended)?);
        }
        let range = self.packet()?;
        match self.body(range) {
            [0xfe, ..] => Ok(columns),
            _ => Err(unexpected("more columns than it said")),
        }
    }

    /// Runs a statement; its columns, and its rows are next. `None` for one that gives none.
    ///
    /// # Errors
    /// What the server said.
    pub fn execute(&mut self, statement: &Statement, bound: &Bound) -> Result<Option<Vec<Described>>> {
        if bound.count() != statement.parameters {
            let detail =
                format!("the statement takes {} parameters, not {}", statement.parameters, bound.count());
            return Err(Error::new(Code::InvalidQuery, detail));
        }
        self.put_execute(statement.id, |out| bound.put(out));
        self.flush()?;
        match self.answer()? {
            Answer::Done(_) => Ok(None),
            Answer::Columns(count) => self.definitions(count).map(Some),
        }
    }

    /// Appends a request to run a statement, with what `values` appends: nothing where there are no
    /// parameters.
    pub fn put_execute(&mut self, id: u32, values: impl FnOnce(&mut Vec<u8>)) {
        let out = self.command(EXECUTE);
        out.extend_from_slice(&id.to_le_bytes());
        // No cursor: the server sends rows while we read them.
        out.push(0);
        out.extend_from_slice(&1_u32.to_le_bytes());
        values(out);
        self.end_message();
    }

    /// Appends a request to run a statement for each of some rows: each value
    /// is a zero and its cell, or a one for NULL.
    pub fn put_bulk(&mut self, id: u32, types: &[u8], rows: &[u8]) {
        let out = self.command(EXECUTE_BULK);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&WITH_TYPES.to_le_bytes());
        out.extend_from_slice(types);
        out.extend_from_slice(rows);
        self.end_message();
    }

    /// The answer of a statement that gives no rows.
    ///
    /// # Errors
    /// What the server said.
    pub fn done(&mut self) -> Result<Done> {
        match self.answer()? {
            Answer::Done(done) => Ok(done),
            Answer::Columns(_) => Err(unexpected("rows")),
        }
    }

    /// Forgets a statement; sent with the next command.
    pub fn close(&mut self, statement: &Statement) {
        let idle = self.idle;
        self.command(CLOSE).extend_from_slice(&statement.id.to_le_bytes());
        self.end_message();
        self.idle = idle;
    }

    /// The rows of a statement of ours, as text, with bound texts. It gives texts and integers only.
    ///
    /// # Errors
    /// What the server said.
    pub fn rows(&mut self, sql: &str, values: &[&str]) -> Result<Vec<Vec<Option<String>>>> {
        let statement = self.prepare(sql)?;
        let columns = self.execute(&statement, &Bound::texts(values))?.unwrap_or_default();
        let mut rows = Vec::new();
        self.each_row(|row| {
            rows.push(texts(&columns, row)?);
            Ok(())
        })?;
        self.close(&statement);
        Ok(rows)
    }
}

/// The NULLs of a row in the binary protocol, and its cells.
#[inline]
pub fn split_row(row: &[u8], columns: usize) -> Result<(&[u8], &[u8])> {
    row.get(1..)
        .and_then(|row| row.split_at_checked((columns + 9) / 8))
        .ok_or_else(|| unexpected("a row cut short"))
}

#[inline]
pub fn is_null(nulls: &[u8], column: usize) -> bool {
    let bit = column + 2;
    nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

fn texts(columns: &[Described], row: &[u8]) -> Result<Vec<Option<String>>> {
    let (nulls, cells) = split_row(row, columns.len())?;
    let mut reader = Reader(cells);
    let mut texts = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        if is_null(nulls, index) {
            texts.push(None);
            continue;
        }
        texts.push(Some(match column.kind {
            1 => reader.number::<1>()?.to_string(),
            2 | 13 => reader.number::<2>()?.to_string(),
            3 | 9 => reader.number::<4>()?.to_string(),
            8 => reader.number::<8>()?.to_string(),
            _ => reader.text()?,
        }));
    }
    Ok(texts)
}
