"""Which names are scratch, and what they are called on disk."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = "/.scratch"
"""A collection of nothing but scratch files, at the root of the tree."""

_JUNK: Final = re.compile(
    r"\..*|~\$.*|.*\.(?:tmp|part|partial|crdownload)|desktop\.ini|thumbs\.db", re.IGNORECASE | re.DOTALL
)
# What some file system minds, and what has a meaning below.
_ODD: Final = re.compile(r'[%/\\:*?"<>|\x00-\x1f\x7f]|^[.=]|[. ]$')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST: Final = 240
"""Bytes of a name on disk."""
_LONGEST_PATH: Final = 2048
"""Bytes of a path on disk, within the folder of its owner: half of what systems know."""
_DEEPEST: Final = 64
"""Segments of a path."""


class TooLong(Problem):
    """A name, or a path, that no file can have."""

    def __init__(self, detail: str) -> None:
        super().__init__("invalid-path", detail)


def certain(path: str) -> bool:
    """Whether a path is scratch whatever the catalogue has: no name in the grammar begins with a dot."""
    return "/." in path


def junk(path: str) -> bool:
    """Whether a name that the catalogue does not have is scratch, as a collection too."""
    return any(map(_JUNK.fullmatch, path.split("/")))


def segments(path: str) -> list[str]:
    """The names in a path.

    Raises:
        Problem: `invalid-path`.
    """
    inner = path.removeprefix("/").removesuffix("/")
    found = inner.split("/") if inner else []
    for segment in found:
        if segment in ("", ".", "..") or _CONTROL.search(segment):
            raise Problem("invalid-path", f"{segment!r} is no name of a file.", members={"path": path})
    if len(found) > _DEEPEST:
        raise Problem("invalid-path", f"More than {_DEEPEST} names.")
    return found


def on_disk(path: str) -> PurePosixPath:
    """Where a scratch file or collection is kept, relative to the folder of its owner.

    Directories of the tree begin with `=` there, so that they are never in the way of files: a file
    `/main/users` may have been there before the relation, which has scratch files of its own.

    Raises:
        Problem: `invalid-path`; `TooLong`.
    """
    names = segments(path)
    first = next((at for at, name in enumerate(names) if _JUNK.fullmatch(name)), len(names) - 1)
    found = PurePosixPath(*map(_directory, names[:first]), *map(kept, names[max(first, 0) :]))
    must_fit(len(found.parts), len(bytes(found)))
    return found


def inside(path: str) -> PurePosixPath:
    """Where the members of a directory are kept, be it of the tree or a scratch collection.

    Raises:
        Problem: `invalid-path`; `TooLong`.
    """
    if junk(path):
        return on_disk(path)
    found = PurePosixPath(*map(_directory, segments(path)))
    must_fit(len(found.parts), len(bytes(found)))
    return found


def must_fit(depth: int, length: int) -> None:
    """Refuses a path of so many names, and bytes on disk, that some call could not take it.

    Raises:
        TooLong: No file has such a path.
    """
    if depth > _DEEPEST or length > _LONGEST_PATH:
        raise TooLong(f"A path has at most {_DEEPEST} names, and {_LONGEST_PATH} bytes.")


def name_of(name: str) -> str | None:
    """The name of what is kept under a name on disk; `None` for a directory of the tree."""
    return None if name.startswith("=") else unquote(name, errors="strict")


def path_of(parts: Iterable[str]) -> str:
    """The path of what is kept; not of what is in a directory of the tree with a very long name."""
    return "/" + "/".join(unquote(part.removeprefix("="), errors="strict") for part in parts)


def kept(segment: str) -> str:
    """What a name is on disk.

    Raises:
        TooLong: No file has such a name.
    """
    name = _ODD.sub(lambda match: f"%{ord(match[0]):02X}", segment)
    if len(name.encode()) > _LONGEST:
        raise TooLong(f"A name has at most {_LONGEST} bytes.")
    return name


def _directory(segment: str) -> str:
    """A directory of the tree may be called anything: what is too long is told apart by a hash."""
    try:
        return "=" + kept(segment)
    except TooLong:
        return "==" + blake2b(segment.encode(), digest_size=16).hexdigest()
