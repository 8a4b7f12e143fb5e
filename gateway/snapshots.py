"""Whole representations, encoded once, for all who need a length, a range or a tag."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from gateway.chunks import Chunks
from gateway.coding import encoder
from gateway.problems import Problem
from gateway.snapshot import GivenUp, Maker, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsspec_db import ChunkStream
    from gateway.coding import Encoder
    from gateway.pool import Pool
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory
    from gateway.validators import Dates, Reading

    Start = Callable[[list[tuple[Reading, str | None]]], list[ChunkStream]]
    """Starts to read, and to write what is read to files of these names as well: a stream for each."""

_IN_MEMORY: Final = 16 << 10
"""A representation up to this size needs no file."""
_MOST: Final = 4096
"""Snapshots at a time."""
_REMEMBERED: Final = 10_000
"""Readings that are known to be too large, and relations that were written."""
_LARGE_FOR: Final = 60.0
"""Seconds that a reading without a version counts as too large."""


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
        self._spare: tuple[str, int] | None = None
        """A file that is no longer read, and its bytes: to write over it costs a third of writing another."""
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

    def tagged(self, tag: str, place: str) -> Snapshot | None:
        """The snapshot of a file that has an entity tag, if it is there, whole, whatever its version."""
        fitting = (one for one in self._all if one.tag == tag and one.reading.place == place)
        return next((one for one in fitting if one.whole and not one.lost), None)

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
        self, reading: Reading, version: str | None, pool: Pool, start: Callable[[str | None], ChunkStream]
    ) -> Snapshot:
        """Begins a snapshot. It ends when nobody holds it any longer.

        Args:
            reading: Of what.
            version: Of which state, as far as that is known.
            pool: Where a place is taken for as long as it is read.
            start: Starts to read, and to write what is read to the file that it is given.

        Raises:
            GivenUp: It is known to be larger than what is kept.
        """
        [snapshot] = self.make_all([reading], version, pool, lambda wanted: [start(wanted[0][1])])
        return snapshot

    def make_all(
        self, readings: Sequence[Reading], version: str | None, pool: Pool, start: Start
    ) -> list[Snapshot]:
        """Begins snapshots of one state, all of one read. It ends when nobody holds any of them.

        Those that are known to be larger than what is kept are left out.

        Raises:
            GivenUp: There are no others.
        """
        kept = [reading for reading in readings if not self._is_large(reading, version)]
        if not kept:
            raise GivenUp
        self._free(lambda: len(self._all) + len(kept) <= _MOST)
        snapshots = [Snapshot(reading, version, self._opened) for reading in kept]
        older = [self._newest.get(reading) for reading in kept]
        maker = asyncio.get_running_loop().create_task(self._make(snapshots, pool, start))
        for snapshot in snapshots:
            self._all[snapshot] = None
            self._newest[snapshot.reading] = snapshot
            snapshot.maker = Maker(maker, snapshots)
        maker.add_done_callback(lambda _: [*map(self._settle, snapshots, older)])
        return snapshots

    def _is_large(self, reading: Reading, version: str | None) -> bool:
        since = self._large.get((reading, version))
        return since is not None and (version is not None or time.monotonic() - since < _LARGE_FOR)

    async def _make(self, snapshots: list[Snapshot], pool: Pool, start: Start) -> None:
        try:
            await pool.data.take()
            try:
                await self._read(snapshots, start)
            finally:
                pool.data.give()
        except Exception as error:  # noqa: BLE001  (whoever waits has to hear of it)
            if isinstance(error, Problem) and error.code == "database-unavailable":
                pool.failed()
            for snapshot in snapshots:
                if not snapshot.whole:
                    snapshot.tell(error)
        else:
            pool.used()

    async def _read(self, snapshots: list[Snapshot], start: Start) -> None:
        with ExitStack() as files:
            created = [self._create(snapshot, files) for snapshot in snapshots]
            wanted = zip(snapshots, created, strict=True)
            streams = start([(one.reading, file.name if file.theirs else None) for one, file in wanted])
            filling = [self._fill(*each) for each in zip(snapshots, created, streams, strict=True)]
            if len(filling) == 1:
                await filling[0]
                return
            for failure in await asyncio.gather(*filling, return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _fill(self, snapshot: Snapshot, file: _File, stream: ChunkStream) -> None:
        """Keeps what a stream gives; what there is no room for is given up, and no other with it."""
        try:
            await self._take(snapshot, file, stream)
        except GivenUp as reason:
            snapshot.tell(reason)
        except OSError:
            snapshot.tell(GivenUp())
        except Problem as problem:
            if problem.code != "spool-full":
                raise
            snapshot.tell(GivenUp())
        else:
            snapshot.whole = True
            snapshot.tell()

    async def _take(self, snapshot: Snapshot, file: _File, stream: ChunkStream) -> None:
        encode = encoder(snapshot.reading.chosen.coding) if snapshot.reading.chosen.coding else None
        with Chunks(stream, None) as chunks:
            chunk = await chunks.next()
            self._describe(snapshot, chunks.stream.version)
            content = blake2b(digest_size=16) if snapshot.version is None else None
            while True:
                last = chunks.stream.complete
                piece = chunk if encode is None else await _thread(_coded, encode, chunk, last)
                alone = last and not snapshot.size
                short = alone and len(piece) <= _IN_MEMORY
                if content is not None:
                    await _thread(content.update, piece)
                if short:
                    snapshot.keep(bytes(piece))
                    self._leave(file.name, snapshot.reserved)
                    snapshot.reserved = 0
                else:
                    if alone or not file.theirs:
                        await _thread(_write, file.number, piece)
                    snapshot.size += len(piece)
                self._account(snapshot)
                if last:
                    break
                snapshot.tell()
                chunk = await chunks.next()
        if not short and snapshot.reserved > snapshot.size:  # an old file was longer
            await _thread(os.ftruncate, file.number, snapshot.size)
            self._bytes -= snapshot.reserved - snapshot.size
            snapshot.reserved = snapshot.size
        if content is not None:
            snapshot.tag = f'"{content.hexdigest()}"'
            snapshot.modified = self._dates.modified(snapshot.reading, None, snapshot.tag)

    def _describe(self, snapshot: Snapshot, version: str | None) -> None:
        snapshot.version = version
        if version is not None:
            snapshot.tag = snapshot.reading.tag(version)
            snapshot.modified = self._dates.modified(snapshot.reading, version, snapshot.tag)

    def _create(self, snapshot: Snapshot, files: ExitStack) -> _File:
        """A file that nobody reads."""
        if self._spare is None:
            self._names += 1
            name = f"{self._spools.path()}/snapshot-{self._names}"
        else:
            (name, snapshot.reserved), self._spare = self._spare, None
        snapshot.keep_in(name)
        try:
            number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise GivenUp from error
        files.callback(os.close, number)
        # What is not coded here, the bridge writes by itself, on the thread that has just made it.
        return _File(name, number, snapshot.reading.chosen.coding is None and snapshot.version is not None)

    def _account(self, snapshot: Snapshot) -> None:
        """Counts what has been written, which may be a few chunks more than there is room for."""
        if snapshot.size > self._settings.snapshot_max_bytes:
            self._large[snapshot.reading, snapshot.version] = time.monotonic()
            if len(self._large) > _REMEMBERED:
                self._large.popitem(last=False)
            raise GivenUp
        more = max(0, snapshot.size - snapshot.reserved)
        self._free(lambda: self._bytes + more <= self._settings.snapshot_total_bytes)
        self._bytes += more
        snapshot.reserved += more

    def _free(self, enough: Callable[[], bool]) -> None:
        """Drops what nobody needs, the least recently used first, until there is enough room."""
        while not enough():
            if self._spare is not None:
                self._discard_spare()
                continue
            unneeded = next((old for old in self._all if old.whole and old.idle), None)
            if unneeded is None:
                raise GivenUp
            self._drop(unneeded)

    def _settle(self, snapshot: Snapshot, older: Snapshot | None) -> None:
        """After its maker has ended, however that was."""
        snapshot.maker = None
        if snapshot.lost or not snapshot.whole:
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
        self._discard_spare()
        for snapshot in [old for old in self._all if old.whole and old.idle]:
            if snapshot.used < oldest or self._newest.get(snapshot.reading) is not snapshot:
                self._drop(snapshot)
        later = asyncio.get_running_loop().call_later
        self._sweep = later(self._interval, self._sweep_old) if self._all or self._spare else None

    def _drop(self, snapshot: Snapshot) -> None:
        if snapshot not in self._all:
            return
        del self._all[snapshot]
        file = snapshot.remove()
        if file is None:
            self._bytes -= snapshot.reserved
        elif snapshot.whole and not snapshot.users:
            self._leave(file, snapshot.reserved)
        else:
            self._discard(file, snapshot.reserved)
        if self._newest.get(snapshot.reading) is snapshot:
            del self._newest[snapshot.reading]

    def _leave(self, file: str, size: int) -> None:
        """Keeps a file, which nobody reads or writes any longer, for the next snapshot."""
        if self._spare is None:
            self._spare = (file, size)
        else:
            self._discard(file, size)

    def _discard_spare(self) -> None:
        if self._spare is not None:
            spare, self._spare = self._spare, None
            self._discard(*spare)

    def _discard(self, file: str, size: int) -> None:
        self._bytes -= size
        # Freeing a large file takes as long as answering many requests.
        asyncio.get_running_loop().run_in_executor(None, _unlink, file)

    def close(self) -> None:
        """Stops what is in the making. The files go with their directory."""
        if self._sweep is not None:
            self._sweep.cancel()
        for snapshot in self._all:
            if snapshot.maker is not None:
                snapshot.maker.stop()
        for snapshot in [*self._opened]:
            snapshot.close()


@dataclass(frozen=True, slots=True)
class _File:
    """Where a snapshot is written."""

    name: str
    number: int
    theirs: bool
    """Whether the bridge writes it."""


def _unlink(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)  # noqa: PTH108


def _coded(encode: Encoder, piece: bytes | memoryview, last: bool) -> bytes:  # noqa: FBT001
    return encode.encode(piece) + (encode.finish() if last else b"")


def _write(file: int, piece: bytes | memoryview) -> None:
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
