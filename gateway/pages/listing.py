"""A directory, rendered."""

from collections.abc import Iterator, Sequence
from typing import Any


def html(path: str, entries: Sequence[dict[str, Any]], *, title: str = "") -> Iterator[bytes]:
    """A page whose links are relative, in pieces of about 64 KiB (`text/html; charset=utf-8`).

    Args:
        path: The directory's URL path after one percent-decoding (`/`, `/main/`).
        entries: fsspec `info` dictionaries whose names are such paths.
        title: What is served, shown on the page.
    """
    raise NotImplementedError


def json(entries: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """A JSON array of the entries, in pieces of about 64 KiB (`application/json`)."""
    raise NotImplementedError
