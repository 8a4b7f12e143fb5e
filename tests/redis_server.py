"""A throw-away Redis, from the binary that is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from types import TracebackType


class RedisProcess:
    """A server on a free port of loopback, until the `with` block is left. It keeps nothing on disk."""

    def __init__(self, password: str = "") -> None:
        found = shutil.which("redis-server")
        if found is None:
            missing = "redis-server is not installed"
            if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._binary = found
        self._password = password
        self.folder = Path(tempfile.mkdtemp(prefix="fsspec-db-redis-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        login = f":{password}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server, empty, and waits until it accepts connections."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        if self._password:
            options += ["--requirepass", self._password]
        self.process = subprocess.Popen([self._binary, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
            except OSError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Ends the server; what was in it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def empty(self) -> None:
        """Forgets everything."""
        self.command("FLUSHALL")

    def command(self, *words: str) -> bytes:
        """Sends a command; the first line of what comes back."""
        login = [("AUTH", self._password)] if self._password else []
        with (
            socket.create_connection(("127.0.0.1", self.port), 20) as connection,
            connection.makefile("rb") as said,
        ):
            answers = []
            for each in (*login, words):
                connection.sendall(b"".join(b"%s\r\n" % line for line in _lines(each)))
                answers.append(said.readline())
            return answers[-1]


def _lines(words: tuple[str, ...]) -> list[bytes]:
    lines = [b"*%d" % len(words)]
    for word in words:
        lines += [b"$%d" % len(word.encode()), word.encode()]
    return lines
