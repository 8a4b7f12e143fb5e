//! Just enough of Thrift's compact protocol to look before the crate leaps
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>).

use std::io::Read;

use super::decode::malformed;
use crate::error::Result;
use crate::formats::body_error;

const MAX_DEPTH: u8 = 16;

pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Reads values and counts their bytes.
pub(super) struct Compact<R> {
    reader: R,
    /// Bytes read so far.
    pub(super) length: u64,
}

impl<R: Read> Compact<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, length: 0 }
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).map_err(body_error)?;
        self.length += 1;
        Ok(byte[0])
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
        Err(malformed("a number without an end"))
    }

    pub(super) fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The next field of a struct, as its number and type; `None` after the last.
    pub(super) fn field(&mut self, before: i64) -> Result<Option<(i64, u8)>> {
        let byte = self.byte()?;
        Ok(match byte >> 4 {
            _ if byte == 0 => None,
            0 => Some((self.zigzag()?, byte & 15)),
            delta => Some((before.saturating_add(i64::from(delta)), byte & 15)),
        })
    }

    /// The number and the type of a list's items.
    pub(super) fn list(&mut self) -> Result<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((count, head & 15))
    }

    /// Reads past a value.
    pub(super) fn skip(&mut self, kind: u8) -> Result<()> {
        self.value(kind, 0, false)
    }

    fn bytes(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.byte()?;
        }
        Ok(())
    }

    fn value(&mut self, kind: u8, depth: u8, in_list: bool) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(malformed("metadata nested too deeply"));
        }
        match kind {
            TRUE | FALSE if in_list => self.bytes(1),
            TRUE | FALSE => Ok(()),
            3 => self.bytes(1),
            4 | I32 | 6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(length)
            }
            LIST | 10 => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.value(kind, depth + 1, true)?;
                }
                Ok(())
            }
            STRUCT => {
                let mut number = 0;
                while let Some((next, kind)) = self.field(number)? {
                    self.value(kind, depth + 1, false)?;
                    number = next;
                }
                Ok(())
            }
            _ => Err(malformed("an unknown type in its metadata")),
        }
    }
}
