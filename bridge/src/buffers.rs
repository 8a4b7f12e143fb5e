//! Long buffers between two uses: fresh memory costs a fault for each of its pages.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers that are kept, at most.
const MOST: usize = 6;
/// Bytes of a buffer that is kept: for a shorter one it does not pay, a longer one is rare.
const KEPT: std::ops::RangeInclusive<usize> = 256 << 10..=4 << 20;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Vec<u8>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty buffer with room for so many bytes.
#[must_use]
pub fn taken(room: usize) -> Vec<u8> {
    let mut buffer = used(room);
    buffer.clear();
    buffer
}

/// A buffer with room for so many bytes, and with what was in it.
fn used(room: usize) -> Vec<u8> {
    if KEPT.contains(&room) {
        let mut idle = idle();
        if let Some(at) = idle.iter().position(|buffer| buffer.capacity() >= room) {
            return idle.swap_remove(at);
        }
    }
    Vec::with_capacity(room)
}

/// So many bytes to be overwritten, if that is a length that is kept: zeros, or what was in them before.
#[must_use]
pub fn to_fill(size: usize) -> Option<Reused> {
    KEPT.contains(&size).then(|| {
        let mut buffer = used(size);
        buffer.resize(size, 0);
        Reused(buffer)
    })
}

/// Bytes that give their buffer back.
pub struct Reused(Vec<u8>);

impl Reused {
    pub fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Reused {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Reused {
    fn drop(&mut self) {
        given_back(std::mem::take(&mut self.0));
    }
}

/// Keeps a buffer whose bytes nobody needs any more.
pub fn given_back(buffer: Vec<u8>) {
    if KEPT.contains(&buffer.capacity()) {
        let mut idle = idle();
        if idle.len() < MOST {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_was_given_back_is_empty_and_has_room() {
        for room in [1, 300 << 10, 5 << 20] {
            let mut buffer = taken(room);
            buffer.push(1);
            given_back(buffer);
            let again = taken(room);
            assert!(again.is_empty() && again.capacity() >= room);
        }
    }

    #[test]
    fn bytes_to_fill_are_as_many_as_asked_for() {
        for size in [300 << 10, 400 << 10, 350 << 10] {
            assert_eq!(to_fill(size).unwrap().as_ref().len(), size);
        }
        assert!(to_fill(1).is_none() && to_fill(usize::MAX).is_none());
    }
}
