"""Schemas and relations made, renamed, copied and dropped."""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from fsspec_db._bridge import Path, encode_name
from fsspec_db.errors import (
    AlreadyExistsError,
    DirectoryAsFileError,
    FileAsDirectoryError,
    ForbiddenError,
    InvalidParameterError,
    NotEmptyError,
    UnsupportedError,
)
from fsspec_db.spool import Spool
from fsspec_db.writing import WritableFileSystem

if TYPE_CHECKING:
    from fsspec_db.database import WriteMode

    Relation = tuple[str, str]
    """Schema and name, as the catalogue spells them."""


class ManagedFileSystem(WritableFileSystem):
    """Directories that come, go and change their names, and rows that are copied between them."""

    def create_schema(self, schema: str) -> None:
        """Creates a schema of this name.

        Raises:
            AlreadyExistsError: There is one.
            UnsupportedError: The database cannot.
        """
        self.bridge.create_schema(schema)

    def drop_schema(self, schema: str) -> None:
        """Drops a schema without relations.

        Raises:
            NotEmptyError: It has some.
            UnsupportedError: The database cannot.
        """
        self.bridge.drop_schema(schema)

    def rename_schema(self, source: str, target: str) -> None:
        """Gives a schema, with all that is in it, another name.

        Raises:
            AlreadyExistsError: There is a schema of that name.
            UnsupportedError: The database cannot.
        """
        self.bridge.rename_schema(source, target)

    def drop_relation(self, schema: str, relation: str) -> None:
        """Drops a table or a view, and nothing else.

        Raises:
            ConstraintViolationError, NotEmptyError: Others depend on it.
        """
        self.bridge.drop_relation(schema, relation)

    def rename_relation(self, source: Relation, target: Relation, *, overwrite: bool = False) -> None:
        """Renames a relation, within its schema or into another, in one transaction.

        Args:
            source: Schema and name.
            target: Its new schema and name.
            overwrite: Whether what is there is dropped in the same transaction.

        Raises:
            AlreadyExistsError: The name is taken, and not to be overwritten.
            ConstraintViolationError, NotEmptyError: Others depend on what would be dropped.
            UnsupportedError: The database cannot do it at once.
        """
        self.bridge.rename_relation(source, target, overwrite=overwrite)

    def copy_relation(
        self, source: Relation, target: Relation, *, overwrite: bool = False, timeout: float | None = None
    ) -> None:
        """Makes a relation as another one is, in one transaction: a table with its rows, a view as a view.

        What a table keeps is the engine's to say: `docs/engines.md` has the list. Where an engine cannot
        tell how a table was made, the new one has the columns that reading shows, their types, and NOT NULL.

        Args:
            source: Schema and name.
            target: Those of the copy.
            overwrite: Whether what is there is dropped in the same transaction.
            timeout: Seconds until it is given up.

        Raises:
            AlreadyExistsError: The name is taken, and not to be overwritten.
            ConstraintViolationError, NotEmptyError: Others depend on what would be dropped.
            UnsupportedError: The database cannot tell what the view is, or cannot overwrite at once.
        """
        end = None if timeout is None else monotonic() + timeout
        try:
            self.bridge.copy_relation(source, target, overwrite=overwrite, timeout=timeout)
        except UnsupportedError:
            if self.info(_path(*source))["kind"].endswith("view"):
                raise
            self._copy_as_read(source, target, end, overwrite=overwrite and self.exists(_path(*target)))

    def _copy_as_read(
        self, source: Relation, target: Relation, end: float | None, *, overwrite: bool
    ) -> None:
        """Makes a table of the rows that are read; what it is to replace is there until it is whole."""
        new = (target[0], f"fsspec_db_new_{token_hex(8)}") if overwrite else target
        self._copy_apart(
            f"{_path(*source)}.arrow", "", f"{_path(*new)}.arrow", end, mode="create", create=True
        )
        if overwrite:
            try:
                self.bridge.rename_relation(new, target, overwrite=True)
            except BaseException:
                with suppress(Exception):  # what went wrong first is what the caller hears
                    self.bridge.drop_relation(*new)
                raise

    def copy_rows(
        self,
        source: str,
        target: str,
        mode: Literal["replace", "create"] = "replace",
        *,
        create: bool | None = None,
        if_version: str | None = None,
        timeout: float | None = None,
    ) -> tuple[int, bool]:
        """The rows of one data path become all the rows of another, in one transaction.

        Between columns of equal types they do not leave the database; else they are read and written, with
        all that a write refuses. The formats of the paths do not matter.

        Args:
            source: A data path; it may have a shape.
            target: A data path.
            mode: `create` refuses a relation that is there.
            create: Whether a missing relation is created; by default, if the access is `manage`.
            if_version: The `data_version` of the target that must still hold once no other writer can
                move it.
            timeout: Seconds until it is rolled back.

        Returns:
            The rows written, and whether the relation was created; 0 rows where both are one relation.

        Raises:
            AlreadyExistsError: The mode is `create`, and there is such a relation.
            PreconditionFailedError: The version is another by now, or the relation is gone.
            SchemaMismatchError, ValueOutOfRangeError: The target has no such column, or cannot keep a value.
        """
        end = None if timeout is None else monotonic() + timeout
        plain, shape = self._split(source)
        to = self._unshaped(target)
        create = self.bridge.access == "manage" if create is None else create
        done = self.bridge.copy_rows(
            (plain, shape), to, mode, create=create, timeout=timeout, if_version=if_version
        )
        if done is not None:
            return done
        return self._copy_apart(plain, shape, to, end, mode=mode, create=create, if_version=if_version)

    def _copy_apart(
        self,
        source: str,
        shape: str,
        target: str,
        end: float | None,
        *,
        mode: WriteMode = "replace",
        create: bool,
        if_version: str | None = None,
    ) -> tuple[int, bool]:
        """Reads all rows, and then writes them: a database need not do both at a time."""

        def left() -> float | None:
            return None if end is None else max(0.0, end - monotonic())

        spool = Spool(named=True)
        try:
            with self.open_stream(source, shape, extension="arrow", timeout=left()) as stream:
                while (chunk := stream.next()) is not None:
                    spool.append(chunk)
            return self.write(
                target,
                spool.body(),
                mode,
                create=create,
                extension="arrow",
                timeout=left(),
                if_version=if_version,
            )
        finally:
            spool.close()

    # As fsspec has it

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
        """Renames a relation's directory, within its schema or into another, or that of a schema."""
        if isinstance(path1, list):
            for source, target in zip(path1, path2, strict=True):
                self.mv(source, target)
            return
        old, new = self._parse(path1), self._parse(path2)
        if old.kind == new.kind == "schema" and old.schema is not None and new.schema is not None:
            if old != new:
                self.rename_schema(old.schema, new.schema)
            return
        source = _relation(old)
        if source is None:
            raise ForbiddenError("only a relation's directory can be renamed", path=self._unshaped(path1))
        target = (new.schema, source[1]) if new.kind == "schema" else _relation(new)
        if target is None or target[0] is None:
            raise ForbiddenError("a relation's directory is its only new name", path=self._unshaped(path2))
        self.rename_relation(source, (target[0], target[1]))

    def cp_file(self, path1: str, path2: str, timeout: float | None = None, **_: Any) -> None:
        """Copies rows or relations, in one transaction; formats do not matter.

        From data path to data path as `copy_rows`, from a relation's directory to a new one as
        `copy_relation`.
        """
        plain, shape = self._split(path1)
        old, new = Path.parse(plain), self._parse(path2)
        source, target = _relation(old), _relation(new)
        if source is not None and target is not None:
            if shape:
                raise InvalidParameterError("only a data file can be shaped", path=plain)
            if source != target:
                self.copy_relation(source, target, timeout=timeout)
        elif old.kind == new.kind == "data":
            self.copy_rows(path1, path2, timeout=timeout)
        else:
            raise ForbiddenError("rows are copied between data files, or between relations", path=plain)

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


def _path(schema: str, relation: str) -> str:
    return f"/{encode_name(schema, root=True)}/{encode_name(relation)}"


def _relation(path: Path) -> tuple[str, str] | None:
    if path.kind != "relation" or path.schema is None or path.relation is None:
        return None
    return path.schema, path.relation
