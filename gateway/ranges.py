"""Byte ranges of a representation, RFC 9110 section 14: what is asked for, and how several are sent."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

Range = tuple[int, int]
"""The first byte, and the one after the last."""

MAX_RANGES: Final = 32
"""Ranges of one answer. Who asks for more gets the whole."""

_BEYOND: Final = 10**19
"""A position after the end of every file."""

_ONE: Final = re.compile(rb"bytes=([0-9]{1,18})-([0-9]{1,18})")
"""What nearly all requests have."""
_SPEC: Final = re.compile(rb"([0-9]*+)-([0-9]*+)")


def parse(header: bytes, size: int) -> list[Range] | None:
    """The ranges that a `Range` header asks for, in its order; those outside the representation are left out.

    `None`: the header is ignored and the answer is the whole, because the unit is not `bytes`, the
    header is malformed, it asks for more than `MAX_RANGES` ranges or for more bytes than there are
    (which is how ranges are abused, and costs more than the whole), or for the end of a
    representation of no bytes, which has no ranges to send.

    Args:
        header: The header's value.
        size: Bytes of the representation.

    Raises:
        Problem: `range-not-satisfiable`, with the size in `Content-Range`.
    """
    one = _ONE.fullmatch(header)
    if one is not None:
        start, stop = int(one[1]), min(int(one[2]) + 1, size)
        if start < stop:
            return [(start, stop)]
    unit, _, specs = header.partition(b"=")
    if unit.lower() != b"bytes":
        return None
    found: list[Range] = []
    some = ends = False
    for spec in filter(None, (spec.strip(b" \t") for spec in specs.split(b","))):
        some = True
        match = _SPEC.fullmatch(spec)
        if match is None or spec == b"-" or (all(match.groups()) and _reversed(*match.groups())):
            return None
        first, last = map(_number, match.groups())
        if first is not None:
            start, stop = first, size if last is None else min(last + 1, size)
        else:
            start, stop = size - min(last or 0, size), size
            ends = ends or bool(last)
        if start < stop:
            found.append((start, stop))
            if len(found) > MAX_RANGES:
                return None
    if not some or (ends and not size) or sum(stop - start for start, stop in found) > size:
        return None
    if not found:
        raise Problem(
            "range-not-satisfiable",
            f"There are {size} bytes, and none of them is in a range of the header Range.",
            {"content-range": f"bytes */{size}"},
        )
    return found


def content_range(asked: Range, size: int) -> bytes:
    """The `Content-Range` of a range."""
    start, stop = asked
    return b"bytes %d-%d/%d" % (start, stop - 1, size)


@dataclass(frozen=True, slots=True)
class Multipart:
    """A body of several ranges: each after its head, then `end`."""

    content_type: bytes
    length: int
    """Bytes of the whole body."""
    parts: tuple[tuple[bytes, Range], ...]
    end: bytes


def multipart(ranges: Sequence[Range], size: int, media_type: str) -> Multipart:
    """The body of type `multipart/byteranges` of ranges of a representation (RFC 9110 section 14.6).

    Its boundary is new each time, so that whoever writes rows cannot put it into them.
    """
    boundary = secrets.token_hex(16).encode()
    heads = (
        b"\r\n--%b\r\ncontent-type: %b\r\ncontent-range: %b\r\n\r\n"
        % (boundary, media_type.encode(), content_range(asked, size))
        for asked in ranges
    )
    parts = tuple(zip(heads, ranges, strict=True))
    end = b"\r\n--%b--\r\n" % boundary
    return Multipart(
        b"multipart/byteranges; boundary=" + boundary,
        sum(len(head) + stop - start for head, (start, stop) in parts) + len(end),
        parts,
        end,
    )


def _number(digits: bytes) -> int | None:
    """A position of any number of digits: `int` takes quadratic time for many, and then refuses."""
    if not digits:
        return None
    significant = digits.lstrip(b"0") or b"0"
    return int(significant) if len(significant) < 20 else _BEYOND


def _reversed(first: bytes, last: bytes) -> bool:
    """Whether the last position is before the first, however many digits they have."""
    first, last = first.lstrip(b"0"), last.lstrip(b"0")
    return (len(last), last) < (len(first), first)
