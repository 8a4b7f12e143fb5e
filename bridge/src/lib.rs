//! The bridge: paths, shaping, formats and native engines of `fsspec-db-gateway`.
//!
//! Floors, bottom up; a module imports only from the floors below it:
//! [`calendar`], [`error`], [`metadata`], [`value`], [`path`], [`widen`], [`fit`] → [`dialect`], [`shape`], [`formats`] →
//! [`database`] (the trait) → [`engines`] (opened by [`url`]) → [`stream`], [`fs`] → `python` (the
//! bindings, and the way back to databases written in Python).
#![deny(unsafe_code)]

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
