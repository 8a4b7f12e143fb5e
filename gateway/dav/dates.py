"""When a resource changed, as far as the gateway can know."""

from __future__ import annotations

import time
from typing import Final

from gateway.dav.lock_store import place

MAX_WRITES: Final = 10_000


class Dates:
    """The start of the gateway, or the last write that went through it, by relation.

    What other programs do to the database is not seen here: until an engine says the version of its
    data, a date that stands still is no promise that the rows do. Clients want a date on every
    resource nonetheless, directories too. When more relations were written than are remembered, the
    date of all moves forward, never back.
    """

    def __init__(self, started: float | None = None) -> None:
        self._floor = time.time() if started is None else started
        self.created = self._floor
        self._written: dict[str, float] = {}
        self.writes = 0
        """How often something was written."""

    def written(self, path: str) -> None:
        """Notes that the rows behind a data file changed just now."""
        self.writes += 1
        if len(self._written) >= MAX_WRITES:
            self._written.clear()
            self._floor = time.time()
        self._written[place(path)] = time.time()

    def modified(self, path: str) -> float:
        """Seconds since the epoch."""
        if not self._written:
            return self._floor
        return self._written.get(place(path), self._floor)
