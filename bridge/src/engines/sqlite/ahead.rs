//! Encoded as declared while it is made sure of: one pass over a relation instead of two.
//!
//! Nothing may go out before every value is known to fit, so the parts wait in a spool. If one value
//! does not fit, they were made in vain, and the relation is looked at anew.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::database::{Part, PartEncoder, Sink};
use crate::error::{Code, Error, Result};

/// What is kept in memory before a temporary file takes over.
const MEMORY: usize = 8 << 20;

/// A sink that keeps encoded parts, in order, until they may go out.
pub struct PartSpool {
    parts: Arc<dyn PartEncoder>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rows and length of each part.
    index: Vec<(u64, usize)>,
    memory: Vec<Vec<u8>>,
    held: usize,
    file: Option<BufWriter<File>>,
}

impl PartSpool {
    #[must_use]
    pub fn new(parts: Arc<dyn PartEncoder>) -> Self {
        Self { parts, state: Mutex::default() }
    }

    /// Hands all parts on, to a sink that has been started with the schema they were made for.
    ///
    /// # Errors
    /// The sink's; `spool-full` where the file fails.
    pub fn replay(self, sink: &dyn Sink) -> Result<()> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut index = state.index.into_iter();
        if let Some(file) = state.file {
            let mut file = file.into_inner().map_err(|error| full(error.into_error()))?;
            file.rewind().map_err(full)?;
            let mut file = BufReader::new(file);
            let spilled = index.len() - state.memory.len();
            for (rows, length) in index.by_ref().take(spilled) {
                let mut bytes = Vec::with_capacity(length);
                file.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(full)?;
                sink.put(Part::Bytes(rows, bytes))?;
            }
        }
        for ((rows, _), bytes) in index.zip(state.memory) {
            sink.put(Part::Bytes(rows, bytes))?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn spill(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        for bytes in self.memory.drain(..) {
            file.write_all(&bytes)?;
        }
        self.held = 0;
        Ok(())
    }
}

impl Sink for PartSpool {
    fn start(&self, _schema: SchemaRef) -> Result<()> {
        Ok(())
    }

    fn prepare(&self, batch: RecordBatch) -> Result<Part> {
        self.parts.encode(batch)
    }

    fn put(&self, part: Part) -> Result<()> {
        let Part::Bytes(rows, bytes) = part else {
            return Err(Error::new(Code::Internal, "a part that depends on what came before cannot wait"));
        };
        let mut state = self.state();
        state.index.push((rows, bytes.len()));
        state.held += bytes.len();
        state.memory.push(bytes);
        if state.held >= MEMORY { state.spill().map_err(full) } else { Ok(()) }
    }

    fn truncated(&self) {}
}

fn full(error: std::io::Error) -> Error {
    Error::new(Code::SpoolFull, format!("encoded rows cannot be spooled: {error}")).with_source(error)
}
