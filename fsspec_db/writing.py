"""Writing: a body becomes rows, in one transaction."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK

from fsspec_db.errors import (
    AlreadyExistsError,
    DirectoryAsFileError,
    ForbiddenError,
    InvalidParameterError,
    ReadOnlyError,
    UnsupportedError,
)
from fsspec_db.reading import ReadableFileSystem
from fsspec_db.write_file import WriteFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db._bridge import ArrivingBody
    from fsspec_db.database import WriteMode

MODES: Mapping[str, WriteMode] = {
    "wb": "replace",
    "ab": "append",
    "xb": "create",
    "overwrite": "replace",
    "append": "append",
    "create": "create",
    "upsert": "upsert",
}
"""What fsspec calls the ways to write."""


class WritableFileSystem(ReadableFileSystem):
    """Relations whose rows are replaced, appended to or updated, one body at a time."""

    def write(
        self,
        path: str,
        body: bytes | memoryview | str | ArrivingBody,
        mode: WriteMode = "replace",
        *,
        create: bool | None = None,
        extension: str | None = None,
        timeout: float | None = None,
        if_version: str | None = None,
    ) -> tuple[int, bool]:
        """Writes a whole body in one transaction, at once.

        Args:
            path: A data path, without protocol.
            body: The bytes, or the name of a local file that holds them; or one that is still arriving.
            mode: `replace`, `append`, `upsert` by primary key, or `create`.
            create: Whether a missing relation is created; by default, if the access is `manage`.
            extension: Another format than the path's.
            timeout: Seconds until the write is rolled back.
            if_version: The `data_version` that must still hold once no other writer can move it.

        Returns:
            The rows written, and whether the relation was created.

        Raises:
            PreconditionFailedError: The version is another by now, or the relation is gone.
            UnsupportedError: `if_version` is given, and the relation has no versions.
        """
        bridge = self.bridge
        create = bridge.access == "manage" if create is None else create
        return bridge.write(
            path, body, mode, create=create, extension=extension, timeout=timeout, if_version=if_version
        )

    def _write_file(
        self, path: str, mode: WriteMode, *, autocommit: bool = True, timeout: float | None = None
    ) -> WriteFile:
        target, plain = self._parse(path), self._unshaped(path)
        if self.access == "read":
            raise ReadOnlyError("this filesystem was opened with access 'read'", path=plain)
        if target.kind in ("root", "schema", "relation", "facet"):
            raise DirectoryAsFileError("a directory cannot be written", path=plain)
        if target.kind != "data":
            raise ForbiddenError("what describes a relation cannot be written", path=plain)
        if mode == "create" and self.exists(plain):
            raise AlreadyExistsError("the relation is there already", path=plain)

        def commit(body: memoryview | str) -> None:
            self.write(plain, body, mode, timeout=timeout)

        return WriteFile(commit, plain, autocommit=autocommit)

    def _spooled(self, path: str, mode: WriteMode, timeout: float | None) -> WriteFile:
        file = self._write_file(path, mode, autocommit=not self._intrans, timeout=timeout)
        if self._intrans:
            self.transaction.files.append(file)
        return file

    def pipe_file(
        self,
        path: str,
        value: bytes | bytearray | memoryview,
        mode: str = "overwrite",
        timeout: float | None = None,
        **_: Any,
    ) -> None:
        """Writes a whole body in one transaction.

        Args:
            path: A data path.
            value: The bytes of the body.
            mode: `overwrite`, `append`, `upsert` by primary key, or `create` a relation.
            timeout: Seconds until the write is rolled back.
        """
        view = value if isinstance(value, bytes) else memoryview(value)
        if self._intrans:
            with self._spooled(path, _write_mode(mode), timeout) as file:
                file.write(view)
        else:
            self.write(self._unshaped(path), view, _write_mode(mode), timeout=timeout)

    def put_file(
        self,
        lpath: str | os.PathLike[str],
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        timeout: float | None = None,
        **_: Any,
    ) -> None:
        """Copies one local file into a relation in one transaction, through bounded memory.

        The callback hears the size first, and that all of it has arrived once it is committed.
        """
        name = os.fspath(lpath)
        if os.path.isdir(name):  # noqa: PTH112
            self.makedirs(rpath, exist_ok=True)
            return
        callback.set_size(os.path.getsize(name))  # noqa: PTH202
        if self._intrans or not os.path.isfile(name):  # noqa: PTH113
            with open(name, "rb") as source, self._spooled(rpath, _write_mode(mode), timeout) as file:  # noqa: PTH123
                shutil.copyfileobj(source, file, 2**20)
        else:
            self.write(self._unshaped(rpath), name, _write_mode(mode), timeout=timeout)
        callback.absolute_update(callback.size)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:  # noqa: ARG002, FBT001, FBT002
        """Refused: nothing empties a relation but a body without rows."""
        raise UnsupportedError("a relation is neither emptied nor made by touching it", path=path)


def _write_mode(mode: str) -> WriteMode:
    if mode not in MODES:
        raise InvalidParameterError(f"mode {mode!r} is none of overwrite, append, upsert, create")
    return MODES[mode]
