//! Rows kept as they came, until it is known what types their columns have.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use super::scalar::Scalar;
use crate::error::{Code, Error, Result};

/// What is kept in memory before a temporary file takes over.
const MEMORY: usize = 8 << 20;

/// Cells in the order of rows: in memory, then in a file without a name.
#[derive(Default)]
pub struct CellSpool {
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    rows: u64,
}

impl CellSpool {
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// # Errors
    /// `spool-full`.
    pub fn push(&mut self, scalar: Scalar<'_>) -> Result<()> {
        let (tag, bytes): (u8, &[u8]) = match &scalar {
            Scalar::Null => (0, &[]),
            Scalar::Int(value) => (1, &value.to_ne_bytes()),
            Scalar::Real(value) => (2, &value.to_ne_bytes()),
            Scalar::Text(text) => (3, text),
            Scalar::Blob(blob) => (4, blob),
        };
        self.memory.push(tag);
        if tag >= 3 {
            self.memory.extend_from_slice(&bytes.len().to_ne_bytes());
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() >= MEMORY { self.spill().map_err(full) } else { Ok(()) }
    }

    fn spill(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(())
    }

    /// Calls `each` with the cells of every row, in order.
    ///
    /// # Errors
    /// `spool-full` where the file fails; what `each` fails with.
    pub fn replay(mut self, columns: usize, mut each: impl FnMut(&[Owned]) -> Result<()>) -> Result<()> {
        let rows = self.rows;
        let mut source: Box<dyn Read> = match self.file.take() {
            None => Box::new(std::io::Cursor::new(self.memory)),
            Some(file) => {
                let mut file = file.into_inner().map_err(|error| full(error.into_error()))?;
                file.rewind().map_err(full)?;
                Box::new(BufReader::with_capacity(1 << 20, file).chain(std::io::Cursor::new(self.memory)))
            }
        };
        let mut row: Vec<Owned> = vec![Owned::default(); columns];
        for _ in 0..rows {
            for cell in &mut row {
                cell.read(&mut source).map_err(full)?;
            }
            each(&row)?;
        }
        Ok(())
    }
}

/// A cell that owns its bytes, and keeps their room for the next one.
#[derive(Clone, Debug, Default)]
pub struct Owned {
    tag: u8,
    number: [u8; 8],
    bytes: Vec<u8>,
}

impl Owned {
    #[must_use]
    pub fn scalar(&self) -> Scalar<'_> {
        match self.tag {
            1 => Scalar::Int(i64::from_ne_bytes(self.number)),
            2 => Scalar::Real(f64::from_ne_bytes(self.number)),
            3 => Scalar::Text(&self.bytes),
            4 => Scalar::Blob(&self.bytes),
            _ => Scalar::Null,
        }
    }

    fn read(&mut self, source: &mut dyn Read) -> std::io::Result<()> {
        let mut tag = [0];
        source.read_exact(&mut tag)?;
        self.tag = tag[0];
        if self.tag > 0 {
            source.read_exact(&mut self.number)?;
        }
        if self.tag >= 3 {
            let length = usize::from_ne_bytes(self.number);
            self.bytes.resize(length, 0);
            source.read_exact(&mut self.bytes)?;
        }
        Ok(())
    }
}

fn full(error: std::io::Error) -> Error {
    Error::new(Code::SpoolFull, format!("rows cannot be spooled: {error}")).with_source(error)
}
