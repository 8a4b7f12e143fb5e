//! JSON, as one object a line or as one array.
//!
//! A JSON array starts with `[`, has each row on a line of its own, and ends with `]`, without
//! which it is not whole. JSON lines have no such proof; the transport has to give it.

mod decode;
mod encode;
mod object;
mod split;

pub(super) use decode::open;
pub(super) use encode::JsonEncoder;
