"""Who reads which state: a run of range reads by one client sees one snapshot."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.exchange import CONNECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.exchange import Exchange
    from gateway.snapshot import Snapshot
    from gateway.validators import Reading

MAX_LEASES: Final = 50_000
MAX_CLIENTS: Final = 1000
"""Clients of one listing whose leases are known to be fresh."""
_LATE: Final = 1 / 8
"""Part of its time that a lease lasts longer than it has to, so that not every read of a run renews it."""

_TAG: Final = re.compile(rb'"[^"]*"')
_RESUMING: Final = re.compile(rb"bytes=0*[1-9][0-9]*-")
"""All from some byte on: so much of a download is there already."""


@dataclass(slots=True)
class _Lease:
    snapshot: Snapshot
    until: float
    listed: Listed | None = None
    """The listing that told its size, if nothing of it was read since."""

    def fresh(self, snapshot: Snapshot, until: float) -> bool:
        """Whether ranges are of this snapshot for so long already."""
        return self.snapshot is snapshot and self.until > until and self.listed is None


@dataclass(eq=False, slots=True)
class Listed:
    """Files whose sizes are told together."""

    snapshots: Sequence[tuple[Reading, Snapshot]]
    until: dict[tuple[object, ...], float] = field(default_factory=dict)
    """How long they are leased, by client."""


class Leases:
    """Snapshots by client and file, for as long as reads are less than `seconds` apart.

    A client is its connection, and those that began with a range of what it had looked at: pools of
    connections look on one and read on others. They are known by address, `User-Agent` and
    `Authorization`; of several that look at once with the same, each reads what it sees as long as it
    keeps to its connection, or names the tag.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds * (1 + _LATE)
        self._late = seconds * _LATE
        self._leases: OrderedDict[tuple[object, ...], _Lease] = OrderedDict()

    def list(self, exchange: Exchange, files: Listed) -> None:
        """This client has been told the sizes of files: a read of the whole has to have that, too."""
        until = time.monotonic() + self._seconds
        connection, alike = _clients(exchange)
        if files.until.get(alike, 0.0) > until - self._late:
            return
        if len(files.until) >= MAX_CLIENTS:
            files.until.clear()
        files.until[alike] = until
        for reading, snapshot in files.snapshots:
            snapshot.leased = until
            lease = self._live((*connection, reading))
            if lease is None:
                lease = _Lease(snapshot, until)
            lease.snapshot, lease.until, lease.listed = snapshot, until, files
            for key in ((*connection, reading), (*alike, reading)):
                self._leases[key] = lease
                self._leases.move_to_end(key)
        self._expire()

    def grant(self, exchange: Exchange, reading: Reading, snapshot: Snapshot) -> None:
        """Ranges of this file are of this snapshot from now on, for this client."""
        until = time.monotonic() + self._seconds
        connection, alike = ((*client, reading) for client in _clients(exchange))
        ranged = exchange.method == "GET" and b"range" in exchange.headers
        lease = self._live(connection)
        if ranged and lease is not None and lease.fresh(snapshot, until - self._late):
            return
        snapshot.leased = until
        lease = lease or (self._live(alike) if ranged else None)
        known = any(self._live((*client, snapshot.tag)) for client in (connection, alike))
        if lease is None or not ranged:
            lease = lease or _Lease(snapshot, until)
            self._keep(alike, lease)
        if lease.snapshot is snapshot or not (ranged and known):
            lease.snapshot, lease.until = snapshot, until
            if lease.listed is not None:
                lease.listed.until.clear()  # it has to be leased anew by the next listing
                lease.listed = None
        self._keep(connection, lease)
        named = _Lease(snapshot, until)
        for client in (connection, alike):
            self._keep((*client, snapshot.tag), named)
        begun = self._live(_resumed(exchange, reading))
        if begun is not None and ranged and begun.snapshot.tag == snapshot.tag:
            begun.snapshot, begun.until = snapshot, until
        elif not ranged:
            self._leases.pop(_resumed(exchange, reading), None)

    def begin(self, exchange: Exchange, snapshot: Snapshot) -> None:
        """Who resumes this download is to have the rest of this state: many do without naming a tag.

        Until it reads anew; listings in between are none of that.
        """
        self._keep(_resumed(exchange, snapshot.reading), _Lease(snapshot, time.monotonic() + self._seconds))

    def held(self, exchange: Exchange, reading: Reading) -> Snapshot | None:
        """The snapshot that a range of this client is of; the one that it names, if it names one.

        One that it names may be from before it looked again.
        """
        headers = exchange.headers
        named = headers.get(b"if-match", b"") + headers.get(b"if-range", b"")
        tags: list[tuple[str, ...]] = [(tag.decode("latin-1"),) for tag in _TAG.findall(named)]
        keys = [(*client, reading, *tag) for client in _clients(exchange) for tag in tags or [()]]
        if not tags and _RESUMING.fullmatch(headers.get(b"range", b"")):
            keys.insert(0, _resumed(exchange, reading))
        return next((lease.snapshot for lease in map(self._live, keys) if lease is not None), None)

    def listed(self, exchange: Exchange, reading: Reading) -> Snapshot | None:
        """The snapshot whose size was listed for this client."""
        leases = (self._live((*client, reading)) for client in _clients(exchange))
        return next(
            (lease.snapshot for lease in leases if lease is not None and lease.listed is not None), None
        )

    def _live(self, key: tuple[object, ...]) -> _Lease | None:
        lease = self._leases.get(key)
        return lease if lease is not None and lease.until > time.monotonic() else None

    def _keep(self, key: tuple[object, ...], lease: _Lease) -> None:
        self._leases[key] = lease
        self._leases.move_to_end(key)
        self._expire()

    def _expire(self) -> None:
        while self._leases:
            oldest, kept = next(iter(self._leases.items()))
            if len(self._leases) <= MAX_LEASES and kept.until > time.monotonic():
                break
            del self._leases[oldest]


def _resumed(exchange: Exchange, reading: Reading) -> tuple[object, ...]:
    return (*_clients(exchange)[-1], reading, "resumed", None)


def _clients(exchange: Exchange) -> tuple[tuple[object, ...], ...]:
    host, port = exchange.scope.get("client") or ("", 0)
    headers = exchange.headers
    name = (host, headers.get(b"user-agent"), headers.get(b"authorization"))
    # Ports come back soon. Behind a proxy, several clients may have one connection.
    connection = exchange.scope.get("extensions", {}).get(CONNECTION, {}).get("number", port)
    return (*name, connection), (*name, "any")
