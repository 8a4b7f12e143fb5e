//! A walk over the headers of a column's pages, before any page is unpacked.
//!
//! The crate believes the size that a header claims for the unpacked page, up to 2 GiB.

use std::io::Read;

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::decode::{Source, malformed};
use super::inflate;
use super::thrift::{Compact, FALSE, I32, STRUCT, TRUE};
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
        let page = Page::read(&mut header)?;
        let (unpacked, packed) = (page.unpacked, page.packed);
        let data = position.saturating_add(header.length);
        position = data
            .checked_add(place(packed)?)
            .filter(|after| *after <= end && unpacked >= 0)
            .ok_or_else(|| malformed("a page outside its column"))?;
        let limit = packed.saturating_mul(MAX_RATIO).clamp(MIN_PAGE, MAX_PAGE);
        if unpacked > limit {
            let detail = format!("a Parquet page of {unpacked} bytes where {limit} are read");
            return Err(Error::new(Code::BodyTooLarge, detail));
        }
        page.inflate(column.compression(), source, data)?;
    }
    Ok(length)
}

/// What a page header claims.
struct Page {
    unpacked: i64,
    packed: i64,
    /// Bytes at the start that are not packed, and whether the rest is; in pages of version 2.
    levels: i64,
    compressed: bool,
}

impl Page {
    fn read<R: Read>(header: &mut Compact<R>) -> Result<Self> {
        let mut page = Self { unpacked: -1, packed: -1, levels: 0, compressed: true };
        let mut number = 0;
        while let Some((next, kind)) = header.field(number)? {
            match (next, kind) {
                (2, I32) => page.unpacked = header.zigzag()?,
                (3, I32) => page.packed = header.zigzag()?,
                (8, STRUCT) => page.version_2(header)?,
                (_, kind) => header.skip(kind)?,
            }
            number = next;
        }
        Ok(page)
    }

    fn version_2<R: Read>(&mut self, header: &mut Compact<R>) -> Result<()> {
        let mut number = 0;
        while let Some((next, kind)) = header.field(number)? {
            match (next, kind) {
                (5 | 6, I32) => self.levels = self.levels.saturating_add(header.zigzag()?),
                (7, TRUE | FALSE) => self.compressed = kind == TRUE,
                (_, kind) => header.skip(kind)?,
            }
            number = next;
        }
        Ok(())
    }

    /// Looks into a page that may be more than it claims.
    fn inflate(&self, codec: Compression, source: &Source, position: u64) -> Result<()> {
        if !self.compressed || !inflate::is_open_ended(codec) {
            return Ok(());
        }
        let levels = u64::try_from(self.levels).map_err(|_| malformed("a negative length"))?;
        let left = |length: i64| {
            length
                .unsigned_abs()
                .checked_sub(levels)
                .ok_or_else(|| malformed("a page without room for its levels"))
        };
        let packed = left(self.packed)?;
        let unpacked = left(self.unpacked)?;
        if packed == 0 {
            return Ok(());
        }
        let reader = source.get_read(position + levels).map_err(malformed)?;
        inflate::check(codec, reader.take(packed), unpacked)
    }
}
