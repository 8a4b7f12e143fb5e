//! A walk over the headers of a column's pages, before any page is unpacked.
//!
//! The crate believes the size that a header claims for the unpacked page, up to 2 GiB.

use std::io::Read;

use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::decode::{Source, malformed};
use super::thrift::{Compact, I32};
use crate::error::{Code, Error, Result};

/// What one page may unpack to. Writers aim at one MiB; a page holds at least one value.
const MAX_PAGE: i64 = 1 << 27;
/// A short page may unpack to less: some MiB, or this many times its size.
const MIN_PAGE: i64 = 1 << 24;
const MAX_RATIO: i64 = 1_024;

/// The bytes that the column takes in the body.
///
/// # Errors
/// `malformed-body` for pages outside the body, `body-too-large` for pages beyond [`MAX_PAGE`].
pub(super) fn check(source: &Source, column: &ColumnChunkMetaData) -> Result<u64> {
    let place = |value: i64| u64::try_from(value).map_err(|_| malformed("a negative offset"));
    let start = match column.dictionary_page_offset() {
        Some(dictionary) if dictionary > 0 => dictionary.min(column.data_page_offset()),
        _ => column.data_page_offset(),
    };
    let mut position = place(start)?;
    let length = place(column.compressed_size())?;
    let end = position
        .checked_add(length)
        .filter(|end| *end <= source.len())
        .ok_or_else(|| malformed("a column outside the body"))?;
    while position < end {
        let mut header = Compact::new(source.get_read(position).map_err(malformed)?);
        let (unpacked, packed) = sizes(&mut header)?;
        let limit = packed.max(0).saturating_mul(MAX_RATIO).clamp(MIN_PAGE, MAX_PAGE);
        if unpacked > limit {
            let detail = format!("a Parquet page of {unpacked} bytes where {limit} are read");
            return Err(Error::new(Code::BodyTooLarge, detail));
        }
        position = position
            .checked_add(header.length)
            .and_then(|after| after.checked_add(place(packed).ok()?))
            .filter(|after| *after <= end && unpacked >= 0)
            .ok_or_else(|| malformed("a page outside its column"))?;
    }
    Ok(length)
}

/// The sizes that a page header claims, unpacked and packed.
fn sizes<R: Read>(header: &mut Compact<R>) -> Result<(i64, i64)> {
    let (mut unpacked, mut packed) = (-1, -1);
    let mut number = 0;
    while let Some((next, kind)) = header.field(number)? {
        match (next, kind) {
            (2, I32) => unpacked = header.zigzag()?,
            (3, I32) => packed = header.zigzag()?,
            (_, kind) => header.skip(kind)?,
        }
        number = next;
    }
    Ok((unpacked, packed))
}
