//! Pages whose codec unpacks to whatever is in them, not to the size that their header claims.

use std::io::Read;

use parquet::basic::Compression;

use super::decode::malformed;
use crate::error::{Code, Error, Result};

/// Starts an LZ4 frame.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const BUFFER: usize = 64 << 10;

/// True if [`check`] has to look at a column's pages; the other codecs keep to the size.
pub(super) const fn is_open_ended(codec: Compression) -> bool {
    matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4)
}

/// Unpacks a page piece by piece, keeping nothing, and compares with what is claimed.
pub(super) fn check(codec: Compression, mut page: impl Read, claimed: u64) -> Result<()> {
    match codec {
        Compression::GZIP(_) => exceeds(flate2::read::MultiGzDecoder::new(page), claimed),
        Compression::BROTLI(_) => exceeds(brotli::Decompressor::new(page, BUFFER), claimed),
        Compression::LZ4 => {
            let mut start = [0; 4];
            match page.read_exact(&mut start) {
                Ok(()) if start == LZ4_FRAME => {
                    Err(Error::new(Code::Unsupported, "Parquet with LZ4 frames; LZ4_RAW is read"))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn exceeds(mut unpacked: impl Read, claimed: u64) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut total = 0_u64;
    loop {
        match unpacked.read(&mut buffer).map_err(malformed)? {
            0 => return Ok(()),
            read => total += read as u64,
        }
        if total > claimed {
            return Err(malformed("a page that unpacks to more than its header says"));
        }
    }
}
