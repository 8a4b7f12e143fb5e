//! What is to become rows: a body that is there whole, or one that is still arriving.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Code, Error, Result};

/// Bytes with a known end.
pub trait Body: Read + Seek + Send {
    /// How far the body has come, where it is not there whole.
    fn arriving(&self) -> Option<Arc<Arriving>> {
        None
    }
}

impl Body for File {}
impl<T: AsRef<[u8]> + Send> Body for Cursor<T> {}

/// How far a body of declared length has come. Whoever receives it tells; whoever decodes it waits.
#[derive(Debug)]
pub struct Arriving {
    length: u64,
    taken: AtomicU64,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes are there.
    Receiving(u64),
    /// All bytes are there, and are what the sender meant.
    Whole,
    /// It will never be whole.
    Broken,
}

impl Arriving {
    #[must_use]
    pub const fn new(length: u64) -> Self {
        let state = Mutex::new(State::Receiving(0));
        Self { length, taken: AtomicU64::new(0), state, moved: Condvar::new() }
    }

    /// So many bytes from its start are there to be read.
    pub fn received(&self, bytes: u64) {
        self.become_(State::Receiving(bytes.min(self.length)));
    }

    /// How far the bytes have been read.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// All bytes are there and proven to be right.
    pub fn complete(&self) {
        self.become_(State::Whole);
    }

    /// The rest will not come: who waits, or reads on, fails. Changes nothing after [`Self::complete`].
    pub fn abandon(&self) {
        self.become_(State::Broken);
    }

    fn become_(&self, state: State) {
        let mut now = self.lock();
        if matches!(*now, State::Receiving(_)) {
            *now = state;
            self.moved.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more than `position` bytes are there; how many are. At the end it waits for the proof.
    fn beyond(&self, position: u64) -> io::Result<u64> {
        let waiting = |state: &mut State| match *state {
            State::Receiving(bytes) => bytes <= position,
            State::Whole | State::Broken => false,
        };
        let state = self.moved.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Receiving(bytes) => Ok(bytes),
            State::Whole => Ok(self.length),
            State::Broken => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the rest of the body did not come"))
            }
        }
    }

    /// Waits until the first `bytes` are there, before anything is made to hold them.
    ///
    /// # Errors
    /// `incomplete-body`.
    pub fn wait(&self, bytes: u64) -> Result<()> {
        self.beyond(bytes.saturating_sub(1)).map(drop).map_err(incomplete)
    }

    /// Waits for the proof that the body is whole: before it, none of its rows may stay.
    ///
    /// # Errors
    /// `incomplete-body`.
    pub fn proven(&self) -> Result<()> {
        self.beyond(u64::MAX).map(drop).map_err(incomplete)
    }
}

fn incomplete(error: io::Error) -> Error {
    Error::new(Code::IncompleteBody, "the body ends before its end").with_source(error)
}

/// A file that is being written while it is read.
pub struct ArrivingFile {
    file: File,
    position: u64,
    arriving: Arc<Arriving>,
}

impl ArrivingFile {
    #[must_use]
    pub const fn new(file: File, arriving: Arc<Arriving>) -> Self {
        Self { file, position: 0, arriving }
    }
}

impl Read for ArrivingFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let there = self.arriving.beyond(self.position)?.saturating_sub(self.position);
        let most = usize::try_from(there).unwrap_or(usize::MAX).min(out.len());
        let read = self.file.read(&mut out[..most])?;
        self.position += read as u64;
        self.arriving.taken.fetch_max(self.position, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for ArrivingFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.arriving.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.position = self.file.seek(SeekFrom::Start(target))?;
        Ok(self.position)
    }
}

impl Body for ArrivingFile {
    fn arriving(&self) -> Option<Arc<Arriving>> {
        Some(Arc::clone(&self.arriving))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;

    /// A file that has all of `bytes`, of which nothing was said yet.
    fn file(bytes: &[u8]) -> (ArrivingFile, Arc<Arriving>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let arriving = Arc::new(Arriving::new(bytes.len() as u64));
        (ArrivingFile::new(file, Arc::clone(&arriving)), arriving)
    }

    #[test]
    fn only_what_was_received_is_read() {
        let (mut body, arriving) = file(b"abcdef");
        arriving.received(4);
        let mut out = [0; 16];
        assert_eq!(body.read(&mut out).unwrap(), 4);
        assert_eq!(arriving.taken(), 4);
        thread::scope(|scope| {
            let rest = scope.spawn(move || body.read(&mut out).map(|read| out[..read].to_vec()));
            arriving.received(6);
            assert_eq!(rest.join().unwrap().unwrap(), b"ef");
        });
    }

    #[test]
    fn the_end_waits_for_the_proof() {
        let (mut body, arriving) = file(b"abc");
        arriving.received(3);
        thread::scope(|scope| {
            let all = scope.spawn(move || io::read_to_string(&mut body));
            assert!(!all.is_finished());
            arriving.complete();
            assert_eq!(all.join().unwrap().unwrap(), "abc");
        });
        arriving.abandon();
        arriving.proven().unwrap();
    }

    #[test]
    fn what_does_not_come_is_incomplete() {
        let (mut body, arriving) = file(b"abc");
        arriving.received(3);
        arriving.abandon();
        assert_eq!(body.read(&mut [0; 3]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(arriving.wait(3).unwrap_err().code(), Code::IncompleteBody);
        assert_eq!(arriving.proven().unwrap_err().code(), Code::IncompleteBody);
    }

    #[test]
    fn its_length_is_known_before_it_came() {
        let (mut body, _) = file(b"abc");
        assert_eq!(body.seek(SeekFrom::End(0)).unwrap(), 3);
        assert_eq!(body.seek(SeekFrom::Current(-2)).unwrap(), 1);
        assert!(body.seek(SeekFrom::Current(-2)).is_err());
    }
}
