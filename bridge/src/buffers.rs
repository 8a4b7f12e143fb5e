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
    if KEPT.contains(&room) {
        let mut idle = idle();
        if let Some(at) = idle.iter().position(|buffer| buffer.capacity() >= room) {
            return idle.swap_remove(at);
        }
    }
    Vec::with_capacity(room)
}

/// Keeps a buffer whose bytes nobody needs any more.
pub fn given_back(mut buffer: Vec<u8>) {
    if KEPT.contains(&buffer.capacity()) {
        buffer.clear();
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
}
