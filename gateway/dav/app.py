"""Dispatches the protocol methods of WebDAV."""

from typing import TYPE_CHECKING, Any, Protocol

from gateway.dav.locks import Locks

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

METHODS = frozenset(
    {"OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "MKCOL", "COPY", "MOVE", "DELETE"}
)


class Tree(Protocol):
    """What WebDAV asks of the served tree (`gateway.tree.Tree` fits).

    Paths are URL paths after one percent-decoding, with or without a trailing slash; names in
    entries are such paths too. Errors are `fsspec_db.DatabaseError` or `gateway.problems.Problem`.
    """

    def path_of(self, scope: "Scope") -> str:
        """The request's path: `raw_path` percent-decoded exactly once."""

    def kind(self, path: str) -> str:
        """What the grammar says the path is: `root`, `schema`, `relation`, `data`, `ddl`, `facet` …

        With several databases their level is `database`. Asks no database.
        """

    def access(self, path: str) -> str:
        """`read`, `write` or `manage`."""

    async def info(self, path: str) -> dict[str, Any]:
        """The fsspec entry of one path, asked in the metadata lane."""

    async def ls(self, path: str) -> list[dict[str, Any]]:
        """The entries of a directory, asked in the metadata lane."""


class DavApp:
    """An ASGI app for `METHODS`; the data methods are the gateway's own.

    `started` (seconds since the epoch) is the date of every resource until engines tell better.
    """

    def __init__(self, tree: Tree, settings: object, *, started: float | None = None) -> None:
        self.tree = tree
        self.settings = settings
        self.locks = Locks()
        self.started = started

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        raise NotImplementedError
