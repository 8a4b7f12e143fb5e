"""How a response goes to the kernel: uvicorn's way, with fewer copies of what is long."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.exchange import ZERO_COPY

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_LONG: Final = 64 << 10
_TURN: Final = 1 << 20
"""Bytes of a file after which others get their turn."""


class Cycle(RequestResponseCycle):
    """Hands long pieces of a body, and parts of files, to the kernel as they are, short ones with the head.

    uvicorn would copy each long piece to put its chunk's head and tail around it, and give the kernel
    the head of a response by itself, which costs as much as a short response.
    """

    _head: bytes | bytearray = b""
    """What is to be sent together with what comes next."""

    async def send(self, message: Any) -> None:
        """As uvicorn's, and the extension `http.response.zerocopysend`."""
        if message["type"] == ZERO_COPY:
            await self._send_file(message)
            return
        body = message.get("body", b"")
        if len(body) >= _LONG and message.get("more_body") and self.chunked_encoding:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if not self.disconnected:
                self._write_head()
                self.transport.writelines((b"%x\r\n" % len(body), body, b"\r\n"))
        elif len(body) >= _LONG:
            self._write_head()
            await super().send(message)
        else:
            await self._send_together(message)

    async def _send_together(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        # From here on uvicorn waits for nothing, so that nobody else meets the stand-in.
        transport, gathered = self.transport, _Gathered(self._head)
        self.transport = gathered  # type: ignore[assignment]
        try:
            await super().send(message)
        finally:
            self.transport, self._head = transport, b""
            if message["type"] == "http.response.start" and not self.disconnected:
                self._head = gathered.bytes
            elif gathered.bytes and not self.disconnected:
                transport.write(gathered.bytes)
            if gathered.closed:
                transport.close()

    def _write_head(self) -> None:
        if self._head:
            self.transport.write(self._head)
            self._head = b""

    async def _send_file(self, message: MutableMapping[str, Any]) -> None:
        offset, count = message["offset"], message["count"]
        if self.disconnected:
            return
        self._write_head()
        if self.chunked_encoding:
            self.transport.write(b"%x\r\n" % count)
        elif count > self.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        else:
            self.expected_content_length -= count
        self.transport.set_write_buffer_limits(high=0)  # what was written before goes first
        try:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            # A number of its own, for the transport lets nobody else watch its socket.
            connection = os.dup(self.transport.get_extra_info("socket").fileno())
            try:
                await self._copy(message["file"], connection, offset, count)
            finally:
                os.close(connection)
        finally:
            if not self.transport.is_closing():
                self.transport.set_write_buffer_limits(high=HIGH_WATER_LIMIT)
        if self.chunked_encoding and not self.disconnected:
            self.transport.write(b"\r\n")
        if not message.get("more_body", False):
            await super().send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _copy(self, file: int, connection: int, offset: int, count: int) -> None:
        end, turn = offset + count, 0
        while offset < end and not self.disconnected:
            try:
                sent = os.sendfile(connection, file, offset, min(end - offset, _TURN))
            except BlockingIOError:
                await _writable(connection)
                turn = 0
                continue
            if sent == 0:
                raise RuntimeError("Response content shorter than Content-Length")
            offset, turn = offset + sent, turn + sent
            if turn >= _TURN:
                await asyncio.sleep(0)
                turn = 0


class _Gathered:
    """Stands in for a transport while uvicorn writes."""

    def __init__(self, head: bytes | bytearray) -> None:
        self.bytes = bytearray(head)
        self.closed = False

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += data

    def close(self) -> None:
        self.closed = True


async def _writable(connection: int) -> None:
    loop = asyncio.get_running_loop()
    turn = loop.create_future()

    def ready() -> None:
        if not turn.done():
            turn.set_result(None)

    loop.add_writer(connection, ready)
    try:
        await turn
    finally:
        loop.remove_writer(connection)
