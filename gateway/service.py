"""Everything under `/-/` but the query endpoint: health, description, explanations."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from gateway import openapi, pages
from gateway.codes import TABLE
from gateway.directories import PAGE_HEADERS
from gateway.negotiation import choose
from gateway.problems import Problem

if TYPE_CHECKING:
    from gateway.exchange import Exchange, Headers
    from gateway.tree import Tree

_JSON: Headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]


class Service:
    """The service endpoints.

    Attributes:
        draining: True once the process is asked to stop; it is then no longer ready.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.draining = False

    async def __call__(self, exchange: Exchange) -> None:
        """Answers GET and HEAD below `/-/`."""
        if exchange.method not in ("GET", "HEAD"):
            raise Problem("method-not-allowed", "Service addresses are read.", {"allow": "GET, HEAD"})
        path = exchange.path.removeprefix("/-/")
        if path == "health/live":
            await self._health(exchange, {"status": "live"})
        elif path == "health/ready":
            await self._ready(exchange)
        elif path == "openapi.json":
            await self._json(exchange, openapi.document(several=self.tree.several))
        elif path == "docs":
            page = pages.description(openapi.document(several=self.tree.several))
            await exchange.answer(200, PAGE_HEADERS, page)
        elif path.startswith("problems/") and path.removeprefix("problems/") in TABLE:
            await self._problem(exchange, path.removeprefix("problems/"))
        else:
            raise Problem("not-found", "There is no such service address.")

    async def _ready(self, exchange: Exchange) -> None:
        if self.draining:
            await self._health(exchange, {"status": "draining"}, 503)
            return
        names = list(self.tree.pools)
        found = await asyncio.gather(*(self._answers(name) for name in names))
        databases = {
            name or "/": "ready" if good else "unavailable" for name, good in zip(names, found, strict=True)
        }
        status = "ready" if all(found) else "unavailable"
        await self._health(exchange, {"status": status, "databases": databases}, 200 if all(found) else 503)

    async def _answers(self, name: str) -> bool:
        try:
            await self.tree.pools[name].check()
        except Problem:
            return False
        return True

    async def _problem(self, exchange: Exchange, code: str) -> None:
        kind = TABLE[code]
        media_type = choose(exchange.headers.get(b"accept"), ["text/html", "application/json", "text/plain"])
        if media_type == "application/json":
            said = {
                "code": kind.code,
                "status": kind.status,
                "title": kind.title,
                "explanation": kind.explanation,
            }
            await self._json(exchange, said)
        elif media_type == "text/plain":
            text = f"{kind.status} {kind.title}\n\n{kind.explanation}\n".encode()
            await exchange.answer(
                200, [(b"content-type", b"text/plain; charset=utf-8"), (b"vary", b"Accept")], text
            )
        else:
            await exchange.answer(200, [*PAGE_HEADERS, (b"vary", b"Accept")], pages.problem(kind))

    @staticmethod
    async def _json(exchange: Exchange, document: object) -> None:
        await exchange.answer(
            200, [*_JSON, (b"vary", b"Accept")], json.dumps(document, ensure_ascii=False).encode()
        )

    @staticmethod
    async def _health(exchange: Exchange, document: object, status: int = 200) -> None:
        body = json.dumps(document, ensure_ascii=False).encode()
        await exchange.answer(status, [*_JSON, (b"cache-control", b"no-store")], body)
