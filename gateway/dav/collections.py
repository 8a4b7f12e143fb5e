"""MKCOL and DELETE: what each kind of resource does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.dav.destination import deep
from gateway.dav.guard import CONDITIONS, standing
from gateway.dav.message import Answer
from gateway.dav.options import allowed
from gateway.drive import noun
from gateway.problems import Problem
from gateway.scratch import junk
from gateway.scratch.files import failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.dav.app import DavApp
    from gateway.dav.message import Request
    from gateway.drive import Resource
    from gateway.tree import Target

    Change = Callable[[DavApp, Request, Resource], Awaitable[None]]


async def mkcol(app: DavApp, request: Request) -> Answer:
    """Makes a schema or a scratch collection."""
    if await request.body():
        raise Problem("unsupported-media-type", "MKCOL takes no body.")
    resource = await request.drive.find(request.path)
    make = _MAKING.get(resource.kind)
    if resource.kind == "data" or (make is not None and resource.exists):
        others = (each for each in allowed(resource.kind, request.access) if each != "MKCOL")
        fields = {"Allow": ", ".join(others)}
        raise Problem("method-not-allowed", f"{request.path} is there already, or is a file.", fields)
    if make is None:
        raise Problem("forbidden", "No directory can be made here.")
    await app.guard.must_hold(request, resource, member=True)
    await make(app, request, resource)
    return Answer(201)


async def _make_schema(app: DavApp, request: Request, resource: Resource) -> None:
    must_manage(request)
    async with app.guard.changing(request, resource.path, creates=True):
        await app.rows.create_schema(in_tree(resource))


async def _make_relation(_: DavApp, request: Request, resource: Resource) -> None:
    await request.drive.must_have_parent(resource.path)
    raise Problem("mkcol-relation", "A relation needs columns: PUT a data file to create one.")


async def _make_scratch(app: DavApp, request: Request, resource: Resource) -> None:
    if not junk(resource.path):
        raise Problem("forbidden", "Only names of temporary files are free for directories here.")
    await request.drive.must_have_parent(resource.path)
    async with app.guard.changing(request, resource.path, creates=True):
        await asyncio.to_thread(request.folder.make, resource.path)


async def delete(app: DavApp, request: Request) -> Answer:
    """Drops a relation or an empty schema, or removes scratch files."""
    resource = await request.drive.find(request.path)
    if resource.is_directory:
        deep(request)
    if resource.kind == "data":
        raise Problem("data-file-delete", "The rows stay. DELETE the relation's directory to drop it.")
    if not resource.exists:
        raise Problem("not-found", f"There is no {request.path}.", members={"path": request.path})
    remove = None if resource.is_fixed else _REMOVING.get(resource.kind)
    if remove is None:
        raise Problem("forbidden", f"A {noun(resource.kind)} is part of the tree, and stays.")
    await app.guard.must_hold(request, resource, member=True)
    async with app.guard.changing(request, resource.path, removes=True):
        await remove(app, request, resource)
        with standing():
            await app.properties.remove(resource.path)
            await app.locks.gone(resource.path)
    return Answer(204)


async def _drop(app: DavApp, request: Request, resource: Resource) -> None:
    must_manage(request)
    await app.rows.drop(in_tree(resource))
    app.written(resource.path)
    for folder in await asyncio.to_thread(app.scratch.folders):
        await asyncio.to_thread(folder.forget, resource.path)


async def _remove(_: DavApp, request: Request, resource: Resource) -> None:
    entry = resource.entry or {}
    tag = entry.get("etag") if CONDITIONS & request.headers.keys() else None
    if not await asyncio.to_thread(request.folder.remove, resource.path, tag) and tag is not None:
        raise failed()


def must_manage(request: Request) -> None:
    """Refuses what changes the catalogue below the access level for it.

    Raises:
        Problem: `forbidden`.
    """
    if request.access != "manage":
        raise Problem("forbidden", f"{request.method} needs the access level manage.")


def in_tree(resource: Resource) -> Target:
    """Where a resource is in its database.

    Raises:
        Problem: `not-copied`: it is in none.
    """
    if resource.target is None:
        raise Problem("not-copied", f"{resource.path} is no path of a database.")
    return resource.target


_MAKING: Final[Mapping[str, Change]] = {
    "schema": _make_schema,
    "relation": _make_relation,
    "scratch": _make_scratch,
}
_REMOVING: Final[Mapping[str, Change]] = {"schema": _drop, "relation": _drop, "scratch": _remove}
