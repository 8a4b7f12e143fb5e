//! Tells an event loop that a stream can go on, without a producer ever taking Python's lock.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

/// What rang and was not answered yet; the button is pressed when the first comes.
struct Bell {
    rang: Mutex<Vec<Py<PyAny>>>,
    button: UnixStream,
}

impl Bell {
    fn rang(&self) -> MutexGuard<'_, Vec<Py<PyAny>>> {
        self.rang.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event loop's bell: readable as long as something rang and was not answered.
#[pyclass(module = "fsspec_db._bridge", name = "Doorbell", frozen)]
pub struct PyDoorbell {
    bell: Arc<Bell>,
    door: UnixStream,
}

#[pymethods]
impl PyDoorbell {
    #[new]
    fn new() -> io::Result<Self> {
        let (button, door) = UnixStream::pair()?;
        button.set_nonblocking(true)?;
        door.set_nonblocking(true)?;
        Ok(Self { bell: Arc::new(Bell { rang: Mutex::default(), button }), door })
    }

    fn fileno(&self) -> i32 {
        self.door.as_raw_fd()
    }

    fn answer(&self) -> Vec<Py<PyAny>> {
        let mut rang = self.bell.rang();
        // One byte is in there if and only if somebody rang; both are looked at under one lock.
        let _ = (&self.door).read(&mut [0]);
        std::mem::take(&mut *rang)
    }
}

impl PyDoorbell {
    /// What rings for `wake`, from any thread.
    pub fn ringer(&self, wake: Py<PyAny>) -> impl FnOnce() + Send + 'static {
        let bell = Arc::clone(&self.bell);
        move || {
            let mut rang = bell.rang();
            if rang.is_empty() {
                // A door that is gone has nobody behind it.
                let _ = (&bell.button).write(&[0]);
            }
            rang.push(wake);
        }
    }
}
