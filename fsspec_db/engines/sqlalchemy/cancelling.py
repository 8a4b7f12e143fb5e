"""Stopping what a connection does, from another thread."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fsspec_db._bridge import on_cancel
from fsspec_db.errors import OperationCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN = 0.05
_TRIES = 200
_PATIENCE = 2.0


class Cancel:
    """Stops the work of one connection, for good.

    A driver stops the statement that is running, if one is. So it is told so until the work is over:
    the next statement may have begun in between. Afterwards nothing is stopped any more, for the
    connection may have other work then.

    Args:
        stop: Asks the server to stop.
        sever: Ends the connection at once, for when the server does not answer; none where nothing can.
    """

    def __init__(self, stop: Callable[[], object], sever: Callable[[], object] | None) -> None:
        self._stop = stop
        self._sever = sever
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._asked = False
        self._severed = False

    def __call__(self) -> None:
        """Stops it. For any thread."""
        self._asked = True
        # Where the network hangs, so does the request to stop.
        threading.Thread(target=self._insist, daemon=True).start()
        if not self._over.wait(_PATIENCE) and self._sever:
            self._severed = True
            with suppress(Exception):
                self._sever()
        self._over.wait(_PATIENCE)

    def _insist(self) -> None:
        for _ in range(_TRIES):
            self.once()
            if self._over.wait(_AGAIN):
                return

    def once(self) -> None:
        """Stops the statement that is running."""
        with self._lock:
            if not self._over.is_set():
                with suppress(Exception):
                    self._stop()

    def check(self) -> None:
        """Raises `OperationCancelledError` once the work is to stop."""
        if self._asked:
            raise OperationCancelledError("the reader went away, or time was up")

    def over(self) -> None:
        """The work has ended."""
        if self._severed:  # nobody uses that connection again; the request to stop may hang for long
            self._over.set()
            return
        with self._lock:
            self._over.set()


def severing(driver: Any) -> Callable[[], object] | None:
    """What shuts the socket of a driver's connection, where it shows one: who waits for it returns."""
    if hasattr(driver, "_sock"):  # pymysql
        return lambda: driver._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001  (it shows it nowhere else)
    if hasattr(driver, "fileno"):  # psycopg

        def shut() -> None:
            with socket.socket(fileno=os.dup(driver.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)

        return shut
    return None


def cancelling(connection: sa.Connection) -> Cancel:
    """What stops the statement that `connection` runs; it is told when the reader leaves."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name in ("mysql", "mariadb"):
        number, url = int(driver.thread_id()), connection.engine.url

        def stop() -> None:
            aside = sa.create_engine(url, poolclass=sa.NullPool)
            with aside.connect() as other:
                other.exec_driver_sql(f"KILL QUERY {number:d}")
    else:
        names = ("cancel_safe", "interrupt", "cancel", "close")
        stop = next(found for name in names if (found := getattr(driver, name, None)))
    cancel = Cancel(stop, severing(driver))
    on_cancel(cancel)
    return cancel
