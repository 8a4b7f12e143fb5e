"""PUT and POST on data files."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from weakref import WeakValueDictionary

from gateway.body import EmptyBody, declared
from gateway.conditions import evaluate
from gateway.ingest import ingest
from gateway.problems import Problem
from gateway.reads import shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db import AbstractDatabaseFileSystem, ArrivingBody
    from gateway.body import Declared
    from gateway.dav.app import DavApp
    from gateway.exchange import Exchange
    from gateway.reads import Reads
    from gateway.rows import Rows
    from gateway.scratch import Scratch
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory
    from gateway.tree import Target

ACCEPTED_TYPES: Final[Mapping[str, frozenset[str]]] = {
    extension: frozenset(types)
    for extensions, types in (
        (
            ("arrow", "arrows", "feather"),
            (
                "application/vnd.apache.arrow.stream",
                "application/vnd.apache.arrow.file",
                "application/x-arrow",
                "application/arrow",
            ),
        ),
        (("parquet",), ("application/vnd.apache.parquet", "application/x-parquet", "application/parquet")),
        (("csv",), ("text/csv", "application/csv", "text/plain", "application/vnd.ms-excel")),
        (
            ("jsonl",),
            (
                "application/jsonl",
                "application/x-ndjson",
                "application/ndjson",
                "application/json-lines",
                "application/x-jsonlines",
                "application/json",
                "text/plain",
            ),
        ),
        (("json",), ("application/json", "text/json", "text/plain")),
    )
    for extension in extensions
}
"""What a body for an extension may be called. Clients that cannot know say nothing, or octets."""

_UNKNOWING: Final = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"}
)


class Writes:
    """What is written: a whole body in one transaction, or nothing."""

    def __init__(
        self,
        rows: Rows,
        reads: Reads,
        dav: DavApp,
        scratch: Scratch,
        spools: SpoolDirectory,
        settings: Settings,
    ) -> None:
        self.rows = rows
        self.scratch = scratch
        self.reads = reads
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.dav = dav
        self.spools = spools
        self.settings = settings

    async def put(self, exchange: Exchange, target: Target) -> None:
        """Replaces all rows, or creates the relation, in one transaction."""
        if exchange.scope["query_string"]:
            raise Problem("invalid-parameter", "PUT takes no parameters; POST takes mode.")
        fs, _ = target.database()
        expected = self._check(exchange, target, fs)
        exists = await self.rows.exist(target)
        await self._may_write(exchange, target, exists=exists, creates=not exists)
        if not exists:
            await self.rows.may_create(target)
        # What was promised not to exist must not be replaced if it came into being meanwhile.
        conditional = b"if-none-match" in exchange.headers or b"if-match" in exchange.headers
        mode = "replace" if exists or not conditional else "create"
        try:
            rows, created = await self._write(exchange, target, expected, mode, creates=not exists)
        except EmptyBody:
            # So file managers begin: they lock the empty file, and then send what is in it.
            rows, created = 0, not exists and await self._hold_place(exchange, target)
        except Problem as problem:
            if problem.code != "already-exists" or not conditional:
                raise  # SQLite does not tell names apart that differ by case alone
            raise Problem("precondition-failed", "The relation exists by now.") from problem
        await exchange.answer(201 if created else 204, [(b"rows-written", b"%d" % rows)])

    async def _hold_place(self, exchange: Exchange, target: Target) -> bool:
        """Makes an empty file where rows are to come; whether it is a new one."""
        async with self.dav.locks.writing(target.place, exchange.scope["headers"], creates=True):
            return await asyncio.to_thread(self.scratch.of(exchange).put, target.place, b"")

    async def post(self, exchange: Exchange, target: Target) -> None:
        """Appends rows, or updates and inserts by primary key, in one transaction."""
        mode = _mode(exchange)
        fs, _ = target.database()
        expected = self._check(exchange, target, fs)
        exists = await self.rows.exist(target)
        await self._may_write(exchange, target, exists=exists, creates=False)
        if not exists:
            raise Problem("not-found", "There is no such relation.", members={"path": exchange.path})
        rows, _ = await self._write(exchange, target, expected, mode)
        headers = [(b"content-type", b"application/json"), (b"rows-written", b"%d" % rows)]
        await exchange.answer(200, headers, b'{"rows": %d}' % rows)

    async def _write(
        self, exchange: Exchange, target: Target, expected: Declared, mode: str, *, creates: bool = False
    ) -> tuple[int, bool]:
        """Takes the body and commits it; the rows written, and whether the relation was created."""
        fs, pool = target.database()
        # Nothing is created whose name the locks were not asked about.
        write = partial(fs.write, create=creates, timeout=self.settings.write_timeout or None)
        relation = target.place.rpartition(".")[0]

        async def commit(body: bytes | str | ArrivingBody) -> tuple[int, bool]:
            async with self.dav.locks.writing(target.place, exchange.scope["headers"], creates=creates):
                if creates or not _asks_of_state(exchange):
                    return await pool.write(write, target.path, body, mode)
                # Who writes on a condition is alone here, in the gateway; within an engine that has
                # versions also there.
                async with self._one_at_a_time.setdefault(relation, asyncio.Lock()):
                    version = await self._hold(exchange, target)
                    return await pool.write(partial(write, if_version=version), target.path, body, mode)

        written = await ingest(exchange, expected, self.spools, self.settings, commit)
        self.dav.written(target.place)
        if creates:
            await asyncio.to_thread(self.scratch.of(exchange).remove, target.place)
        return written

    def _check(self, exchange: Exchange, target: Target, fs: AbstractDatabaseFileSystem) -> Declared:
        """Everything that needs neither the database nor the body."""
        if fs.access == "read":
            raise Problem("read-only", "This gateway was not started with access 'write'.")
        media_type = (
            exchange.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        )
        accepted = ACCEPTED_TYPES[target.extension or ""]
        if media_type not in _UNKNOWING and media_type not in accepted:
            raise Problem(
                "unsupported-media-type",
                f"A body of type {media_type!r} is no .{target.extension} file.",
                {"accept": ", ".join(sorted(accepted))},
            )
        return declared(exchange.headers, self.settings.max_body_bytes)

    async def _may_write(self, exchange: Exchange, target: Target, *, exists: bool, creates: bool) -> None:
        """Asks the locks, then the conditions of RFC 9110 section 13."""
        problem = await self.dav.locks.conflict(target.place, exchange.scope["headers"], creates=creates)
        if problem is not None:
            raise problem
        if exists and _asks_of_state(exchange):
            await self._hold(exchange, target)
            return
        placeholder = None if exists else self.scratch.of(exchange).find(target.place)
        tag = None if placeholder is None else placeholder["etag"]
        there = exists or placeholder is not None
        if evaluate(exchange.method, exchange.headers, tag, None, there) == "failed":
            raise _failed()

    async def _hold(self, exchange: Exchange, target: Target) -> str | None:
        """Refuses to write what is not in the state that was asked for; the data version that is."""
        current = await self.reads.current(exchange, target)
        if evaluate(exchange.method, exchange.headers, current.tags, current.modified, True) == "failed":
            raise _failed()
        return current.version


def _asks_of_state(exchange: Exchange) -> bool:
    """Whether the request has a condition on more than existence."""
    tags = (exchange.headers.get(b"if-match", b""), exchange.headers.get(b"if-none-match", b""))
    return any(b'"' in value for value in tags) or b"if-unmodified-since" in exchange.headers


def _failed() -> Problem:
    return Problem("precondition-failed", "The file is not in the state that was asked for.")


def _mode(exchange: Exchange) -> str:
    pairs = parse_qsl(shape_of(exchange), keep_blank_values=True)
    if any(name != "mode" for name, _ in pairs) or len(pairs) > 1:
        raise Problem("invalid-parameter", "POST takes one parameter: mode.")
    mode = pairs[0][1] if pairs else "append"
    if mode not in ("append", "upsert"):
        raise Problem("invalid-parameter", "mode is 'append' or 'upsert'.")
    return mode
