"""Dispatches the protocol methods of WebDAV."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.dav import collections, errors, locking, propfind, proppatch, transfer
from gateway.dav.collections import in_tree
from gateway.dav.dates import Dates
from gateway.dav.guard import Guard, standing
from gateway.dav.listings import MAX_ENTRIES, Listing, Listings
from gateway.dav.lock_store import place
from gateway.dav.locks import Locks
from gateway.dav.message import Answer, Request, document, respond
from gateway.dav.multistatus import Multistatus
from gateway.dav.options import options
from gateway.dav.properties import DeadProperties
from gateway.drive import Drive
from gateway.exchange import Exchange
from gateway.problems import Problem, from_backend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from gateway.dav.lock_store import Lock
    from gateway.dav.properties import PropertyStore
    from gateway.drive import Resource
    from gateway.reads import Reads
    from gateway.rows import Rows
    from gateway.scratch import Folder, Scratch
    from gateway.sizes import Sizes
    from gateway.tree import Tree


_STATED: Final = frozenset({"root", "database", "schema"})
"""Directories of which a state may be told."""


class DavApp:
    """An ASGI app for `METHODS`; the methods with a data body are the gateway's own.

    Attributes:
        locks: Asked by every method that writes (`locks.conflict`).
        properties: What clients attached to resources.
        dates: Told of every write (`dates.written`).
        guard: Asked before a change.
        rows: Moves rows between databases and files.
        scratch: The files that are no tables.
    """

    def __init__(
        self,
        tree: Tree,
        reads: Reads,
        rows: Rows,
        scratch: Scratch,
        sizes: Sizes,
        *,
        locks: Locks | None = None,
        properties: PropertyStore | None = None,
        started: float | None = None,
    ) -> None:
        self.locks = locks or Locks()
        self.properties = properties or DeadProperties()
        self.dates = Dates(started)
        self.guard = Guard(self.locks, reads)
        self.rows = rows
        self.scratch = scratch
        self._tree = tree
        self._reads = reads
        self._sizes = sizes
        self._listings = Listings()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; every failure too."""
        headers = dict(scope["headers"])
        try:
            exchange = Exchange(scope, receive, send)
            path = self._tree.path_of(scope)
            drive = Drive.of(self._tree, self.scratch, exchange)
            request = Request(
                scope["method"],
                path,
                drive.kind(path),
                drive.access(path),
                headers,
                scope["headers"],
                receive,
                exchange,
                drive,
            )
            answer = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - the one place where an error becomes an answer
            problem = from_backend(error)
            if problem.code == "cancelled":
                return
            instance = scope.get("raw_path", b"").decode("latin-1")
            fields, body = errors.render(problem, instance, headers.get(b"accept", b""))
            answer = Answer(problem.status, [f for f in fields if f[0] != b"content-length"], iter((body,)))
        await respond(answer, send, chunks=scope["http_version"] != "1.0")

    async def _answer(self, request: Request) -> Answer:
        if request.method in _CHANGING and request.access == "read":
            raise Problem("read-only", f"{request.method} changes something, and the gateway only reads.")
        return await _ANSWERS[request.method](self, request)

    def written(self, path: str) -> None:
        """The rows behind a path have changed just now."""
        self.dates.written(path)
        self._reads.snapshots.written(place(path))

    async def options(self, request: Request) -> Answer:
        """OPTIONS."""
        return options(request.kind, request.access)

    async def propfind(self, request: Request) -> Answer:
        """PROPFIND."""
        asked = propfind.asked(await request.body())
        entry = await request.drive.info(request.path)
        directory = entry["type"] == "directory"
        depth = propfind.depth(request.headers, directory=directory)
        covering, below, dead = await self._attached(request, members=bool(depth))
        members = depth and directory
        own = await request.drive.own(request.path) if members else []
        key = (entry["name"], asked, request.access, self.dates.writes)
        state = None
        plain = entry["kind"] in _STATED and not (covering or below or dead or own or asked.names_quota)
        if members and plain:
            state = await self._sizes.state(request.path)
        if state is not None:
            known = self._listings.find(key, state)
            if known is not None and self._sizes.listed(request.exchange, known.files):
                return document(207, iter(known.pieces))
        entries = [entry, *(await request.drive.ls(request.path, own) if members else [])]
        entries, files = await self._sizes.fill(request.exchange, entries, asked)
        if asked.names_quota and request.drive.folder is not None:
            entries = await asyncio.to_thread(_with_quota, request.drive.folder, entries)
        multistatus = Multistatus(
            asked,
            self.dates,
            lockable=request.access != "read",
            above=[lock for lock in covering if lock["depth"] == "infinity"],
            locks=below,
            dead=dead,
        )
        if len(entries) > MAX_ENTRIES:
            files = None
        if files is None or state is None or state != await self._sizes.state(request.path):
            return document(207, multistatus.render(entries))
        listing = Listing(state, tuple(multistatus.render(entries)), files)
        self._listings.keep(key, listing)
        return document(207, iter(listing.pieces))

    async def _attached(
        self, request: Request, *, members: bool
    ) -> tuple[list[Lock], dict[str, list[Lock]], Mapping[str, Mapping[str, str]]]:
        """The locks that cover a resource, those at it and below, and the dead properties."""
        if request.access == "read":  # nobody can have attached anything
            return [], {}, {}
        covering, below = await self.locks.around(request.path)
        return covering, below, await self.properties.of(request.path, members=members)

    async def proppatch(self, request: Request) -> Answer:
        """PROPPATCH."""
        changes = proppatch.changes(await request.body())
        resource = await request.drive.find(request.path)
        if not resource.exists:
            raise Problem("not-found", f"There is no {request.path}.", members={"path": request.path})
        conflict = await self.locks.conflict(resource.path, request.fields)
        if conflict is not None:
            raise conflict
        async with self.locks.writing(resource.path, request.fields):
            return document(207, iter((await proppatch.apply(self.properties, resource.path, changes),)))

    async def lock(self, request: Request) -> Answer:
        """LOCK: of a name that is free, it makes an empty file."""
        resource = await request.drive.find(request.path)
        create = None if resource.exists else partial(self._reserve, request, resource)
        request = request.at(resource.path)
        return await locking.lock(request, self.locks, directory=resource.is_directory, create=create)

    async def _reserve(self, request: Request, resource: Resource) -> None:
        if request.path.endswith("/") or not (resource.may_be_file or resource.kind == "data"):
            raise Problem("forbidden", "Only what exists can be locked, or the name of a file.")
        await request.drive.must_have_parent(resource.path)
        if resource.kind == "data":
            await self.rows.may_create(in_tree(resource))
        await asyncio.to_thread(request.folder.reserve, resource.path)

    async def unlock(self, request: Request) -> Answer:
        """UNLOCK: what a lock has made where rows may be, and nobody has written, goes with it."""
        # Locks are kept by the one spelling of a path.
        found = await request.drive.find(request.path)
        answer, held = await locking.unlock(request.at(found.path), self.locks)
        resource = await request.drive.find(held["href"])
        shared = await self.locks.covering(resource.path)
        if resource.is_placeholder and not shared and request.folder.reserved(resource.path):
            await asyncio.to_thread(request.folder.remove, resource.path)
            with standing():
                await self.properties.remove(resource.path)
        return answer


def _with_quota(folder: Folder, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scratch collections among entries say how much room there is."""
    quota = folder.quota()
    return [
        {**entry, "quota": quota} if entry["type"] == "directory" and entry["kind"] == "scratch" else entry
        for entry in entries
    ]


_ANSWERS: Final[Mapping[str, Callable[[DavApp, Request], Awaitable[Answer]]]] = {
    "OPTIONS": DavApp.options,
    "PROPFIND": DavApp.propfind,
    "PROPPATCH": DavApp.proppatch,
    "LOCK": DavApp.lock,
    "UNLOCK": DavApp.unlock,
    "MKCOL": collections.mkcol,
    "DELETE": collections.delete,
    "COPY": transfer.copy,
    "MOVE": transfer.move,
}
METHODS: Final = frozenset(_ANSWERS)
_CHANGING: Final = METHODS - {"OPTIONS", "PROPFIND"}
