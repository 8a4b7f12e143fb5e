//! Rows and their descriptions, as the server sends them.

use super::fault::unexpected;
use super::wire::word;
use crate::error::Result;

/// One column of a result, as the server describes it.
#[derive(Clone, Debug)]
pub struct Described {
    pub name: String,
    pub oid: u32,
    pub typmod: i32,
}

/// The columns of a `RowDescription`.
///
/// # Errors
/// `database-unavailable` for one cut short.
pub fn described(body: &[u8]) -> Result<Vec<Described>> {
    let bad = || unexpected("a description cut short");
    let mut columns = Vec::new();
    let mut rest = body.get(2..).ok_or_else(bad)?;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0).ok_or_else(bad)?;
        let tail = rest.get(end + 1..end + 19).ok_or_else(bad)?;
        columns.push(Described {
            name: String::from_utf8_lossy(&rest[..end]).into_owned(),
            oid: word(tail, 6),
            typmod: word(tail, 12).cast_signed(),
        });
        rest = &rest[end + 19..];
    }
    Ok(columns)
}

/// The cells of a row: of a `DataRow`, or of a tuple of a binary `COPY`, which look alike.
pub struct Cells<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Cells<'a> {
    #[inline]
    #[must_use]
    pub fn new(row: &'a [u8]) -> Self {
        match row {
            [high, low, rest @ ..] => Self { rest, left: usize::from(u16::from_be_bytes([*high, *low])) },
            _ => Self { rest: &[], left: 0 },
        }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Option<&'a [u8]>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            self.left = 0;
            return Some(Err(unexpected("a row cut short")));
        };
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Some(Ok(None));
        };
        let Some((cell, rest)) = rest.split_at_checked(length) else {
            self.left = 0;
            return Some(Err(unexpected("a row cut short")));
        };
        self.rest = rest;
        Some(Ok(Some(cell)))
    }
}
