"""Receives a request body whole, or not at all."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from gateway.exchange import ClientGone
from gateway.problems import Problem
from gateway.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from gateway.exchange import Exchange
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory

_ALGORITHMS: Final[Mapping[str, Any]] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DIGEST: Final = re.compile(r"\s*([a-z][a-z0-9_*.-]*)\s*=\s*:([A-Za-z0-9+/=]*):\s*")
_CODINGS: Final = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Declared:
    """What the head of a request says about its body; checked before a byte of it is read."""

    length: int | None
    coding: str | None
    digests: tuple[tuple[str, bytes], ...]


class EmptyBody(Problem):
    """A body has come whole, and has no bytes."""

    def __init__(self) -> None:
        super().__init__("malformed-body", "The body is empty: an empty one never changes a table.")


def declared(headers: Mapping[bytes, bytes], limit: int) -> Declared:
    """Reads and checks the headers that describe a body.

    Raises:
        Problem: `body-too-large`, `unsupported-media-type` for a coding, `invalid-request` for the rest.
    """
    if b"content-range" in headers:
        raise Problem("invalid-request", "Content-Range: a body replaces or appends whole rows, never bytes.")
    if headers.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
        raise Problem("unsupported", "Transfer-Encoding: chunked is the only one that is known here.")
    # The second is what macOS says of a body that it sends in chunks.
    text = headers.get(b"content-length", headers.get(b"x-expected-entity-length", b""))
    length = int(text[:20]) if text.isdigit() else None
    if length is None and b"transfer-encoding" not in headers:
        length = 0
    if length is not None and length > limit:
        raise Problem("body-too-large", f"The body has {length} bytes, allowed are {limit}.")
    coding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if coding != "identity" and coding not in _CODINGS:
        raise Problem(
            "unsupported-media-type",
            f"Content-Encoding {coding!r} is not known.",
            {"accept-encoding": "zstd, gzip"},
        )
    digests = [
        digest
        for name in (b"content-digest", b"repr-digest")
        if name in headers
        for digest in _digests(headers[name].decode("latin-1"))
    ]
    return Declared(length, _CODINGS.get(coding), tuple(digests))


@asynccontextmanager
async def received(
    exchange: Exchange,
    expected: Declared,
    directory: SpoolDirectory,
    settings: Settings,
    moved: Callable[[Spool], Awaitable[None]] | None = None,
) -> AsyncIterator[bytes | str]:
    """The whole body, verified and inflated: its bytes, or the name of a file that has them.

    `moved` is awaited whenever the spool has got more of it.

    Raises:
        ClientGone: The connection ended before the body did.
        EmptyBody: It has no bytes.
        Problem: `body-too-large`, `spool-full`, `incomplete-body`, `digest-mismatch`, `malformed-body`.
    """
    algorithms = {name for name, _ in expected.digests}
    hashes = {name: _ALGORITHMS[name]() for name in algorithms}
    bounds = (directory, settings.spool_memory_bytes, settings.max_body_bytes)
    with ExitStack() as stack:
        spool = stack.enter_context(Spool(*bounds, expected.length, hashes.values()))
        await _receive(exchange, spool, settings.stall_timeout, moved)
        if expected.length is not None and spool.size != expected.length:
            raise Problem("incomplete-body", f"{spool.size} bytes came of {expected.length}.")
        body = await asyncio.to_thread(spool.body)
        for name, digest in expected.digests:
            if not hmac.compare_digest(hashes[name].digest(), digest):
                raise Problem(
                    "digest-mismatch", f"The body does not have the {name} digest that came with it."
                )
        if not spool.size:
            raise EmptyBody
        if expected.coding is not None:
            inflated = stack.enter_context(Spool(*bounds))
            body = await asyncio.to_thread(_inflate, body, expected.coding, inflated)
        yield body


async def small_body(exchange: Exchange, limit: int) -> bytes:
    """A body that is held in memory.

    Raises:
        ClientGone: The connection ended before the body did.
        Problem: `body-too-large`.
    """
    length = exchange.headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        raise Problem("body-too-large", f"The body has more than {limit} bytes.")
    body = bytearray()
    exchange.reading = True
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise Problem("body-too-large", f"The body has more than {limit} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


async def _receive(
    exchange: Exchange, spool: Spool, stall: float, moved: Callable[[Spool], Awaitable[None]] | None
) -> None:
    more = exchange.reading = True
    while more:
        try:
            async with asyncio.timeout(stall or None):
                message = await exchange.receive()
        except TimeoutError:
            raise Problem(
                "incomplete-body", f"Nothing came for {stall:g} s.", {"connection": "close"}
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        if piece:
            await spool.write(piece)
            if moved is not None:
                await moved(spool)


def _inflate(body: bytes | str, coding: str, spool: Spool) -> bytes | str:
    source = pa.OSFile(body) if isinstance(body, str) else pa.BufferReader(body)
    try:
        with pa.CompressedInputStream(source, coding) as stream:
            while piece := stream.read(_PIECE):
                spool.write_blocking(piece)
    except (OSError, pa.ArrowException) as error:
        raise Problem("malformed-body", f"The body is not whole in {coding}.") from error
    if not spool.size:
        raise Problem("malformed-body", "There is nothing in the body.")
    return spool.body()


def _digests(header: str) -> list[tuple[str, bytes]]:
    found = []
    for item in header.split(","):
        match = _DIGEST.fullmatch(item)
        if match is None:
            raise Problem("invalid-request", "A digest has the form sha-256=:base64:.")
        name = match[1]
        if name not in _ALGORITHMS:
            continue  # RFC 9530, section 2: algorithms that are not known are ignored
        try:
            found.append((name, base64.b64decode(match[2], validate=True)))
        except binascii.Error:
            raise Problem("invalid-request", f"The {name} digest is not base64.") from None
    return found
