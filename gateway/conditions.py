"""Conditions of a request, RFC 9110 section 13: on entity tags and on dates.

The header `If` of WebDAV is `gateway.dav.conditions`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from gateway.http_date import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Outcome = Literal["proceed", "not-modified", "failed"]
"""Do what is asked, answer 304, answer 412."""

_TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"'
_ENTITY_TAG: Final = re.compile(_TAG)
# Possessive, so that what is malformed is noticed in linear time. No tags at all are a list, too.
_ENTITY_TAGS: Final = re.compile(rb"(?:" + _TAG + rb")?+[ \t]*+(?:,[ \t]*+(?:" + _TAG + rb")?+[ \t]*+)*+")

_READING: Final = frozenset({"GET", "HEAD"})


def evaluate(
    method: str,
    headers: Mapping[bytes, bytes],
    tags: Collection[str] | str | None,
    modified: int | None,
    exists: bool,  # noqa: FBT001  (a state, as the others)
) -> Outcome:
    """What the conditions of a request say, in the order of section 13.2.2.

    To be asked only where the request would succeed without them (section 13.2.1). `If-Range` is not
    among them: it never fails.

    A list of tags that is malformed does what is safe: `If-Match` does not hold, `If-None-Match` does
    not hold for a write, and for a read it is ignored, so that the answer is the whole. A malformed
    date is ignored, as is each date beside its header of tags, even one that is ignored.

    Args:
        method: The request's method.
        headers: Its headers, with names in lower case, repeated ones joined by `, `.
        tags: The entity tags that the resource has now: one for a read, for a write one of each
            representation, none where they are not known, which no tag fits.
        modified: When it changed, in whole seconds since the epoch, `None` if that is not known.
        exists: Whether there is such a resource.
    """
    reads = method in _READING
    current = _encoded(tags)
    changed = modified if exists else None

    match = _value(headers, b"if-match")
    if match is not None:
        if not exists or not _holds(match, frozenset(tag for tag in current if _is_strong(tag))):
            return "failed"
    elif changed is not None:
        since = _date(headers, b"if-unmodified-since")
        if since is not None and changed > since:
            return "failed"

    none_match = _value(headers, b"if-none-match")
    if none_match is not None:
        fits = exists and _holds(none_match, current, weakly=True)
        if fits or (fits is None and not reads):
            return "not-modified" if reads else "failed"
    elif reads and changed is not None:
        since = _date(headers, b"if-modified-since")
        if since is not None and changed <= since:
            return "not-modified"
    return "proceed"


def if_range(
    headers: Mapping[bytes, bytes],
    tag: str | None,
    modified: int | None = None,
    *,
    strong_date: bool = False,
) -> bool:
    """Whether `If-Range` lets the header `Range` be heeded; true without such a header (section 13.1.5).

    Args:
        headers: The request's headers, as for `evaluate`.
        tag: The entity tag of the representation whose ranges would be sent. A weak one never fits.
        modified: When it changed, in whole seconds since the epoch.
        strong_date: Whether it is known that the representation had no other state within that second,
            in the answers of all gateways (section 8.8.2.2). That it is over is not enough: a client
            may have got a first part before a second change in the same second, and would join to it
            what comes after. A date that is not strong never fits, and the client gets the whole;
            whoever has the tag, which comes with every such date, may not send the date.
    """
    value = _value(headers, b"if-range")
    if value is None:
        return True
    if _ENTITY_TAG.fullmatch(value):
        return tag is not None and _is_strong(value) and value == tag.encode("latin-1")
    return strong_date and modified is not None and parse_http_date(value) == modified


def _holds(value: bytes, current: frozenset[bytes], *, weakly: bool = False) -> bool | None:
    """Whether a header of tags fits one of the current ones, or is `*`; `None` if it is malformed."""
    if value == b"*":
        return True
    if not _ENTITY_TAGS.fullmatch(value):
        return None
    if weakly:
        current = frozenset(tag.removeprefix(b"W/") for tag in current)
        return any(tag.removeprefix(b"W/") in current for tag in _ENTITY_TAG.findall(value))
    return any(tag in current for tag in _ENTITY_TAG.findall(value))


def _is_strong(tag: bytes) -> bool:
    return not tag.startswith(b"W/")


def _encoded(tags: Collection[str] | str | None) -> frozenset[bytes]:
    if tags is None:
        return frozenset()
    return frozenset(tag.encode("latin-1") for tag in ((tags,) if isinstance(tags, str) else tags))


def _date(headers: Mapping[bytes, bytes], name: bytes) -> int | None:
    value = _value(headers, name)
    return None if value is None else parse_http_date(value)


def _value(headers: Mapping[bytes, bytes], name: bytes) -> bytes | None:
    """A header without the blanks around it, which are no part of its value."""
    value = headers.get(name)
    return None if value is None else value.strip(b" \t")
