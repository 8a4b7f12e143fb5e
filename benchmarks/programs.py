"""Servers and helpers that run beside the benchmark, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A server that accepts connections."""

    base: str
    pid: int

    @property
    def port(self) -> str:
        """The port it listens on."""
        return self.base.rsplit(":", 1)[1]


@contextmanager
def gateway(database: Path | str, *settings: str, access: str = "read") -> Iterator[Server]:
    """The gateway over a SQLite file, or over what a URL names."""
    arguments = [
        "serve",
        database if isinstance(database, str) else f"sqlite:///{database}",
        "--port",
        "0",
        "--access",
        access,
        "--log-level",
        "warning",
        *settings,
    ]
    with _serving([sys.executable, "-m", "gateway.cli", *arguments]) as server:
        yield server


@contextmanager
def peer(module: str, *arguments: str | Path) -> Iterator[Server]:
    """A server of `benchmarks.peers`."""
    with _serving([sys.executable, "-m", f"benchmarks.peers.{module}", *arguments]) as server:
        yield server


@contextmanager
def rclone(folder: Path) -> Iterator[Server]:
    """`rclone serve webdav` (Debian's `rclone`) over a folder."""
    command = ("rclone", "serve", "webdav", folder, "--addr", "127.0.0.1:0", "--config", os.devnull)
    with _process(*command, stderr=subprocess.STDOUT) as (process, output):
        for line in output:
            if found := re.search(r"(http://127\.0\.0\.1:[0-9]+)/", line):
                yield Server(found[1], process.pid)
                return
        raise RuntimeError("rclone did not start")


@contextmanager
def timer(*command: str | Path) -> Iterator[Callable[[], float]]:
    """A program that does its work once for each line it reads, and answers with the seconds."""
    with _process(*command, stdin=subprocess.PIPE) as (process, answers):
        requests = process.stdin
        assert requests is not None

        def once() -> float:
            requests.write("\n")
            requests.flush()
            return float(answers.readline())

        try:
            yield once
        finally:
            requests.close()


@contextmanager
def _serving(command: list[str | Path]) -> Iterator[Server]:
    with _process(*command) as (process, output):
        line = output.readline()
        found = re.fullmatch(r"serving (http://\S+?)/\n", line)
        if found is None:
            raise RuntimeError(f"{command[1:3]} did not start: {line!r}")
        yield Server(found[1], process.pid)


@contextmanager
def _process(
    *command: str | Path, stdin: int | None = None, stderr: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.terminate()
