"""Where COPY and MOVE lead (RFC 4918, sections 9.8 and 9.9): `Destination`, `Overwrite` and `Depth`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.problems import Problem

if TYPE_CHECKING:
    from gateway.dav.message import Request
    from gateway.tree import Tree

_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Destination:
    """What the head of a COPY or MOVE says."""

    path: str
    """The URL path after one percent-decoding."""
    overwrite: bool
    deep: bool
    """Whether the members of a collection go with it."""


def destination(request: Request, tree: Tree) -> Destination:
    """Reads the headers.

    Raises:
        Problem: `bad-destination` for another server, `invalid-path`, `invalid-request` for the rest.
    """
    headers = request.headers
    overwrite = headers.get(b"overwrite", b"T").strip().upper()
    if overwrite not in (b"T", b"F"):
        raise Problem("invalid-request", "Overwrite is T or F.")
    return Destination(_path(request, tree), overwrite == b"T", deep(request))


def deep(request: Request) -> bool:
    """Whether the `Depth` of a COPY, MOVE or DELETE is `infinity`, which is also what none means.

    Raises:
        Problem: `invalid-request`.
    """
    depth = request.headers.get(b"depth", b"infinity").strip().lower()
    if depth != b"infinity" and (depth != b"0" or request.method != "COPY"):
        raise Problem(
            "invalid-request", f"A Depth of {depth.decode('latin-1')!r} is none of {request.method}."
        )
    return depth == b"infinity"


def _path(request: Request, tree: Tree) -> str:
    value = request.headers.get(b"destination")
    if not value:
        raise Problem("invalid-request", f"{request.method} needs the header Destination.")
    try:
        parts = urlsplit(value.decode("utf-8").strip())
        authority = _authority(parts.scheme, parts.netloc)
    except ValueError:
        raise Problem("invalid-request", "Destination is no URL.") from None
    if not parts.path.startswith("/") or "#" in value.decode("latin-1") or parts.query:
        raise Problem("invalid-request", "Destination has a path from the root, no query and no fragment.")
    host = request.headers.get(b"host", b"").decode("latin-1")
    # A proxy may have ended TLS: the scheme is not compared.
    if parts.netloc and (parts.scheme not in _PORTS or authority != _authority(parts.scheme, host)):
        raise Problem("bad-destination", f"{parts.netloc} is not {host}, which was asked.")
    scope = request.exchange.scope
    path = tree.path_of({**scope, "raw_path": parts.path.encode(), "path": parts.path})
    if path == "/-" or path.startswith("/-/"):
        raise Problem("not-copied", "Service addresses are only read.")
    return path


def _authority(scheme: str, netloc: str) -> str:
    return netloc.lower().removesuffix(_PORTS.get(scheme, ""))
