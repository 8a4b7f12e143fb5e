"""The bytes of one representation: in memory or in a file, whole or in the making."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from gateway.validators import Reading

_OPEN: Final = 64
"""Files that stay open for whoever comes next: to open one costs as much as to send 4 KiB of it."""
_PIECE: Final = 1 << 20


class GivenUp(Exception):  # noqa: N818
    """A representation is larger than is kept, or there is no room for it."""


class Maker:
    """What makes snapshots, all of one read."""

    def __init__(self, task: asyncio.Task[None], made: list[Snapshot]) -> None:
        self._task = task
        self._made = made

    def left(self) -> None:
        """Stops once nobody waits for any of them."""
        if not any(one.users for one in self._made):
            self._task.cancel()

    def stop(self) -> None:
        """Stops at once."""
        self._task.cancel()


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
        self.maker: Maker | None = None
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
                self.maker.left()

    @property
    def media_type(self) -> str:
        """Of what it is a representation."""
        return self.reading.chosen.media_type

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
        self._data, self.size, self._file = data, len(data), None

    def content(self) -> bytes | int:
        """Its bytes, or the number of an open file that has them, for as long as it is held.

        Raises:
            FileNotFoundError: They are gone.
        """
        if self._file is None:
            return self._data
        if self._number is None:
            if self.lost:
                raise FileNotFoundError(self._file)  # there may be another's bytes by now
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

    async def equals(self, other: Snapshot) -> bool:
        """Whether both, held and whole, have the same bytes. Reads them all.

        Raises:
            FileNotFoundError: Those of one are gone.
        """
        if self.size != other.size:
            return False
        return await asyncio.to_thread(_equal, self.content(), other.content(), self.size)

    def close(self) -> None:
        """Closes its file, which nobody reads."""
        if self._number is not None:
            os.close(self._number)
            self._number = None
            del self._opened[self]

    def keep_in(self, file: str) -> None:
        """Says which file has its bytes."""
        self._file = file

    def remove(self) -> str | None:
        """Forgets its bytes; those who read them now may go on. The name of the file that is left."""
        self.lost = True
        self._data = b""
        if not self.users:
            self.close()
        return self._file


def _equal(one: bytes | int, other: bytes | int, size: int) -> bool:
    return all(_piece(one, start) == _piece(other, start) for start in range(0, size, _PIECE))


def _piece(content: bytes | int, start: int) -> bytes:
    if isinstance(content, int):
        return os.pread(content, _PIECE, start)
    return content[start : start + _PIECE]
