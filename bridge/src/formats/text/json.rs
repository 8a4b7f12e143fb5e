//! Values as JSON.

use super::{Cell, Column};

/// Appends one value of a column.
pub(in crate::formats) fn push_json(column: &Column<'_>, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    let cell = column.cell();
    if let Some(text) = cell.text(row) {
        push_json_string(text, out);
        return;
    }
    if cell.is_json_literal(row) {
        cell.push_plain(row, out);
        return;
    }
    if let Some((column, row)) = cell.target(row) {
        push_json(column, row, out);
        return;
    }
    match cell {
        Cell::List(spans, items) => {
            push_joined(b'[', spans[row], b']', out, |place, out| push_json(items, place, out));
        }
        Cell::Map(spans, keys, values) => push_joined(b'[', spans[row], b']', out, |place, out| {
            out.extend_from_slice(b"{\"key\":");
            push_json(keys, place, out);
            out.extend_from_slice(b",\"value\":");
            push_json(values, place, out);
            out.push(b'}');
        }),
        Cell::Struct(members) => push_joined(b'{', (0, members.len()), b'}', out, |place, out| {
            let (name, member) = &members[place];
            out.extend_from_slice(name);
            push_json(member, row, out);
        }),
        scalar => {
            out.push(b'"');
            if !scalar.push_plain(row, out) {
                scalar.push_base64(row, out);
            }
            out.push(b'"');
        }
    }
}

fn push_joined(
    open: u8,
    (first, last): (usize, usize),
    close: u8,
    out: &mut Vec<u8>,
    mut push: impl FnMut(usize, &mut Vec<u8>),
) {
    out.push(open);
    for place in first..last {
        if place > first {
            out.push(b',');
        }
        push(place, out);
    }
    out.push(close);
}

const fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends a string with its quotes.
pub(in crate::formats) fn push_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Looks at all bytes, which the compiler does many at a time; most texts have none to escape.
    let any = rest.iter().fold(false, |any, byte| any | is_escaped(*byte));
    while let Some(at) = if any { rest.iter().position(|byte| is_escaped(*byte)) } else { None } {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
