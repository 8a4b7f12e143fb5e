//! A look at the footer's schema before the crate builds it, which it does by recursion and with
//! room for as many children as are claimed: either could end the process.

use std::io::Read;

use parquet::file::reader::ChunkReader;

use super::decode::{Source, malformed};
use super::thrift::{Compact, I32, LIST, STRUCT};
use crate::error::{Code, Error, Result};
use crate::formats::body_error;

const MAX_DEPTH: usize = 64;
const MAX_FOOTER: u64 = 64 << 20;

/// Checks the footer of a body of `length` bytes, both of whose magics have been seen.
///
/// # Errors
/// `malformed-body`, `body-too-large`.
pub(super) fn check(source: &Source, length: u64) -> Result<()> {
    let end = length - 8;
    let mut tail = [0; 4];
    source.get_read(end).map_err(malformed)?.read_exact(&mut tail).map_err(body_error)?;
    let size = u64::from(u32::from_le_bytes(tail));
    let start = end.checked_sub(size).ok_or_else(|| malformed("a footer longer than the body"))?;
    if size > MAX_FOOTER {
        let detail = format!("a Parquet footer of {size} bytes; at most {MAX_FOOTER} are read");
        return Err(Error::new(Code::BodyTooLarge, detail));
    }
    let mut footer = Compact::new(source.get_read(start).map_err(malformed)?.take(size));
    let mut number = 0;
    let mut seen = false;
    while let Some((next, kind)) = footer.field(number)? {
        if (next, kind) == (2, LIST) {
            if std::mem::replace(&mut seen, true) {
                return Err(malformed("two schemas"));
            }
            schema(&mut footer)?;
        } else {
            footer.skip(kind)?;
        }
        number = next;
    }
    Ok(())
}

/// The schema is a list of elements, each followed by its children.
fn schema<R: Read>(footer: &mut Compact<R>) -> Result<()> {
    let (count, kind) = footer.list()?;
    if kind != STRUCT {
        return Err(malformed("a schema that is none"));
    }
    // How many children each open element still lacks.
    let mut open: Vec<u64> = Vec::new();
    for place in 0..count {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(missing) = open.last_mut() {
            *missing -= 1;
        }
        let (mut number, mut children) = (0, 0);
        while let Some((next, kind)) = footer.field(number)? {
            if (next, kind) == (5, I32) {
                children = u64::try_from(footer.zigzag()?)
                    .ok()
                    .filter(|children| *children < count - place)
                    .ok_or_else(|| malformed("an element with more children than there are"))?;
            } else {
                footer.skip(kind)?;
            }
            number = next;
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > MAX_DEPTH {
            return Err(malformed("a schema nested too deeply"));
        }
    }
    Ok(())
}
