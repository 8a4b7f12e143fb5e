"""Turns a request body into rows: when it is there whole, or while the last of it is on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from fsspec_db import ArrivingBody
from gateway.body import received
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.body import Declared
    from gateway.exchange import Exchange
    from gateway.settings import Settings
    from gateway.spool import Spool, SpoolDirectory

T = TypeVar("T")

_SOON: Final = 1.0
"""Seconds in which the rest of a body must be due for its write to begin."""

_PATIENCE: Final = 2.0
"""Seconds that a write waits for the rest."""
_AHEAD: Final = 4 << 20
"""Bytes that are received ahead of those that are written, at first."""
_PAUSE: Final = 0.002
_PAUSED: Final = 0.5
"""Seconds that the receiver leaves the processor to the database, in all."""


async def ingest(
    exchange: Exchange,
    expected: Declared,
    directory: SpoolDirectory,
    settings: Settings,
    commit: Callable[[bytes | str | ArrivingBody], Coroutine[None, None, T]],
) -> T:
    """Receives a body and gives it to `commit`, once or, where the first write was rolled back, twice.

    A write may begin before its body is whole, never end: so the database works while the last bytes
    come. It begins only when they are due at once, and is rolled back if they do not come: a client
    that sends slowly holds no transaction open. The body is then written from the spool, when it is
    whole.

    Raises:
        ClientGone: The connection ended before the body did.
        Problem: What the body lacks; else what `commit` raised.
    """
    ahead = _Ahead(expected, commit)
    try:
        async with received(exchange, expected, directory, settings, ahead.moved) as body:
            return await ahead.finish(body)
    finally:
        await ahead.end()


class _Ahead(Generic[T]):
    """The write that begins before its body is whole, if it does."""

    def __init__(
        self, expected: Declared, commit: Callable[[bytes | str | ArrivingBody], Coroutine[None, None, T]]
    ) -> None:
        self._length = expected.length if expected.coding is None else None
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._body: ArrivingBody | None = None
        self._write: asyncio.Task[T] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._given_up = False
        self._pauses = round(_PAUSED / _PAUSE)

    async def moved(self, spool: Spool) -> None:
        """More of the body came into the spool."""
        if self._body is not None:
            self._body.received(spool.filed)
            while self._pauses and spool.filed - self._body.taken > _AHEAD:
                self._pauses -= 1
                await asyncio.sleep(_PAUSE)
        elif self._length is not None and spool.name is not None:
            due = (self._length - spool.size) * (self._loop.time() - self._started) / spool.size
            if due < _SOON:
                self._body = ArrivingBody(spool.name, self._length)
                self._write = self._loop.create_task(self._commit(self._body))
                self._limit = self._loop.call_later(_PATIENCE, self._give_up)

    async def finish(self, body: bytes | str) -> T:
        """The outcome of the write, now that the body is whole and verified."""
        if self._write is None or self._body is None or self._limit is None:
            return await self._commit(body)
        self._limit.cancel()  # the write now takes the time that it needs
        self._body.complete()
        await asyncio.wait({self._write})
        error = self._write.exception()
        # One that waited for its place in vain waits again, as it would have done now.
        crowded = isinstance(error, Problem) and error.code == "pool-exhausted"
        again = error is not None and (self._given_up or crowded)
        return await self._commit(body) if again else self._write.result()

    async def end(self) -> None:
        """Rolls back what was not finished."""
        if self._write is not None and self._body is not None and self._limit is not None:
            self._limit.cancel()
            self._body.abandon()
            await asyncio.wait({self._write})
            if not self._write.cancelled():
                self._write.exception()  # the body's own fault is what matters

    def _give_up(self) -> None:
        if self._body is not None:
            self._body.abandon()
            self._given_up = True
