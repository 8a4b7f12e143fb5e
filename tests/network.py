"""A way to a server that can stop carrying."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Network:
    """Carries bytes between clients of `port` and a server on loopback, until the `with` block is left.

    While it hangs, connections are accepted and kept, as by a system behind which nothing answers, but no
    byte passes.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._carrying = threading.Event()
        self._carrying.set()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._carrying.set()
        for each in (self._listener, *self._sockets):
            _shut(each)
        for thread in self._threads:
            thread.join(10)
        for each in (self._listener, *self._sockets):
            each.close()

    def hang(self) -> None:
        """Lets no byte pass."""
        self._carrying.clear()

    def heal(self) -> None:
        """Lets all pass, what has come meanwhile first."""
        self._carrying.set()

    def _run(self, act: object, *arguments: object) -> None:
        assert callable(act)
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:
                    _shut(client)
                    continue
                self._sockets.append(server)
                self._run(self._carry, client, server, self.asked)
                self._run(self._carry, server, client, self.answered)

    def asked(self, piece: bytes) -> bytes:
        """What the server gets of what a client sent; nothing breaks the connection."""
        return piece

    def answered(self, piece: bytes) -> bytes:
        """What the client gets of what the server sent; nothing breaks the connection."""
        return piece

    def _carry(self, source: socket.socket, target: socket.socket, through: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while piece := through(source.recv(1 << 16)):
                self._carrying.wait()
                target.sendall(piece)
        self._carrying.wait()
        _shut(target)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
