//! Parquet.

mod encode;

pub(super) use encode::ParquetEncoder;
