//! One connection: the frontend/backend protocol, version 3.
//!
//! <https://www.postgresql.org/docs/current/protocol.html>

use std::io::{self, Read, Write};
use std::ops::Range;

use super::connect::Canceller;
use super::fault::{broken, of_response, unexpected};
use super::row::{Cells, Described, described};
use crate::engines::socket::{Link, Socket};
use crate::error::Result;

/// What is read from the socket at once.
const READ: usize = 256 << 10;
/// A message that claims more is not PostgreSQL's, whose values end at 1 GB.
const LONGEST: usize = 1 << 30;
/// What a server may say at once before it has let us in.
const LONGEST_GREETING: usize = 64 << 10;
/// A buffer that grew beyond this for one value is given back.
const KEPT: usize = 4 << 20;
/// What is gathered before it is written.
const WRITE: usize = 256 << 10;

/// The cells of a row, as text.
pub type Row = Vec<Option<String>>;

/// A connection that has been let in.
pub struct Conn {
    pub socket: Socket,
    buffer: Vec<u8>,
    /// What of `buffer` was received and not yet taken.
    unread: Range<usize>,
    /// What is to be sent.
    pub output: Vec<u8>,
    /// Of the server, as 150004; 0 if it did not say.
    pub version: u32,
    pub canceller: Canceller,
    /// Bytes that a message may have.
    longest: usize,
    /// No request is under way, and none failed in a way that leaves the connection unknown.
    pub idle: bool,
}

impl Conn {
    /// A connection over a socket; nobody has said anything yet.
    #[must_use]
    pub fn new(socket: Socket, canceller: Canceller) -> Self {
        Self {
            socket,
            buffer: vec![0; READ],
            unread: 0..0,
            output: Vec::with_capacity(READ),
            version: 0,
            canceller,
            longest: LONGEST_GREETING,
            idle: false,
        }
    }

    /// The server has let us in.
    pub fn entered(&mut self) {
        self.longest = LONGEST;
        self.idle = true;
    }

    /// Something that stops what this connection does, from another thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Another handle to the socket, to shut it.
    ///
    /// # Errors
    /// `database-unavailable`.
    pub fn link(&self) -> Result<Link> {
        self.socket.handle().map_err(|error| broken(&error))
    }

    // Messages out.

    /// Appends a message to what is to be sent.
    pub fn put(&mut self, tag: u8, body: &[u8]) {
        self.output.push(tag);
        put_length(&mut self.output, body.len() + 4);
        self.output.extend_from_slice(body);
    }

    /// Appends a simple query. Only text of ours goes this way.
    pub fn put_query(&mut self, sql: &str) {
        let mut body = Vec::with_capacity(sql.len() + 1);
        put_text(&mut body, sql);
        self.idle = false;
        self.put(b'Q', &body);
    }

    /// Sends what was appended.
    ///
    /// # Errors
    /// `database-unavailable`.
    pub fn flush(&mut self) -> Result<()> {
        let outcome = self.socket.write_all(&self.output).and_then(|()| self.socket.flush());
        self.output.clear();
        self.output.shrink_to(KEPT);
        outcome.map_err(|error| broken(&error))
    }

    /// Sends what `write` appends, of the rows of a `COPY … FROM STDIN`, when enough of it has gathered.
    ///
    /// # Errors
    /// `write`'s, and then nothing of it is sent; `database-unavailable`.
    pub fn copy_data(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.output.len();
        self.output.extend_from_slice(b"d\0\0\0\0");
        if let Err(error) = write(&mut self.output) {
            self.output.truncate(start);
            return Err(error);
        }
        let length = u32::try_from(self.output.len() - start - 1).unwrap_or(u32::MAX).to_be_bytes();
        self.output[start + 1..start + 5].copy_from_slice(&length);
        if self.output.len() >= WRITE { self.flush() } else { Ok(()) }
    }

    // Messages in.

    /// The next message: its tag, and where its body lies in [`Conn::body`]'s buffer until the next
    /// is asked for.
    ///
    /// # Errors
    /// `database-unavailable`.
    #[inline]
    pub fn message(&mut self) -> Result<(u8, Range<usize>)> {
        if self.unread.len() >= 5 {
            let start = self.unread.start;
            let length = word(&self.buffer, start + 1) as usize;
            if self.unread.len() > length && length >= 4 {
                self.unread.start = start + 1 + length;
                return Ok((self.buffer[start], start + 5..start + 1 + length));
            }
        }
        self.fill()?;
        self.message()
    }

    #[inline]
    #[must_use]
    pub fn body(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Receives until a message is there whole.
    #[cold]
    fn fill(&mut self) -> Result<()> {
        loop {
            let have = self.unread.len();
            let want = if have < 5 { 5 } else { 1 + word(&self.buffer, self.unread.start + 1) as usize };
            if !(5..=self.longest).contains(&want) {
                return Err(unexpected("a message of impossible length"));
            }
            if have >= want {
                return Ok(());
            }
            if self.unread.start > 0 {
                self.buffer.copy_within(self.unread.clone(), 0);
                self.unread = 0..have;
            }
            if self.buffer.len() > KEPT && want <= READ && have < READ {
                self.buffer.truncate(READ);
                self.buffer.shrink_to_fit();
            }
            // By what has come, whatever was promised.
            if have == self.buffer.len() {
                self.buffer.resize(want.min(2 * have), 0);
            }
            match self.socket.read(&mut self.buffer[have..]) {
                Ok(0) => {
                    self.idle = false;
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it");
                    return Err(broken(&error));
                }
                Ok(read) => self.unread.end = have + read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.idle = false;
                    return Err(broken(&error));
                }
            }
        }
    }

    /// Takes what answers a request up to its end, giving each message that matters to `each`.
    ///
    /// # Errors
    /// What the server said, or `each`'s; the connection is idle again unless it broke or `each`
    /// failed.
    pub fn answer(&mut self, mut each: impl FnMut(u8, &[u8]) -> Result<()>) -> Result<()> {
        let mut failure = None;
        loop {
            let (tag, body) = self.message()?;
            match tag {
                b'Z' => {
                    self.idle = true;
                    return failure.map_or(Ok(()), Err);
                }
                b'E' => failure = failure.or_else(|| Some(of_response(&self.buffer[body]))),
                b'N' | b'S' | b'A' => {}
                _ if failure.is_none() => each(tag, &self.buffer[body])?,
                _ => {}
            }
        }
    }

    /// Runs statements of ours whose results do not matter.
    ///
    /// # Errors
    /// What the server said.
    pub fn run(&mut self, sql: &str) -> Result<()> {
        self.put_query(sql);
        self.flush()?;
        self.answer(|_, _| Ok(()))
    }

    /// The rows of a statement of ours, as text, with bound values.
    ///
    /// # Errors
    /// What the server said.
    pub fn rows(&mut self, sql: &str, values: &[Option<&str>]) -> Result<Vec<Row>> {
        self.put_parse(sql, &[]);
        let values: Vec<_> = values.iter().map(|value| value.map(str::as_bytes)).collect();
        self.put_bind(&[], &values, &[]);
        self.put(b'E', &[0, 0, 0, 0, 0]);
        self.put(b'S', &[]);
        self.flush()?;
        let mut rows = Vec::new();
        self.answer(|tag, body| {
            if tag == b'D' {
                let mut row = Vec::new();
                for cell in Cells::new(body) {
                    row.push(cell?.map(|text| String::from_utf8_lossy(text).into_owned()));
                }
                rows.push(row);
            }
            Ok(())
        })?;
        Ok(rows)
    }

    /// `Parse` of the unnamed statement.
    pub fn put_parse(&mut self, sql: &str, types: &[u32]) {
        let mut body = vec![0];
        put_text(&mut body, sql);
        put_count(&mut body, types.len());
        for oid in types {
            body.extend_from_slice(&oid.to_be_bytes());
        }
        self.idle = false;
        self.put(b'P', &body);
    }

    /// `Bind` of the unnamed portal: values in the given formats, results in the given formats
    /// (1 is binary).
    pub fn put_bind(&mut self, formats: &[u16], values: &[Option<&[u8]>], results: &[u16]) {
        let mut body = vec![0, 0];
        put_count(&mut body, formats.len());
        for format in formats {
            body.extend_from_slice(&format.to_be_bytes());
        }
        put_count(&mut body, values.len());
        for value in values {
            match value {
                Some(bytes) => {
                    put_length(&mut body, bytes.len());
                    body.extend_from_slice(bytes);
                }
                None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
        }
        put_count(&mut body, results.len());
        for format in results {
            body.extend_from_slice(&format.to_be_bytes());
        }
        self.put(b'B', &body);
    }

    /// What a statement takes and gives; `None` for one without rows.
    ///
    /// # Errors
    /// What the server said of the statement.
    pub fn describe(&mut self, sql: &str, types: &[u32]) -> Result<(Vec<u32>, Option<Vec<Described>>)> {
        self.put_parse(sql, types);
        self.put(b'D', b"S\0");
        self.put(b'S', &[]);
        self.flush()?;
        let (mut takes, mut gives) = (Vec::new(), None);
        self.answer(|tag, body| {
            match tag {
                b't' => {
                    takes =
                        body.get(2..).unwrap_or_default().chunks_exact(4).map(|oid| word(oid, 0)).collect();
                }
                b'T' => gives = Some(described(body)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok((takes, gives))
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.idle {
            self.put(b'X', &[]);
            let _ = self.flush();
        }
    }
}

/// Four bytes as a number; zero where they are missing.
#[inline]
pub fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

pub fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}
