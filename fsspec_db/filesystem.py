"""Any database as an fsspec filesystem."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Literal, overload

from fsspec.caching import caches
from fsspec.callbacks import DEFAULT_CALLBACK

from fsspec_db._bridge import DatabaseFs, Path
from fsspec_db.errors import (
    AlreadyExistsError,
    DirectoryAsFileError,
    FileAsDirectoryError,
    ForbiddenError,
    InvalidParameterError,
    NotEmptyError,
    ReadOnlyError,
    UnsupportedError,
)
from fsspec_db.reading import ReadableFileSystem
from fsspec_db.spool import Spool
from fsspec_db.write_file import TextFile, WriteFile, binary_mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsspec_db._bridge import ArrivingBody
    from fsspec_db.database import AbstractDatabase, Access, WriteMode
    from fsspec_db.read_file import ReadFile

    Codec = Literal["zstd", "lz4"]
    Params = Sequence[Any] | Mapping[str, Any]

_MODES: Mapping[str, WriteMode] = {
    "wb": "replace",
    "ab": "append",
    "xb": "create",
    "overwrite": "replace",
    "append": "append",
    "create": "create",
    "upsert": "upsert",
}


class AbstractDatabaseFileSystem(ReadableFileSystem):
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
            return self._write_file(path, _MODES[mode], autocommit=autocommit, timeout=timeout)
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

    # Structure

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:  # noqa: ARG002, FBT001, FBT002
        """Creates a schema. A relation is created by writing a file."""
        target, plain = self._parse(path), self._unshaped(path)
        if self.exists(plain):
            raise AlreadyExistsError("it is there already", path=plain)
        if target.kind != "schema" or target.schema is None:
            raise ForbiddenError("a relation is created by writing one of its files", path=plain)
        self.bridge.create_schema(target.schema)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        """As `mkdir`; a directory that is there is fine if `exist_ok`."""
        if not (exist_ok and self.isdir(path)):
            self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Drops a schema without relations."""
        target, plain = self._parse(path), self._unshaped(path)
        if target.kind == "schema" and target.schema is not None:
            self.bridge.drop_schema(target.schema)
        elif target.kind == "relation":
            raise NotEmptyError("a relation is dropped by rm(path, recursive=True)", path=plain)
        elif target.kind in ("root", "facet"):
            raise ForbiddenError("it is part of the tree", path=plain)
        else:
            raise FileAsDirectoryError("it is a file", path=plain)

    def rm_file(self, path: str) -> None:
        """Refused: a data file is a view of its relation, which its directory stands for."""
        plain = self._unshaped(path)
        self.info(plain)
        raise ForbiddenError("a file is not removed by itself: remove its relation's directory", path=plain)

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: ARG002, FBT001, FBT002
        """Drops relations, if `recursive`, and schemas without relations. Nothing else is removed.

        Of several paths either all are such directories, or none is dropped.
        """
        targets = [(one, self._parse(one)) for one in self.expand_path(path)]
        for one, target in targets:
            if target.kind not in ("schema", "relation"):
                self.rm_file(one)
            if target.kind == "relation" and not recursive:
                raise DirectoryAsFileError("a relation is dropped by rm(path, recursive=True)", path=one)
        for one, target in reversed(targets):
            if target.relation is not None and target.schema is not None:
                self.bridge.drop_relation(target.schema, target.relation)
            else:
                self.rmdir(one)

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,  # noqa: ARG002, FBT001, FBT002
        maxdepth: int | None = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        """Renames a relation's directory, within its schema or into another."""
        if isinstance(path1, list):
            for source, target in zip(path1, path2, strict=True):
                self.mv(source, target)
            return
        source, target = _relation(self._parse(path1)), self._parse(path2)
        if source is None:
            raise ForbiddenError("only a relation's directory can be renamed", path=self._unshaped(path1))
        new = (target.schema, source[1]) if target.kind == "schema" else _relation(target)
        if new is None or new[0] is None:
            raise ForbiddenError("a relation's directory is its only new name", path=self._unshaped(path2))
        if new != source:
            self.bridge.rename_relation(source, (new[0], new[1]))

    def cp_file(self, path1: str, path2: str, timeout: float | None = None, **_: Any) -> None:
        """Writes the rows of one relation to another, in one transaction; formats do not matter.

        From data path to data path it replaces the rows, and creates the relation with access
        `manage`. From a relation's directory to a new one it creates a copy.
        """
        plain, shape = self._split(path1)
        source, target = Path.parse(plain), self._parse(path2)
        directories = source.kind == target.kind == "relation"
        if not directories and not source.kind == target.kind == "data":
            raise ForbiddenError("rows are copied between data files, or between relations", path=plain)
        if (source.schema, source.relation) == (target.schema, target.relation) and not shape:
            return
        suffix = ".arrow" if directories else ""
        spool = Spool(named=True)
        try:
            with self.open_stream(plain + suffix, shape, extension="arrow", timeout=timeout) as stream:
                while (chunk := stream.next()) is not None:
                    spool.append(chunk)
            self.write(
                str(target) + suffix,
                spool.body(),
                "create" if directories else "replace",
                extension="arrow",
                timeout=timeout,
            )
        finally:
            spool.close()

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,  # noqa: FBT001, FBT002
        maxdepth: int | None = None,
        on_error: str | None = None,
        **kwargs: Any,
    ) -> None:
        """As fsspec's; the directory of a relation is copied as the relation that it is."""
        if recursive and isinstance(path1, str) and _relation(Path.parse(self._split(path1)[0])) is not None:
            self.cp_file(path1, path2, **kwargs)
        else:
            super().copy(path1, path2, recursive, maxdepth, on_error, **kwargs)


def _relation(path: Path) -> tuple[str, str] | None:
    if path.kind != "relation" or path.schema is None or path.relation is None:
        return None
    return path.schema, path.relation


def _write_mode(mode: str) -> WriteMode:
    if mode not in _MODES:
        raise InvalidParameterError(f"mode {mode!r} is none of overwrite, append, upsert, create")
    return _MODES[mode]
