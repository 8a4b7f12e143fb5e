//! Identifiers as path segments: any string, and back.
//!
//! An escape is `%` and two upper-case hex digits, one for each UTF-8 byte. The empty identifier is
//! a segment of `%` alone: no escape is that short, so nothing else is spelled like it.

use crate::error::{Code, Error, Result};
use crate::formats::Format;

/// The spelling of the empty identifier.
const EMPTY: &str = "%";

/// The one canonical segment of an identifier, never empty, `.` or `..`.
///
/// `at_root` also escapes `-`, which the gateway keeps for itself there.
#[must_use]
pub fn encode_name(name: &str, at_root: bool) -> String {
    escape(name, |at, c| reserved(c) || place(name, at, c) || (at_root && name == "-"))
}

/// The identifier of a canonical segment.
///
/// # Errors
/// [`Code::InvalidPath`] for anything that [`encode_name`] does not return.
pub fn decode_name(segment: &str) -> Result<String> {
    let name = check_place(segment).and_then(|()| unescape(segment)).map_err(|why| invalid(segment, why))?;
    if encode_name(&name, false) == segment || encode_name(&name, true) == segment {
        Ok(name)
    } else {
        let why = format!("`{segment}` is not the canonical spelling `{}`", encode_name(&name, false));
        Err(invalid(segment, why))
    }
}

/// Half of `{schema}.{relation}`: an encoded name without any dot of its own.
pub(super) fn encode_half(name: &str) -> String {
    escape(name, |at, c| c == '.' || reserved(c) || place(name, at, c))
}

/// Decodes any spelling of a segment, canonical or not.
pub(super) fn unescape(segment: &str) -> Result<String, String> {
    if segment == EMPTY {
        return Ok(String::new());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err(format!("`{segment}` has a `%` without two upper-case hex digits after it")),
            },
            b'\\' => return Err(format!("`{segment}` has a backslash; in a name it is `%5C`")),
            b'/' => return Err(format!("`{segment}` has a slash; in a name it is `%2F`")),
            0..0x20 | 0x7f => return Err(format!("a control character, which in a name is `%{byte:02X}`")),
            _ => bytes.push(byte),
        }
    }
    if bytes.is_empty() {
        return Err("a name without characters is `%`".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| format!("the escapes of `{segment}` are not UTF-8"))
}

/// Refuses the segments that are no names wherever they stand.
pub(super) fn check_place(segment: &str) -> Result<(), String> {
    match segment {
        "" => Err("two slashes with nothing between them; the identifier of no characters is `%`".to_owned()),
        "." | ".." => {
            Err(format!("`{segment}` leads nowhere; a name like it is `{}`", encode_name(segment, false)))
        }
        _ if segment.starts_with('.') => Err(format!(
            "`{segment}` starts with a dot, so it belongs to a file that is not in the database; \
             a name like it starts with `%2E`"
        )),
        _ => Ok(()),
    }
}

/// Whether a file with this extension shows the rows or the DDL of a relation.
pub(super) fn known_extension(extension: &str) -> bool {
    extension == super::DDL || Format::from_extension(extension).is_some()
}

pub(super) fn invalid(path: &str, why: impl Into<String>) -> Error {
    Error::new(Code::InvalidPath, why).with_path(path)
}

fn escape(name: &str, escaped: impl Fn(usize, char) -> bool) -> String {
    if name.is_empty() {
        return EMPTY.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for (at, c) in name.char_indices() {
        if escaped(at, c) {
            // Only ASCII is ever escaped.
            push_escape(&mut out, c as u8);
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters with a meaning in URLs, globs, shells or on Windows, wherever they stand.
fn reserved(c: char) -> bool {
    matches!(c, '%' | '/' | '\\' | '?' | '#' | '*' | ':' | '"' | '<' | '>' | '|' | '\0'..='\x1f' | '\x7f')
}

/// Characters with a meaning only where they stand.
fn place(name: &str, at: usize, c: char) -> bool {
    let first = at == 0;
    let last = at + c.len_utf8() == name.len();
    match c {
        '.' => first || last || known_extension(&name[at + 1..]),
        ' ' => last,
        _ => first && is_device(name),
    }
}

/// Names that Windows opens as devices.
fn is_device(name: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    const PORTS: [&str; 2] = ["com", "lpt"];
    match name.as_bytes() {
        [_, _, _] => DEVICES.iter().any(|device| name.eq_ignore_ascii_case(device)),
        [port @ .., b'1'..=b'9'] => PORTS.iter().any(|p| port.eq_ignore_ascii_case(p.as_bytes())),
        _ => false,
    }
}

fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(DIGITS[usize::from(byte >> 4)] as char);
    out.push(DIGITS[usize::from(byte & 15)] as char);
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
