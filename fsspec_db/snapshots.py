"""What was read whole, kept to be read again for as long as its rows stand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from fsspec_db.read_file import ReadFile
    from fsspec_db.spool import Spool

SNAPSHOT_BYTES: Final = 256 * 2**20
"""What a filesystem keeps unless told otherwise."""

LEAST_BYTES: Final = 64 * 2**10
"""What a snapshot counts at least, so that there is a bound to how many are kept."""


MOST_ASKED: Final = 1024
"""Files of which it is remembered that slices were asked for."""


class Snapshot:
    """The bytes of one file in one version of the data.

    Args:
        version: The data version of the rows.
        size: Bytes, where they were counted.
        spool: The bytes; `None` where they are too many to be kept.
    """

    def __init__(self, version: str, size: int | None, spool: Spool | None) -> None:
        self.version = version
        self.size = size
        self.spool = spool
        self.cost = max(LEAST_BYTES, spool.size if spool is not None else 0)
        self.readers: WeakSet[ReadFile] = WeakSet()
        """The open files that read it."""


class Snapshots:
    """The snapshots of one filesystem, by path and shape.

    What was used longest ago goes first, but nothing that is open goes. May be used by several threads.

    Args:
        limit: Bytes of all together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Snapshot] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], str] = OrderedDict()

    def again(self, key: tuple[str, str], version: str) -> bool:
        """Whether slices of this version have been asked for before: who comes twice comes more often."""
        with self._lock:
            before = self._asked.pop(key, None)
            self._asked[key] = version
            if len(self._asked) > MOST_ASKED:
                self._asked.popitem(last=False)
        return before == version

    def get(self, key: tuple[str, str]) -> Snapshot | None:
        """The snapshot of a file, of whatever version."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, str], snapshot: Snapshot) -> None:
        """Keeps a snapshot instead of the one before it, if there is room; of a large one what is known."""
        if snapshot.cost > self.limit:
            snapshot = Snapshot(snapshot.version, snapshot.size, None)
        with self._lock:
            self._kept.pop(key, None)
            over = sum(other.cost for other in self._kept.values()) + snapshot.cost - self.limit
            going = []
            for other, kept in self._kept.items():
                if over <= 0:
                    break
                if not kept.readers:
                    going.append(other)
                    over -= kept.cost
            if over <= 0:
                for other in going:
                    del self._kept[other]
                self._kept[key] = snapshot

    def close(self) -> None:
        """Keeps nothing any more. Who reads reads on."""
        with self._lock:
            self.limit = 0
            self._kept.clear()
