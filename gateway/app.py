"""The ASGI app: one dispatch by path and method, and the one place where a failure becomes an answer."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.dav.app import METHODS, DavApp
from gateway.dav.guard import standing
from gateway.dav.options import allow
from gateway.dav.stores import open_stores
from gateway.directories import listing
from gateway.drive import ELSEWHERE, Drive, noun
from gateway.exchange import Abort, ClientGone, Exchange
from gateway.gate import Gate
from gateway.problems import Problem, internal
from gateway.query import Queries
from gateway.reads import Reads
from gateway.rows import Rows
from gateway.scratch import Scratch, certain, default_directory
from gateway.scratch.files import ScratchFiles
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
        scratch = (
            Path(settings.scratch_dir).resolve() if settings.scratch_dir else default_directory(settings)
        )
        self.scratch = Scratch(scratch, settings.scratch_quota, settings.scratch_age)
        self.service = Service(self.tree)
        self._reads = Reads(self.spools, settings)
        self._sizes = Sizes(self.tree, self._reads, settings)
        locks, properties = open_stores(
            settings.lock_store, partial(current_tags, self.tree, self._reads, self.scratch)
        )
        rows = Rows(self.tree, self.spools, settings)
        self.dav = DavApp(
            self.tree,
            self._reads,
            rows,
            self.scratch,
            self._sizes,
            locks=locks,
            properties=properties,
            started=started,
        )
        self._files = ScratchFiles(self.dav, self.spools, settings)
        self._writes = Writes(rows, self._reads, self.dav, self.scratch, self.spools, settings)
        self._queries = Queries(self.tree, settings)
        self._gate = Gate(settings)
        self._sweeping: asyncio.Task[None] | None = None

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
        drive = Drive.of(self.tree, self.scratch, exchange)
        if method in ("GET", "HEAD"):
            await self._read(exchange, drive)
        elif method == "PUT":
            await self._put(exchange, drive)
        elif method == "POST" and not certain(path) and self.tree.kind(path) == "data":
            await self._writes.post(exchange, self.tree.resolve(path))
        else:
            raise self._not_allowed(exchange, drive)

    async def _read(self, exchange: Exchange, drive: Drive) -> None:
        path = exchange.path
        if certain(path):
            await self._files.get(exchange, drive, path)
            return
        target = None
        try:
            target = self.tree.resolve(path)
            if target.is_directory:
                await listing(exchange, drive)
            else:
                await self._reads.get(exchange, target)
        except Problem as problem:
            # What the tree does not have may be a scratch file of its name, and that is of any type.
            unlike = problem.code == "not-acceptable"
            if drive.folder is None or exchange.started or not (unlike or problem.code in ELSEWHERE):
                raise
            path = path if target is None or path.endswith("/") else target.place
            if drive.folder.find(path) is None or (unlike and (await drive.find(path)).kind != "scratch"):
                raise
            await self._files.get(exchange, drive, path)

    async def _put(self, exchange: Exchange, drive: Drive) -> None:
        path = exchange.path
        if drive.kind(path) == "data":
            await self._writes.put(exchange, self.tree.resolve(path))
            return
        resource = await drive.find(path)
        if resource.target is not None and (resource.kind == "data" or resource.is_placeholder):
            await self._writes.put(exchange, resource.target)
        elif resource.may_be_file and not resource.is_directory and not path.endswith("/"):
            await self._files.put(exchange, drive, resource)
        else:
            raise self._not_allowed(exchange, drive)

    def _not_allowed(self, exchange: Exchange, drive: Drive) -> Problem:
        kind = drive.kind(exchange.path)
        allowed = {"allow": allow(kind, drive.access(exchange.path))}
        return Problem("method-not-allowed", f"There is no {exchange.method} of a {noun(kind)}.", allowed)

    @staticmethod
    def _left(exchange: Exchange) -> None:
        logger.info("499 %s %s: the client left", exchange.method, exchange.url_path)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.spools.sweep()
                self.scratch.finish()
                self._sweeping = asyncio.create_task(self._sweep())
                await send({"type": "lifespan.startup.complete"})
            else:
                self.close()
                await self.dav.locks.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _sweep(self) -> None:
        """Removes scratch files that nobody uses, from now on."""
        while True:
            gone = await asyncio.to_thread(self.scratch.sweep)
            with standing():
                await self.dav.properties.remove(*gone)
            await asyncio.sleep(max(1.0, self.scratch.age / 10))

    def close(self) -> None:
        """Closes the databases and removes what was spooled."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._sizes.close()
        self._reads.snapshots.close()
        self.tree.close()
        self.spools.close()
