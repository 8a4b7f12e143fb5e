//! One connection: packets of the client/server protocol, and the answers that end a request.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>

use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use super::address::Address;
use super::cells::{Reader, number};
use super::fault::{broken, of_packet, unexpected};
use crate::engines::socket::Socket;
use crate::error::Result;

/// What is read from the socket at once.
const READ: usize = 256 << 10;
/// A packet of this length goes on in the next.
const LONGEST_PACKET: usize = 0xff_ffff;
/// What claims to be longer is not the server's, whose packets end at 1 GiB.
const LONGEST: usize = (1 << 30) + LONGEST_PACKET;
/// A buffer that grew beyond this for one value is given back.
const KEPT: usize = 4 << 20;

pub const QUERY: u8 = 0x03;
pub const RESET: u8 = 0x1f;
const QUIT: u8 = 0x01;

/// Status of an answer: another result follows.
const MORE_RESULTS: u16 = 0x08;

/// What a server said of itself when it was connected to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server {
    pub mariadb: bool,
    /// As 80036 or 101119.
    pub version: u32,
    /// MariaDB's own, of those that were agreed.
    pub extended: u32,
    /// The number of this connection, by which another can stop it.
    pub connection: u32,
}

/// A connection that has been let in.
pub struct Conn {
    pub socket: Socket,
    buffer: Vec<u8>,
    /// What of `buffer` was received and not yet taken.
    unread: Range<usize>,
    output: Vec<u8>,
    /// Where the message under construction begins in `output`.
    begun: usize,
    /// Of the next packet.
    pub sequence: u8,
    pub server: Server,
    pub address: Arc<Address>,
    /// The time limit of the session's statements, in milliseconds.
    pub limit: Option<u128>,
    /// Bytes that one message may have.
    pub longest: usize,
    /// No request is under way, and none failed in a way that leaves the connection unknown.
    pub idle: bool,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Rows that were inserted, changed or deleted.
    pub affected: u64,
    pub warnings: u16,
}

/// The first packet of an answer.
pub enum Answer {
    Done(Done),
    /// So many columns; their definitions follow.
    Columns(usize),
}

impl Conn {
    /// A connection over a socket; nobody has said anything yet.
    #[must_use]
    pub fn new(socket: Socket, address: Arc<Address>) -> Self {
        Self {
            socket,
            buffer: vec![0; READ],
            unread: 0..0,
            output: Vec::with_capacity(4 << 10),
            begun: 0,
            sequence: 0,
            server: Server::default(),
            address,
            limit: None,
            longest: 1 << 20,
            idle: false,
        }
    }

    // Messages out.

    /// Begins a command; what is appended to the result is its body.
    pub fn command(&mut self, code: u8) -> &mut Vec<u8> {
        self.idle = false;
        self.sequence = 0;
        let out = self.message();
        out.push(code);
        out
    }

    /// Begins a message that answers the server's last packet.
    pub fn message(&mut self) -> &mut Vec<u8> {
        self.begun = self.output.len();
        self.output.extend_from_slice(&[0; 4]);
        &mut self.output
    }

    /// Puts the headers of a message that is complete.
    pub fn end_message(&mut self) {
        let mut at = self.begun;
        loop {
            let left = self.output.len() - at - 4;
            let length = left.min(LONGEST_PACKET);
            let header = u32::try_from(length).unwrap_or(0) | u32::from(self.sequence) << 24;
            self.output[at..at + 4].copy_from_slice(&header.to_le_bytes());
            self.sequence = self.sequence.wrapping_add(1);
            if left < LONGEST_PACKET {
                return;
            }
            at += 4 + LONGEST_PACKET;
            self.output.splice(at..at, [0; 4]);
        }
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

    // Messages in.

    /// Where the next message lies in [`Conn::body`]'s buffer until the one after it is asked for.
    ///
    /// # Errors
    /// `database-unavailable`.
    #[inline]
    pub fn packet(&mut self) -> Result<Range<usize>> {
        if self.unread.len() >= 4 {
            let start = self.unread.start;
            let header = number::<4>(&self.buffer[start..]);
            let length = (header & 0xff_ffff) as usize;
            if length < LONGEST_PACKET && self.unread.len() >= 4 + length {
                self.sequence = ((header >> 24) as u8).wrapping_add(1);
                self.unread.start = start + 4 + length;
                return Ok(start + 4..start + 4 + length);
            }
        }
        self.receive()
    }

    #[inline]
    #[must_use]
    pub fn body(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Receives a message whole, joined if it came in several packets.
    #[cold]
    fn receive(&mut self) -> Result<Range<usize>> {
        // Counted from the first byte of the message's first header.
        let mut end = 4;
        self.have(4)?;
        loop {
            // The header stands before `end`, and goes where the payload is continued.
            let at = self.unread.start + end - 4;
            let header = number::<4>(&self.buffer[at..]);
            let length = (header & 0xff_ffff) as usize;
            self.sequence = ((header >> 24) as u8).wrapping_add(1);
            if end > 4 {
                self.buffer.copy_within(at + 4..self.unread.end, at);
                self.unread.end -= 4;
                end -= 4;
            }
            end += length;
            if end > LONGEST {
                return Err(unexpected("a message of impossible length"));
            }
            self.have(end)?;
            if length < LONGEST_PACKET {
                let start = self.unread.start;
                self.unread.start += end;
                return Ok(start + 4..start + end);
            }
            end += 4;
            self.have(end)?;
        }
    }

    /// Receives until so many bytes are unread.
    fn have(&mut self, want: usize) -> Result<()> {
        while self.unread.len() < want {
            let have = self.unread.len();
            if self.unread.start > 0 {
                self.buffer.copy_within(self.unread.clone(), 0);
                self.unread = 0..have;
            }
            if self.buffer.len() > KEPT && want <= READ && have < READ {
                self.buffer.truncate(READ);
                self.buffer.shrink_to_fit();
            }
            if want > self.buffer.len() {
                self.buffer.resize(want.next_power_of_two(), 0);
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
        Ok(())
    }

    /// The first packet of an answer. The connection is idle again after all but columns.
    ///
    /// # Errors
    /// What the server said.
    pub fn answer(&mut self) -> Result<Answer> {
        let range = self.packet()?;
        let body = &self.buffer[range];
        match body {
            [0, rest @ ..] => {
                let mut reader = Reader(rest);
                let (affected, _last) = (reader.length()?, reader.length()?);
                let (status, warnings) = (reader.number::<2>()? as u16, reader.number::<2>()? as u16);
                if status & MORE_RESULTS != 0 {
                    return Err(unexpected("a second result"));
                }
                self.idle = true;
                Ok(Answer::Done(Done { affected, warnings }))
            }
            [0xff, rest @ ..] => {
                self.idle = true;
                Err(of_packet(rest))
            }
            // It asks for a file of ours, which nobody offered.
            [0xfb, ..] | [] => Err(unexpected("a request for a file")),
            _ => Ok(Answer::Columns(usize::try_from(Reader(body).length()?).unwrap_or(usize::MAX))),
        }
    }

    /// Hands each row that follows to `each`, up to the end of the result.
    ///
    /// # Errors
    /// What the server said, or `each`'s; the connection is idle again unless it broke or `each`
    /// failed.
    #[inline]
    pub fn each_row(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            let range = self.packet()?;
            let body = &self.buffer[range];
            match body {
                [0, ..] => each(body)?,
                [0xfe, rest @ ..] if rest.len() < 8 => {
                    let mut reader = Reader(rest);
                    let _warnings = reader.number::<2>()?;
                    if reader.number::<2>()? as u16 & MORE_RESULTS != 0 {
                        return Err(unexpected("a second result"));
                    }
                    self.idle = true;
                    return Ok(());
                }
                [0xff, rest @ ..] => {
                    self.idle = true;
                    return Err(of_packet(rest));
                }
                _ => return Err(unexpected("neither a row nor an end")),
            }
        }
    }

    /// Runs statements of ours that give no rows, in one round trip.
    ///
    /// # Errors
    /// What the server said of the first that failed; the others were run nevertheless.
    pub fn run(&mut self, statements: &[&str]) -> Result<Done> {
        self.ask(statements)?;
        self.answers(statements.len())
    }

    /// Sends statements whose answers are taken later.
    ///
    /// # Errors
    /// `database-unavailable`.
    pub fn ask(&mut self, statements: &[&str]) -> Result<()> {
        for statement in statements {
            self.command(QUERY).extend_from_slice(statement.as_bytes());
            self.end_message();
        }
        self.flush()
    }

    /// Takes the answers of so many statements that give no rows.
    ///
    /// # Errors
    /// What the server said of the first that failed.
    pub fn answers(&mut self, count: usize) -> Result<Done> {
        let mut outcome = Ok(Done::default());
        for _ in 0..count {
            self.idle = false;
            match self.answer() {
                Ok(Answer::Done(done)) if outcome.is_ok() => outcome = Ok(done),
                Ok(Answer::Done(_)) => {}
                Ok(Answer::Columns(_)) => return Err(unexpected("rows")),
                Err(error) if !self.idle => return Err(error),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.idle {
            self.command(QUIT);
            self.end_message();
            let _ = self.flush();
        }
    }
}
