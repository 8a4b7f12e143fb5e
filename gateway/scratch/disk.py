"""Files on disk: what they are to a client, how they get there, and what it means that the disk refuses."""

from __future__ import annotations

import errno
import mimetypes
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fsspec_db import FORMATS
from gateway.problems import Problem
from gateway.scratch.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITTEN: Final = 0o600
"""The mode of a file."""
_MEDIA_TYPES: Final = mimetypes.MimeTypes()
"""What names say, the same on each machine."""
for _extension, _media_type in (*FORMATS.items(), ("csv", "text/csv"), ("sql", "application/sql")):
    _MEDIA_TYPES.add_type(_media_type, f".{_extension}")


def entry_of(path: str, state: os.stat_result) -> dict[str, Any]:
    """The fsspec entry of what is kept."""
    if stat.S_ISDIR(state.st_mode):
        return collection(path, state)
    return {
        "name": path,
        "size": state.st_size,
        "type": "file",
        "kind": "scratch",
        "media_type": _MEDIA_TYPES.guess_type(path.rpartition("/")[2])[0] or "application/octet-stream",
        "mtime": int(state.st_mtime),
        "etag": f'"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}"',
    }


def collection(path: str, state: os.stat_result | None) -> dict[str, Any]:
    """The fsspec entry of a collection, which is on disk or not."""
    dated = {} if state is None else {"mtime": int(state.st_mtime)}
    return {"name": path, "size": None, "type": "directory", "kind": "scratch", **dated}


def fill(file: Path, body: bytes | str) -> None:
    """Makes a file of a body, or of another file on this disk, whose name it takes."""
    if isinstance(body, str):
        try:
            Path(body).rename(file)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(body, file)
        file.chmod(_WRITTEN)
    else:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _WRITTEN)
        with open(handle, "wb") as new:  # noqa: PTH123
            new.write(body)


def link(source: Path, target: Path) -> None:
    """Gives a file another name besides; copies it where the disk knows no such names."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(source, target)


def date_after(file: Path, old: os.stat_result) -> None:
    """Never the same date for two states: who asks with it would be told that nothing changed."""
    state = file.stat()
    if int(state.st_mtime) <= int(old.st_mtime):
        os.utime(file, (state.st_atime, int(old.st_mtime) + 1))


def delete(path: Path) -> None:
    """Removes a file, or a directory with all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def extent_of(path: Path) -> tuple[int, int]:
    """How many names, and how many bytes of them, the longest paths below a directory add to its own."""
    above = len(path.parts), len(bytes(path))
    depth = length = 0
    for top, folders, files in os.walk(path):
        longest = max((len(os.fsencode(name)) + 1 for name in (*folders, *files)), default=0)
        here = Path(top)
        depth = max(depth, len(here.parts) - above[0] + bool(longest))
        length = max(length, len(bytes(here)) - above[1] + longest)
    return depth, length


def size_of(path: Path, *, deep: bool) -> int:
    """Bytes that a copy would take."""
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode):
        return state.st_size
    return Room.measure(path) if deep else 0


@contextmanager
def told(path: str) -> Iterator[None]:
    """What the disk says, as a problem."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise gone(path) from error
    except FileExistsError as error:
        raise Problem("already-exists", f"{path} is there already.", members={"path": path}) from error
    except IsADirectoryError as error:
        raise Problem("is-a-directory", f"{path} is a collection.", members={"path": path}) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Problem(
            "scratch-full", "The disk is full." if full else "The scratch directory cannot be written."
        ) from error


def gone(path: str) -> Problem:
    """The answer to what is not there."""
    return Problem("not-found", f"There is no {path}.", members={"path": path})
