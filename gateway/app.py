"""The ASGI app: one dispatch by path and method, and the one place where a failure becomes an answer."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from gateway.dav.app import METHODS, DavApp
from gateway.dav.options import allow
from gateway.dav.stores import open_stores
from gateway.directories import listing
from gateway.exchange import Abort, ClientGone, Exchange
from gateway.gate import Gate
from gateway.problems import Problem, internal
from gateway.query import Queries
from gateway.reads import Reads
from gateway.service import Service
from gateway.sizes import Sizes
from gateway.spool import SpoolDirectory
from gateway.tags import current_tags
from gateway.tree import Tree
from gateway.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.settings import Settings

logger = logging.getLogger("gateway")


class Gateway:
    """The gateway as an ASGI app.

    Owns its filesystems: the end of the app's lifespan, or `close`, closes them.

    Args:
        filesystems: What is served, by name; one named `""` is the tree itself.
        settings: How it is served.
        started: When, in seconds since the epoch, where several processes serve together.

    Raises:
        SettingsError: What `lock_store` needs is not installed.
    """

    def __init__(
        self,
        filesystems: Mapping[str, AbstractDatabaseFileSystem],
        settings: Settings,
        *,
        started: float | None = None,
    ) -> None:
        self.settings = settings
        self.tree = Tree(filesystems, settings)
        self.spools = SpoolDirectory(settings.spool_dir)
        self.service = Service(self.tree)
        self._reads = Reads(self.spools, settings)
        self._sizes = Sizes(self.tree, self._reads, settings)
        locks, properties = open_stores(settings.lock_store, partial(current_tags, self.tree, self._reads))
        self.dav = DavApp(self.tree, self._sizes, locks=locks, properties=properties, started=started)
        self._writes = Writes(self.tree, self._reads, self.dav, self.spools, settings)
        self._queries = Queries(self.tree, settings)
        self._gate = Gate(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or lives through the lifespan.

        Raises:
            Abort: The response had begun and could not be finished.
        """
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self._dispatch(exchange)
        except Problem as problem:
            if exchange.started:
                raise Abort(str(problem)) from problem
            if problem.code == "cancelled":
                self._left(exchange)
                return
            await exchange.refuse(problem)
        except ClientGone:
            self._left(exchange)
        except Abort:
            raise
        except Exception as error:
            fault = internal(error)
            if exchange.started:
                raise Abort(str(fault)) from error
            await exchange.refuse(fault)

    async def _dispatch(self, exchange: Exchange) -> None:
        self._gate.check(exchange)
        path = exchange.path = self.tree.path_of(exchange.scope)
        method = exchange.method
        if path.startswith("/-") and (len(path) == 2 or path[2] == "/"):
            await (self._queries if path == "/-/query" else self.service)(exchange)
            return
        if method in METHODS:
            scope = exchange.scope
            if path == "*" and method == "OPTIONS":  # RFC 9110, 9.3.7: about the server, so about the root
                scope = {**scope, "path": "/", "raw_path": b"/"}
            await self.dav(scope, exchange.receive, exchange.watched_send)
            return
        target = self.tree.resolve(path)
        if method in ("GET", "HEAD"):
            if target.is_directory:
                await listing(exchange, self.tree)
            else:
                await self._reads.get(exchange, target)
        elif method == "PUT" and target.kind == "data":
            await self._writes.put(exchange, target)
        elif method == "POST" and target.kind == "data":
            await self._writes.post(exchange, target)
        else:
            allowed = {"allow": allow(target.kind, self.tree.access(path))}
            raise Problem("method-not-allowed", f"A {target.kind} has no {method}.", allowed)

    @staticmethod
    def _left(exchange: Exchange) -> None:
        logger.info("499 %s %s: the client left", exchange.method, exchange.url_path)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.spools.sweep()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.close()
                await self.dav.locks.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def close(self) -> None:
        """Closes the databases and removes what was spooled."""
        self._sizes.close()
        self._reads.snapshots.close()
        self.tree.close()
        self.spools.close()
