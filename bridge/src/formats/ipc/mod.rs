//! Arrow IPC: encapsulated messages, as a stream or as a file with a footer.

mod decode;
mod encode;
mod message;
mod unify;
mod window;

pub(super) use decode::open;
pub(super) use encode::{FileEncoder, StreamEncoder};

/// Starts and ends an Arrow file.
pub(super) const MAGIC: [u8; 6] = *b"ARROW1";
/// Before the length of every message's metadata.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The end of the stream: a message without metadata.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// Every buffer starts at a multiple of this in the body, and every body in the file.
const ALIGNMENT: usize = 64;
