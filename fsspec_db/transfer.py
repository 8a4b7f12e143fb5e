"""Bytes from a tree to the local disk, through bounded memory."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

    from fsspec_db._bridge import ChunkStream
    from fsspec_db.read_file import ReadFile


def download(stream: ChunkStream, target: str | os.PathLike[str] | IO[bytes], callback: Callback) -> None:
    """Writes a stream to a file object, or to a local path once all of it has arrived."""
    if not isinstance(target, (str, os.PathLike)):
        _copy(stream, target, callback)
        return
    path = Path(target)
    if path.exists() and not path.is_file():  # a device or a pipe
        with path.open("wb") as device:
            _copy(stream, device, callback)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            _copy(stream, file, callback)
        if path.exists():
            part.chmod(path.stat().st_mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def slice_of(file: ReadFile, start: int | None, end: int | None) -> bytes:
    """`content[start:end]`, read as far as needed."""
    if (start is not None and start < 0) or (end is not None and end < 0):
        start, end, _ = slice(start, end).indices(file.seek(0, os.SEEK_END))
    file.seek(start or 0)
    return file.read() if end is None else file.read(max(0, end - (start or 0)))


def _copy(stream: ChunkStream, target: Any, callback: Callback) -> None:
    done = 0
    while (chunk := stream.next()) is not None:
        target.write(chunk)
        done += len(chunk)
        callback.relative_update(len(chunk))
    callback.set_size(done)
