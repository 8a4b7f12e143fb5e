"""One connection that carries a transcript's requests as they stand, byte by byte."""

from __future__ import annotations

import http.client
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from tests.gateway.serving import Server


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def token(self) -> str:
        """The lock that it grants, as `<opaquelocktoken:…>`."""
        token: str = self.headers["Lock-Token"]
        return token

    def text(self, name: str) -> str | None:
        """The text of the first property of that name in a multistatus."""
        found = re.search(rb"<[^<>/]*\b%s\b[^<>]*>([^<]*)</" % name.encode(), self.body)
        return found and found[1].decode()


class Wire:
    """A client that sends what it is told; what it always sends is said once.

    Args:
        server: Where to.
        always: Lines of the head of every request, after its own.
    """

    def __init__(self, server: Server, *always: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), 20)
        self.host = f"127.0.0.1:{server.port}"
        self._always = always

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def say(self, line: str, *headers: str, body: bytes = b"", pieces: list[bytes] | None = None) -> Said:
        """Sends `METHOD /path` with its head and body, and waits for the answer.

        With `pieces` the body is chunked, one chunk each.
        """
        framing = f"Content-Length: {len(body)}" if pieces is None else "Transfer-Encoding: Chunked"
        lines = [f"{line} HTTP/1.1", f"Host: {self.host}", *headers, *self._always, framing, "", ""]
        self._socket.sendall("\r\n".join(lines).encode() + body)
        if pieces is not None:
            for piece in [*pieces, b""]:
                self._socket.sendall(b"%X\r\n%s\r\n" % (len(piece), piece))
        # Nothing is sent before the answer is whole, so nothing of the next one is read with it.
        with http.client.HTTPResponse(self._socket, method=line.partition(" ")[0]) as answer:
            answer.begin()
            return Said(answer.status, answer.headers, answer.read())
