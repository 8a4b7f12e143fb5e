"""Sends bytes that are kept: all, ranges of them, or as they come."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, Protocol

from gateway.problems import Problem
from gateway.ranges import content_range, multipart
from gateway.transfer import within

if TYPE_CHECKING:
    from gateway.exchange import Exchange, Headers
    from gateway.ranges import Range

_SHORT: Final = 64 << 10
"""Bytes that are read on the event loop: a thread would cost more."""
_PIECE: Final = 1 << 20
_STRETCH: Final = 8 << 20
"""Bytes of a file that the server sends before the client's progress is asked for."""


class Kept(Protocol):
    """Bytes that are there, such as a `gateway.snapshot.Snapshot` that is whole."""

    @property
    def size(self) -> int:
        """How many they are."""

    @property
    def media_type(self) -> str:
        """What they are."""

    def content(self) -> bytes | int:
        """Themselves, or the number of an open file that has them."""


async def send_whole(exchange: Exchange, headers: Headers, kept: Kept, stall: float) -> None:
    """Answers with all bytes.

    Raises:
        Abort: The client takes nothing for `stall` seconds.
        ClientGone: It left.
    """
    content = b"" if exchange.method == "HEAD" else kept.content()
    await exchange.start(200, [*headers, (b"content-length", b"%d" % kept.size)])
    if exchange.method != "HEAD":
        await _send(exchange, content, (0, kept.size), stall)
    await exchange.body(b"", more=False)


async def send_ranges(
    exchange: Exchange, headers: Headers, kept: Kept, ranges: list[Range], stall: float
) -> None:
    """Answers 206 with some ranges.

    Raises:
        Abort, ClientGone: As `send_whole`.
    """
    content = kept.content()
    if len(ranges) == 1:
        start, stop = ranges[0]
        described = [
            (b"content-range", content_range(ranges[0], kept.size)),
            (b"content-length", b"%d" % (stop - start)),
        ]
        if stop - start <= _SHORT:
            data = _read(content, stop - start, start)
            await exchange.start(206, [*headers, *described])
            await exchange.body(data, more=False)
            return
        await exchange.start(206, [*headers, *described])
        await _send(exchange, content, ranges[0], stall)
    else:
        body = multipart(ranges, kept.size, kept.media_type)
        described = [(b"content-type", body.content_type), (b"content-length", b"%d" % body.length)]
        others = [header for header in headers if header[0] != b"content-type"]
        await exchange.start(206, [*others, *described])
        for head, asked in body.parts:
            await within(stall, exchange.body(head, more=True))
            await _send(exchange, content, asked, stall)
        await within(stall, exchange.body(body.end, more=True))
    await exchange.body(b"", more=False)


async def send_more(exchange: Exchange, content: bytes | int, start: int, stop: int, stall: float) -> int:
    """Sends a part of what was opened, within a response that has begun; where it ended.

    Raises:
        Abort, ClientGone: As `send_whole`.
    """
    await _send(exchange, content, (start, stop), stall)
    return stop


async def _send(exchange: Exchange, content: bytes | int, asked: Range, stall: float) -> None:
    start, stop = asked
    step = _STRETCH if exchange.sends_files else _PIECE
    while start < stop:
        count = min(step, stop - start)
        if count <= _SHORT:
            await within(stall, exchange.body(_read(content, count, start), more=True))
        elif exchange.sends_files and isinstance(content, int):
            await within(stall, exchange.file(content, start, count))
        else:
            piece = await asyncio.to_thread(_read, content, count, start)
            await within(stall, exchange.body(piece, more=True))
        start += count


def _read(content: bytes | int, count: int, start: int) -> bytes:
    data = os.pread(content, count, start) if isinstance(content, int) else content[start : start + count]
    if len(data) != count:
        raise Problem("internal", "A snapshot has lost its end.")
    return data
