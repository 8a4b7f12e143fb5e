"""Sends the chunks of a read as a response that ends cleanly only if the read did."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.chunks import Chunks
from gateway.coding import encoder
from gateway.exchange import Abort, ClientGone
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fsspec_db import ChunkStream
    from gateway.exchange import Exchange, Headers
    from gateway.negotiation import Coding

_HERE = 64 << 10
"""Up to this size a piece is compressed on the event loop: a thread would cost more."""


async def transfer(
    exchange: Exchange,
    stream: ChunkStream,
    headers: Headers,
    *,
    validators: Callable[[bytes | memoryview | None], Headers] | None = None,
    coding: Coding | None = None,
    stall: float,
    max_bytes: int = 0,
    capped: bool = False,
) -> None:
    """Answers with the bytes of a stream and closes it.

    A body that is one chunk goes out with its length; HEAD stops after the first chunk and says
    what GET would.

    Args:
        exchange: The request.
        stream: What to send.
        headers: Headers of the response, without those of its length and coding.
        validators: Gives more headers when the first chunk is there, and the body if that is all of it.
        coding: The content coding to send it in.
        stall: Seconds that the client may take for one chunk.
        max_bytes: Encoded bytes after which the transfer fails; 0 is no limit.
        capped: Whether a cut by the row limit is the gateway's doing, and thus a failure unless it
            is known, and said, before the body.

    Raises:
        Problem: It failed before the first byte.
        Abort: It failed after the first byte.
        ClientGone: The client left.
    """
    with Chunks(stream, exchange.receive) as chunks:
        chunk = await chunks.next()
        if max_bytes and len(chunk) > max_bytes:
            raise Problem("result-too-large", f"The result has more than {max_bytes} bytes.")
        announced = stream.truncated
        if announced:
            headers = [*headers, (b"result-truncated", b"true")]
        if coding is not None:
            headers = [*headers, (b"content-encoding", coding.encode())]
        if stream.complete:
            body = await _encode_whole(chunk, coding) if coding else chunk
            if validators is not None:
                headers = [*headers, *validators(body)]
            await exchange.answer(200, headers, body)
            return
        if exchange.scope["http_version"] == "1.0":
            # RFC 9112, 6.1: no chunked coding there, and without it a failure looks like an end.
            raise Problem("http-version", "The length is not known in advance; that needs HTTP/1.1.")
        if validators is not None:
            headers = [*headers, *validators(None)]
        await exchange.start(200, headers)
        if exchange.method == "HEAD":
            await exchange.body(b"", more=False)
            return
        try:
            await _send_all(exchange, chunks, chunk, coding, stall, max_bytes)
            if stream.truncated and capped and not announced:
                raise Abort("cut by query_max_rows")
            await exchange.body(b"", more=False)
        except Problem as problem:
            raise Abort(str(problem)) from problem


async def send_rest(
    exchange: Exchange,
    stream: ChunkStream,
    position: int,
    same: Callable[[], bool],
    *,
    coding: Coding | None,
    stall: float,
) -> None:
    """Sends what follows a position, within a response that has begun, and closes the stream.

    Args:
        exchange: The request.
        stream: Reads all from the start.
        position: Coded bytes that have been sent already.
        same: Whether the stream's bytes are those that the response began with, known from its first
            chunk on.
        coding: The content coding of the response.
        stall: Seconds that the client may take for one chunk.

    Raises:
        Problem: What the database said.
        Abort: The bytes are others, or the client takes none.
        ClientGone: The client left.
    """
    with Chunks(stream, exchange.receive) as chunks:
        chunk = await chunks.next()
        if not same():
            raise Abort("the rows have changed")
        await _send_all(exchange, chunks, chunk, coding, stall, 0, position)


async def _send_all(
    exchange: Exchange,
    chunks: Chunks,
    chunk: bytes | memoryview,
    coding: Coding | None,
    stall: float,
    max_bytes: int,
    skip: int = 0,
) -> None:
    encode = encoder(coding) if coding else None
    sent = 0
    while chunk:
        sent += len(chunk)
        if max_bytes and sent > max_bytes:
            raise Abort(f"more than {max_bytes} bytes")
        piece = await asyncio.to_thread(encode.encode, chunk) if encode else chunk
        piece, skip = piece[skip:], max(0, skip - len(piece))
        if piece:
            await within(stall, exchange.body(piece, more=True))
        if chunks.gone:
            raise ClientGone
        chunk = b"" if chunks.stream.complete else await chunks.next()
    if encode:
        rest = await asyncio.to_thread(encode.finish)
        await within(stall, exchange.body(rest[skip:], more=True))


async def within(stall: float, sending: Coroutine[None, None, None]) -> None:
    """Sends, unless the client takes nothing for so many seconds.

    Raises:
        Abort: It takes nothing.
        ClientGone: It left.
    """
    try:
        async with asyncio.timeout(stall or None):
            await sending
    except TimeoutError:
        raise Abort(f"the client took nothing for {stall:g} s") from None
    except OSError as error:
        raise ClientGone from error


async def _encode_whole(body: bytes | memoryview, coding: Coding) -> bytes:
    def run() -> bytes:
        encode = encoder(coding)
        return encode.encode(body) + encode.finish()

    return run() if len(body) <= _HERE else await asyncio.to_thread(run)
