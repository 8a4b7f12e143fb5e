"""Bytes kept aside, in bounded memory."""

from __future__ import annotations

import errno
import io
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fsspec_db.errors import SpoolFullError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SPOOL_BYTES = 8 * 2**20
"""What is kept in memory before it goes on in a temporary file."""


class Spool:
    """Bytes in memory up to `SPOOL_BYTES`, in a temporary file beyond."""

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._name: str | None = None
        self._position = 0
        self.size = 0

    def append(self, data: ReadableBuffer) -> int:
        """Adds bytes at the end.

        Raises:
            SpoolFullError: There is no room left for temporary files.
        """
        length = memoryview(data).nbytes
        try:
            if self._name is None and self.size + length > SPOOL_BYTES:
                self._roll_over()
            if self._position != self.size:
                self._file.seek(self.size)
            self._file.write(data)
        except OSError as error:
            self._position = -1
            if error.errno == errno.ENOSPC:
                raise SpoolFullError("no room left for temporary files") from error
            raise
        self.size += length
        self._position = self.size
        return length

    def read(self, position: int, length: int) -> bytes:
        """Up to `length` bytes from `position`."""
        if self._position != position:
            self._file.seek(position)
        data = self._file.read(length)
        self._position = position + len(data)
        return data

    def body(self) -> memoryview | str:
        """All of it: a view if it is in memory, else the name of its file."""
        if isinstance(self._file, io.BytesIO):
            return self._file.getbuffer()
        self._file.flush()
        return self._name or ""

    def close(self) -> None:
        """Frees memory and disk."""
        with suppress(BufferError):
            self._file.close()
        if self._name is not None:
            Path(self._name).unlink(missing_ok=True)
            self._name = None

    def _roll_over(self) -> None:
        # A name, because the bridge opens the body by it; closing is not enough to delete it then.
        file = tempfile.NamedTemporaryFile("w+b", prefix="fsspec-db-", delete=False)  # noqa: SIM115
        self._name = file.name
        memory = self._file
        self._file = file
        if isinstance(memory, io.BytesIO):
            file.write(memory.getbuffer())
        self._position = self.size
