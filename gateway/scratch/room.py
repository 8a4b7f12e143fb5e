"""How much room a principal's scratch files take."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from gateway.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

_LEAST: Final = 4096
"""Bytes that a file or a collection counts at least, so that their number is bounded, too."""
_FRESH: Final = 1.0
"""Seconds for which a measure holds, but for refusing."""


class Room:
    """A quota of bytes for each folder, measured on disk: other processes use it, too."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._measured: dict[Path, tuple[float, int]] = {}

    def check(self, folder: Path, size: int, replaced: int | None) -> None:
        """Refuses to go beyond the quota.

        Args:
            folder: Whose files.
            size: Bytes that are to come.
            replaced: Bytes of what goes for them, if something does.

        Raises:
            Problem: `scratch-full`.
        """
        more = max(size, _LEAST) - (0 if replaced is None else max(replaced, _LEAST))
        measured, used = self._measured.get(folder, (-_FRESH, 0))
        if time.monotonic() - measured > _FRESH or used + more > self._quota:
            used = self.measure(folder)
            self._measured[folder] = (time.monotonic(), used)
        if more > 0 and used + more > self._quota:
            raise Problem(
                "scratch-full", f"Scratch files may take {self._quota} bytes; {used} are taken already."
            )

    def added(self, folder: Path, size: int) -> None:
        """So much has come, as far as nobody measures anew."""
        measured, used = self._measured.get(folder, (-_FRESH, 0))
        self._measured[folder] = (measured, used + max(size, _LEAST))

    def forget(self) -> None:
        """Something has gone: measures are to be made anew."""
        self._measured.clear()

    def quota(self, folder: Path) -> tuple[int, int]:
        """Bytes that are used, and bytes that are free."""
        used = self.measure(folder)
        return used, max(0, self._quota - used)

    @staticmethod
    def measure(folder: Path) -> int:
        """The bytes in a folder, and all below it."""
        used = 0
        below = [os.fspath(folder)]
        while below:
            try:
                with os.scandir(below.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            used += _LEAST
                            below.append(entry.path)
                        else:
                            used += max(_LEAST, entry.stat(follow_symlinks=False).st_size)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has gone meanwhile
        return used
