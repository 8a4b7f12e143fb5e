"""Files over a tree: one that reads a stream, one that writes a whole body."""

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

    from _typeshed import ReadableBuffer, WriteableBuffer

    from fsspec_db._bridge import ChunkStream

logger = logging.getLogger("fsspec_db")


class ReadFile(io.BufferedIOBase):
    """The bytes of one read, from one snapshot of the database.

    Reading on asks the database for more; what was read stays at hand (in memory up to 8 MiB, in a
    temporary file beyond), so that seeking back sees the same snapshot. Closing early stops the
    query. An error of the database is raised by the read that reaches it, and by every later one.

    Args:
        stream: Where the bytes come from.
        path: The path, for people.
        size: The size in bytes, where it is known before reading.
        seekable: False keeps nothing, for one pass through any amount.
    """

    mode = "rb"

    def __init__(
        self, stream: ChunkStream, path: str, *, size: int | None = None, seekable: bool = True
    ) -> None:
        self.path = self.name = path
        self._stream = stream
        self._spool = Spool() if seekable else None
        self._chunk = b""
        self._chunk_start = 0
        self._position = 0
        self._size = size
        self._complete = False
        self._failure: BaseException | None = None

    @property
    def size(self) -> int | None:
        """The size in bytes, or `None` as long as the end has not been seen."""
        return self._size

    def start(self) -> None:
        """Waits for the first bytes, so that what is wrong with the path is raised here."""
        if len(self._chunk) == 0 and self._position == 0:
            self._advance()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether what was read is kept."""
        return self._spool is not None

    def tell(self) -> int:
        """The position in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a byte. Only from the end does it have to read anything: all the rest."""
        self._check_open()
        if self._spool is None:
            raise io.UnsupportedOperation("opened for one pass: seek")
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._to_end()
        elif whence != io.SEEK_SET:
            raise ValueError(f"invalid whence: {whence}")
        if offset < 0:
            raise ValueError(f"negative seek position: {offset}")
        self._position = offset
        return offset

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads so many bytes, fewer only at the end; without a number, all the rest."""
        self._check_open()
        if size is None or size < 0:
            parts = list(iter(self._next_part, b""))
            return parts[0] if len(parts) == 1 else b"".join(parts)
        first = self._part(size)
        if len(first) == size or not first:
            return first
        parts, missing = [first], size - len(first)
        while missing and (part := self._part(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Reads some bytes, as many as are at hand."""
        self._check_open()
        return self._next_part() if size < 0 else self._part(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills a buffer, all of it but at the end."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        done = 0
        while done < view.nbytes and (part := self._part(view.nbytes - done)):
            view[done : done + len(part)] = part
            done += len(part)
        return done

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Fills a buffer with what is at hand."""
        view = memoryview(buffer).cast("B")
        data = self.read1(view.nbytes)
        view[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Reads up to and with the next newline."""
        self._check_open()
        limit = sys.maxsize if size is None or size < 0 else size
        parts: list[bytes] = []
        while limit > 0 and (part := self._part(min(limit, 2**13))):
            newline = part.find(b"\n") + 1
            if newline:
                self._position -= len(part) - newline
                parts.append(part[:newline])
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Stops the query if it still runs, and forgets what was kept."""
        if not self.closed:
            try:
                self._stream.close()
            finally:
                self._chunk = b""
                if self._spool is not None:
                    self._spool.close()
                super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _next_part(self) -> bytes:
        return self._part(sys.maxsize)

    def _part(self, limit: int) -> bytes:
        """Some bytes at the position, at most `limit`; none only at the end."""
        data = self._at_hand(limit)
        while not data and limit > 0 and self._advance():
            data = self._at_hand(limit)
        self._position += len(data)
        return data

    def _at_hand(self, limit: int) -> bytes:
        offset = self._position - self._chunk_start
        if 0 <= offset < len(self._chunk):
            return self._chunk[offset : offset + limit]  # the whole of it is not copied
        if self._spool is not None and self._position < self._spool.size:
            return self._spool.read(self._position, min(limit, self._spool.size - self._position))
        return b""

    def _advance(self) -> bool:
        """Takes the next chunk of the stream; false at its proven end."""
        if self._failure is not None:
            raise self._failure
        if self._complete:
            return False
        end = self._chunk_start + len(self._chunk)
        try:
            chunk = self._stream.next()
            if chunk is not None and self._spool is not None:
                self._spool.append(chunk)
        except BaseException as error:
            self._failure = error
            raise
        self._chunk_start = end
        self._chunk = chunk or b""
        if chunk is None:
            self._complete, self._size = True, end
        return chunk is not None

    def _to_end(self) -> int:
        while self._advance():
            pass
        return self._chunk_start


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
        self._spool: Spool | None = Spool()
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
