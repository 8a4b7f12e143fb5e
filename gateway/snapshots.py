"""Whole representations, encoded once, for all who need a length, a range or a tag."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.chunks import Chunks
from gateway.coding import encoder
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from fsspec_db import ChunkStream
    from gateway.coding import Encoder
    from gateway.pool import Pool
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory
    from gateway.validators import Dates, Reading

_IN_MEMORY: Final = 16 << 10
"""A representation up to this size needs no file."""
_MOST: Final = 4096
"""Snapshots at a time."""
_REMEMBERED: Final = 10_000
"""Readings that are known to be too large, and relations that were written."""
_LARGE_FOR: Final = 60.0
"""Seconds that a reading without a version counts as too large."""
_OPEN: Final = 64
"""Files that stay open for whoever comes next: to open one costs as much as to send 4 KiB of it."""


class GivenUp(Exception):  # noqa: N818
    """A representation is larger than is kept, or there is no room for it."""


class Snapshot:
    """The bytes of one representation, as far as they are there. Belongs to one event loop.

    Within a `with` block somebody waits for it or reads it: it is made and kept.
    """

    def __init__(
        self, reading: Reading, version: str | None, opened: dict[Snapshot, None] | None = None
    ) -> None:
        self.reading = reading
        self.version = version
        self.tag = ""
        self.modified: int | None = None
        self.size = 0
        """Bytes that are there; all, once it is whole."""
        self.whole = False
        self.begun = time.monotonic()
        self.leased = 0.0
        """Until when, on the monotonic clock, somebody may come back for a range."""
        self.used = 0.0
        self.users = 0
        self.reserved = 0
        """Bytes that it takes of the store."""
        self.lost = False
        """Whether its bytes are gone."""
        self.maker: asyncio.Task[None] | None = None
        self._data = b""
        self._file: str | None = None
        self._number: int | None = None
        """Of the open file."""
        self._opened = {} if opened is None else opened
        """All whose files are open, the first that was opened first."""
        self._failure: Exception | None = None
        self._turns: list[asyncio.Future[None]] = []

    def __enter__(self) -> Self:
        self.users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.users -= 1
        self.used = time.monotonic()
        if not self.users:
            if self.lost:
                self.close()
            if not self.whole and self.maker is not None:
                self.lost = True  # whoever comes now begins another
                self.maker.cancel()

    @property
    def idle(self) -> bool:
        """Whether nobody reads it, nor may come back for more of it."""
        return not self.users and self.leased < time.monotonic()

    async def complete(self) -> None:
        """Waits until all of it is there.

        Raises:
            GivenUp: It is too large, or there is no room.
            Problem: What the database said.
        """
        while not self.whole:
            await self._moved()

    async def beyond(self, position: int) -> int:
        """Waits until there are more bytes than so many, or all; how many are there.

        Raises:
            GivenUp, Problem: As `complete`.
        """
        while self.size <= position and not self.whole:
            await self._moved()
        return self.size

    async def _moved(self) -> None:
        if self._failure is not None:
            raise self._failure
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        await turn
        if self._failure is not None:
            raise self._failure

    def tell(self, failure: Exception | None = None) -> None:
        """Wakes all who wait."""
        self._failure = failure
        turns, self._turns = self._turns, []
        for turn in turns:
            if not turn.done():
                turn.set_result(None)

    def keep(self, data: bytes) -> None:
        """Keeps a short one in memory."""
        self._data, self.size = data, len(data)

    def content(self) -> bytes | int:
        """Its bytes, or the number of an open file that has them, for as long as it is held.

        Raises:
            FileNotFoundError: They are gone.
        """
        if self._file is None:
            return self._data
        if self._number is None:
            try:
                self._number = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self.lost = True
                raise
            self._opened[self] = None
            unread = next((other for other in self._opened if not other.users), None)
            if len(self._opened) > _OPEN and unread is not None:
                unread.close()
        return self._number

    def close(self) -> None:
        """Closes its file, which nobody reads."""
        if self._number is not None:
            os.close(self._number)
            self._number = None
            del self._opened[self]

    def create(self, name: str) -> int:
        """The number of the file that is to have its bytes."""
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = name
        return file

    def remove(self) -> None:
        """Forgets its bytes; those who read them now may go on."""
        self.lost = True
        self._data = b""
        if not self.users:
            self.close()
        if self._file is not None:
            # Freeing a large file takes as long as answering many requests.
            asyncio.get_running_loop().run_in_executor(None, _unlink, self._file)


class SnapshotStore:
    """All snapshots of a gateway, bounded by bytes and age. Belongs to one event loop."""

    def __init__(self, spools: SpoolDirectory, dates: Dates, settings: Settings) -> None:
        self._spools = spools
        self._dates = dates
        self._settings = settings
        self._all: OrderedDict[Snapshot, None] = OrderedDict()
        """The least recently used first."""
        self._newest: dict[Reading, Snapshot] = {}
        self._large: OrderedDict[tuple[Reading, str | None], float] = OrderedDict()
        self._written: OrderedDict[str, float] = OrderedDict()
        self._opened: dict[Snapshot, None] = {}
        self._bytes = 0
        self._names = 0
        self._sweep: asyncio.TimerHandle | None = None

    def has(self, reading: Reading) -> bool:
        """Whether there is a snapshot of any version."""
        return reading in self._newest

    def find(self, reading: Reading, version: str | None) -> Snapshot | None:
        """The snapshot of this version, whole or in the making; none of an unknown version."""
        found = self._newest.get(reading)
        if found is None or version is None or found.version != version or found.lost:
            return None
        self._all.move_to_end(found)
        return found

    def recent(self, reading: Reading, since: float) -> Snapshot | None:
        """The last snapshot, if it was begun after a time on the monotonic clock and the last write here."""
        found = self._newest.get(reading)
        since = max(since, self.written_at(reading))
        return found if found is not None and found.begun > since and not found.lost else None

    def written_at(self, reading: Reading) -> float:
        """When its relation was last written through this gateway, on the monotonic clock."""
        return self._written.get(reading.relation, 0.0)

    def written(self, relation: str) -> None:
        """Somebody has written a relation through this gateway."""
        self._written[relation] = time.monotonic()
        self._written.move_to_end(relation)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)

    def make(
        self, reading: Reading, version: str | None, pool: Pool, start: Callable[[], ChunkStream]
    ) -> Snapshot:
        """Begins a snapshot. It ends when nobody holds it any longer.

        Args:
            reading: Of what.
            version: Of which state, as far as that is known.
            pool: Where a place is taken for as long as it is read.
            start: Starts to read.

        Raises:
            GivenUp: It is known to be larger than what is kept.
        """
        since = self._large.get((reading, version))
        if since is not None and (version is not None or time.monotonic() - since < _LARGE_FOR):
            raise GivenUp
        self._free(lambda: len(self._all) < _MOST)
        snapshot, older = Snapshot(reading, version, self._opened), self._newest.get(reading)
        self._all[snapshot] = None
        self._newest[reading] = snapshot
        snapshot.maker = asyncio.get_running_loop().create_task(self._make(snapshot, pool, start))
        snapshot.maker.add_done_callback(lambda _: self._settle(snapshot, older))
        return snapshot

    async def _make(self, snapshot: Snapshot, pool: Pool, start: Callable[[], ChunkStream]) -> None:
        try:
            await pool.data.take()
            try:
                with Chunks(start(), None) as chunks:
                    await self._fill(snapshot, chunks)
            finally:
                pool.data.give()
        except GivenUp as reason:
            snapshot.tell(reason)
            return
        except Problem as problem:
            if problem.code == "database-unavailable":
                pool.failed()
            snapshot.tell(problem)
            return
        except Exception as error:  # noqa: BLE001  (whoever waits has to hear of it)
            snapshot.tell(error)
            return
        pool.used()
        snapshot.whole = True
        snapshot.tell()

    async def _fill(self, snapshot: Snapshot, chunks: Chunks) -> None:
        coding = snapshot.reading.chosen.coding
        encode = encoder(coding) if coding else None
        chunk = await chunks.next()
        snapshot.version = chunks.stream.version
        content = blake2b(digest_size=16)
        if snapshot.version is not None:
            snapshot.tag = snapshot.reading.tag(snapshot.version)
            snapshot.modified = self._dates.modified(snapshot.reading, snapshot.version, snapshot.tag)
        hashed = content if snapshot.version is None else None
        file: int | None = None
        try:
            while True:
                last = chunks.stream.complete
                piece = chunk if encode is None else await _thread(_coded, encode, chunk, last)
                self._reserve(snapshot, len(piece))
                if file is None and last and len(piece) <= _IN_MEMORY:
                    content.update(piece)
                    snapshot.keep(bytes(piece))
                else:
                    if file is None:
                        file = snapshot.create(self._name())
                    await _thread(_write, file, piece, hashed)
                    snapshot.size += len(piece)
                if last:
                    break
                snapshot.tell()
                chunk = await chunks.next()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise Problem("spool-full", "The spool directory cannot be written.") from error
            raise GivenUp from error
        finally:
            if file is not None:
                os.close(file)
        if snapshot.version is None:
            snapshot.tag = f'"{content.hexdigest()}"'
            snapshot.modified = self._dates.modified(snapshot.reading, None, snapshot.tag)

    def _name(self) -> str:
        self._names += 1
        return f"{self._spools.path()}/snapshot-{self._names}"

    def _reserve(self, snapshot: Snapshot, more: int) -> None:
        if snapshot.size + more > self._settings.snapshot_max_bytes:
            self._large[snapshot.reading, snapshot.version] = time.monotonic()
            if len(self._large) > _REMEMBERED:
                self._large.popitem(last=False)
            raise GivenUp
        self._free(lambda: self._bytes + more <= self._settings.snapshot_total_bytes)
        self._bytes += more
        snapshot.reserved += more

    def _free(self, enough: Callable[[], bool]) -> None:
        """Drops what nobody needs, the least recently used first, until there is enough room."""
        while not enough():
            unneeded = next((old for old in self._all if old.whole and old.idle), None)
            if unneeded is None:
                raise GivenUp
            self._drop(unneeded)

    def _settle(self, snapshot: Snapshot, older: Snapshot | None) -> None:
        """After its maker has ended, however that was."""
        snapshot.maker = None
        if not snapshot.whole:
            self._drop(snapshot)
            return
        if older is not None and older.whole and older.idle:
            self._drop(older)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._interval, self._sweep_old)

    @property
    def _interval(self) -> float:
        return max(1.0, self._settings.snapshot_age / 10)

    def _sweep_old(self) -> None:
        oldest = time.monotonic() - self._settings.snapshot_age
        for snapshot in [old for old in self._all if old.whole and old.idle and old.used < oldest]:
            self._drop(snapshot)
        later = asyncio.get_running_loop().call_later
        self._sweep = later(self._interval, self._sweep_old) if self._all else None

    def _drop(self, snapshot: Snapshot) -> None:
        if snapshot not in self._all:
            return
        del self._all[snapshot]
        self._bytes -= snapshot.reserved
        snapshot.remove()
        if self._newest.get(snapshot.reading) is snapshot:
            del self._newest[snapshot.reading]

    def close(self) -> None:
        """Stops what is in the making. The files go with their directory."""
        if self._sweep is not None:
            self._sweep.cancel()
        for snapshot in self._all:
            if snapshot.maker is not None:
                snapshot.maker.cancel()
        for snapshot in [*self._opened]:
            snapshot.close()


def _unlink(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)  # noqa: PTH108


def _coded(encode: Encoder, piece: bytes | memoryview, last: bool) -> bytes:  # noqa: FBT001
    return encode.encode(piece) + (encode.finish() if last else b"")


def _write(file: int, piece: bytes | memoryview, content: blake2b | None) -> None:
    if content is not None:
        content.update(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]


async def _thread(work: Callable[..., Any], *args: object) -> Any:
    """The outcome of work in a thread, which even who is cancelled waits for: it uses a file of ours."""
    future = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise
