"""A file that becomes rows when it is closed, and not before."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fsspec_db.errors import UnsupportedError
from fsspec_db.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed import ReadableBuffer

    from fsspec_db.read_file import ReadFile

logger = logging.getLogger("fsspec_db")


class WriteFile(io.BufferedIOBase):
    """A body on its way into the database, in one transaction when the file is closed.

    Nothing is written before `close`, and nothing at all where a `with` block is left by an
    exception, where the file is closed while an exception is being handled that came after it was
    opened (call `commit` to write then), or where it is lost without having been closed.

    Args:
        commit: Writes a body, a view or the name of a file.
        path: The path, for people.
        autocommit: False leaves the decision to `commit` or `discard`, as a transaction does.
    """

    mode = "wb"

    def __init__(
        self, commit: Callable[[memoryview | str], object], path: str, *, autocommit: bool = True
    ) -> None:
        self.path = self.name = path
        self._commit = commit
        self._autocommit = autocommit
        self._spool: Spool | None = Spool(named=True)
        self._handled = sys.exception()

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._spool.size if self._spool is not None else 0

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes taken so far."""
        return self.size

    def write(self, data: ReadableBuffer, /) -> int:
        """Takes bytes; nothing reaches the database yet."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._spool is None:
            raise ValueError("the file was discarded")
        try:
            return self._spool.append(data)
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Writes the body in one transaction, once; what was discarded is not written."""
        spool, self._spool, self._handled = self._spool, None, None
        if spool is not None:
            try:
                self._commit(spool.body())
            finally:
                spool.close()
        self.close()

    def discard(self) -> None:
        """Forgets the body: nothing is written."""
        spool, self._spool, self._handled = self._spool, None, None
        if spool is not None:
            spool.close()

    def close(self) -> None:
        """Commits, unless something went wrong or a transaction decides later."""
        if self.closed:
            return
        super().close()
        if self._spool is None:
            return
        error = sys.exception()
        if error is not None and error is not self._handled:
            logger.warning("%s: closed because of %s, nothing is written", self.path, type(error).__name__)
            self.discard()
        elif self._autocommit:
            self.commit()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        self._dealloc_warn(self)

    def _dealloc_warn(self, _source: object) -> None:
        # io.TextIOWrapper says so before it closes a file that nobody closed.
        if getattr(self, "_spool", None) is not None and (self._autocommit or not self.closed):
            logger.warning("%s: lost without being closed, nothing is written", self.path)
        if hasattr(self, "_spool"):
            self.discard()


class TextFile(io.TextIOWrapper):
    """Text over a file of this library; a `with` block left by an exception writes nothing."""

    def __init__(self, buffer: ReadFile | WriteFile, **options: Any) -> None:
        super().__init__(buffer, **options)
        self._file = buffer

    def discard(self) -> None:
        """Forgets what was written."""
        if isinstance(self._file, WriteFile):
            self._file.discard()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()
            with suppress(ValueError):  # flushing into a discarded file
                self.close()


def binary_mode(mode: str) -> str:
    """`rb`, `wb`, `ab` or `xb`, of any spelling that `open` takes.

    Raises:
        UnsupportedError: The mode reads and writes, or is no mode.
    """
    letters = sorted(set(mode) - {"b", "t"})
    if len(letters) != 1 or letters[0] not in "rwax":
        raise UnsupportedError(f"mode {mode!r}: a file is either read, replaced, appended to or created")
    return letters[0] + "b"
