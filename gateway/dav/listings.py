"""Listings as they were sent, for as long as nothing in the database has changed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gateway.leases import Listed

MAX_BYTES: Final = 32 << 20
"""Of all of them together."""
MAX_ENTRIES: Final = 20_000
"""Of one that is kept; what is longer is sent as it is rendered."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a PROPFIND."""

    state: str
    """Of the database, before it was asked and after."""
    pieces: tuple[bytes, ...]
    files: Listed
    """Those whose sizes are in it."""

    @property
    def size(self) -> int:
        """Bytes of the answer."""
        return sum(map(len, self.pieces))


class Listings:
    """The listings that were sent last, by what was asked."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Listing] = OrderedDict()
        self._bytes = 0

    def find(self, asked: Hashable, state: str) -> Listing | None:
        """The answer in this state of the database."""
        found = self._kept.get(asked)
        if found is None or found.state != state:
            return None
        self._kept.move_to_end(asked)
        return found

    def keep(self, asked: Hashable, listing: Listing) -> None:
        """Keeps an answer instead of that of an earlier state."""
        self.forget(asked)
        self._kept[asked] = listing
        self._bytes += listing.size
        while self._bytes > self._max_bytes:
            self.forget(next(iter(self._kept)))

    def forget(self, asked: Hashable) -> None:
        """Lets an answer go."""
        old = self._kept.pop(asked, None)
        if old is not None:
            self._bytes -= old.size
