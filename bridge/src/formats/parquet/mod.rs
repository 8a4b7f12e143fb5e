//! Parquet.

mod decode;
mod encode;
mod pages;

pub(super) use decode::open;
pub(super) use encode::ParquetEncoder;
