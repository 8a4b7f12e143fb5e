"""Rows on their way between relations and files, each time in one transaction."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from fsspec_db import Path
from gateway.chunks import Chunks
from gateway.problems import Problem, from_backend
from gateway.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory
    from gateway.tree import Target, Tree

_UNBOUNDED: Final = 1 << 62


class Rows:
    """Copies rows, within a database or between two, and renames what has them."""

    def __init__(self, tree: Tree, spools: SpoolDirectory, settings: Settings) -> None:
        self._tree = tree
        self._spools = spools
        self._settings = settings
        self._timeout = settings.write_timeout or None

    async def exist(self, target: Target) -> bool:
        """Whether the relation of a path is there."""
        fs, pool = target.database()
        try:
            await pool.call(fs.info, target.path)
        except Problem as problem:
            if problem.code != "not-found":
                raise
            return False
        return True

    async def may_create(self, target: Target) -> None:
        """Refuses to create a relation where that is not allowed, or cannot be.

        Raises:
            Problem: `forbidden`, `parent-missing`.
        """
        fs, _ = target.database()
        if fs.access != "manage":
            raise Problem("forbidden", "There is no such relation; to create one needs access 'manage'.")
        schema = target.prefix + target.path.rpartition("/")[0]
        try:
            await self._tree.info(schema)
        except Problem as problem:
            if problem.code != "not-found":
                raise
            raise Problem(
                "parent-missing", "The schema does not exist.", members={"path": schema}
            ) from problem

    async def ingest(
        self, file: bytes | str, target: Target, *, extension: str | None = None, overwrite: bool = True
    ) -> int:
        """Makes a whole body the rows of a data path; how many.

        Args:
            file: The bytes, or the name of a file that has them.
            target: A data path, of a relation that is there or may be created.
            extension: Another format than the path's.
            overwrite: Replaces the rows of a relation that is there.

        Raises:
            Problem: `precondition-failed`, if there is one that is not to be replaced.
        """
        fs, pool = target.database()
        create = await self._creates(target, overwrite=overwrite)
        write = partial(fs.write, create=create, extension=extension, timeout=self._timeout)
        with kept(overwrite=overwrite):
            written: tuple[int, bool] = await pool.write(
                write, target.path, file, "replace" if overwrite else "create"
            )
        return written[0]

    async def copy(self, source: Target, shape: str, target: Target, *, overwrite: bool = True) -> int:
        """Makes the rows of one data path, or some of them, all rows of another; how many."""
        (fs, pool), (other, _) = source.database(), target.database()
        if fs is not other:
            async with self._spooled(source, shape, "arrow", _UNBOUNDED) as body:
                return await self.ingest(body, target, extension="arrow", overwrite=overwrite)
        create = await self._creates(target, overwrite=overwrite)
        copy = partial(fs.copy_rows, create=create, timeout=self._timeout)
        with kept(overwrite=overwrite):
            written: tuple[int, bool] = await pool.write(
                copy,
                f"{source.path}?{shape}" if shape else source.path,
                target.path,
                "replace" if overwrite else "create",
            )
        return written[0]

    @asynccontextmanager
    async def exported(self, source: Target, shape: str) -> AsyncIterator[bytes | str]:
        """The bytes of a data file, or the name of a file that has them.

        Raises:
            Problem: `scratch-full`: there are more than anybody may keep.
        """
        async with self._spooled(source, shape, None, self._settings.scratch_quota) as body:
            yield body

    async def copy_relation(self, source: Target, target: Target, *, overwrite: bool) -> None:
        """Makes a relation as another is, with its rows; `overwrite` replaces what is there."""
        (fs, pool), (other, _) = source.database(), target.database()
        if fs is other:
            copy = partial(fs.copy_relation, overwrite=overwrite, timeout=self._timeout)
            await pool.write(copy, _relation(source), _relation(target))
            return
        await self._copy_across(source, target, overwrite=overwrite)

    async def rename_relation(self, source: Target, target: Target, *, overwrite: bool) -> None:
        """Gives a relation another name, or another schema.

        Raises:
            Problem: `not-copied` to another database: what is written between a copy of its rows and
                its end would be lost.
        """
        (fs, pool), (other, _) = source.database(), target.database()
        if fs is not other:
            raise Problem("not-copied", "A relation stays in its database: COPY it, then DELETE it.")
        rename = partial(fs.rename_relation, overwrite=overwrite)
        await pool.write(rename, _relation(source), _relation(target))

    async def rename_schema(self, source: Target, target: Target) -> None:
        """Gives a schema another name.

        Raises:
            Problem: `not-copied` to another database, or where the engine cannot.
        """
        (fs, pool), (other, _) = source.database(), target.database()
        if fs is not other:
            raise Problem("not-copied", "A schema stays in its database.")
        try:
            await pool.write(fs.rename_schema, _schema(source), _schema(target))
        except Problem as problem:
            if problem.code != "unsupported":
                raise
            raise Problem("not-copied", problem.detail) from problem

    async def drop(self, target: Target) -> None:
        """Drops a relation, or a schema without relations."""
        fs, pool = target.database()
        if target.kind == "schema":
            await pool.write(fs.drop_schema, _schema(target))
        else:
            await pool.write(fs.drop_relation, *_relation(target))

    async def create_schema(self, target: Target) -> None:
        """Creates a schema."""
        fs, pool = target.database()
        await pool.write(fs.create_schema, _schema(target))

    async def _creates(self, target: Target, *, overwrite: bool) -> bool:
        if await self.exist(target):
            if not overwrite:
                raise taken()
            return False
        await self.may_create(target)
        return True

    async def _copy_across(self, source: Target, target: Target, *, overwrite: bool) -> None:
        """Between two databases: the columns as Arrow has them, and the rows."""
        if overwrite:
            raise Problem("not-copied", "What is in another database is not replaced: DELETE it before.")
        fs, pool = target.database()
        async with self._spooled(source, "", "arrow", _UNBOUNDED) as body:
            write = partial(fs.write, create=True, extension="arrow", timeout=self._timeout)
            await pool.write(write, f"{target.path}.arrow", body, "create")

    @asynccontextmanager
    async def _spooled(
        self, source: Target, shape: str, extension: str | None, limit: int
    ) -> AsyncIterator[bytes | str]:
        """All that a read gives, whole."""
        fs, pool = source.database()
        path = source.path if source.kind == "data" else f"{source.path}.arrow"
        with Spool(self._spools, self._settings.spool_memory_bytes, limit) as spool:
            await pool.data.take()
            try:
                stream = fs.open_stream(
                    path, shape, extension=extension, timeout=self._settings.read_timeout or None
                )
                with Chunks(stream, None) as chunks:
                    while chunk := await chunks.next():
                        await spool.write(bytes(chunk))
            except Problem as problem:
                if problem.code != "body-too-large":
                    raise
                raise Problem("scratch-full", "The file is larger than what may be kept.") from problem
            except Exception as error:
                raise from_backend(error) from error
            finally:
                pool.data.give()
            yield spool.body()


def taken() -> Problem:
    """The refusal of what would replace something that is to be kept."""
    return Problem("precondition-failed", "Overwrite: F, and there is something at the destination.")


@contextmanager
def kept(*, overwrite: bool) -> Iterator[None]:
    """Says so of what somebody has made meanwhile, where it is not to be replaced.

    Raises:
        Problem: `precondition-failed`.
    """
    try:
        yield
    except Problem as problem:
        if overwrite or problem.code != "already-exists":
            raise
        raise taken() from problem


def _schema(target: Target) -> str:
    name = Path.parse(target.path).schema
    if name is None:
        raise Problem("not-copied", f"{target.path} is no schema.")
    return name


def _relation(target: Target) -> tuple[str, str]:
    path = Path.parse(target.path)
    if path.schema is None or path.relation is None:
        raise Problem("not-copied", f"{target.path} is no relation.")
    return path.schema, path.relation
