"""COPY and MOVE: what happens between each two kinds of resources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.dav.collections import in_tree, must_manage
from gateway.dav.destination import destination
from gateway.dav.guard import standing
from gateway.dav.lock_store import place
from gateway.dav.message import Answer
from gateway.drive import noun
from gateway.problems import Problem
from gateway.reads import shape_of
from gateway.rows import kept, taken
from gateway.scratch import junk

if TYPE_CHECKING:
    from gateway.dav.app import DavApp
    from gateway.dav.destination import Destination
    from gateway.dav.message import Request
    from gateway.drive import Resource
    from gateway.exchange import Headers


@dataclass(frozen=True, slots=True)
class Transfer:
    """One COPY or MOVE that may happen, as far as the names tell."""

    app: DavApp
    request: Request
    source: Resource
    target: Resource
    asked: Destination
    moves: bool

    @property
    def created(self) -> bool:
        """Whether there was nothing at the target."""
        return not self.target.exists

    def allow(self, entry: dict[str, Any] | None) -> None:
        """Refuses what the client does not want to be replaced.

        Raises:
            Problem: `precondition-failed`.
        """
        if entry is not None and not self.asked.overwrite:
            raise taken()


Way = Callable[[Transfer], Awaitable["Headers"]]


async def copy(app: DavApp, request: Request) -> Answer:
    """Copies rows, a relation, or scratch files."""
    return await _transfer(app, request, _COPIES)


async def move(app: DavApp, request: Request) -> Answer:
    """Renames a relation, a schema or scratch files, or makes rows of a scratch file."""
    return await _transfer(app, request, _MOVES)


async def _transfer(app: DavApp, request: Request, ways: Mapping[tuple[str, str], Way]) -> Answer:
    asked = destination(request, request.drive.tree)
    source = await request.drive.find(request.path)
    if not source.exists:
        raise Problem("not-found", f"There is no {request.path}.", members={"path": request.path})
    target = _as_file(source, await request.drive.find(asked.path))
    way = ways.get((source.kind, target.kind))
    if way is None or source.is_fixed or target.is_fixed:
        raise Problem(
            "not-copied",
            f"There is no {request.method} of a {noun(source.kind)} to the place of a {noun(target.kind)}.",
        )
    _must_be_apart(source.path, target.path)
    await request.drive.must_have_parent(target.path)
    moves = request.method == "MOVE"
    await app.guard.must_hold(request, source, member=moves)
    if request.exchange.scope["query_string"] and source.kind != "data":
        raise Problem("invalid-parameter", "Only rows are chosen by parameters.")
    transfer = Transfer(app, request, source, target, asked, moves)
    transfer.allow(target.entry)
    async with AsyncExitStack() as stack:
        if moves:
            await stack.enter_async_context(app.guard.changing(request, source.path, removes=True))
        replaced = target.exists and not _is_file(target)
        changing = app.guard.changing(request, target.path, creates=not target.exists, removes=replaced)
        await stack.enter_async_context(changing)
        headers = await way(transfer)
        with standing():
            await _settle(transfer, replaced=replaced)
    return Answer(201 if transfer.created else 204, headers)


async def _settle(transfer: Transfer, *, replaced: bool) -> None:
    """Properties follow, locks end: those of what was moved, and of members that were replaced."""
    app, source, target = transfer.app, transfer.source.path, transfer.target.path
    if transfer.source.is_directory:
        target = target.rstrip("/") + "/"
    if replaced:
        await app.locks.gone(target)
    if transfer.moves:
        await app.properties.move(source, target)
        await app.locks.gone(source)
    else:
        try:
            await app.properties.copy(source, target, below=transfer.asked.deep)
        except Problem as problem:
            if problem.code != "property-store-full":
                raise
            # The copy is there; it has those of what it is a copy of, or none.
            await app.properties.remove(target)


def _as_file(source: Resource, target: Resource) -> Resource:
    """Where a file goes, a free name is one of a file, and a placeholder is one of rows."""
    if source.kind != "data" and not _is_scratch_file(source):
        return target
    if target.is_placeholder:
        return replace(target, kind="data")
    return replace(target, kind="scratch") if target.may_be_file else target


def _is_scratch_file(resource: Resource) -> bool:
    return resource.kind == "scratch" and not resource.is_directory


def _is_file(resource: Resource) -> bool:
    return resource.kind == "data" or _is_scratch_file(resource)


def _must_be_apart(source: str, target: str) -> None:
    """Neither is the other, nor in the other."""
    a, b = source.rstrip("/") + "/", target.rstrip("/") + "/"
    if a.startswith(b) or b.startswith(a):
        raise Problem("not-copied", "The source and the destination are the same, or one is in the other.")


async def _scratch(transfer: Transfer) -> Headers:
    folder, source, target = transfer.request.folder, transfer.source.path, transfer.target.path
    if transfer.source.is_directory and not junk(target):
        raise Problem("not-copied", "Only names of temporary files are free for directories here.")
    if transfer.moves:
        await asyncio.to_thread(folder.move, source, target, transfer.allow)
    else:
        copy = partial(folder.copy, source, target, transfer.allow, deep=transfer.asked.deep)
        await asyncio.to_thread(copy)
    return []


async def _ingest(transfer: Transfer) -> Headers:
    """The atomic save: a file that was written aside becomes the rows."""
    source, target, folder = transfer.source, transfer.target, transfer.request.folder
    if source.is_directory:
        raise Problem("not-copied", "A collection has no rows.")
    if source.is_placeholder and not await transfer.app.rows.exist(in_tree(target)):
        await transfer.app.rows.may_create(in_tree(target))
        return await _scratch(transfer)
    file = await asyncio.to_thread(folder.hold, source.path)
    try:
        rows = await transfer.app.rows.ingest(str(file), in_tree(target), overwrite=transfer.asked.overwrite)
    finally:
        await asyncio.to_thread(file.unlink, missing_ok=True)
    await asyncio.to_thread(folder.remove, target.path)
    transfer.app.written(target.path)
    if transfer.moves:
        tag = source.entry["etag"] if source.entry is not None else None
        await asyncio.to_thread(folder.remove, source.path, tag)
    return _counted(rows)


async def _rows(transfer: Transfer) -> Headers:
    source, target = in_tree(transfer.source), in_tree(transfer.target)
    shape = shape_of(transfer.request.exchange)
    if shape and place(transfer.source.path) == place(transfer.target.path):
        raise Problem("not-copied", "What is not chosen would be lost: the rows are those of one relation.")
    rows = await transfer.app.rows.copy(source, shape, target, overwrite=transfer.asked.overwrite)
    await asyncio.to_thread(transfer.request.folder.remove, transfer.target.path)
    transfer.app.written(transfer.target.path)
    return _counted(rows)


async def _export(transfer: Transfer) -> Headers:
    shape = shape_of(transfer.request.exchange)
    async with transfer.app.rows.exported(in_tree(transfer.source), shape) as file:
        await asyncio.to_thread(transfer.request.folder.put, transfer.target.path, file, transfer.allow)
    return []


async def _relation(transfer: Transfer) -> Headers:
    must_manage(transfer.request)
    rows, source, target = transfer.app.rows, transfer.source, transfer.target
    if not transfer.asked.deep:
        raise Problem("not-copied", "A relation is copied with its rows: Depth: infinity.")
    work = rows.rename_relation if transfer.moves else rows.copy_relation
    with kept(overwrite=transfer.asked.overwrite):
        await work(in_tree(source), in_tree(target), overwrite=target.exists)
    transfer.app.written(target.path)
    if transfer.moves:
        transfer.app.written(source.path)
        await asyncio.to_thread(transfer.request.folder.follow, source.path, target.path)
    return []


async def _schema(transfer: Transfer) -> Headers:
    must_manage(transfer.request)
    if transfer.target.exists:
        raise Problem("already-exists", "A schema is renamed to a new name.")
    await transfer.app.rows.rename_schema(in_tree(transfer.source), in_tree(transfer.target))
    await asyncio.to_thread(transfer.request.folder.follow, transfer.source.path, transfer.target.path)
    return []


def _counted(rows: int) -> Headers:
    return [(b"rows-written", b"%d" % rows)]


_COPIES: Final[Mapping[tuple[str, str], Way]] = {
    ("scratch", "scratch"): _scratch,
    ("scratch", "data"): _ingest,
    ("data", "data"): _rows,
    ("data", "scratch"): _export,
    ("relation", "relation"): _relation,
}
_MOVES: Final[Mapping[tuple[str, str], Way]] = {
    ("scratch", "scratch"): _scratch,
    ("scratch", "data"): _ingest,
    ("relation", "relation"): _relation,
    ("schema", "schema"): _schema,
}
