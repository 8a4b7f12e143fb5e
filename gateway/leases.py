"""Who reads which state: a run of range reads by one client sees one snapshot."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshots import Snapshot
    from gateway.validators import Reading

MAX_LEASES: Final = 20_000


class Leases:
    """Snapshots by client and file, for as long as reads are less than `seconds` apart.

    A client is its connection; a connection that has read nothing yet is the client of the same
    address, `User-Agent` and `Authorization` who read last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._leases: OrderedDict[tuple[object, ...], tuple[Snapshot, float]] = OrderedDict()

    def grant(self, exchange: Exchange, reading: Reading, snapshot: Snapshot) -> None:
        """Ranges of this file are of this snapshot from now on, for this client."""
        until = time.monotonic() + self._seconds
        snapshot.leased = until
        for client in _clients(exchange):
            key = (*client, reading)
            self._leases[key] = (snapshot, until)
            self._leases.move_to_end(key)
        while self._leases:
            key, (_, ends) = next(iter(self._leases.items()))
            if len(self._leases) <= MAX_LEASES and ends > time.monotonic():
                break
            del self._leases[key]

    def held(self, exchange: Exchange, reading: Reading) -> Snapshot | None:
        """The snapshot that this client reads, if it still does; the one that it names, if it names one."""
        now = time.monotonic()
        headers = exchange.headers
        named = headers.get(b"if-match", b"") + headers.get(b"if-range", b"")
        for client in _clients(exchange):
            lease = self._leases.get((*client, reading))
            if lease is None or lease[1] <= now:
                continue
            if b'"' not in named or lease[0].tag.encode() in named:
                return lease[0]
        return None


def _clients(exchange: Exchange) -> tuple[tuple[object, ...], ...]:
    host, port = exchange.scope.get("client") or ("", 0)
    headers = exchange.headers
    return (host, port), (host, headers.get(b"user-agent"), headers.get(b"authorization"))
