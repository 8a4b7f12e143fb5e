"""Runs the real command on a free port, and speaks to it byte by byte where a client would not."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A gateway in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    """Its standard error."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Asks it to end; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(30)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def raw(self, request: bytes) -> bytes:
        """Everything that comes back for the bytes of a request until the server closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_to_end(connection)


@contextmanager
def serving(log: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server for the time of a block; it must end with status 0."""
    command = [sys.executable, "-m", "gateway.cli", "serve", "--port", "0", *arguments]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **(env or {})}
        ) as process,
    ):
        try:
            url = started(process, log)
            server = Server(process, url, log)
            yield server
            assert server.stop() == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()


def started(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the one line that a server prints."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 30)
    line = process.stdout.readline().decode() if ready else ""
    assert line.startswith("serving http://"), log.read_text()
    return line.removeprefix("serving ").strip().rstrip("/")


def read_to_end(connection: socket.socket) -> bytes:
    """All bytes until the other side closes, however rudely."""
    received = bytearray()
    try:
        while piece := connection.recv(1 << 16):
            received += piece
    except ConnectionResetError:
        pass
    return bytes(received)


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()
