"""One request and its answer, on top of bare ASGI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.dav.errors import render

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from starlette.types import Message, Receive, Scope, Send

    from gateway.problems import Problem

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]

ZERO_COPY: Final = "http.response.zerocopysend"
"""The ASGI extension by which an app sends a part of a file."""
CONNECTION: Final = "fsspec_db.connection"
"""An extension of the scope: the `number` of the connection, which no other has."""
FRAGMENT: Final = "fsspec_db.fragment"
"""An extension of the scope: the target of the request has a fragment, which the path does not show."""

_NO_BODY: Final = frozenset({204, 304})


class Abort(Exception):  # noqa: N818  (what it does, not what went wrong)
    """Ends a response that has started without its proper end: the server closes the connection."""


class ClientGone(Exception):  # noqa: N818
    """The client left before the end."""


class Exchange:
    """A request, with each header once (repeated ones joined by commas), and the way to answer it."""

    __slots__ = ("headers", "method", "path", "reading", "receive", "scope", "send", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path = ""
        self.started = False
        self.reading = False
        """Whether the body was asked for: a client that waits for 100 Continue has then got it."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers[name] = headers[name] + b", " + value if name in headers else value
        self.headers = headers

    @property
    def url_path(self) -> str:
        """The path as it came, for messages."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        return raw.decode("latin-1")

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head."""
        self.started = True
        await self._tell({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, body: bytes | memoryview, *, more: bool) -> None:
        """Sends a piece of the body."""
        await self._tell({"type": "http.response.body", "body": body, "more_body": more})

    @property
    def sends_files(self) -> bool:
        """Whether the server sends parts of files by itself."""
        return ZERO_COPY in self.scope.get("extensions", ())

    async def file(self, file: int, offset: int, count: int) -> None:
        """Sends a part of an open file as a piece of the body, if the server can."""
        await self._tell(
            {"type": ZERO_COPY, "file": file, "offset": offset, "count": count, "more_body": True}
        )

    async def unless_gone(self, work: Coroutine[None, None, T]) -> T:
        """The outcome of some work, which ends when the client leaves. Not while a body is received.

        Raises:
            ClientGone: The client left.
        """
        task = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._leaves())
        try:
            await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            return task.result()
        finally:
            leaving.cancel()
            if task.cancel():
                await asyncio.wait({task})

    async def _leaves(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _tell(self, message: Message) -> None:
        try:
            await self.send(message)
        except RuntimeError as error:
            if "closed" not in str(error):
                raise
            raise ClientGone from error  # uvloop's word for a connection that is gone

    async def answer(self, status: int, headers: Headers, body: bytes | memoryview = b"") -> None:
        """Sends a whole response. `content-length` is added; HEAD gets the head only."""
        if status not in _NO_BODY:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.start(status, headers)
        await self.body(b"" if self.method == "HEAD" else body, more=False)

    async def answer_in_pieces(self, headers: Headers, pieces: Iterable[bytes]) -> None:
        """Sends a 200, with a length if there is but one piece."""
        iterator = iter(pieces)
        first, second = next(iterator, b""), next(iterator, None)
        if second is None:
            await self.answer(200, headers, first)
            return
        await self.start(200, headers)
        if self.method == "HEAD":
            await self.body(b"", more=False)
            return
        await self.body(first, more=True)
        await self.body(second, more=True)
        for piece in iterator:
            await self.body(piece, more=True)
        await self.body(b"", more=False)

    async def refuse(self, problem: Problem) -> None:
        """Sends a problem."""
        headers, body = render(problem, self.url_path, self.headers.get(b"accept", b""))
        if b"expect" in self.headers and not self.reading:
            # The body may or may not follow: only a new connection has a known state.
            headers.append((b"connection", b"close"))
        await self.start(problem.status, headers)
        await self.body(b"" if self.method == "HEAD" else body, more=False)

    async def watched_send(self, message: Message) -> None:
        """`send` for another ASGI app, noting when the response starts."""
        if message["type"] == "http.response.start":
            self.started = True
        await self.send(message)
