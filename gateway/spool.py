"""Where bodies wait until they are whole: memory first, then a file that no crash leaves behind."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_PREFIX: Final = "fsspec-db-spool-"
_PIECE: Final = 1 << 20
_VECTOR: Final = 512
"""Pieces that are written at once."""


class SpoolDirectory:
    """A directory of this process, made on first use; those of processes that died are removed.

    A process holds a lock on its directory for as long as it lives, however it ends.
    """

    def __init__(self, parent: str = "") -> None:
        self._parent = Path(parent or tempfile.gettempdir())
        self._path: Path | None = None
        self._lock: int | None = None

    def path(self) -> Path:
        """The directory.

        Raises:
            OSError: It cannot be made.
        """
        while self._path is None:
            made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # another process swept it before it was locked
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if made.stat().st_ino == os.fstat(handle).st_ino:
                    self._path, self._lock = made, handle
                    break
            os.close(handle)
        return self._path

    def sweep(self) -> None:
        """Removes what processes that were killed left here."""
        for stale in self._parent.glob(_PREFIX + "*"):
            with suppress(OSError):
                handle = os.open(stale, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(stale, ignore_errors=True)
                finally:
                    os.close(handle)

    def close(self) -> None:
        """Removes the directory."""
        if self._path is not None and self._lock is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            os.close(self._lock)
            self._path = self._lock = None


class Spool:
    """One body. Up to `memory` bytes stay in memory; the rest is written off the event loop.

    Args:
        directory: Where the file goes, if there will be one.
        memory: Bytes before a file is used.
        limit: Bytes of the whole body.
        expected: Bytes that it is said to have, if that is known.
        hashes: `hashlib` objects to be fed.
    """

    def __init__(
        self,
        directory: SpoolDirectory,
        memory: int,
        limit: int,
        expected: int | None = None,
        hashes: Iterable[Any] = (),
    ) -> None:
        self.size = 0
        self.filed = 0
        """Bytes of the body that are in the file."""
        self._directory = directory
        # What will not stay in memory goes to the file at once, where it can be read while it arrives.
        self._memory = 0 if expected is not None and expected > memory else memory
        self._limit = limit
        self._hashes = list(hashes)
        self._pieces: list[bytes] = []
        self._held = 0
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.clear()
        if self._file is not None:
            with suppress(OSError):
                os.unlink(self._file.name)  # noqa: PTH108
            # Freeing what a long file holds takes as long as answering many requests.
            asyncio.get_running_loop().run_in_executor(None, self._file.close)

    @property
    def name(self) -> str | None:
        """The name of the file, if there is one."""
        return str(self._file.name) if self._file is not None else None

    async def write(self, piece: bytes) -> None:
        """Takes the next piece.

        Raises:
            Problem: `body-too-large` or `spool-full`.
        """
        if self._take(piece):
            await asyncio.to_thread(self._flush)

    def write_blocking(self, piece: bytes) -> None:
        """As `write`, in a thread of its own."""
        if self._take(piece):
            self._flush()

    def _take(self, piece: bytes) -> bool:
        self.size += len(piece)
        if self.size > self._limit:
            raise Problem("body-too-large", f"The body has more than {self._limit} bytes.")
        self._pieces.append(piece)
        self._held += len(piece)
        return self._held >= _PIECE and (self._file is not None or self._held > self._memory)

    def _flush(self) -> None:
        pieces = self._pieces if len(self._pieces) <= _VECTOR else [b"".join(self._pieces)]
        for one in self._hashes:
            for piece in pieces:
                one.update(piece)
        try:
            if self._file is None:
                self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115
                    dir=self._directory.path(), buffering=0, delete=False
                )
            written = os.writev(self._file.fileno(), pieces)
            if written < self._held:  # the disk is nearly full
                view = memoryview(b"".join(pieces))[written:]
                while view:
                    view = view[self._file.write(view) :]
        except OSError as error:
            raise _full(error) from error
        self.filed += self._held
        self._pieces.clear()
        self._held = 0

    def body(self) -> bytes | str:
        """The whole body, or the name of the file that has it, to be called in a thread."""
        if self._file is None:
            data = b"".join(self._pieces)
            for one in self._hashes:
                one.update(data)
            return data
        if self._pieces:
            self._flush()
        return str(self._file.name)


def _full(error: OSError) -> Problem:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem("spool-full", "There is no room left to receive the body.")
    return Problem("spool-full", "The spool directory cannot be written.")
