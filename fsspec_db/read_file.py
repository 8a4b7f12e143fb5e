"""A file that reads a stream, and can go back in it; or what was kept of one."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from fsspec_db.snapshots import Snapshot
from fsspec_db.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from fsspec_db._bridge import ChunkStream


class ReadFile(io.BufferedIOBase):
    """The bytes of one read, from one snapshot of the database.

    Reading on asks the database for more; what was read stays at hand (in memory up to 8 MiB, in a
    temporary file beyond), so that seeking back sees the same snapshot. Closing early stops the
    query. An error of the database is raised by the read that reaches it, and by every later one.

    Args:
        source: Where the bytes come from: a stream, or a snapshot that was kept.
        path: The path, for people.
        seekable: False keeps nothing, for one pass through any amount.
        keep: Is given the snapshot once the end of a stream has been seen, if its data version is known.
    """

    mode = "rb"
    blocksize = 2**20
    """About what is read at a time, as fsspec's files say it."""

    def __init__(
        self,
        source: ChunkStream | Snapshot,
        path: str,
        *,
        seekable: bool = True,
        keep: Callable[[Snapshot], object] | None = None,
    ) -> None:
        self.path = self.name = path
        self._keep = keep
        self._chunk = b""
        self._chunk_start = 0
        self._position = 0
        self._failure: BaseException | None = None
        self._stream: ChunkStream | None = None
        self._spool: Spool | None = None
        self._size: int | None = None
        self._snapshot: Snapshot | None = None
        if isinstance(source, Snapshot):
            self._spool, self._size = source.spool, source.size
            self._read_from(source)
        else:
            self._stream = source
            self._spool = Spool() if seekable else None

    @property
    def size(self) -> int | None:
        """The size in bytes, or `None` as long as the end has not been seen."""
        return self._size

    @property
    def version(self) -> str | None:
        """The data version of the rows, known from the first bytes on; `None` where there is none."""
        source = self._snapshot or self._stream
        return source.version if source is not None else None

    @property
    def closed(self) -> bool:
        """Whether it was closed. It can be set, to no effect, since fsspec's block cache does."""
        return super().closed

    @closed.setter
    def closed(self, closed: bool) -> None:
        pass

    def start(self) -> None:
        """Waits for the first bytes, so that what is wrong with the path is raised here."""
        if len(self._chunk) == 0 and self._position == 0:
            self._advance()

    def _fetch_range(self, start: int, end: int) -> bytes:
        # What fsspec's block cache takes from a file.
        self.seek(start)
        return self.read(end - start)

    def read_on(self, limit: int) -> None:
        """Goes on to the end for what is to be kept, for so many bytes at most; with 0, if it has come."""
        if self._keep is None or self.version is None:
            return
        while (self._chunk_start < limit or self._has_all) and self._advance():
            pass
        if limit and self._size is None and self.version is not None:
            self._keep(Snapshot(self.version, None, None))

    @property
    def _has_all(self) -> bool:
        return self._stream is not None and self._stream.complete

    def count(self, limit: int) -> int:
        """Goes on to the end, and keeps at most so many bytes; the size."""
        while self._advance():
            if self._spool is not None and (self._spool.size > limit or self.version is None):
                self._spool = None
        return self._to_end()

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
                if self._stream is not None:
                    self._stream.close()
            finally:
                self._chunk, self._spool = b"", None
                if self._snapshot is not None:
                    self._snapshot.readers.discard(self)
                    self._snapshot = None
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
        if self._stream is None or self._size is not None:
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
            self._size = end
            if self._keep is not None and self.version is not None:
                snapshot = Snapshot(self.version, end, self._spool)
                self._read_from(snapshot)
                self._keep(snapshot)
        return chunk is not None

    def _read_from(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        snapshot.readers.add(self)

    def _to_end(self) -> int:
        while self._advance():
            pass
        return self._size or 0
