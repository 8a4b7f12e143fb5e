"""Sizes for listings: mounted drives take a file without one to be empty."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from gateway.leases import Listed
from gateway.negotiation import for_data
from gateway.problems import Problem
from gateway.snapshot import GivenUp
from gateway.validators import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.dav.propfind import Asked
    from gateway.exchange import Exchange
    from gateway.pool import Pool
    from gateway.reads import Reads
    from gateway.settings import Settings
    from gateway.snapshot import Snapshot
    from gateway.tree import Target, Tree

_LENGTH: Final = "{DAV:}getcontentlength"
_TOLD: Final = (_LENGTH, "{DAV:}getetag", "{DAV:}getlastmodified")
_AT_ONCE: Final = 2
"""Snapshots that are made for listings at a time."""
_MOST: Final = 1000
"""Snapshots that wait to be made for listings."""


class Sizes:
    """Fills in what is known, waits a little for what is not, and lets the rest be made meanwhile.

    Who lists a file has it leased: a read of it finds the bytes whose size was listed.
    """

    def __init__(self, tree: Tree, reads: Reads, settings: Settings) -> None:
        self._tree = tree
        self._reads = reads
        self._budget = settings.listing_budget
        self._lease = settings.snapshot_lease
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._making: dict[Reading, asyncio.Task[None]] = {}

    async def fill(
        self, exchange: Exchange, entries: list[dict[str, Any]], asked: Asked
    ) -> tuple[list[dict[str, Any]], Listed | None]:
        """The entries, with sizes, tags and dates of data files as far as they are asked for.

        They are those that a GET would say. Sizes are told as far as they are known within the budget; where
        all are, of states that are still there, these are named as well.
        """
        if not any(map(asked.wants, _TOLD)):
            return entries, None
        wanted: dict[str, _Wanted] = {}
        for entry in entries:
            if entry["kind"] == "data":
                target = self._tree.resolve(entry["name"])
                wanted[entry["name"]] = _Wanted(target, _reading(target))
        versions, asked_of = await self._versions(wanted.values()), len(wanted)
        # Of relations that were not asked in time no size is said.
        wanted = {name: one for name, one in wanted.items() if one.reading.relation in versions}
        for one in wanted.values():
            one.version = versions[one.reading.relation]
        if not asked.wants(_LENGTH):
            return [self._told(entry, wanted.get(entry["name"]), None) for entry in entries], None
        unknown: dict[str, list[_Wanted]] = {}
        for one in wanted.values():
            if self._current(one) is None:
                unknown.setdefault(one.reading.relation, []).append(one)
        making = {task for formats in unknown.values() for task in self._make(formats)}
        if making:
            await asyncio.wait(making, timeout=self._budget)
        known = {name: self._known(one) for name, one in wanted.items()}
        found = {name: snapshot for name, snapshot in known.items() if snapshot is not None}
        files = Listed([(wanted[name].reading, snapshot) for name, snapshot in found.items()])
        self._reads.leases.list(exchange, files)
        told = [self._told(entry, wanted.get(entry["name"]), found.get(entry["name"])) for entry in entries]
        current = len(found) == asked_of and all(
            snapshot.version is not None and snapshot.version == wanted[name].version
            for name, snapshot in found.items()
        )
        return told, files if current else None

    async def state(self, path: str) -> str | None:
        """What changes whenever a listing may have."""
        target = self._tree.resolve(path)
        if target.fs is None or target.pool is None:
            return None
        state: str | None = await target.pool.call(target.fs.data_version, target.path)
        return state

    def listed(self, exchange: Exchange, files: Listed) -> bool:
        """Tells a client sizes once more, unless a state is gone; whether it did."""
        if any(snapshot.lost for _, snapshot in files.snapshots):
            return False
        self._reads.leases.list(exchange, files)
        return True

    def _told(self, entry: dict[str, Any], one: _Wanted | None, snapshot: Snapshot | None) -> dict[str, Any]:
        """An entry with what is known of its file."""
        if one is None:
            return entry
        since = self._reads.dates.since
        if snapshot is not None:
            # Of a state that is past, that is all one may ask: its date was another.
            current = snapshot.version == one.version
            modified = since(one.reading, one.version, snapshot.tag) if current else snapshot.modified
            return {**entry, "size": snapshot.size, "etag": snapshot.tag, "mtime": modified}
        if one.version is None:
            return entry
        tag = one.reading.tag(one.version)
        return {**entry, "etag": tag, "mtime": since(one.reading, one.version, tag)}

    async def _versions(self, wanted: Iterable[_Wanted]) -> dict[str, str | None]:
        """The data versions of relations, by place."""
        asked: dict[Pool, dict[str, str]] = {}
        for one in wanted:
            _, pool = one.target.database()
            asked.setdefault(pool, {})[one.reading.relation] = one.target.path
        found: dict[str, str | None] = {}
        for pool, paths in asked.items():
            found |= await pool.call(_ask, pool, paths, self._budget)
        return found

    def _current(self, one: _Wanted) -> Snapshot | None:
        """The snapshot of the state that is; where nothing tells that, of one a moment ago."""
        found = self._reads.snapshots.find(one.reading, one.version)
        return found or (self._recent(one) if one.version is None else None)

    def _recent(self, one: _Wanted) -> Snapshot | None:
        return self._reads.snapshots.recent(one.reading, time.monotonic() - self._lease)

    def _known(self, one: _Wanted) -> Snapshot | None:
        """The snapshot whose size is said."""
        current = self._current(one)
        if current is None or not current.whole:
            # A state of a moment ago is better than no size: who reads the file reads that state.
            current = self._recent(one)
        return current if current is not None and current.whole else None

    def _make(self, formats: list[_Wanted]) -> Iterator[asyncio.Task[None]]:
        """Has the files of one relation made, soon, unless too many wait already: who makes which."""
        missing: list[_Wanted] = []
        for one in formats:
            making = self._making.get(one.reading)
            if making is not None:
                yield making
            elif len(self._making) + len(missing) < _MOST:
                missing.append(one)
        if missing:
            task = asyncio.get_running_loop().create_task(self._made(missing))
            readings = [one.reading for one in missing]
            self._making.update(dict.fromkeys(readings, task))
            task.add_done_callback(lambda _: [*map(self._making.pop, readings)])
            yield task

    async def _made(self, formats: list[_Wanted]) -> None:
        (fs, pool), version = formats[0].target.database(), formats[0].version
        store, start = self._reads.snapshots, partial(self._reads.start_all, fs, formats[0].target)
        async with self._places:
            found = [store.find(one.reading, version) for one in formats]
            missing = [one.reading for one, known in zip(formats, found, strict=True) if known is None]
            with ExitStack() as held, suppress(GivenUp):
                snapshots = [one for one in found if one is not None]
                snapshots += store.make_all(missing, version, pool, start) if missing else []
                for snapshot in snapshots:
                    held.enter_context(snapshot)
                for snapshot in snapshots:
                    with suppress(GivenUp, Problem):  # it has no size
                        await snapshot.complete()

    def close(self) -> None:
        """Stops what is in the making."""
        for task in self._making.values():
            task.cancel()


@dataclass(eq=False, slots=True)
class _Wanted:
    target: Target
    reading: Reading
    version: str | None = None


@lru_cache(maxsize=1 << 14)
def _reading(target: Target) -> Reading:
    return Reading(target.place, target.path, for_data(target.extension or "", None, None), "")


def _ask(pool: Pool, paths: dict[str, str], budget: float) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    until = time.monotonic() + budget
    for place, path in paths.items():
        if time.monotonic() > until:
            break
        try:
            found[place] = pool.fs.data_version(path)
        except FileNotFoundError:
            found[place] = None  # it has gone since it was listed
    return found
