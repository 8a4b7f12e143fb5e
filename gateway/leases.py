"""Who reads which state: a run of range reads by one client sees one snapshot."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshots import Snapshot
    from gateway.validators import Reading

MAX_LEASES: Final = 50_000


@dataclass(frozen=True, slots=True)
class Lease:
    """What one client has been told of a file."""

    snapshot: Snapshot
    until: float
    listed: bool
    """Whether its size was listed, so that a whole read has to have that size."""


class Leases:
    """Snapshots by client and file, for as long as reads are less than `seconds` apart.

    A client is its connection; a connection that has read nothing yet is the client of the same
    address, `User-Agent` and `Authorization` who read last.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._clients: OrderedDict[object, dict[Reading, Lease]] = OrderedDict()
        """The one that read least recently first."""
        self._count = 0

    def grant(
        self, exchange: Exchange, reading: Reading, snapshot: Snapshot, *, listed: bool = False
    ) -> None:
        """Ranges of this file are of this snapshot from now on, for this client."""
        until = snapshot.leased = time.monotonic() + self._seconds
        lease = Lease(snapshot, until, listed)
        for client in _names(exchange):
            leases = self._clients.setdefault(client, {})
            self._count += reading not in leases
            leases[reading] = lease
            self._clients.move_to_end(client)
        self._expire(until - self._seconds)

    def _expire(self, now: float) -> None:
        while self._clients:
            leases = next(iter(self._clients.values()))
            if self._count <= MAX_LEASES and max(lease.until for lease in leases.values()) > now:
                return
            self._clients.popitem(last=False)
            self._count -= len(leases)

    def held(self, exchange: Exchange, reading: Reading, *, listed: bool = False) -> Snapshot | None:
        """The snapshot that this client reads, if it still does; the one that it names, if it names one.

        Args:
            exchange: A request of the client.
            reading: What it reads.
            listed: Whether only a lease by a listing counts.
        """
        now = time.monotonic()
        headers = exchange.headers
        named = headers.get(b"if-match", b"") + headers.get(b"if-range", b"")
        for client in _names(exchange):
            lease = self._clients.get(client, {}).get(reading)
            if lease is None or lease.until <= now or (listed and not lease.listed):
                continue
            if b'"' not in named or lease.snapshot.tag.encode() in named:
                return lease.snapshot
        return None

    def end(self, exchange: Exchange, relation: str) -> None:
        """This client has written a relation: what it reads from now on is what it wrote."""
        for client in _names(exchange):
            leases = self._clients.get(client, {})
            for reading in [reading for reading in leases if reading.relation == relation]:
                del leases[reading]
                self._count -= 1
            if not leases:
                self._clients.pop(client, None)


def _names(exchange: Exchange) -> tuple[object, ...]:
    host, port = exchange.scope.get("client") or ("", 0)
    headers = exchange.headers
    return (host, port), (host, headers.get(b"user-agent"), headers.get(b"authorization"))
