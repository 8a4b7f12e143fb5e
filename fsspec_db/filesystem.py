"""Any database as an fsspec filesystem."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, overload

from fsspec.caching import caches

from fsspec_db._bridge import DatabaseFs
from fsspec_db.errors import InvalidParameterError, UnsupportedError
from fsspec_db.structure import ManagedFileSystem
from fsspec_db.write_file import TextFile, WriteFile, binary_mode
from fsspec_db.writing import MODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsspec_db.database import AbstractDatabase, Access
    from fsspec_db.read_file import ReadFile


class AbstractDatabaseFileSystem(ManagedFileSystem):
    """The tree of a database: schemas and relations are directories, rows are files.

    `/main/users.parquet` is the relation `users` as Parquet; `.arrow`, `.feather`, `.csv`,
    `.jsonl` and `.json` are the same rows in other formats. A shape may follow a data path that
    is read: `/main/users.csv?columns=id,name&where=id>7&order=-id&limit=5`.

    Reading streams while the database is still being read. Writing a file replaces (`wb`), appends
    to (`ab`) or creates (`xb`) a relation in one transaction when it is closed; a body that is
    broken, or a `with` block left by an exception, changes nothing. With access `manage`, writing
    to a new name creates the relation.

    In `with fs.transaction:` files are written at its end, one after another, each in a
    transaction of its own: if one fails, those before it stay and those after it are not written.

    Listings give the size of a data file as `None`, since it is not known before it is read; `size`
    reads it. All methods may be called from several threads at once; a transaction belongs to one thread.

    Args:
        db: The database: an `AbstractDatabase`, or any object with its methods.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        formats: Which formats listings show; all are there by name.
        **storage_options: `snapshot_bytes`, the most bytes of what was read that are kept for reading
            again, and what fsspec takes for any filesystem.
    """

    cachable = False  # two database objects may look alike

    def __init__(
        self,
        db: AbstractDatabase,
        *,
        access: Access = "write",
        formats: Sequence[str] = ("arrow", "parquet", "csv"),
        **storage_options: Any,
    ) -> None:
        self.db = db
        super().__init__(lambda: DatabaseFs.wrap(db, access=access), formats, **storage_options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {type(self.db).__name__}, access {self._bridge.access}>"

    @overload
    def open(self, path: str, mode: Literal["rb"] = "rb", **kwargs: Any) -> ReadFile: ...
    @overload
    def open(self, path: str, mode: Literal["wb", "ab", "xb"], **kwargs: Any) -> WriteFile: ...
    @overload
    def open(self, path: str, mode: Literal["r", "w", "a", "x"], **kwargs: Any) -> TextFile: ...
    @overload
    def open(self, path: str, mode: str, **kwargs: Any) -> ReadFile | WriteFile | TextFile: ...
    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> ReadFile | WriteFile | TextFile:
        """Opens a file to read (`r`), or to replace (`w`), append to (`a`) or create (`x`) a relation.

        Args:
            path: A path of the tree; one that is read may have a shape.
            mode: `rb`, `wb`, `ab` or `xb`; without `b` for text, in UTF-8 unless `encoding` says else.
            block_size: Not used; chunks are about 1 MiB.
            cache_options: Not used: what was read is kept, whatever `cache_type` fsspec has it in.
            compression: Refused; the formats of the tree are what they are.
            **kwargs: `encoding`, `errors` and `newline` of text; `timeout` in seconds;
                `cache_type="none"` to read in one pass, keeping nothing to seek in, or `"all"` to have
                read all of it, so that `size` is known.

        Raises:
            FileNotFoundError: To be read, and not there.
            FileExistsError: To be created, and there already.
            PermissionError: To be written, and the access level forbids it.
        """
        if compression not in (None, "infer"):
            raise UnsupportedError(f"compression={compression!r}: relations are not compressed", path=path)
        text = {key: kwargs.pop(key) for key in ("encoding", "errors", "newline") if key in kwargs}
        file: ReadFile | WriteFile = super().open(
            path, binary_mode(mode), block_size, cache_options, **kwargs
        )
        if "b" in mode:
            return file
        return TextFile(file, **{**text, "encoding": text.get("encoding") or "utf-8"})

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,  # noqa: ARG002
        autocommit: bool = True,  # noqa: FBT001, FBT002
        cache_options: dict[str, Any] | None = None,  # noqa: ARG002
        cache_type: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> ReadFile | WriteFile:
        if cache_type not in caches and cache_type is not None:
            raise InvalidParameterError(f"fsspec has no cache_type {cache_type!r}", path=path)
        if mode != "rb":
            return self._write_file(path, MODES[mode], autocommit=autocommit, timeout=timeout)
        # fsspec's block cache asks for no cache of ours, and must know the size.
        whole = cache_type == "all" or (cache_type == "none" and "size" in options)
        file = self._read_file(path, seekable=whole or cache_type != "none", timeout=timeout)
        if whole:
            try:
                file.seek(0, os.SEEK_END)
                file.seek(0)
            except BaseException:
                file.close()
                raise
        return file
