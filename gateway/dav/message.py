"""A WebDAV request and its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from gateway.dav import xml
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import Receive, Send

    from gateway.drive import Drive
    from gateway.exchange import Exchange
    from gateway.scratch import Folder


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one resource."""

    method: str
    path: str
    """The URL path after one percent-decoding."""
    kind: str
    """What the path is as far as no database is asked."""
    access: str
    """`read`, `write` or `manage`."""
    headers: Mapping[bytes, bytes]
    fields: list[tuple[bytes, bytes]]
    """The headers as they came."""
    receive: Receive
    exchange: Exchange
    drive: Drive

    @property
    def folder(self) -> Folder:
        """The client's scratch files.

        Raises:
            Problem: `read-only`.
        """
        if self.drive.folder is None:
            raise Problem("read-only", f"{self.method} changes something, and the gateway only reads.")
        return self.drive.folder

    def at(self, path: str) -> Request:
        """The same request to the resource's canonical path."""
        return replace(self, path=path)

    async def body(self) -> bytes:
        """The whole body, bounded."""
        return await xml.read_body(self.headers, self.receive)


class Answer(NamedTuple):
    """A status, headers, and a body in pieces (or none)."""

    status: int
    headers: Iterable[tuple[bytes, bytes]] = ()
    pieces: Iterator[bytes] | None = None


def document(status: int, pieces: Iterator[bytes], *headers: tuple[bytes, bytes]) -> Answer:
    """An answer of XML."""
    return Answer(status, [(b"content-type", xml.MEDIA_TYPE), *headers], pieces)


async def respond(answer: Answer, send: Send, *, chunks: bool = True) -> None:
    """Sends an answer, with its length if it is one piece; the loop runs on between pieces.

    `chunks` says that the client knows bodies without a length, which HTTP/1.0 does not.
    """
    pieces = answer.pieces or iter(())
    if not chunks:
        pieces = iter((b"".join(pieces),))
    piece, following = next(pieces, b""), next(pieces, None)
    headers = [*answer.headers]
    if following is None and answer.status != 204:
        headers.append((b"content-length", b"%d" % len(piece)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    while following is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
        piece, following = following, next(pieces, None)
    await send({"type": "http.response.body", "body": piece})
