//! Parquet.

mod decode;
mod encode;
mod footer;
mod inflate;
mod intervals;
mod pages;
mod thrift;

pub(super) use decode::open;
pub(super) use encode::ParquetEncoder;
