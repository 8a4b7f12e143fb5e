"""Stopping what a connection does, from another thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from fsspec_db.errors import OperationCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN = 0.05
_TRIES = 200


class Cancel:
    """Stops the work of one connection, for good.

    A driver stops the statement that is running, if one is. So it is told so until the work is over:
    the next statement may have begun in between. Afterwards nothing is stopped any more, for the
    connection may have other work then.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._asked = False

    def __call__(self) -> None:
        """Stops it. For any thread."""
        self._asked = True
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
        with self._lock:
            self._over.set()
