"""Locks in Redis. The model is in `locks.lua`, for only there is what is checked also what is done."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from gateway.dav import lock_store
from gateway.dav.lock_store import Mark, chain, place
from gateway.dav.redis.server import Script
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.dav.lock_store import Change, Lock
    from gateway.dav.redis.server import RedisServer

MARK_SECONDS: Final = 30.0
"""What a mark outlives the process that made it, at most."""
_TRIES: Final = 300
"""Seconds in which a lock that nobody knows of is sought to be undone."""

_SCRIPT: Final = Script("locks.lua", "locks", "places", "ends", "marks", "mark-ends")


class RedisLocks:
    """A store of locks. Times are those of the clock of Redis, so that all processes see the same."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._renewals: dict[str, asyncio.Task[None]] = {}
        self._undoing: set[asyncio.Task[None]] = set()

    async def look(
        self, paths: Sequence[str], below: str | None = None
    ) -> tuple[list[list[Lock]], list[Lock]]:
        """As `LockStore.look`."""
        root = {} if below is None else {"below": place(below)}
        said = await self._run("look", places=[chain(path) for path in paths], **root)
        return [_locks(found) for found in said["covering"]], _locks(said["below"])

    async def get(self, token: str) -> Lock | None:
        """As `LockStore.get`."""
        return _lock(await self._run("get", token=token))

    async def acquire(self, lock: Lock, seconds: int) -> Lock:
        """As `LockStore.acquire`."""
        try:
            said = await self._run(
                "acquire",
                lock=lock,
                places=chain(lock["href"]),
                timeout=seconds * 1000,
                max_locks=lock_store.MAX_LOCKS,
                max_shared=lock_store.MAX_SHARED,
            )
        except BaseException:
            # It may be there, with a token that nobody gets to know.
            self._undo(lock["token"])
            raise
        if "written" in said:
            raise lock_store.written(said["written"])
        if "rivals" in said:
            raise lock_store.in_the_way(said["rivals"])
        if "full" in said:
            raise lock_store.full()
        if "crowded" in said:
            raise lock_store.crowded()
        return {**lock, "expire": time.time() + seconds}

    async def refresh(self, token: str, seconds: int) -> Lock | None:
        """As `LockStore.refresh`."""
        return _lock(await self._run("refresh", token=token, timeout=seconds * 1000))

    async def release(self, tokens: Collection[str]) -> None:
        """As `LockStore.release`."""
        await self._run("release", tokens=list(tokens))

    async def begin(self, change: Change, submitted: Collection[str]) -> Mark:
        """As `LockStore.begin`. The mark is renewed until `end`."""
        mark = Mark.of(change)
        said = await self._run(
            "begin",
            places=chain(change.path),
            parent=change.parent if change.member else False,
            removes=change.removes,
            submitted=list(submitted),
            marks=_members(mark),
            timeout=round(MARK_SECONDS * 1000),
        )
        if "missing" in said:
            raise lock_store.locked(change.path, said["missing"])
        self._renewals[mark.identity] = asyncio.get_running_loop().create_task(self._renew(mark))
        return mark

    async def end(self, mark: Mark) -> None:
        """As `LockStore.end`. What cannot be taken away ends by itself."""
        self._renewals.pop(mark.identity).cancel()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return  # its transaction may go on in a thread
        with suppress(Problem):
            await self._run("end", marks=_members(mark))

    async def close(self) -> None:
        """As `LockStore.close`."""
        for task in (*self._renewals.values(), *self._undoing):
            task.cancel()
        await self._server.close()

    async def _renew(self, mark: Mark) -> None:
        while True:
            await asyncio.sleep(MARK_SECONDS / 6)
            with suppress(Problem):  # which is tried again, well before the mark ends
                await self._run("mark", marks=_members(mark), timeout=round(MARK_SECONDS * 1000))

    def _undo(self, token: str) -> None:
        async def undo() -> None:
            for _ in range(_TRIES):
                with suppress(Problem):
                    await self.release([token])
                    return
                await asyncio.sleep(1)

        task = asyncio.get_running_loop().create_task(undo())
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def _run(self, operation: str, **ask: Any) -> Any:
        return await self._server.run(_SCRIPT, operation, **ask)


def _members(mark: Mark) -> list[str]:
    return [f"{root}\0{'D' if whole else 'S'}{mark.identity}" for root, whole in mark.places]


def _locks(said: list[dict[str, Any]]) -> list[Lock]:
    return [lock for lock in map(_lock, said) if lock is not None]


def _lock(said: dict[str, Any]) -> Lock | None:
    if not said:
        return None
    return cast("Lock", {**said, "expire": time.time() + said["left"] / 1000})
