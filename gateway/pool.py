"""Bounds what one database is asked at a time: a lane for data, a lane for metadata."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.problems import Problem, from_backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.settings import Settings

T = TypeVar("T")


class Lane:
    """So many places, given in order of arrival; waiting for one is bounded.

    Belongs to one event loop. A place is taken with `await take()` and must be given back with
    `give()` exactly once, from the loop's thread.
    """

    def __init__(self, places: int, wait: float) -> None:
        self.free = places
        self.wait = wait
        self._waiting: deque[asyncio.Future[None]] = deque()

    def try_take(self) -> bool:
        """Takes a place if one is free and nobody waits: the path of almost every request."""
        if self.free and not self._waiting:
            self.free -= 1
            return True
        return False

    async def take(self) -> None:
        """Waits for a place.

        Raises:
            Problem: `pool-exhausted`, after `wait` seconds.
        """
        if self.try_take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.wait):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give()  # the place came in the very moment of giving up
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Problem(
                    "pool-exhausted",
                    f"No place became free within {self.wait:g} s.",
                    {"retry-after": str(max(1, round(self.wait)))},
                ) from None
            raise

    def give(self) -> None:
        """Gives a place back, to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1


class Pool:
    """The places at one database, and the threads that make its blocking calls.

    Rows are read on the engine's own threads, so that a transfer needs a place in `data` and no
    thread here; listings have a lane of their own and work while every data place is taken.
    """

    def __init__(self, fs: AbstractDatabaseFileSystem, settings: Settings) -> None:
        self.fs = fs
        self.data = Lane(settings.pool_size, settings.pool_wait)
        self.queries = Lane(settings.query_concurrency, settings.pool_wait)
        self._metadata = Lane(settings.metadata_threads, settings.pool_wait)
        self._metadata_threads = ThreadPoolExecutor(settings.metadata_threads, "metadata")
        self._writers = ThreadPoolExecutor(settings.pool_size, "write")
        self._idle_check = settings.idle_check
        # Where the network hangs, a driver may wait for ever.
        self._call_timeout = min(filter(None, (settings.query_timeout, settings.read_timeout)), default=None)
        self._good_until = 0.0

    @property
    def in_doubt(self) -> bool:
        """True after an error or a long pause: `check` before the next use."""
        return time.monotonic() >= self._good_until

    def used(self) -> None:
        """The database has just answered."""
        self._good_until = time.monotonic() + self._idle_check

    def failed(self) -> None:
        """The database could not be reached."""
        self._good_until = 0.0

    async def check(self) -> None:
        """Pings the database.

        Raises:
            Problem: `database-unavailable`, with `Retry-After`, what the ping said, or `query-timeout`.
        """
        await self.call(self.fs.ping)

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Makes one short blocking call in the metadata lane; its errors become problems.

        Raises:
            Problem: What the database said, or `query-timeout`: then the call keeps its place until it ends.
        """
        await self._metadata.take()
        try:
            async with asyncio.timeout(self._call_timeout):
                return await self._run(self._metadata_threads, self._metadata, function, *args)
        except TimeoutError:
            self.failed()
            raise Problem("query-timeout", "The database did not answer in time.") from None

    async def write(self, function: Callable[..., T], *args: Any) -> T:
        """Makes one long blocking call in the data lane; it runs to its end whoever leaves."""
        await self.data.take()
        return await self._run(self._writers, self.data, function, *args)

    async def _run(
        self, threads: ThreadPoolExecutor, lane: Lane, function: Callable[..., T], *args: Any
    ) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(threads, function, *args)
        except BaseException:
            lane.give()
            raise
        # The place is taken as long as the thread is, even if the caller is cancelled.
        future.add_done_callback(lambda _: lane.give())
        try:
            result = await asyncio.shield(future)
        except Exception as error:
            problem = from_backend(error)
            if problem.code == "database-unavailable":
                self.failed()
            raise problem from error
        self.used()
        return result

    def close(self) -> None:
        """Waits for the running calls and closes the database."""
        self._metadata_threads.shutdown(wait=True, cancel_futures=True)
        self._writers.shutdown(wait=True, cancel_futures=True)
        self.fs.close()
