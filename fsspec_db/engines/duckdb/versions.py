"""Data versions: which state of a database it is, told without reading it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from fsspec_db.errors import PreconditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Moves = tuple[int, str]

_COUNTED: WeakValueDictionary[str, Versions] = WeakValueDictionary()
_LOOKING = threading.Lock()


class Versions:
    """The versions of one database, which no other process writes: a count of our commits.

    What other code of this process commits to a file is told by the file and its log.

    Args:
        file: The name of the file; `None` for a database in memory.
    """

    def __init__(self, file: str | None) -> None:
        self._file = file
        self._nonce = token_hex(8)
        self._commits = 0
        self._committing = threading.Lock()

    @classmethod
    def of(cls, place: str, file: str | None) -> Versions:
        """Those of a database, which all who have it open in this process share."""
        with _LOOKING:
            found = _COUNTED.get(place)
            if found is None:
                found = _COUNTED[place] = cls(file)
            return found

    def now(self) -> str:
        """The present version. Of a commit that is under way the end is waited for."""
        with self._committing:
            return self._present()

    def expect(self, version: str) -> Moves:
        """What must not move before the commit of a write that is meant for this version.

        Raises:
            PreconditionFailedError: It is another by now.
        """
        with self._committing:
            if self._present() != version:
                raise PreconditionFailedError("the rows are not those of that version any more")
            return self._moves()

    @contextmanager
    def commit(self, expected: Moves | None = None) -> Iterator[None]:
        """The one commit of now; nobody is told a version meanwhile.

        Raises:
            PreconditionFailedError: Somebody else committed since `expect`.
        """
        with self._committing:
            if expected not in (None, self._moves()):
                raise PreconditionFailedError("somebody else wrote meanwhile")
            try:
                yield
            finally:
                self._commits += 1

    def _moves(self) -> Moves:
        # Not the file itself: rows that are not committed yet may be written there, and no log.
        return self._commits, _state(f"{self._file}.wal") if self._file else ""

    def _present(self) -> str:
        written = f"-{_states(self._file)}" if self._file else ""
        return f"{self._nonce}-{self._commits:x}{written}"


class Unchanging(Versions):
    """The version of a file that is open to read: DuckDB's lock keeps all writers away until it is closed."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self._one = _states(file)

    def now(self) -> str:
        """The same for all who have this file open."""
        return self._one


def _states(file: str) -> str:
    """Changes with a file and the log that belongs to it."""
    return "-".join(_state(name) for name in (file, f"{file}.wal"))


def _state(name: str) -> str:
    try:
        state = Path(name).stat()
    except FileNotFoundError:
        return ""
    return f"{state.st_ino:x}.{state.st_size:x}.{state.st_mtime_ns:x}"
