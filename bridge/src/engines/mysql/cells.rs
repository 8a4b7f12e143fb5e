//! Pieces of a packet: little-endian numbers, and lengths that say their own width.

use super::fault::unexpected;
use crate::error::Result;

/// The first `N` bytes as a number; zero where they are missing.
#[inline]
#[must_use]
pub fn number<const N: usize>(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<N>() {
        Some(chunk) => {
            let mut wide = [0; 8];
            wide[..N].copy_from_slice(chunk);
            u64::from_le_bytes(wide)
        }
        None => 0,
    }
}

/// A value that a length stands before, and what follows it. `None` where it is cut short.
#[inline]
#[must_use]
pub fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = match first {
        0..=0xfa => (u64::from(*first), rest),
        0xfc => (number::<2>(rest), rest.get(2..)?),
        0xfd => (number::<3>(rest), rest.get(3..)?),
        0xfe => (number::<8>(rest), rest.get(8..)?),
        _ => return None,
    };
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Takes pieces off a packet, one after another.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// # Errors
    /// `database-unavailable` for a packet cut short, as of all the others.
    pub fn number<const N: usize>(&mut self) -> Result<u64> {
        Ok(number::<N>(self.bytes(N)?))
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A number that says its own width.
    pub fn length(&mut self) -> Result<u64> {
        match self.number::<1>()? {
            0xfc => self.number::<2>(),
            0xfd => self.number::<3>(),
            0xfe => self.number::<8>(),
            small @ 0..=0xfa => Ok(small),
            _ => Err(cut()),
        }
    }

    pub fn sized(&mut self) -> Result<&'a [u8]> {
        let (bytes, rest) = sized(self.0).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.sized()?).into_owned())
    }

    /// What stands before the next zero byte.
    pub fn zero_ended(&mut self) -> Result<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
        let bytes = self.bytes(end)?;
        self.0 = &self.0[1..];
        Ok(bytes)
    }
}

fn cut() -> crate::error::Error {
    unexpected("a packet cut short")
}

/// Appends a length, in as few bytes as say it.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    let bytes = (length as u64).to_le_bytes();
    match length {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a length and what it is of.
pub fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_width_come_back() {
        for length in [0, 250, 251, 252, 65_535, 65_536, 0xff_ffff, 0x100_0000, 1 << 40] {
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(Reader(&out).length().unwrap(), length as u64);
        }
        let mut out = Vec::new();
        put_sized(&mut out, &[7; 300]);
        out.push(1);
        assert_eq!(sized(&out), Some((&[7; 300][..], &[1][..])));
    }

    #[test]
    fn what_is_cut_short_is_no_value() {
        for bytes in [&[][..], &[3, 1], &[0xfc, 1], &[0xfd, 0, 0], &[0xfe, 0xff], &[0xfb], &[0xff]] {
            assert_eq!(sized(bytes), None);
        }
        assert_eq!(sized(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
