"""What stands between a request and a change: locks, the `If` header, and conditions on its resource."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from gateway.conditions import evaluate
from gateway.problems import Problem
from gateway.scratch.files import failed, modified_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway.dav.locks import Locks
    from gateway.dav.message import Request
    from gateway.drive import Resource
    from gateway.reads import Reads

CONDITIONS: Final = frozenset({b"if-match", b"if-none-match", b"if-unmodified-since"})
"""Headers that say in which state a resource must be."""


@contextmanager
def standing() -> Iterator[None]:
    """What follows a change that is made: its client hears so, also if the store of locks is away.

    What was to be forgotten there stays then: locks until their time is up, properties for a resource that
    gets the name.
    """
    try:
        yield
    except Problem as problem:
        if problem.code != "lock-store-unavailable":
            raise


class Guard:
    """Asks before a change, and keeps others from locking what is being changed."""

    def __init__(self, locks: Locks, reads: Reads) -> None:
        self._locks = locks
        self._reads = reads

    @asynccontextmanager
    async def changing(
        self, request: Request, path: str, *, creates: bool = False, removes: bool = False
    ) -> AsyncIterator[None]:
        """The time of a change of one path; of several, one block within another.

        Args:
            request: Has the tokens.
            path: What changes.
            creates: Whether it is a new name.
            removes: Whether it goes, with everything below.

        Raises:
            Problem: `locked`.
        """
        async with self._locks.writing(path, request.fields, creates=creates, removes=removes):
            yield

    async def must_hold(self, request: Request, resource: Resource, *, member: bool = False) -> None:
        """Checks the conditions of a request: the `If` header, and those of RFC 9110.

        Args:
            request: Has them.
            resource: Its own resource.
            member: Whether its directory gets or loses a member.

        Raises:
            Problem: `precondition-failed`, `invalid-request`.
        """
        values = [value for name, value in request.fields if name == b"if"]
        await self._locks.condition(resource.path, values, creates=member)
        if CONDITIONS.isdisjoint(request.headers):
            return
        tags: list[str] = []
        modified: int | None = None
        entry = resource.entry or {}
        if resource.kind == "scratch" and "etag" in entry:
            tags, modified = [entry["etag"]], modified_of(entry)
        elif resource.kind == "data" and resource.target is not None and resource.exists:
            current = await self._reads.current(request.exchange, resource.target)
            tags, modified = current.tags, current.modified
        if evaluate(request.method, request.headers, tags, modified, resource.exists) == "failed":
            raise failed()
