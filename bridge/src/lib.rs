//! The bridge: paths, shaping, formats and native engines of `fsspec-db-gateway`.
//!
//! A module imports only from the floors below its own, as `docs/architecture.md` lists them.
#![deny(unsafe_code)]

pub mod body;
mod buffers;
pub mod calendar;
pub mod database;
pub mod dialect;
pub mod engines;
pub mod error;
pub mod fit;
pub mod formats;
pub mod fs;
pub mod metadata;
pub mod path;
#[cfg(feature = "python")]
mod python;
pub mod shape;
pub mod stream;
pub mod url;
pub mod value;
pub mod widen;
