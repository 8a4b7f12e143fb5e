"""What says to be PostgreSQL and is not harms nobody but its own rows."""

from __future__ import annotations

import re
import socket
import struct
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fsspec_db import DatabaseUnavailableError, QueryTimeoutError, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

TLS = struct.pack(">I", 80877103)


def message(tag: bytes, body: bytes = b"") -> bytes:
    return tag + struct.pack(">I", len(body) + 4) + body


READY = message(b"Z", b"I")
ENTERED = (
    message(b"R", bytes(4))
    + message(b"S", b"server_version\x0015.1\0")
    + message(b"S", b"application_name\x0010.1\0")
    + message(b"K", bytes(8))
    + READY
)


class Hostile:
    """Greets whoever comes with `greeting`, and describes every statement with `said`."""

    def __init__(self, greeting: bytes, said: bytes) -> None:
        self._greeting, self._said = greeting, said
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://ada@127.0.0.1:{self._server.getsockname()[1]}/d"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._server.accept()[:1], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, struct.error):
            while _rest(client) == TLS:
                client.sendall(b"N")
            client.sendall(self._greeting)
            while tag := client.recv(1):
                _rest(client)
                if tag == b"Q":
                    client.sendall(message(b"C", b"OK\0") + READY)
                elif tag == b"D":
                    client.sendall(self._said)
                elif tag == b"S":
                    client.sendall(READY)


def _rest(client: socket.socket) -> bytes:
    (length,) = struct.unpack(">I", client.recv(4, socket.MSG_WAITALL))
    return client.recv(length - 4, socket.MSG_WAITALL) if length > 4 else b""


def peak() -> int:
    """The most memory that this process ever had, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[str]:
    with closing(Hostile(*request.param)) as server:
        yield server.url


CLAIM = struct.pack(">I", (1 << 30) - 10)


@pytest.mark.parametrize(
    "hostile",
    [
        (ENTERED, message(b"E")),
        (ENTERED, message(b"t", b"\0\1") + message(b"T")),
        (ENTERED, b"D" + CLAIM),
        (ENTERED, b"D" + struct.pack(">I", 0)),
        (ENTERED, message(b"t", b"\0\0") + message(b"T", b"\0\1n\0") + READY),
    ],
    indirect=True,
)
def test_answers_that_are_none_are_a_server_that_is_not_there(hostile: str) -> None:
    with closing(connect(hostile)) as fs:
        before = peak()
        with pytest.raises((DatabaseUnavailableError, QueryTimeoutError)):
            fs.query("SELECT 1", timeout=2)
        assert peak() - before < 64


@pytest.mark.parametrize("hostile", [(ENTERED, message(b"t") + message(b"n"))], indirect=True)
def test_a_description_of_nothing_is_no_panic(hostile: str) -> None:
    with closing(connect(hostile)) as fs, pytest.raises(Exception, match=r"give rows|answered what"):
        fs.query("SELECT 1", timeout=2)


@pytest.mark.parametrize(
    "hostile", [(b"R" + struct.pack(">I", 1 << 20), b""), (b"E" + CLAIM, b"")], indirect=True
)
def test_who_has_not_let_us_in_says_little(hostile: str) -> None:
    before = peak()
    with pytest.raises(DatabaseUnavailableError, match="impossible length"):
        connect(f"{hostile}?connect_timeout=5")
    assert peak() - before < 16
