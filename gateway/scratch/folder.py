"""The scratch files of one principal.

The file system is the only truth. A file is never changed in place: another one takes its name, so
that who reads one reads it to its end.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.problems import Problem
from gateway.scratch.disk import (
    collection,
    date_after,
    delete,
    entry_of,
    extent_of,
    fill,
    gone,
    link,
    size_of,
    told,
)
from gateway.scratch.names import ROOT, TooLong, inside, junk, must_fit, name_of, on_disk
from gateway.scratch.replacing import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.scratch.store import Scratch

Allow = Callable[[dict[str, Any] | None], None]
"""Raises what forbids a change, of the entry that is there; nothing changes meanwhile."""

_LOCKED: Final = 0o400
"""The mode of what LOCK made and nobody has written."""


def _anything(_: dict[str, Any] | None) -> None:
    pass


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
            return collection(ROOT, None) if plain == ROOT else None
        if path.endswith("/") and not stat.S_ISDIR(state.st_mode):
            return None
        return entry_of(plain, state)

    def members(self, path: str) -> list[dict[str, Any]]:
        """The entries in a directory of the tree, or in a collection.

        Raises:
            Problem: `invalid-path`.
        """
        parent = path.rstrip("/")
        found: list[dict[str, Any]] = []
        none = suppress(FileNotFoundError, NotADirectoryError, TooLong)
        with none, os.scandir(self._root / inside(path)) as kept:
            for one in kept:
                name = name_of(one.name)
                with suppress(FileNotFoundError):
                    if name is not None:
                        found.append(entry_of(f"{parent}/{name}", one.stat(follow_symlinks=False)))
        if not parent and all(entry["name"] != ROOT for entry in found):
            found.append(collection(ROOT, None))
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
            raise gone(path) from None
        try:
            state = os.fstat(file)
            with suppress(OSError):
                os.utime(file, ns=(time.time_ns(), state.st_mtime_ns))
            yield file, entry_of(path, state)
        finally:
            os.close(file)

    def hold(self, path: str) -> Path:
        """Gives a file another name on disk, which keeps its bytes whatever becomes of the path.

        Who asked removes it.

        Raises:
            Problem: `not-found`.
        """
        with told(path):
            name = self._scratch.begun()
            link(self._root / on_disk(path), name)
            os.utime(name, ns=(time.time_ns(), name.stat().st_mtime_ns))  # not to be swept
        return name

    # Changing

    def check_room(self, path: str, size: int) -> None:
        """Refuses what there is no room for, beside what it replaces.

        Raises:
            Problem: `scratch-full`.
        """
        with told(path), self._scratch.turn():
            self._must_have_room(path, size)

    def _must_have_room(self, path: str, size: int) -> None:
        old = self.find(path)
        self._scratch.room.check(self._root, size, None if old is None else old["size"] or 0)

    def put(self, path: str, body: bytes | str, allow: Allow = _anything) -> bool:
        """Keeps a file; whether it is a new one.

        Args:
            path: What it is called. The collection that it is in exists.
            body: Its bytes, or the name of a file on this disk that becomes it.
            allow: Is asked about what is replaced.

        Raises:
            Problem: `scratch-full`, `parent-missing`, `is-a-directory`.
        """
        with told(path):
            size = len(body) if isinstance(body, bytes) else Path(body).stat().st_size
            begun = self._scratch.begun()
            try:
                fill(begun, body)
                return self._place(begun, path, size, allow)
            finally:
                begun.unlink(missing_ok=True)

    def reserve(self, path: str) -> bool:
        """Makes an empty file for a lock, unless there is one; whether it did.

        Raises:
            Problem: As `put`.
        """
        with told(path), self._scratch.turn():
            self._must_have_room(path, 0)
            target = self._parent(path)
            try:
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _LOCKED))
            except FileExistsError:
                return False
            self._scratch.room.added(self._root, 0)
            return True

    def reserved(self, path: str) -> bool:
        """Whether a file was made for a lock and nobody has written it since."""
        try:
            state = (self._root / on_disk(path)).lstat()
        except (FileNotFoundError, NotADirectoryError, TooLong):
            return False
        return stat.S_ISREG(state.st_mode) and stat.S_IMODE(state.st_mode) == _LOCKED

    def make(self, path: str) -> None:
        """Makes a collection.

        Raises:
            Problem: `already-exists`, `parent-missing`, `scratch-full`.
        """
        with told(path), self._scratch.turn():
            self._must_have_room(path, 0)
            self._parent(path).mkdir(mode=0o700)
            self._scratch.room.added(self._root, 0)

    def remove(self, path: str, tag: str | None = None) -> bool:
        """Removes a file, or a collection with all in it, at once; whether there was one.

        Args:
            path: What it is called.
            tag: Leaves what has another entity tag than this.
        """
        with told(path):
            try:
                target = self._root / on_disk(path)
                target.lstat()  # before anything is made on a disk that may be full, or read only
            except (FileNotFoundError, NotADirectoryError, TooLong):
                return False
            begun = self._scratch.begun()
            with self._scratch.turn():
                found = self.find(path) if tag is not None else None
                if tag is not None and (found is None or found.get("etag") != tag):
                    return False
                try:
                    target.rename(begun)
                except (FileNotFoundError, NotADirectoryError):
                    return False
            delete(begun)
            self._scratch.room.forget()
            return True

    def forget(self, directory: str) -> None:
        """Removes what is beside or below a directory of the tree that is gone."""
        with suppress(OSError, TooLong):
            source = self._root / inside(directory)
            source.lstat()
            begun = self._scratch.begun()
            source.rename(begun)
            delete(begun)
            self._scratch.room.forget()

    def follow(self, directory: str, renamed: str) -> None:
        """Lets scratch files follow a directory of the tree to its new name."""
        with suppress(OSError, TooLong):
            source, target = self._root / inside(directory), self._root / inside(renamed)
            source.lstat()
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            source.rename(target)

    def copy(self, source: str, target: str, allow: Allow = _anything, *, deep: bool = True) -> bool:
        """Copies a file, or a collection with or without its members, over what is there; whether it is new.

        `allow` is asked about what is there.

        Raises:
            Problem: `scratch-full`, `parent-missing`, `not-found`.
        """
        with told(target):
            original = self._root / on_disk(source)
            self.check_room(target, size_of(original, deep=deep))
            begun = self._scratch.begun()
            try:
                if not original.is_dir():
                    shutil.copyfile(original, begun, follow_symlinks=False)
                elif deep:
                    shutil.copytree(original, begun, copy_function=shutil.copyfile)
                else:
                    begun.mkdir(mode=0o700)
                return self._place(begun, target, size_of(begun, deep=deep), allow)
            finally:
                delete(begun)

    def move(self, source: str, target: str, allow: Allow = _anything) -> bool:
        """Renames a file or a collection over what is there; whether that is new.

        `allow` is asked about what is there.

        Raises:
            Problem: `parent-missing`, `not-found`.
        """
        with told(target):
            return self._place(self._root / on_disk(source), target, None, allow)

    def _place(self, file: Path, path: str, size: int | None, allow: Allow) -> bool:
        """Gives something that is whole its name; `size` is of what has come, `None` of what was here."""
        with self._scratch.turn():
            allow(self.find(path))
            if size is not None:
                self._must_have_room(path, size)
            replaced = self._rename(file, path)
            if size is not None:
                self._scratch.room.added(self._root, size)
        if isinstance(replaced, Path):
            delete(replaced)
            self._scratch.room.forget()
        return replaced is None

    def _rename(self, file: Path, path: str) -> Path | bool | None:
        """What has the name is replaced: `None` for nothing, else where it is now, if it is anywhere."""
        target = self._parent(path)
        if stat.S_ISDIR(file.lstat().st_mode):
            kept = on_disk(path)
            names, length = extent_of(file)
            must_fit(len(kept.parts) + names, len(bytes(kept)) + length)
        try:
            old = target.lstat()
        except FileNotFoundError:
            old = None
        if old is not None and (stat.S_ISDIR(old.st_mode) or file.is_dir()):
            return replace(file, target, self._scratch.prepare())
        if old is not None:
            date_after(file, old)
        file.replace(target)
        return None if old is None else True

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
