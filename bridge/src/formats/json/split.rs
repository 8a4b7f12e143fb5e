//! The objects of a body, one at a time, so that an array is never held whole.

use std::io::{BufRead, BufReader, Read, Seek};

use crate::body::Body;
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

const BUFFER: usize = 256 << 10;
const MAX_OBJECT: usize = 256 << 20;
const MAX_DEPTH: usize = 128;
const BOM: &[u8] = "\u{feff}".as_bytes();

fn incomplete(detail: &str) -> Error {
    Error::new(Code::IncompleteBody, format!("the JSON body ends {detail}"))
}

/// Splits a body into the texts of its objects.
pub(super) struct Split {
    input: BufReader<Box<dyn Body>>,
    array: bool,
    object: Vec<u8>,
    /// Objects read so far.
    row: u64,
    ended: bool,
}

impl Split {
    pub(super) fn new(body: Box<dyn Body>, array: bool) -> Result<Self> {
        let input = BufReader::with_capacity(BUFFER, body);
        let mut split = Self { input, array, object: Vec::new(), row: 0, ended: false };
        split.rewind()?;
        Ok(split)
    }

    pub(super) fn rewind(&mut self) -> Result<()> {
        self.input.rewind().map_err(body_error)?;
        self.row = 0;
        self.ended = false;
        if self.input.fill_buf().map_err(body_error)?.starts_with(BOM) {
            self.input.consume(BOM.len());
        }
        if self.array && self.skip_space()? != Some(b'[') {
            return Err(self.malformed("it does not start with ["));
        }
        if self.array {
            self.input.consume(1);
        }
        Ok(())
    }

    pub(super) fn malformed(&self, detail: impl std::fmt::Display) -> Error {
        let error = Error::new(Code::MalformedBody, format!("not a JSON body: {detail}"));
        if self.row == 0 { error } else { error.with_row(self.row) }
    }

    fn too_large(&self) -> Error {
        let detail = format!("a JSON object of more than {MAX_OBJECT} bytes");
        Error::new(Code::BodyTooLarge, detail).with_row(self.row)
    }

    /// The next byte that is not white space, left unread.
    fn skip_space(&mut self) -> Result<Option<u8>> {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        loop {
            let buffer = self.input.fill_buf().map_err(body_error)?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let skipped = buffer.iter().take_while(|byte| space(byte)).count();
            let next = buffer.get(skipped).copied();
            self.input.consume(skipped);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    /// The text of the next object, from `{` to `}`; `None` at the end of the body.
    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        if self.ended || !(if self.array { self.next_item()? } else { self.next_line()? }) {
            self.ended = true;
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.object);
        text.map(Some).map_err(|_| self.malformed("bytes that are no UTF-8"))
    }

    /// Reads the next line that is not blank; at most one object stands on it.
    fn next_line(&mut self) -> Result<bool> {
        loop {
            self.object.clear();
            let mut line = (&mut self.input).take(MAX_OBJECT as u64 + 1);
            if line.read_until(b'\n', &mut self.object).map_err(body_error)? == 0 {
                return Ok(false);
            }
            let whole = self.object.ends_with(b"\n");
            self.object.truncate(self.object.trim_ascii_end().len());
            self.object.drain(..self.object.len() - self.object.trim_ascii_start().len());
            if self.object.is_empty() {
                continue;
            }
            self.row += 1;
            return match (self.object[0], self.object.ends_with(b"}")) {
                _ if self.object.len() > MAX_OBJECT => Err(self.too_large()),
                (b'{', true) => Ok(true),
                (b'{', false) if !whole => Err(incomplete("inside an object").with_row(self.row)),
                _ => Err(self.malformed("a line that is no object")),
            };
        }
    }

    /// Goes to the next object of the array.
    fn next_item(&mut self) -> Result<bool> {
        let mut next = self.skip_space()?;
        if self.row > 0 && next == Some(b',') {
            self.input.consume(1);
            next = self.skip_space()?;
            if next == Some(b']') {
                return Err(self.malformed("a comma before ]"));
            }
        } else if self.row > 0 && !matches!(next, None | Some(b']')) {
            return Err(self.malformed("no comma between objects"));
        }
        match next {
            Some(b'{') => {
                self.row += 1;
                self.read_object()?;
                Ok(true)
            }
            Some(b']') => {
                self.input.consume(1);
                match self.skip_space()? {
                    None => Ok(false),
                    Some(_) => Err(self.malformed("something after ]")),
                }
            }
            Some(_) => Err(self.malformed("an item that is no object")),
            None => Err(incomplete("without ]")),
        }
    }

    /// Reads from `{` to its `}`, not looking at what is between but for strings and depth.
    fn read_object(&mut self) -> Result<()> {
        self.object.clear();
        let (mut depth, mut string, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.input.fill_buf().map_err(body_error)?;
            if buffer.is_empty() {
                return Err(incomplete("inside an object").with_row(self.row));
            }
            let (mut place, mut end) = (0, None);
            while place < buffer.len() {
                let rest = &buffer[place..];
                if string {
                    if escaped {
                        escaped = false;
                        place += 1;
                        continue;
                    }
                    let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else { break };
                    escaped = rest[at] == b'\\';
                    string = escaped;
                    place += at + 1;
                    continue;
                }
                let structural = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
                let Some(at) = rest.iter().position(structural) else { break };
                place += at + 1;
                match rest[at] {
                    b'"' => string = true,
                    b'{' | b'[' => depth += 1,
                    _ => depth -= 1,
                }
                if depth == 0 {
                    end = Some(place);
                    break;
                }
                if depth > MAX_DEPTH {
                    return Err(self.malformed("nested too deeply"));
                }
            }
            let taken = end.unwrap_or(buffer.len());
            self.object.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if self.object.len() > MAX_OBJECT {
                return Err(self.too_large());
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }
}
