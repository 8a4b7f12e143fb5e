"""Scratch files on disk: a folder for each principal, which several processes may share.

The file system is the only truth. A file is never changed in place: another one takes its name, so
that who reads one reads it to its end.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from gateway.problems import Problem
from gateway.scratch.names import ROOT, TooLong, inside, junk, kept, name_of, on_disk
from gateway.scratch.replacing import finish, replace
from gateway.scratch.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.exchange import Exchange
    from gateway.settings import Settings

ANYBODY: Final = "anonymous"

_BEGUN: Final = ".begun"
"""Where files are until they are whole: no principal's folder begins with a dot."""
_LOCKED: Final = 0o400
"""The mode of what LOCK made and nobody has written."""
_WRITTEN: Final = 0o600


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

    def of(self, exchange: Exchange) -> Folder:
        """The files of whoever sent a request."""
        return self.folder(getattr(exchange, "principal", None) or ANYBODY)

    def folder(self, principal: str) -> Folder:
        """The files of one principal."""
        return Folder(self, self.directory / kept(principal))

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
        if not begun.is_dir():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = self.directory.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
                raise PermissionError(errno.EACCES, "not a directory of this user", str(self.directory))
            begun.mkdir(mode=0o700, exist_ok=True)
        return begun

    def folders(self) -> list[Folder]:
        """Those of all principals."""
        with suppress(FileNotFoundError):
            return [Folder(self, path) for path in self.directory.iterdir() if path.name != _BEGUN]
        return []

    def finish(self) -> None:
        """Finishes what processes have begun that are no more: called before anybody looks."""
        finish(self.directory / _BEGUN)

    def sweep(self) -> None:
        """Removes what nobody has used for so long, and what a process left that was killed."""
        before = time.time() - self.age
        for top, folders, files in os.walk(self.directory, topdown=False):
            for name in files:
                file = Path(top, name)
                with suppress(OSError):
                    state = file.lstat()
                    if max(state.st_atime, state.st_mtime) < before:
                        file.unlink()
            for name in folders:
                folder = Path(top, name)
                with suppress(OSError):
                    if name != _BEGUN and folder.stat().st_mtime < before:
                        folder.rmdir()  # fails if there is something in it
        self.room.forget()


class Folder:
    """The scratch files of one principal. Paths are those of the served tree.

    All methods block, the changing ones for as long as the disk takes. What an `OSError` means to a
    client, they say as a `Problem`.
    """

    def __init__(self, scratch: Scratch, root: Path) -> None:
        self._scratch = scratch
        self._root = root

    # Looking

    def find(self, path: str) -> dict[str, Any] | None:
        """The fsspec entry of a file or collection, if there is one.

        Raises:
            Problem: `invalid-path`.
        """
        if path == "/":
            return None
        plain = path.removesuffix("/")
        try:
            state = (self._root / on_disk(plain)).lstat()
        except (FileNotFoundError, NotADirectoryError, TooLong):
            return _collection(ROOT, None) if plain == ROOT else None
        if path.endswith("/") and not stat.S_ISDIR(state.st_mode):
            return None
        return _entry(plain, state)

    def members(self, path: str) -> list[dict[str, Any]]:
        """The entries in a directory of the tree, or in a collection.

        Raises:
            Problem: `invalid-path`.
        """
        parent = path.rstrip("/")
        found: list[dict[str, Any]] = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._root / inside(path)) as kept:
            for one in kept:
                name = name_of(one.name)
                with suppress(FileNotFoundError):
                    if name is not None:
                        found.append(_entry(f"{parent}/{name}", one.stat(follow_symlinks=False)))
        if not parent and all(entry["name"] != ROOT for entry in found):
            found.append(_collection(ROOT, None))
        return sorted(found, key=lambda entry: str(entry["name"]))

    def quota(self) -> tuple[int, int]:
        """Bytes that are used, and bytes that are free."""
        return self._scratch.room.quota(self._root)

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The number of an open file, and its entry.

        Raises:
            Problem: `not-found`.
        """
        try:
            file = os.open(self._root / on_disk(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise _gone(path) from None
        try:
            state = os.fstat(file)
            with suppress(OSError):
                os.utime(file, ns=(time.time_ns(), state.st_mtime_ns))
            yield file, _entry(path, state)
        finally:
            os.close(file)

    @contextmanager
    def held(self, path: str) -> Iterator[str]:
        """The name on disk of a file, which keeps its bytes whatever becomes of the path.

        Raises:
            Problem: `not-found`.
        """
        with _told(path):
            name = self._scratch.begun()
            _link(self._root / on_disk(path), name)
            os.utime(name, ns=(time.time_ns(), name.stat().st_mtime_ns))  # not to be swept
        try:
            yield str(name)
        finally:
            name.unlink(missing_ok=True)

    # Changing

    def check_room(self, path: str, size: int) -> None:
        """Refuses what there is no room for, beside what it replaces.

        Raises:
            Problem: `scratch-full`.
        """
        old = self.find(path)
        self._scratch.room.check(self._root, size, None if old is None else old["size"] or 0)

    def put(self, path: str, body: bytes | str) -> bool:
        """Keeps a file; whether it is a new one.

        Args:
            path: What it is called. The collection that it is in exists.
            body: Its bytes, or the name of a file on this disk that becomes it.

        Raises:
            Problem: `scratch-full`, `parent-missing`, `is-a-directory`.
        """
        with _told(path):
            size = len(body) if isinstance(body, bytes) else Path(body).stat().st_size
            self.check_room(path, size)
            begun = self._scratch.begun()
            try:
                _fill(begun, body)
                return self._place(begun, path, size)
            finally:
                begun.unlink(missing_ok=True)

    def reserve(self, path: str) -> bool:
        """Makes an empty file for a lock, unless there is one; whether it did.

        Raises:
            Problem: As `put`.
        """
        with _told(path):
            self.check_room(path, 0)
            target = self._parent(path)
            try:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _LOCKED))
            except FileExistsError:
                return False
            return True

    def reserved(self, path: str) -> bool:
        """Whether a file was made for a lock and nobody has written it since."""
        try:
            state = (self._root / on_disk(path)).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(state.st_mode) and stat.S_IMODE(state.st_mode) == _LOCKED

    def make(self, path: str) -> None:
        """Makes a collection.

        Raises:
            Problem: `already-exists`, `parent-missing`, `scratch-full`.
        """
        with _told(path):
            self.check_room(path, 0)
            self._parent(path).mkdir(mode=0o700)

    def remove(self, path: str, tag: str | None = None) -> bool:
        """Removes a file, or a collection with all in it, at once; whether there was one.

        Args:
            path: What it is called.
            tag: Leaves what has another entity tag than this.
        """
        with _told(path):
            target = self._root / on_disk(path)
            if tag is not None:
                found = self.find(path)
                if found is None or found["etag"] != tag:
                    return False
            begun = self._scratch.begun()
            try:
                target.rename(begun)
            except (FileNotFoundError, NotADirectoryError):
                return False
            self._scratch.room.forget()
            _delete(begun)
            return True

    def forget(self, directory: str) -> None:
        """Removes what is beside or below a directory of the tree that is gone."""
        with suppress(OSError):
            begun = self._scratch.begun()
            (self._root / inside(directory)).rename(begun)
            _delete(begun)
            self._scratch.room.forget()

    def follow(self, directory: str, renamed: str) -> None:
        """Lets scratch files follow a directory of the tree to its new name."""
        target = self._root / inside(renamed)
        with suppress(OSError):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._root / inside(directory)).rename(target)

    def copy(self, source: str, target: str, *, deep: bool = True) -> bool:
        """Copies a file, or a collection with or without its members, over what is there; whether it is new.

        Raises:
            Problem: `scratch-full`, `parent-missing`, `not-found`.
        """
        with _told(target):
            original = self._root / on_disk(source)
            size = _size(original, deep=deep)
            self.check_room(target, size)
            begun = self._scratch.begun()
            try:
                if not original.is_dir():
                    shutil.copyfile(original, begun, follow_symlinks=False)
                elif deep:
                    shutil.copytree(original, begun, copy_function=shutil.copyfile)
                else:
                    begun.mkdir(mode=0o700)
                return self._place(begun, target, size)
            finally:
                _delete(begun)

    def move(self, source: str, target: str) -> bool:
        """Renames a file or a collection over what is there; whether that is new.

        Raises:
            Problem: `parent-missing`, `not-found`.
        """
        with _told(target):
            return self._place(self._root / on_disk(source), target, 0)

    def _place(self, file: Path, path: str, size: int) -> bool:
        """Gives something that is whole its name."""
        target = self._parent(path)
        file.lstat()
        try:
            old = target.lstat()
        except FileNotFoundError:
            old = None
        if old is not None and (stat.S_ISDIR(old.st_mode) or file.is_dir()):
            _delete(replace(file, target, self._scratch.prepare()))
        else:
            if old is not None:
                _date_after(file, old)
            file.replace(target)
        self._scratch.room.added(self._root, size)
        return old is None

    def _parent(self, path: str) -> Path:
        """The place on disk of a path whose directory is there, or is of the tree.

        Raises:
            Problem: `parent-missing`.
        """
        target = self._root / on_disk(path)
        above = "/" + path.strip("/").rpartition("/")[0]
        if above == ROOT or not junk(above):
            self._scratch.prepare()
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not target.parent.is_dir():
            raise Problem("parent-missing", f"There is no collection {above}/.", members={"path": above})
        return target


def _entry(path: str, state: os.stat_result) -> dict[str, Any]:
    if stat.S_ISDIR(state.st_mode):
        return _collection(path, state)
    return {
        "name": path,
        "size": state.st_size,
        "type": "file",
        "kind": "scratch",
        "media_type": mimetypes.guess_type(path.rpartition("/")[2])[0] or "application/octet-stream",
        "mtime": int(state.st_mtime),
        "etag": f'"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}"',
    }


def _collection(path: str, state: os.stat_result | None) -> dict[str, Any]:
    dated = {} if state is None else {"mtime": int(state.st_mtime)}
    return {"name": path, "size": None, "type": "directory", "kind": "scratch", **dated}


def _fill(file: Path, body: bytes | str) -> None:
    if isinstance(body, str):
        try:
            Path(body).rename(file)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(body, file)
        file.chmod(_WRITTEN)
    else:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _WRITTEN)
        with open(handle, "wb") as new:  # noqa: PTH123
            new.write(body)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(source, target)


def _date_after(file: Path, old: os.stat_result) -> None:
    """Never the same date for two states: who asks with it would be told that nothing changed."""
    state = file.stat()
    if int(state.st_mtime) <= int(old.st_mtime):
        os.utime(file, (state.st_atime, int(old.st_mtime) + 1))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path, *, deep: bool) -> int:
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode):
        return state.st_size
    return Room.measure(path) if deep else 0


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What the disk says, as a problem."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _gone(path) from error
    except FileExistsError as error:
        raise Problem("already-exists", f"{path} is there already.", members={"path": path}) from error
    except IsADirectoryError as error:
        raise Problem("is-a-directory", f"{path} is a collection.", members={"path": path}) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Problem(
            "scratch-full", "The disk is full." if full else "The scratch directory cannot be written."
        ) from error


def _gone(path: str) -> Problem:
    return Problem("not-found", f"There is no {path}.", members={"path": path})
