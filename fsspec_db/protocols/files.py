"""Databases that are one file, chained onto wherever it lies."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import filesystem

from fsspec_db.connect import DatabaseFileSystem
from fsspec_db.engines.urls import file_url
from fsspec_db.errors import InvalidParameterError, ReadOnlyError

if TYPE_CHECKING:
    from fsspec_db.database import Access

MEMORY = ":memory:"


class FileFileSystem(DatabaseFileSystem):
    """A database that is one file: `fsspec.filesystem("db+sqlite", database="file.db", access="write")`.

    In a chain the next link is the database: `db+sqlite:///main/users.parquet::file:///data/file.db`.
    One that is not local (`::s3://…`, `::simplecache::https://…`) is copied to this machine when the
    filesystem is made, and can only be read; what its `-wal` file held is not seen.

    Args:
        database: The name of the file, or `:memory:`.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        fo: The file on another filesystem, as chaining gives it.
        target_protocol: The protocol of `fo`, if `fo` does not say it.
        target_options: Arguments of that filesystem.
        **options: Further arguments of `DatabaseFileSystem`.
    """

    scheme: ClassVar[str]

    def __init__(
        self,
        database: str | os.PathLike[str] | None = None,
        *,
        access: Access = "read",
        fo: str | os.PathLike[str] | None = None,
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if database is not None:
            name, copied = os.fspath(database), False
        elif fo is not None:
            name, copied = self._local_file(os.fspath(fo), target_protocol, target_options or {})
        else:
            raise InvalidParameterError("no database: give `database`, or chain a file, `::file.db`")
        if copied and access != "read":
            raise ReadOnlyError("a database that is not local can only be read", path=os.fspath(fo or ""))
        url = f"{self.scheme}://" if name == MEMORY else file_url(self.scheme, name)
        super().__init__(url, access=access, **options)

    def _options(self, *, secrets: bool) -> dict[str, Any]:  # noqa: ARG002
        named: dict[str, Any] = (
            dict(zip(("database",), self.storage_args, strict=False)) | self.storage_options
        )
        database = named.get("database")
        if database is not None and database != MEMORY:
            named["database"] = os.path.abspath(database)  # noqa: PTH100
        return named

    def _local_file(self, name: str, protocol: str | None, options: dict[str, Any]) -> tuple[str, bool]:
        """The name of a file on this machine, and whether it is a copy, which goes when this goes."""
        fs = None if protocol is None else filesystem(protocol, **options)
        fs, name = url_to_fs(name, **options) if fs is None else (fs, fs._strip_protocol(name))  # noqa: SLF001
        if isinstance(fs, LocalFileSystem):
            return name, False
        directory = tempfile.mkdtemp(prefix="fsspec-db-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        copy = os.path.join(directory, "copy.db")  # noqa: PTH118
        fs.get_file(name, copy)
        return copy, True


class SQLiteFileSystem(FileFileSystem):
    """A SQLite file."""

    protocol: ClassVar[str | tuple[str, ...]] = "db+sqlite"
    scheme = "sqlite"


class DuckDBFileSystem(FileFileSystem):
    """A DuckDB file."""

    protocol: ClassVar[str | tuple[str, ...]] = "db+duckdb"
    scheme = "duckdb"
