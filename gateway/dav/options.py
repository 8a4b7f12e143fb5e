"""What each kind of resource can do, at each access level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.dav.message import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

_READING: Final = ("OPTIONS", "GET", "HEAD", "PROPFIND")
_LOCKING: Final = ("PROPPATCH", "LOCK", "UNLOCK")


_CHANGING: Final[Mapping[str, tuple[str, ...]]] = {
    "data": ("PUT", "POST", "COPY"),
    "relation": ("DELETE", "MKCOL", "COPY", "MOVE"),
    "schema": ("DELETE", "MKCOL", "MOVE"),
    "scratch": ("PUT", "DELETE", "MKCOL", "COPY", "MOVE"),
}
_MANAGING: Final = frozenset({"relation", "schema"})
"""Kinds that are made, renamed and dropped, with access `manage`."""


def allowed(kind: str, access: str) -> tuple[str, ...]:
    """The methods of a resource, as `Allow` lists them.

    Args:
        kind: What the path is, as far as no database is asked.
        access: `read`, `write` or `manage`.
    """
    if access == "read":
        return _READING
    changing = () if kind in _MANAGING and access != "manage" else _CHANGING.get(kind, ())
    return (*_READING, *changing, *_LOCKING)


def allow(kind: str, access: str) -> str:
    """The value of the header `Allow`."""
    return ", ".join(allowed(kind, access))


def options(kind: str, access: str) -> Answer:
    """The answer to OPTIONS.

    A gateway that only reads is of class 1. Clients then mount it read-only, as Finder does, or
    leave locks alone, as davfs2 does, instead of failing at the first write.
    """
    level = b"1" if access == "read" else b"1, 2"
    headers = [
        (b"dav", level),
        (b"allow", allow(kind, access).encode()),
        (b"accept-ranges", b"bytes"),  # webdav4 asks here, where a GET that streams does not say so
        (b"ms-author-via", b"DAV"),
    ]
    return Answer(200, headers)
