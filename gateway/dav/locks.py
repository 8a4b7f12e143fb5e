"""Write locks: who may change what, by token.

A relation and its data files are one thing to lock. They are views of the same rows, so a lock on
`/main/users.arrow` covers `/main/users.csv` and `/main/users/` as well: each lock is kept at its
*place*, the path without a data extension.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from gateway.dav import conditions, lock_store
from gateway.dav.lock_store import Change, Lock, missing, place
from gateway.dav.memory_locks import MemoryLocks
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping

    from gateway.dav.conditions import IfHeader
    from gateway.dav.lock_store import LockStore

    Tags = Callable[[str, Collection[str]], Awaitable[Collection[str]]]
    """Of entity tags those that the resource at a path has now; none if it does not exist."""

__all__ = ["Lock", "Locks", "place", "timeout_of"]

DEFAULT_TIMEOUT: Final = 3600
"""Seconds of a lock whose client asks for no time."""
MAX_TIMEOUT: Final = 24 * 3600
"""Seconds that a lock lives at most without a refresh."""
MAX_TAGGED: Final = 32
"""Resources whose entity tags one `If` header may ask for: each is looked up in its database."""


async def _no_tags(path: str, asked: Collection[str]) -> Collection[str]:  # noqa: ARG001
    return ()


class Locks:
    """The write locks of a gateway.

    Every call may raise `lock-store-unavailable` (503), where the store is not in memory: nothing is
    written then.

    Args:
        store: Where the locks are kept.
        tags: Tells entity tags, which an `If` header may ask for.
    """

    def __init__(self, store: LockStore | None = None, tags: Tags = _no_tags) -> None:
        self._store = store or MemoryLocks()
        self._tags = tags

    async def covering(self, path: str, *, creates: bool = False) -> list[Lock]:
        """The locks that protect a path: its own, and those of infinite depth above it.

        To a name that is to be created those of its directory belong too, whatever their depth:
        they guard which members there are (RFC 4918, section 7.4).
        """
        (found, above), _ = await self._store.look([path, Change(path).parent])
        return found + [lock for lock in above if creates and lock["depth"] == "0"]

    async def around(self, path: str) -> tuple[list[Lock], dict[str, list[Lock]]]:
        """The locks that protect a path, and those kept at its place and under it, by place."""
        (covering,), below = await self._store.look([path], path)
        found: dict[str, list[Lock]] = {}
        for lock in below:
            found.setdefault(lock["root"], []).append(lock)
        return covering, found

    async def get(self, token: str) -> Lock | None:
        """The lock of a token while it lives."""
        return await self._store.get(token)

    async def acquire(self, path: str, *, scope: str, depth: str, owner: str, seconds: int) -> Lock:
        """A new lock on `path`.

        Args:
            path: A resource; a directory's ends with a slash.
            scope: `exclusive` or `shared`.
            depth: `0` or `infinity`; a file has only `0`.
            owner: The `owner` element as XML.
            seconds: How long it lives without a refresh.

        Raises:
            Precondition: `no-conflicting-lock`, with the paths of the locks in the way.
            Problem: `lock-store-full`.
        """
        lock: Lock = {
            "token": lock_store.new_token(),
            "root": place(path),
            "href": path,
            "scope": scope,
            "depth": depth,
            "owner": owner,
            "expire": 0,
        }
        return await self._store.acquire(lock, seconds)

    async def refresh(self, lock: Lock, seconds: int) -> Lock | None:
        """The lock with its time started anew, or `None` if it has ended meanwhile."""
        return await self._store.refresh(lock["token"], seconds)

    async def release(self, lock: Lock) -> None:
        """Gives a lock up."""
        await self._store.release([lock["token"]])

    async def gone(self, path: str) -> None:
        """Ends the locks on a path that is no more, and on all that was below it."""
        _, below = await self._store.look([], path)
        if below:
            await self._store.release([lock["token"] for lock in below])

    async def covers(self, lock: Lock, path: str) -> bool:
        """Whether a lock is among those that protect a path."""
        return any(lock["token"] == other["token"] for other in await self.covering(path))

    async def conflict(
        self,
        path: str,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        creates: bool = False,
        removes: bool = False,
    ) -> Problem | None:
        """Why a write at the request's own path must not happen, or `None` if it may.

        Args:
            path: The URL path after one percent-decoding.
            headers: The request's headers as ASGI gives them.
            creates: Whether the path is a name that does not exist yet.
            removes: Whether the path goes, with everything below it.

        Returns:
            `invalid-request` (400) for a malformed `If` header; `precondition-failed` (412) when it
            does not hold; `locked` (423) when a lock covers the path whose token it does not carry.
            Of several shared locks one token is enough: their holders trust each other.
        """
        values = [value for name, value in headers if name == b"if"]
        try:
            await self.condition(path, values, creates=creates)
        except Problem as problem:
            if problem.status == 503:
                raise
            return problem
        return await self.locked(path, headers, creates=creates, removes=removes)

    async def locked(
        self,
        path: str,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        creates: bool = False,
        removes: bool = False,
    ) -> Problem | None:
        """As `conflict`, of any path that the request changes: its `If` header only gives tokens.

        Raises:
            Problem: `invalid-request` for a malformed `If` header.
        """
        submitted = _submitted(headers)
        change = Change(path, creates, removes)
        (found, above), below = await self._store.look([path, change.parent], path if removes else None)
        found += [lock for lock in above if change.member and lock["depth"] == "0"]
        absent = missing(found, submitted)
        members: dict[str, list[Lock]] = {}
        for lock in below:
            if lock["root"] != place(path):
                members.setdefault(lock["root"], []).append(lock)
        absent += [lock for locks in members.values() for lock in missing(locks, submitted)]
        return lock_store.locked(path, (lock["href"] for lock in absent)) if absent else None

    @asynccontextmanager
    async def writing(
        self,
        path: str,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        creates: bool = False,
        removes: bool = False,
    ) -> AsyncIterator[None]:
        """The time of a transaction: nobody gets a lock on what is being written.

        Nor on the directory that is getting or losing a member, nor below what is removed.

        Locks were asked before the body came (`conflict`). One that somebody else took meanwhile is
        respected; one of the client's own that has ended is not held against it. What is written by
        one request at several paths is written within one block for each.

        Raises:
            Precondition: `lock-token-submitted`.
        """
        mark = await self._store.begin(Change(path, creates, removes), _submitted(headers))
        try:
            yield
        finally:
            await self._store.end(mark)

    async def condition(self, path: str, values: list[bytes], *, creates: bool = False) -> IfHeader | None:
        """The request's `If` header, which holds, or `None` if there is none.

        The locks that guard a new name are states of that name, so that a list without a tag may
        give their tokens.

        Raises:
            Problem: `invalid-request` or `precondition-failed`.
        """
        if not values:
            return None
        header = _parse(values)
        asked = header.asked(path)
        if sum(bool(tags) for tags in asked.values()) > MAX_TAGGED:
            raise Problem("invalid-request", f"An If header asks for tags of {MAX_TAGGED} resources at most.")
        resources = list(asked)
        found, _ = await self._store.look([*resources, Change(path).parent])
        states = {
            resource: {lock["token"] for lock in locks}
            for resource, locks in zip(resources, found, strict=False)
        }
        for resource, tags in asked.items():
            if creates and place(resource) == place(path):
                states[resource] |= {lock["token"] for lock in found[-1] if lock["depth"] == "0"}
            if tags:
                states[resource] |= set(tags & {*await self._tags(resource, tags)})
        if not header.holds(path, states):
            raise Problem("precondition-failed", "The If header does not hold.")
        return header

    async def close(self) -> None:
        """Gives connections back."""
        await self._store.close()


def _parse(values: list[bytes]) -> IfHeader:
    return conditions.parse(b" ".join(values).decode("latin-1"))


def _submitted(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    values = [value for name, value in headers if name == b"if"]
    return _parse(values).tokens if values else frozenset()


def timeout_of(headers: Mapping[bytes, bytes]) -> int:
    """Seconds from a `Timeout` header: the first choice that can be read, at most `MAX_TIMEOUT`."""
    for choice in headers.get(b"timeout", b"").split(b","):
        unit, _, seconds = choice.strip().lower().partition(b"-")
        if unit == b"infinite":
            return MAX_TIMEOUT
        if unit == b"second" and seconds.isdigit():
            return max(1, min(int(seconds[:12]), MAX_TIMEOUT))
    return DEFAULT_TIMEOUT
