//! A walk over the headers of a column's pages, before any page is unpacked.
//!
//! The crate believes the size that a header claims for the unpacked page, up to 2 GiB.

use std::io::{BufReader, Read};

use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::decode::{At, Source, malformed};
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

/// What one page may unpack to. Writers aim at one MiB; a page holds at least one value.
const MAX_PAGE: i64 = 1 << 27;
/// A short page may unpack to less: some MiB, or this many times its size.
const MIN_PAGE: i64 = 1 << 24;
const MAX_RATIO: i64 = 1_024;
/// Structs inside a page header are two deep.
const MAX_DEPTH: u8 = 8;

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
        let mut header = Header::new(source, position)?;
        header.structure(0)?;
        let (unpacked, packed) = (header.unpacked, header.packed);
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

/// A page header in Thrift's compact protocol
/// (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).
struct Header {
    reader: BufReader<At>,
    length: u64,
    unpacked: i64,
    packed: i64,
}

impl Header {
    fn new(source: &Source, position: u64) -> Result<Self> {
        let reader = source.get_read(position).map_err(malformed)?;
        Ok(Self { reader, length: 0, unpacked: -1, packed: -1 })
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).map_err(body_error)?;
        self.length += 1;
        Ok(byte[0])
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.byte()?;
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number in a page header without end"))
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads a struct; of the outermost one keeps the fields 2 and 3, the page's sizes.
    fn structure(&mut self, depth: u8) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(malformed("a page header nested too deeply"));
        }
        let mut field = 0_i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            field = match byte >> 4 {
                0 => self.zigzag()?,
                delta => field + i64::from(delta),
            };
            match (depth, field, byte & 15) {
                (0, 2, 5) => self.unpacked = self.zigzag()?,
                (0, 3, 5) => self.packed = self.zigzag()?,
                (_, _, kind) => self.value(kind, depth, false)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: u8, in_list: bool) -> Result<()> {
        match kind {
            1 | 2 if in_list => self.skip(1),
            1 | 2 => Ok(()),
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                if depth > MAX_DEPTH {
                    return Err(malformed("a page header nested too deeply"));
                }
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    self.value(head & 15, depth + 1, true)?;
                }
                Ok(())
            }
            12 => self.structure(depth + 1),
            _ => Err(malformed("an unknown type in a page header")),
        }
    }
}
