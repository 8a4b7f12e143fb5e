"""Bytes kept aside, in bounded memory."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fsspec_db.errors import SpoolFullError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

SPOOL_BYTES = 8 * 2**20
"""What is kept in memory before it goes on in a temporary file."""


class Spool:
    """Bytes in memory up to `SPOOL_BYTES`, in a temporary file beyond.

    One thread adds to it; once nothing more is added, any number may read. What nobody refers to any more
    is freed.

    Args:
        named: Whether the file has a name, for `body`. One without goes with this process, however it ends.
    """

    def __init__(self, *, named: bool = False) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._named = named
        self._name: str | None = None
        self._written = True
        self.size = 0

    def append(self, data: ReadableBuffer) -> int:
        """Adds bytes at the end; returns how many.

        Raises:
            SpoolFullError: There is no room left for temporary files.
        """
        length = memoryview(data).nbytes
        with _room():
            if isinstance(self._file, io.BytesIO) and self.size + length > SPOOL_BYTES:
                self._roll_over(self._file)
            self._file.write(data)
        self._written = False
        self.size += length
        return length

    def read(self, position: int, length: int) -> bytes:
        """Up to `length` bytes from `position`; fewer, but some, also before the end.

        Raises:
            SpoolFullError: There was no room left for what was added last.
        """
        if isinstance(self._file, io.BytesIO):
            with self._file.getbuffer() as view:
                return bytes(view[position : position + length])
        self._flush()
        return os.pread(self._file.fileno(), length, position)

    def body(self) -> memoryview | str:
        """All of it, where the file has a name: a view if it is in memory, else that name.

        Raises:
            SpoolFullError: As `read`.
        """
        if isinstance(self._file, io.BytesIO):
            return self._file.getbuffer()
        self._flush()
        return self._name or ""

    def close(self) -> None:
        """Frees memory and disk."""
        with suppress(BufferError, OSError):  # a view is still used; what could not be written
            self._file.close()
        if self._name is not None:
            Path(self._name).unlink(missing_ok=True)
            self._name = None

    def __del__(self) -> None:
        self.close()

    def _flush(self) -> None:
        if not self._written:
            with _room():
                self._file.flush()
            self._written = True

    def _roll_over(self, memory: io.BytesIO) -> None:
        if self._named:  # the bridge opens the body by it: closing is not enough to delete it then
            named = tempfile.NamedTemporaryFile("w+b", prefix="fsspec-db-", delete=False)  # noqa: SIM115
            self._name, self._file = named.name, named
        else:
            self._file = tempfile.TemporaryFile("w+b", prefix="fsspec-db-")  # noqa: SIM115
        self._file.write(memory.getbuffer())


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SpoolFullError("no room left for temporary files") from error
        raise
