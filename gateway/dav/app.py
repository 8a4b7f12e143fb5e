"""Dispatches the protocol methods of WebDAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.dav import errors, locking, propfind, proppatch
from gateway.dav.dates import Dates
from gateway.dav.locks import Locks
from gateway.dav.message import Answer, Request, document, respond
from gateway.dav.multistatus import Multistatus
from gateway.dav.options import allow, options
from gateway.dav.properties import DeadProperties
from gateway.exchange import Exchange
from gateway.problems import Problem, from_backend
from gateway.tree import DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from gateway.dav.lock_store import Lock
    from gateway.dav.properties import PropertyStore

METHODS: Final = frozenset(
    {"OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "MKCOL", "COPY", "MOVE", "DELETE"}
)

_LENGTH: Final = "{DAV:}getcontentlength"
_CHANGING: Final = METHODS - {"OPTIONS", "PROPFIND"}
_COLLECTIONS: Final = frozenset({"schema", "relation"})


class Tree(Protocol):
    """What WebDAV asks of the served tree (`gateway.tree.Tree` fits).

    Paths are URL paths after one percent-decoding, with or without a trailing slash; names in
    entries are such paths too. Errors are `gateway.problems.Problem`.
    """

    def path_of(self, scope: Scope) -> str:
        """The request's path: `raw_path` percent-decoded exactly once."""

    def kind(self, path: str) -> str:
        """What the grammar says the path is (`fsspec_db.Path.kind`).

        With several databases their level is `database`. Asks no database.
        """

    def access(self, path: str) -> str:
        """`read`, `write` or `manage`."""

    async def info(self, path: str) -> dict[str, Any]:
        """The fsspec entry of one path, asked in the metadata lane."""

    async def ls(self, path: str) -> list[dict[str, Any]]:
        """The entries of a directory, asked in the metadata lane."""


class Sizes(Protocol):
    """Knows how long files are (`gateway.sizes.Sizes` fits)."""

    async def fill(self, exchange: Exchange, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The entries, with sizes as far as they are known soon."""


class DavApp:
    """An ASGI app for `METHODS`; the methods with a data body are the gateway's own.

    Attributes:
        locks: Asked by every method that writes (`locks.conflict`).
        properties: What clients attached to resources.
        dates: Told of every write (`dates.written`).
    """

    def __init__(
        self,
        tree: Tree,
        sizes: Sizes | None = None,
        *,
        locks: Locks | None = None,
        properties: PropertyStore | None = None,
        started: float | None = None,
    ) -> None:
        self.locks = locks or Locks()
        self.properties = properties or DeadProperties()
        self.dates = Dates(started)
        self._tree = tree
        self._sizes = sizes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; every failure too."""
        headers = dict(scope["headers"])
        try:
            path = self._tree.path_of(scope)
            request = Request(
                scope["method"],
                path,
                self._tree.kind(path),
                self._tree.access(path),
                headers,
                scope["headers"],
                receive,
                Exchange(scope, receive, send),
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
        method = request.method
        if method == "OPTIONS":
            return options(request.kind, request.access)
        if method in _CHANGING and request.access == "read":
            raise Problem("read-only", f"{method} changes something, and the gateway only reads.")
        if method == "PROPFIND":
            return await self._propfind(request)
        if method == "PROPPATCH":
            return await self._proppatch(request)
        if method == "LOCK":
            return await self._lock(request)
        if method == "UNLOCK":
            return (await locking.unlock(request, self.locks))[0]
        raise await self._refusal(request)

    async def _propfind(self, request: Request) -> Answer:
        depth = propfind.depth(request.headers, directory=request.kind in DIRECTORIES)
        asked = propfind.asked(await request.body())
        entry = await self._tree.info(request.path)
        entries = [entry]
        if depth and entry["type"] == "directory":
            entries += await self._tree.ls(request.path)
        if self._sizes is not None and asked.wants(_LENGTH):
            entries = await self._sizes.fill(request.exchange, entries)
        covering, below, dead = await self._attached(request, members=bool(depth))
        multistatus = Multistatus(
            asked,
            self.dates,
            lockable=request.access != "read",
            above=[lock for lock in covering if lock["depth"] == "infinity"],
            locks=below,
            dead=dead,
        )
        return document(207, multistatus.render(entries))

    async def _attached(
        self, request: Request, *, members: bool
    ) -> tuple[list[Lock], dict[str, list[Lock]], Mapping[str, Mapping[str, str]]]:
        """The locks that cover a resource, those at it and below, and the dead properties."""
        if request.access == "read":  # nobody can have attached anything
            return [], {}, {}
        covering, below = await self.locks.around(request.path)
        return covering, below, await self.properties.of(request.path, members=members)

    async def _proppatch(self, request: Request) -> Answer:
        changes = proppatch.changes(await request.body())
        path = _canonical(await self._tree.info(request.path))
        conflict = await self.locks.conflict(path, request.fields)
        if conflict is not None:
            raise conflict
        async with self.locks.writing(path, request.fields):
            return document(207, iter((await proppatch.apply(self.properties, path, changes),)))

    async def _lock(self, request: Request) -> Answer:
        entry = await self._find(request.path)
        if entry is None:
            raise Problem("forbidden", "Only what exists can be locked.")
        directory = entry["type"] == "directory"
        return await locking.lock(request.at(_canonical(entry)), self.locks, directory=directory)

    async def _refusal(self, request: Request) -> Problem:
        """Why a method that changes the catalogue is not done."""
        method, kind = request.method, request.kind
        if method == "DELETE" and kind == "data":
            return Problem("data-file-delete", "The rows stay. DELETE the relation's directory to drop it.")
        if method == "MKCOL" and (
            kind == "data" or (kind in _COLLECTIONS and await self._find(request.path))
        ):
            fields = {"Allow": allow(kind, request.access)}
            return Problem("method-not-allowed", f"{request.path} is there already.", fields)
        if method == "MKCOL" and kind == "relation":
            return Problem("mkcol-relation", "A relation needs columns: PUT a data file to create one.")
        if method in {"DELETE", "MKCOL"} and request.access != "manage":
            return Problem("forbidden", f"{method} needs the access level manage.")
        return Problem("forbidden", f"{method} is not available yet.")

    async def _find(self, path: str) -> dict[str, Any] | None:
        try:
            return await self._tree.info(path)
        except Problem as problem:
            if problem.code == "not-found":
                return None
            raise


def _canonical(entry: dict[str, Any]) -> str:
    """The path that the resource's address is made of."""
    path: str = entry["name"]
    return path if entry["type"] != "directory" or path == "/" else f"{path}/"
