"""Several processes behind one address: started, replaced when they die, drained together."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final

from fsspec_db import DatabaseError
from gateway.app import Gateway
from gateway.databases import open_databases
from gateway.server import Server, address_of, configuration, log_to_stderr
from gateway.settings import SettingsError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess
    from types import FrameType

    from gateway.settings import Settings

logger = logging.getLogger("gateway.workers")

_READY: Final = "ready"
_DRAIN, _HURRY = "drain", "hurry"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_PAUSE: Final = 1.0
"""Seconds before the next try where a worker died while it started."""
_LAST: Final = 5.0
"""Seconds that a worker has to end once it must hurry."""


def supervise(settings: Settings, bound: socket.socket, started: Callable[[str], None]) -> None:
    """Serves in `workers` processes until this one is asked to end.

    Each opens the databases and the store of locks by itself, so that none shares a connection. The
    first signal drains them all, the second ends them soon. If this process dies they drain as well.

    Args:
        settings: How to serve.
        bound: From `bind`. All accept from it, and what waits there outlives each of them.
        started: Called with the address as soon as all accept connections.

    Raises:
        SettingsError: A worker could not start, for the reason that it gave.
    """
    log_to_stderr(settings.log_level)
    address = address_of(bound)
    with _signals() as (asked, wake), bound:
        workers = _Workers(settings, bound)
        try:
            workers.all_ready(asked, wake)
            if not asked:
                started(address)
            while not asked:
                workers.tend(wake)
        finally:
            bound.close()  # who connects from here on is refused, and does not wait in vain
            workers.end(asked, wake)


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    line: Connection
    ready: bool = False
    complaint: str = ""
    """Why it could not start."""

    def fate(self) -> str:
        """How it ended."""
        code = self.process.exitcode
        if self.complaint:
            return self.complaint
        return f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"


class _Workers:
    """The processes."""

    def __init__(self, settings: Settings, bound: socket.socket) -> None:
        self._settings = settings
        self._bound = bound
        self._since = time.time()
        self._alive: list[_Worker] = []
        self._due = [time.monotonic()] * settings.workers
        """When those that are missing are to be started."""

    def all_ready(self, asked: list[int], wake: Connection) -> None:
        """Starts them, and returns when all accept connections or a signal came.

        Raises:
            SettingsError: One cannot.
        """
        while not asked and (self._due or not all(worker.ready for worker in self._alive)):
            for worker in self._round(wake):
                raise SettingsError(worker.complaint or f"a worker ended while it started, {worker.fate()}")

    def tend(self, wake: Connection) -> None:
        """Waits until something happens, and replaces who has died."""
        for worker in self._round(wake):
            logger.error(
                "worker %d has ended: %s; another takes its place", worker.process.pid, worker.fate()
            )
            self._due.append(time.monotonic() + (0 if worker.ready else _PAUSE))

    def end(self, asked: list[int], wake: Connection) -> None:
        """Drains them all; hurries them at the second signal."""
        self._tell(_DRAIN)
        until = None
        while self._alive:
            if len(asked) > 1 and until is None:
                self._tell(_HURRY)
                until = time.monotonic() + _LAST
            self._due.clear()
            self._round(wake, until)
            if until is not None and time.monotonic() > until:
                for worker in self._alive:
                    worker.process.kill()

    def _round(self, wake: Connection, until: float | None = None) -> list[_Worker]:
        """Starts who is due, waits until something happens, hears what workers say; who has ended."""
        for due in [due for due in self._due if due <= time.monotonic()]:
            self._due.remove(due)
            self._start()
        moments = [*self._due, *([until] if until is not None else [])]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        lines = {worker.line: worker for worker in self._alive if not worker.line.closed}
        happened = wait([wake, *lines, *(worker.process.sentinel for worker in self._alive)], timeout)
        if wake in happened:
            wake.recv_bytes()
        for line, worker in lines.items():
            if line in happened:
                self._hear(worker)
        ended = [worker for worker in self._alive if worker.process.sentinel in happened]
        for worker in ended:
            worker.process.join()
            worker.line.close()
            self._alive.remove(worker)
        return ended

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.line.recv()
        except (EOFError, OSError):
            worker.line.close()
            return
        if said == _READY:
            worker.ready = True
        else:
            worker.complaint = said

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self._settings, self._bound, theirs, self._since))
        # It is told through its line: a signal to the group is for this process.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        self._alive.append(_Worker(process, ours))

    def _tell(self, word: str) -> None:
        for worker in self._alive:
            with suppress(OSError):
                worker.line.send(word)


def _work(settings: Settings, bound: socket.socket, line: Connection, since: float) -> None:
    """The life of a worker."""
    try:
        app = Gateway(open_databases(settings), settings, started=since)
    except (SettingsError, DatabaseError, FileNotFoundError) as error:
        line.send(str(error))
        sys.exit(2)
    log_to_stderr(settings.log_level)
    server = _Server(configuration(app), app, lambda: line.send(_READY))
    threading.Thread(target=_obey, args=(server, line), daemon=True).start()
    server.run(sockets=[bound])


class _Server(Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Drains. A signal may have come to all processes at once, and again from who started them."""
        self.drain()


def _obey(server: Server, line: Connection) -> None:
    """Does what the first process says; when it is gone, what it would say."""
    while True:
        try:
            word = line.recv()
        except (EOFError, OSError):
            server.drain()
            return
        if word == _HURRY:
            server.force_exit = True
        server.drain()


@contextmanager
def _signals() -> Iterator[tuple[list[int], Connection]]:
    """The signals that came, and a connection that has something to read for each."""
    asked: list[int] = []
    wake, bell = multiprocessing.Pipe(duplex=False)

    def take(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001
        asked.append(sig)
        bell.send_bytes(b"!")

    before = {sig: signal.signal(sig, take) for sig in _SIGNALS}
    try:
        with wake, bell:
            yield asked, wake
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
