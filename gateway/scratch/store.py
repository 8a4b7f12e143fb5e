"""The scratch files of all principals: a directory on disk, which several processes may share."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from gateway.scratch.folder import Folder
from gateway.scratch.names import kept, path_of
from gateway.scratch.replacing import finish
from gateway.scratch.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.exchange import Exchange
    from gateway.settings import Settings

ANYBODY: Final = "anonymous"

_BEGUN: Final = ".begun"
"""Where files are until they are whole: no principal's folder begins with a dot."""
_TURN: Final = ".turn"
"""A file that is locked by who changes something, and names who did last."""
_NOWHERE: Final = Path(os.devnull)
"""There is nothing in it, and never will be."""


def default_directory(settings: Settings) -> Path:
    """Where the scratch files of a gateway are if nothing else is said: of this user, for these databases."""
    served = "\0".join(f"{name}={url}" for name, url in sorted(settings.databases.items()))
    name = f"fsspec-db-scratch-{os.geteuid()}-{blake2b(served.encode(), digest_size=8).hexdigest()}"
    return Path(settings.spool_dir or tempfile.gettempdir()) / name


class Scratch:
    """The scratch files of all principals.

    Args:
        directory: Where they are; made, for this user alone, when it is needed.
        quota: Bytes that each principal may keep.
        age: Seconds after which a file that nobody used is removed.
    """

    def __init__(self, directory: Path, quota: int, age: float) -> None:
        self.directory = directory
        self.age = age
        self.room = Room(quota)
        self._name = token_hex(16).encode()

    def of(self, exchange: Exchange) -> Folder:
        """The files of whoever sent a request."""
        return self.folder(getattr(exchange, "principal", None) or ANYBODY)

    def folder(self, principal: str) -> Folder:
        """The files of one principal; none where the directory is somebody else's."""
        return Folder(self, (self.directory if self._is_own() else _NOWHERE) / kept(principal))

    def begun(self) -> Path:
        """A new name for a file that is not whole yet.

        Raises:
            OSError: As `prepare`.
        """
        return self.prepare() / token_hex(16)

    def prepare(self) -> Path:
        """Makes the directory; the one in it for files that are not whole.

        Raises:
            OSError: It cannot be made, or is somebody else's.
        """
        begun = self.directory / _BEGUN
        if not self._is_own():
            raise PermissionError(errno.EACCES, "not a directory of this user", str(self.directory))
        if not begun.is_dir():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_own() or {*os.listdir(self.directory)} - {_BEGUN, _TURN}:  # noqa: PTH208
                # All in it would be removed in time.
                raise PermissionError(errno.EACCES, "not made for scratch files", str(self.directory))
            begun.mkdir(mode=0o700, exist_ok=True)
        return begun

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The time of a change, among all processes: what was looked at stays until it is acted upon.

        It is short: what takes long is done before, aside.

        Raises:
            OSError: As `prepare`.
        """
        file = os.open(self.prepare().with_name(_TURN), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.pread(file, len(self._name), 0) != self._name:
                self.room.forget()  # somebody else may have changed something since
                with suppress(OSError):
                    os.pwrite(file, self._name, 0)
            yield
        finally:
            os.close(file)

    def _is_own(self) -> bool:
        """Whether the directory is one of this user, or nothing yet: below /tmp anybody may make it."""
        try:
            state = self.directory.lstat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()

    def folders(self) -> list[Folder]:
        """Those of all principals."""
        with suppress(FileNotFoundError):
            found = self.directory.iterdir() if self._is_own() else ()
            return [Folder(self, path) for path in found if not path.name.startswith(".")]
        return []

    def finish(self) -> None:
        """Finishes what processes have begun that are no more: called before anybody looks."""
        if self._is_own():
            finish(self.directory / _BEGUN)

    def sweep(self) -> list[str]:
        """Removes what nobody has used for so long, and what a process left that was killed.

        Returns:
            The paths of what is gone.
        """
        gone: list[str] = []
        if not (self._is_own() and (self.directory / _BEGUN).is_dir()):
            return gone
        before = time.time() - self.age
        for top, folders, files in os.walk(self.directory, topdown=False):
            for name in files:
                file = Path(top, name)
                with suppress(OSError):
                    if name != _TURN and _used(file) < before:
                        with self.turn():
                            if _used(file) < before:  # nobody has written another in its place
                                file.unlink()
                                gone.append(self._path_of(file))
            for name in folders:
                folder = Path(top, name)
                with suppress(OSError):
                    if name != _BEGUN and folder.stat().st_mtime < before:
                        with self.turn():  # not between its making and its first member
                            folder.rmdir()  # fails if there is something in it
                            gone.append(self._path_of(folder))
        self.room.forget()
        return gone

    def _path_of(self, kept: Path) -> str:
        return path_of(kept.relative_to(self.directory).parts[1:])


def _used(file: Path) -> float:
    state = file.lstat()
    return max(state.st_atime, state.st_mtime)
