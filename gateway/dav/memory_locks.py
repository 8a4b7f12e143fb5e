"""Locks in memory: of one process, gone with it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from gateway.dav import lock_store
from gateway.dav.lock_store import Mark, chain, missing, place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.dav.lock_store import Change, Lock


class MemoryLocks:
    """A store of locks. Called on the event loop's thread only, and never waits, so each call is atomic."""

    def __init__(self) -> None:
        self._locks: dict[str, Lock] = {}
        self._places: defaultdict[str, dict[str, Lock]] = defaultdict(dict)
        self._marks: Counter[tuple[str, bool]] = Counter()

    async def look(
        self, paths: Sequence[str], below: str | None = None
    ) -> tuple[list[list[Lock]], list[Lock]]:
        """As `LockStore.look`."""
        return [self._covering(chain(path)) for path in paths], (
            [] if below is None else [*self._at(place(below)), *self._under(place(below))]
        )

    async def get(self, token: str) -> Lock | None:
        """As `LockStore.get`."""
        lock = self._locks.get(token)
        return lock if lock is not None and _lives(lock) else None

    async def acquire(self, lock: Lock, seconds: int) -> Lock:
        """As `LockStore.acquire`."""
        places = chain(lock["href"])
        deep = lock["depth"] == "infinity"
        busy = [
            root
            for root, whole in self._marks
            if root == places[0] or (whole and root in places) or (deep and _is_under(root, places[0]))
        ]
        if busy:
            raise lock_store.written(busy)
        rivals = self._covering(places) + (list(self._under(places[0])) if deep else [])
        hrefs = [other["href"] for other in rivals if "exclusive" in (lock["scope"], other["scope"])]
        if hrefs:
            raise lock_store.in_the_way(hrefs)
        await self.release([token for token, other in self._locks.items() if not _lives(other)])
        if len(self._locks) >= lock_store.MAX_LOCKS:
            raise lock_store.full()
        if len(self._places.get(places[0], ())) >= lock_store.MAX_SHARED:
            raise lock_store.crowded()
        lock = {**lock, "expire": time.time() + seconds}
        self._locks[lock["token"]] = self._places[places[0]][lock["token"]] = lock
        return lock

    async def refresh(self, token: str, seconds: int) -> Lock | None:
        """As `LockStore.refresh`."""
        lock = await self.get(token)
        if lock is not None:
            lock["expire"] = time.time() + seconds
        return lock

    async def release(self, tokens: Collection[str]) -> None:
        """As `LockStore.release`."""
        for token in tokens:
            lock = self._locks.pop(token, None)
            if lock is not None:
                there = self._places[lock["root"]]
                del there[token]
                if not there:
                    del self._places[lock["root"]]

    async def begin(self, change: Change, submitted: Collection[str]) -> Mark:
        """As `LockStore.begin`."""
        covering = self._covering(chain(change.path))
        if change.member:
            covering += [lock for lock in self._covering(chain(change.parent)) if lock["depth"] == "0"]
        found = missing(covering, submitted)
        if change.removes:
            members: defaultdict[str, list[Lock]] = defaultdict(list)
            for lock in self._under(place(change.path)):
                members[lock["root"]].append(lock)
            found += [lock for locks in members.values() for lock in missing(locks, submitted)]
        if found:
            raise lock_store.locked(change.path, (lock["href"] for lock in found))
        mark = Mark.of(change)
        self._marks.update(mark.places)
        return mark

    async def end(self, mark: Mark) -> None:
        """As `LockStore.end`."""
        self._marks -= Counter(mark.places)

    async def close(self) -> None:
        """As `LockStore.close`."""

    def _covering(self, places: list[str]) -> list[Lock]:
        own, *above = places
        return [*self._at(own), *(k for up in above for k in self._at(up) if k["depth"] == "infinity")]

    def _at(self, root: str) -> Iterator[Lock]:
        return filter(_lives, self._places.get(root, {}).values())

    def _under(self, root: str) -> Iterator[Lock]:
        return (lock for here in self._places if _is_under(here, root) for lock in self._at(here))


def _is_under(here: str, root: str) -> bool:
    return here != root and here.startswith(root if root == "/" else f"{root}/")


def _lives(lock: Lock) -> bool:
    return lock["expire"] > time.time()
