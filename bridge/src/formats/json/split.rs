//! The objects of a body, one at a time, so that an array is never held whole.

use std::io::{BufRead, BufReader, Seek};

use crate::error::{Code, Error, Result};
use crate::formats::{Body, body_error};

const BUFFER: usize = 256 << 10;
const MAX_OBJECT: usize = 256 << 20;
const MAX_DEPTH: usize = 128;
const BOM: &[u8] = "\u{feff}".as_bytes();

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
        if self.array && self.skip_space(true)? != Some(b'[') {
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

    fn incomplete(&self, detail: &str) -> Error {
        Error::new(Code::IncompleteBody, format!("the JSON body ends {detail}"))
    }

    /// The next byte that is not white space, left unread. Line ends count as white space
    /// where `lines` says so.
    fn skip_space(&mut self, lines: bool) -> Result<Option<u8>> {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r') || (lines && *byte == b'\n');
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

    /// The text of the next object; `None` at the end of the body.
    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        if self.ended || !(if self.array { self.next_item()? } else { self.next_line()? }) {
            self.ended = true;
            return Ok(None);
        }
        self.row += 1;
        self.read_object()?;
        match std::str::from_utf8(&self.object) {
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                let error = Error::new(Code::MalformedBody, "not a JSON body: bytes that are no UTF-8");
                Err(error.with_row(self.row))
            }
        }
    }

    /// Goes to the next object of JSON lines; at most one stands on a line.
    fn next_line(&mut self) -> Result<bool> {
        if self.row > 0 && !matches!(self.skip_space(false)?, None | Some(b'\n')) {
            return Err(self.malformed("something after the object on its line"));
        }
        match self.skip_space(true)? {
            None => Ok(false),
            Some(b'{') => Ok(true),
            Some(_) => Err(self.malformed("a line that is no object")),
        }
    }

    /// Goes to the next object of the array.
    fn next_item(&mut self) -> Result<bool> {
        let mut next = self.skip_space(true)?;
        if self.row > 0 && next == Some(b',') {
            self.input.consume(1);
            next = self.skip_space(true)?;
            if next == Some(b']') {
                return Err(self.malformed("a comma before ]"));
            }
        } else if self.row > 0 && !matches!(next, None | Some(b']')) {
            return Err(self.malformed("no comma between objects"));
        }
        match next {
            Some(b'{') => Ok(true),
            Some(b']') => {
                self.input.consume(1);
                match self.skip_space(true)? {
                    None => Ok(false),
                    Some(_) => Err(self.malformed("something after ]")),
                }
            }
            Some(_) => Err(self.malformed("an item that is no object")),
            None => Err(self.incomplete("without ]")),
        }
    }

    /// Reads from `{` to its `}`, not looking at what is between but for strings and depth.
    fn read_object(&mut self) -> Result<()> {
        self.object.clear();
        let (mut depth, mut string, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self.input.fill_buf().map_err(body_error)?;
            if buffer.is_empty() {
                return Err(self.incomplete("inside an object").with_row(self.row));
            }
            let mut end = None;
            for (place, byte) in buffer.iter().enumerate() {
                if string {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => string = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            end = Some(place + 1);
                            break;
                        }
                    }
                    _ => {}
                }
                if depth > MAX_DEPTH {
                    return Err(self.malformed("nested too deeply"));
                }
            }
            let taken = end.unwrap_or(buffer.len());
            self.object.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if self.object.len() > MAX_OBJECT {
                let detail = format!("a JSON object of more than {MAX_OBJECT} bytes");
                return Err(Error::new(Code::BodyTooLarge, detail).with_row(self.row));
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }
}
