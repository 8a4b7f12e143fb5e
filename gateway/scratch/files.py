"""GET, HEAD and PUT of scratch files."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.body import EmptyBody, declared, received
from gateway.conditions import evaluate, if_range
from gateway.directories import listing
from gateway.file_request import disposition
from gateway.http_date import http_date
from gateway.problems import Problem
from gateway.ranges import parse
from gateway.scratch.names import segments
from gateway.sending import send_ranges, send_whole

if TYPE_CHECKING:
    from gateway.dav.app import DavApp
    from gateway.drive import Drive, Resource
    from gateway.exchange import Exchange, Headers
    from gateway.scratch import Folder
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory

_CONSTANT: Final[Headers] = [
    (b"accept-ranges", b"bytes"),
    (b"cache-control", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
    # Whoever may write here writes no page of this site.
    (b"content-security-policy", b"sandbox; default-src 'none'"),
]


class ScratchFiles:
    """The bodies of scratch files."""

    def __init__(self, dav: DavApp, spools: SpoolDirectory, settings: Settings) -> None:
        self._dav = dav
        self._spools = spools
        self._settings = settings
        self._bounds = replace(
            settings, max_body_bytes=min(settings.max_body_bytes, max(1, settings.scratch_quota))
        )

    async def get(self, exchange: Exchange, drive: Drive, path: str) -> None:
        """Sends a file, or ranges of it, or the page of a collection; for HEAD, says what GET would.

        Raises:
            Problem: `not-found`, `precondition-failed`, `range-not-satisfiable`.
        """
        if drive.folder is None:
            segments(path)
            raise Problem("not-found", f"There is no {path}.", members={"path": path})
        if exchange.scope["query_string"]:
            raise Problem("invalid-parameter", "Only data files take parameters.")
        found = drive.folder.find(path)
        if found is None:
            raise Problem("not-found", f"There is no {path}.", members={"path": path})
        if found["type"] == "directory":
            await listing(exchange, drive)
            return
        with drive.folder.opened(path) as (file, entry):
            modified = modified_of(entry)
            dated = [] if modified is None else [(b"last-modified", http_date(modified))]
            validators = [(b"etag", entry["etag"].encode()), *dated]
            outcome = evaluate(exchange.method, exchange.headers, entry["etag"], modified, True)
            if outcome == "failed":
                raise failed()
            if outcome == "not-modified":
                await exchange.answer(304, [*_CONSTANT, *validators])
                return
            content = _Content(file, entry["size"], entry["media_type"])
            headers = [
                (b"content-type", content.media_type.encode()),
                (b"content-disposition", disposition(path)),
                *_CONSTANT,
                *validators,
            ]
            ranges = None
            ranged = exchange.method == "GET" and b"range" in exchange.headers
            if ranged and if_range(exchange.headers, entry["etag"]):
                ranges = parse(exchange.headers[b"range"], content.size)
            if ranges is None:
                await send_whole(exchange, headers, content, self._settings.stall_timeout)
            else:
                await send_ranges(exchange, headers, content, ranges, self._settings.stall_timeout)

    async def put(self, exchange: Exchange, drive: Drive, resource: Resource) -> None:
        """Keeps a whole body: 201 for a new file, else 204.

        Raises:
            Problem: What is wrong with the body, `scratch-full`, `parent-missing`, `locked`,
                `precondition-failed`.
        """
        folder = drive.folder
        if folder is None:
            raise Problem("read-only", "This gateway was not started with access 'write'.")
        if exchange.scope["query_string"]:
            raise Problem("invalid-parameter", "Only data files take parameters.")
        path, creates = resource.path, not resource.exists
        expected = declared(exchange.headers, self._settings.max_body_bytes)
        problem = await self._dav.locks.conflict(path, exchange.scope["headers"], creates=creates)
        if problem is not None:
            raise problem
        self._must_hold(exchange, resource.entry)
        await drive.must_have_parent(path)
        await asyncio.to_thread(folder.check_room, path, expected.length or 0)
        try:
            async with received(exchange, expected, self._spools, self._bounds) as body:
                created = await self._keep(exchange, folder, resource, body)
        except EmptyBody:
            created = await self._keep(exchange, folder, resource, b"")
        except Problem as refusal:
            if refusal.code != "body-too-large" or self._bounds == self._settings:
                raise
            raise Problem("scratch-full", refusal.detail) from refusal
        found = folder.find(path)
        # Of what is not kept as it came there is no tag (RFC 9110, section 9.3.4).
        tag = [(b"etag", found["etag"].encode())] if found is not None and expected.coding is None else []
        await exchange.answer(201 if created else 204, tag)

    async def _keep(self, exchange: Exchange, folder: Folder, resource: Resource, body: bytes | str) -> bool:
        path, creates = resource.path, not resource.exists
        async with self._dav.locks.writing(path, exchange.scope["headers"], creates=creates):
            return await asyncio.to_thread(folder.put, path, body, partial(self._must_hold, exchange))

    @staticmethod
    def _must_hold(exchange: Exchange, entry: dict[str, Any] | None) -> None:
        tag, modified = (None, None) if entry is None else (entry.get("etag"), modified_of(entry))
        if evaluate(exchange.method, exchange.headers, tag, modified, entry is not None) == "failed":
            raise failed()


def modified_of(entry: dict[str, Any]) -> int | None:
    """When a file changed, unless that is a date to come: two states never have the same."""
    modified: int | None = entry.get("mtime")
    return modified if modified is not None and modified <= time.time() else None


def failed() -> Problem:
    """The answer to a condition that does not hold."""
    return Problem("precondition-failed", "The file is not in the state that was asked for.")


@dataclass(frozen=True, slots=True)
class _Content:
    """An open file, as what is sent."""

    file: int
    size: int
    media_type: str

    def content(self) -> int:
        return self.file
