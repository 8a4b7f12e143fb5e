//! Fields of records, from a stream of bytes.

use std::io::{BufRead, BufReader, Seek};

use crate::body::Body;
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

const BUFFER: usize = 256 << 10;
/// What one field, and one record, may take.
const MAX_FIELD: usize = 64 << 20;
const MAX_RECORD: usize = 256 << 20;
const MAX_FIELDS: usize = 1 << 16;
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Reads one record at a time, quotes taken off.
pub(super) struct Records {
    input: BufReader<Box<dyn Body>>,
    data: Vec<u8>,
    /// Where each field ends in `data`, and whether it was quoted.
    ends: Vec<(usize, bool)>,
    /// The record being read, counted from 1, the header not counted.
    row: u64,
}

/// What stopped a run of bytes.
enum Stop {
    Byte(u8),
    End,
}

impl Records {
    /// Starts at the beginning of the body, after a byte order mark.
    pub(super) fn new(body: Box<dyn Body>) -> Result<Self> {
        let mut records = Self {
            input: BufReader::with_capacity(BUFFER, body),
            data: Vec::new(),
            ends: Vec::new(),
            row: 0,
        };
        records.rewind()?;
        Ok(records)
    }

    pub(super) fn rewind(&mut self) -> Result<()> {
        self.input.rewind().map_err(body_error)?;
        self.row = 0;
        let start = self.input.fill_buf().map_err(body_error)?;
        if start.starts_with(BOM) {
            self.input.consume(BOM.len());
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// True for an empty line.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.ends.as_slice(), [(0, false)])
    }

    /// The fields of the record and whether they were quoted. Checks that they are UTF-8.
    pub(super) fn fields(&self) -> Result<impl Iterator<Item = (&str, bool)>> {
        let text = std::str::from_utf8(&self.data).map_err(|_| self.malformed("bytes that are no UTF-8"))?;
        let mut start = 0;
        Ok(self.ends.iter().map(move |(end, quoted)| {
            // Separators are ASCII, so that fields end between characters.
            let field = text.get(start..*end).unwrap_or_default();
            start = *end;
            (field, *quoted)
        }))
    }

    /// An error in the record last read.
    pub(super) fn malformed(&self, detail: impl std::fmt::Display) -> Error {
        let error = Error::new(Code::MalformedBody, format!("not a CSV body: {detail}"));
        if self.row == 0 { error } else { error.with_row(self.row) }
    }

    pub(super) fn set_row(&mut self, row: u64) {
        self.row = row;
    }

    /// Reads the next record; false at the end of the body.
    pub(super) fn next(&mut self) -> Result<bool> {
        self.data.clear();
        self.ends.clear();
        if self.input.fill_buf().map_err(body_error)?.is_empty() {
            return Ok(false);
        }
        loop {
            let start = self.data.len();
            let quoted = self.peek()? == Some(b'"');
            let stop = if quoted { self.quoted(start)? } else { self.run(start, b"\",\r\n")? };
            self.ends.push((self.data.len(), quoted));
            if self.ends.len() > MAX_FIELDS {
                return Err(self.malformed("too many fields"));
            }
            match stop {
                Stop::Byte(b',') => {}
                Stop::Byte(b'\r') if self.peek()? == Some(b'\n') => {
                    self.input.consume(1);
                    return Ok(true);
                }
                Stop::Byte(b'\n') | Stop::End => return Ok(true),
                Stop::Byte(b'"') => return Err(self.malformed("a quote inside a field without quotes")),
                Stop::Byte(_) => return Err(self.malformed("a carriage return without a line feed")),
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.input.fill_buf().map_err(body_error)?.first().copied())
    }

    /// Copies bytes up to one of `stops`, which is consumed.
    fn run(&mut self, start: usize, stops: &[u8]) -> Result<Stop> {
        loop {
            let buffer = self.input.fill_buf().map_err(body_error)?;
            if buffer.is_empty() {
                return Ok(Stop::End);
            }
            let found = match stops {
                [one] => buffer.iter().position(|byte| byte == one),
                // One comparison rejects nearly all bytes of text.
                _ => buffer.iter().position(|byte| *byte <= b',' && stops.contains(byte)),
            };
            let end = found.unwrap_or(buffer.len());
            self.data.extend_from_slice(&buffer[..end]);
            let stop = found.map(|at| buffer[at]);
            self.input.consume(end + usize::from(stop.is_some()));
            if self.data.len() - start > MAX_FIELD || self.data.len() > MAX_RECORD {
                let error =
                    Error::new(Code::BodyTooLarge, format!("a CSV field of more than {MAX_FIELD} bytes"));
                return Err(error.with_row(self.row.max(1)));
            }
            if let Some(stop) = stop {
                return Ok(Stop::Byte(stop));
            }
        }
    }

    /// Reads a quoted field, from its first quote to what follows its last.
    fn quoted(&mut self, start: usize) -> Result<Stop> {
        self.input.consume(1);
        loop {
            match self.run(start, b"\"")? {
                Stop::End => {
                    let error = Error::new(Code::IncompleteBody, "the CSV body ends inside a quoted field");
                    return Err(error.with_row(self.row.max(1)));
                }
                Stop::Byte(_) => {}
            }
            match self.peek()? {
                Some(b'"') => {
                    self.data.push(b'"');
                    self.input.consume(1);
                }
                Some(stop @ (b',' | b'\r' | b'\n')) => {
                    self.input.consume(1);
                    return Ok(Stop::Byte(stop));
                }
                None => return Ok(Stop::End),
                Some(_) => return Err(self.malformed("text after the quotes of a field")),
            }
        }
    }
}
