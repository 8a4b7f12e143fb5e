"""The directories of a database."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from fsspec.spec import AbstractFileSystem

from fsspec_db._bridge import Path
from fsspec_db.errors import DirectoryAsFileError, InvalidParameterError, InvalidPathError, UnsupportedError
from fsspec_db.paths import is_shaped, may_be_literal, split_shape, strip_protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fsspec_db._bridge import DatabaseFs
    from fsspec_db.database import Access

_inherited: list[DatabaseFs] = []
"""Connections of a parent process: after a fork they may be neither used nor closed."""


class ListedFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """What is where in a database, asked anew each time: there is no cache of listings."""

    protocol: ClassVar[str | tuple[str, ...]] = "db"
    root_marker = "/"

    def __init__(
        self, connect: Callable[[], DatabaseFs], formats: Sequence[str], **storage_options: Any
    ) -> None:
        super().__init__(**storage_options)
        self._connector = connect
        self._formats = tuple(formats)
        self._first_seen = lru_cache(4096)(lambda _tree, _version: datetime.now(UTC))
        self._connect()

    def _connect(self) -> None:
        self._bridge = self._connector()
        self._bridge.formats = self._formats
        self._pid = os.getpid()

    @property
    def bridge(self) -> DatabaseFs:
        """The bridge's side of this filesystem; opened anew in a forked process."""
        if self._pid != os.getpid():
            _inherited.append(self._bridge)
            self._connect()
        return self._bridge

    @property
    def dialect(self) -> str:
        """The name of the SQL that `query` understands."""
        return self.bridge.dialect

    @property
    def access(self) -> Access:
        """What may be done: `read`, `write` or `manage`."""
        return self.bridge.access

    @property
    def formats(self) -> tuple[str, ...]:
        """The extensions that listings show."""
        return self._formats

    def ping(self) -> None:
        """Proves that the database answers, or raises."""
        self.bridge.ping()

    def close(self) -> None:
        """Gives the connections back; every later call fails."""
        cache = type(self)._cache  # noqa: SLF001
        if cache.get(self._fs_token) is self:
            del cache[self._fs_token]
        if self._pid == os.getpid():
            self._bridge.close()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return strip_protocol(path, (cls.protocol,) if isinstance(cls.protocol, str) else cls.protocol)

    @classmethod
    def _parent(cls, path: Any) -> str:
        return split_shape(cls._strip_protocol(path))[0].rpartition("/")[0] or "/"

    def _split(self, path: Any) -> tuple[str, str]:
        return split_shape(self._strip_protocol(path))

    def _unshaped(self, path: Any) -> str:
        tree, shape = self._split(path)
        if shape:
            raise InvalidParameterError("only reading takes a shape", path=tree)
        return tree

    def _parse(self, path: Any) -> Path:
        return Path.parse(self._unshaped(path))

    def ls(self, path: str = "/", detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002
        """The entries of a directory, or the one entry of a file.

        Returns:
            Dictionaries with `name`, `size` (bytes, or `None`), `type` and `kind`, or names.
        """
        tree, shape = self._split(path)
        entries = [self.info(path)] if shape else self.bridge.ls(tree)
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """What `ls` of the parent says about this path; a shape makes it a file of unknown size."""
        tree, shape = self._split(path)
        entry = self.bridge.info(tree)
        if not shape:
            return entry
        if entry["type"] == "directory":
            raise DirectoryAsFileError("a directory has no rows to shape", path=tree)
        return {**entry, "name": f"{entry['name']}?{shape}", "size": None}

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a path; a database that does not answer is an error, not an answer."""
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether the path is there and a directory."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether the path is there and a file."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            kind: str = self.info(path)["type"]
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, InvalidPathError):
            return None
        return kind

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,  # noqa: FBT001, FBT002
        on_error: Any = "omit",
        **kwargs: Any,
    ) -> Iterator[Any]:
        """As fsspec's, but `on_error="omit"` only omits what is missing or denied."""
        handler = _omit if on_error == "omit" else on_error
        yield from super().walk(path, maxdepth, topdown, handler, **kwargs)

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """As fsspec's; a data path with a shape is no pattern, nor is a name in brackets that is there."""
        stripped = self._strip_protocol(path)
        found = [stripped] if may_be_literal(stripped) and self.exists(stripped) else []
        if not found and not is_shaped(stripped):
            return super().glob(path, maxdepth, **kwargs)
        return {one: self.info(one) for one in found} if kwargs.get("detail") else found

    def du(
        self,
        path: str,
        total: bool = True,  # noqa: FBT001, FBT002
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        """Sizes of the files below a path, or the sum of those that are known without reading."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes = {name: entry.get("size") for name, entry in found.items()}
        return sum(size or 0 for size in sizes.values()) if total else sizes

    def data_version(self, path: str) -> str | None:
        """A text that changes whenever the rows of a relation may have changed.

        Of the root and of schemas, one that changes whenever relations may have come, gone or changed, or
        the rows of any that has a version. `None` where nothing can tell, where the rows may change by
        themselves, as those of views, and for all else. To write only while it holds, hand it to
        `write(if_version=…)`.
        """
        return self.bridge.data_version(self._split(path)[0])

    def ukey(self, path: str) -> str:
        """A text that changes whenever the file may have; always new where that cannot be told."""
        tree, shape = self._split(path)
        version = self.data_version(path)
        return sha256("\0".join((tree, shape, version or uuid4().hex)).encode()).hexdigest()

    def modified(self, path: str) -> datetime:
        """When this filesystem first saw the rows as they are now, which is never before they became so.

        Raises:
            UnsupportedError: The engine does not tell that rows have changed.
        """
        version = self.data_version(path)
        if version is None:
            raise UnsupportedError("nothing tells when its rows have changed", path=path)
        return self._first_seen(self._split(path)[0], version)

    def created(self, path: str) -> datetime:
        """Refused: databases do not remember."""
        raise UnsupportedError("a database does not tell when its relations were created", path=path)

    def checksum(self, path: str) -> int:
        """`ukey` as a number."""
        return int(self.ukey(path), 16)


def _omit(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
        raise error
