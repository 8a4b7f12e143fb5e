"""Takes the chunks of a read on the event loop, and notices when the client leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakKeyDictionary

from fsspec_db import Doorbell
from gateway.exchange import ClientGone
from gateway.problems import from_backend

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import Receive

    from fsspec_db import ChunkStream

# Small reads are over before this and never pay for listening.
_LISTEN_AFTER: Final = 0.02

_BELLS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Doorbell]] = WeakKeyDictionary()


def _bell_of(loop: asyncio.AbstractEventLoop) -> Doorbell:
    bell = _BELLS.get(loop)
    if bell is None:
        bell = _BELLS[loop] = Doorbell()
        loop.add_reader(bell.fileno(), _answer, bell)
    return bell


def _answer(bell: Doorbell) -> None:
    for turn in bell.answer():
        turn()


class Chunks:
    """A `ChunkStream` for one response.

    Leaving the `with` block closes the stream, which stops the query. So does the client's
    leaving, which is seen also while the query computes and while the client reads nothing.

    Args:
        stream: Where the chunks come from.
        receive: How the client's leaving is heard; `None` if there is no such client.
    """

    __slots__ = ("_bell", "_listener", "_loop", "_receive", "_timer", "_turn", "gone", "stream")

    def __init__(self, stream: ChunkStream, receive: Receive | None) -> None:
        self.stream = stream
        self.gone = False
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._bell = _bell_of(self._loop)
        self._turn: asyncio.Future[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = (
            self._loop.call_later(_LISTEN_AFTER, self._start_listening) if receive is not None else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()
        self.stream.close()

    async def next(self) -> bytes | memoryview:
        """The next chunk, or `b""` at the proven end.

        Raises:
            Problem: What the database said.
            ClientGone: The client left.
        """
        while True:
            if self.gone:
                raise ClientGone
            try:
                chunk = self.stream.poll(self._resume, self._bell)
            except Exception as error:
                raise from_backend(error) from error
            if chunk is not None:
                return chunk
            self._turn = self._loop.create_future()
            await self._turn

    def _resume(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _start_listening(self) -> None:
        self._timer = None
        if self._receive is not None:
            self._listener = self._loop.create_task(self._listen(self._receive))

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self.stream.close()
        self._resume()
