"""One request for a file: answered at once, from a snapshot, in ranges, or with what the client has."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.chunks import Chunks
from gateway.coding import encoder
from gateway.conditions import evaluate, if_range
from gateway.exchange import Abort
from gateway.http_date import http_date
from gateway.problems import Problem
from gateway.ranges import parse
from gateway.sending import send_more, send_ranges, send_whole
from gateway.snapshot import GivenUp, Snapshot
from gateway.transfer import send_rest, transfer
from gateway.validators import of_content

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from fsspec_db import AbstractDatabaseFileSystem, ChunkStream
    from gateway.exchange import Exchange, Headers
    from gateway.pool import Pool
    from gateway.reads import Reads
    from gateway.tree import Target
    from gateway.validators import Reading

_CONSTANT: Final[Headers] = [
    (b"cache-control", b"no-cache"),
    (b"vary", b"Accept, Accept-Encoding"),
    (b"x-content-type-options", b"nosniff"),
]
_CONDITIONS: Final = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"})


class FileRequest:
    """One request for a file."""

    def __init__(
        self,
        reads: Reads,
        exchange: Exchange,
        target: Target,
        fs: AbstractDatabaseFileSystem,
        pool: Pool,
        reading: Reading,
    ) -> None:
        self.reads = reads
        self.exchange = exchange
        self.target = target
        self.fs = fs
        self.pool = pool
        self.reading = reading
        self.start = partial(reads.start, fs, target, reading)
        self.stall = reads.settings.stall_timeout
        self.ranged = exchange.method == "GET" and b"range" in exchange.headers
        self.conditional = not _CONDITIONS.isdisjoint(exchange.headers)
        self.old = exchange.scope["http_version"] == "1.0"
        self.begun: Snapshot | None = None
        """The state of which rows are sent as they come."""

    @property
    def at_once(self) -> bool:
        """Whether nothing is asked for but the bytes, and nobody else has them."""
        return not (
            self.ranged
            or self.conditional
            or self.old
            or self.exchange.method == "HEAD"
            or self.reads.snapshots.has(self.reading)
        )

    async def document(self) -> None:
        """Sends a small text that describes a relation."""
        document = Snapshot(self.reading, None)
        await self._in_lane(partial(self._gather, document))
        await self._answer(document)

    async def _gather(self, document: Snapshot, stream: ChunkStream) -> None:
        parts = []
        with Chunks(stream, self.exchange.receive) as chunks:
            while chunk := await chunks.next():
                parts.append(chunk)
        body = b"".join(parts)
        if self.reading.chosen.coding is not None:
            encode = encoder(self.reading.chosen.coding)
            body = encode.encode(body) + encode.finish()
        document.keep(body)
        document.tag = of_content(body)
        document.modified = self.reads.dates.modified(self.reading, None, document.tag)

    async def stream(self) -> None:
        """Sends the rows as they come."""
        with self._resumable():
            await self._in_lane(self._transfer)

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        """Lets who got a beginning have no end of another state, which includes whoever seems to have all."""
        try:
            yield
        finally:
            if self.begun is not None:  # the time runs from here on
                self.reads.leases.begin(self.exchange, self.begun)

    def _begin(self, snapshot: Snapshot) -> None:
        if self.reading.chosen.coding is not None and snapshot.version is not None:
            # Who decodes what comes counts its bytes, and resumes with those that are not coded.
            plain = replace(self.reading, chosen=replace(self.reading.chosen, coding=None))
            tag = plain.tag(snapshot.version)
            snapshot = Snapshot(plain, snapshot.version)
            snapshot.tag, snapshot.lost = tag, True
        self.begun = snapshot
        self.reads.leases.begin(self.exchange, snapshot)

    async def _in_lane(self, work: Callable[[ChunkStream], Coroutine[None, None, None]]) -> None:
        lane = self.pool.data
        if self.pool.in_doubt:
            await self.pool.check()
        if not lane.try_take():
            await lane.take()
        try:
            await work(self.start())
        except Problem as problem:
            if problem.code == "database-unavailable":
                self.pool.failed()
            raise
        finally:
            lane.give()
        self.pool.used()

    async def _transfer(self, stream: ChunkStream) -> None:
        def validators(body: bytes | memoryview | None) -> Headers:
            whole = body is not None and self.reading.chosen.coding is None
            ranges = (b"accept-ranges", b"bytes" if whole else b"none")
            if stream.version is None and body is None:
                self._must_hold(None, None)
                return [ranges]
            tag = of_content(body or b"") if stream.version is None else self.reading.tag(stream.version)
            modified = self.reads.dates.modified(self.reading, stream.version, tag)
            self._must_hold(tag, modified)
            if body is None:
                begun = Snapshot(self.reading, stream.version)
                begun.tag, begun.lost = tag, True
                self._begin(begun)
            return [ranges, *_validators(tag, modified)]

        await transfer(
            self.exchange,
            stream,
            self._headers(),
            validators=validators,
            coding=self.reading.chosen.coding,
            stall=self.stall,
        )

    async def validated(self) -> None:
        """Sends what is asked for of a snapshot, or 304, or the rows as they come."""
        leases, snapshots = self.reads.leases, self.reads.snapshots
        leased = leases.held(self.exchange, self.reading) if self.ranged else self._listed()
        if leased is not None and leased.whole and not leased.lost:
            await self._answer(leased)
            return
        version = await self.pool.call(self.fs.data_version, self.target.path)
        if version is not None and self.conditional:
            tag = self.reading.tag(version)
            if await self._settled(tag, self.reads.dates.modified(self.reading, version, tag)):
                return
        sized = self.ranged or self.old or self.exchange.method == "HEAD"
        sized = sized or (self.conditional and version is None)
        snapshot = snapshots.find(self.reading, version)
        try:
            if snapshot is None and sized:
                snapshot = snapshots.make(self.reading, version, self.pool, self.start)
            if snapshot is not None:
                with snapshot:
                    if sized and not snapshot.whole:
                        await self.exchange.unless_gone(snapshot.complete())
                    if leased is not None and leased.tag != snapshot.tag:
                        raise Problem("snapshot-gone", "The rows have changed, and those before are gone.")
                    if snapshot.whole:
                        await self._answer(snapshot)
                    else:
                        with self._resumable():
                            await self._follow(snapshot)
                return
        except GivenUp:
            pass
        await self.stream()

    def _listed(self) -> Snapshot | None:
        """For a whole read, the state whose size was listed, unless it was written here since."""
        listed = self.reads.leases.listed(self.exchange, self.reading)
        if listed is None or listed.lost or self.exchange.method == "HEAD":
            return None
        return listed if listed.begun > self.reads.snapshots.written_at(self.reading) else None

    async def _answer(self, snapshot: Snapshot) -> None:
        """Answers from a snapshot that is whole."""
        if await self._settled(snapshot.tag, snapshot.modified):
            return
        exchange = self.exchange
        if self.target.extension is not None:
            self.reads.leases.grant(exchange, self.reading, snapshot)
        headers = [
            *self._headers(),
            (b"accept-ranges", b"bytes" if self.reading.chosen.coding is None else b"none"),
            *_validators(snapshot.tag, snapshot.modified),
        ]
        if self.reading.chosen.coding is not None:
            headers.append((b"content-encoding", self.reading.chosen.coding.encode()))
        ranges = None
        if self.ranged and if_range(exchange.headers, snapshot.tag):
            ranges = parse(exchange.headers[b"range"], snapshot.size)
        with snapshot:
            if ranges is None:
                if exchange.method == "GET" and self.target.extension is not None:
                    self._begin(snapshot)
                with self._resumable():
                    await send_whole(exchange, headers, snapshot, self.stall)
            else:
                await send_ranges(exchange, headers, snapshot, ranges, self.stall)

    async def _follow(self, snapshot: Snapshot) -> None:
        """Sends a snapshot while it is made."""
        exchange = self.exchange
        await exchange.unless_gone(snapshot.beyond(0))
        if snapshot.whole:
            await self._answer(snapshot)
            return
        headers = [*self._headers(), (b"accept-ranges", b"none")]
        if snapshot.version is not None:
            self._must_hold(snapshot.tag, snapshot.modified)
            self._begin(snapshot)
            headers += _validators(snapshot.tag, snapshot.modified)
        if self.reading.chosen.coding is not None:
            headers.append((b"content-encoding", self.reading.chosen.coding.encode()))
        await exchange.start(200, headers)
        try:
            sent = await exchange.unless_gone(self._send_growing(snapshot))
            if not snapshot.whole:
                await self._in_lane(partial(self._go_on, snapshot, sent))
        except Problem as problem:
            raise Abort(str(problem)) from problem
        await exchange.body(b"", more=False)

    async def _send_growing(self, snapshot: Snapshot) -> int:
        """Sends what there is, and what comes, to the end or until it is given up; how much that was."""
        sent, content = 0, snapshot.content()
        while sent < snapshot.size or not snapshot.whole:
            sent = await send_more(self.exchange, content, sent, snapshot.size, self.stall)
            try:
                await snapshot.beyond(sent)
            except GivenUp:
                break
        return sent

    async def _go_on(self, snapshot: Snapshot, position: int, stream: ChunkStream) -> None:
        """Sends what follows a position from the rows as they come, if they are still the same."""
        try:
            await send_rest(
                self.exchange,
                stream,
                position,
                lambda: stream.version is not None and stream.version == snapshot.version,
                coding=self.reading.chosen.coding,
                stall=self.stall,
            )
        except Problem as problem:
            raise Abort(str(problem)) from problem

    def _headers(self) -> Headers:
        media_type = self.reading.chosen.media_type.encode()
        return [
            (b"content-type", media_type),
            (b"content-disposition", disposition(self.target.path)),
            *_CONSTANT,
        ]

    def _must_hold(self, tag: str | None, modified: int | None) -> None:
        """Refuses what is not to be sent in this state."""
        exchange = self.exchange
        if self.conditional and evaluate(exchange.method, exchange.headers, tag, modified, True) == "failed":
            raise Problem("precondition-failed", "The file is not in the state that was asked for.")

    async def _settled(self, tag: str, modified: int | None) -> bool:
        """Whether the conditions of the request have answered it."""
        exchange = self.exchange
        if not self.conditional:
            return False
        self._must_hold(tag, modified)
        if evaluate(exchange.method, exchange.headers, tag, modified, True) == "proceed":
            return False
        await exchange.answer(304, [*_CONSTANT, *_validators(tag, modified)])
        return True


@lru_cache(maxsize=1024)
def _validators(tag: str, modified: int | None) -> Headers:
    dated = [] if modified is None else [(b"last-modified", http_date(modified))]
    return [(b"etag", tag.encode()), *dated]


@lru_cache(maxsize=1024)
def disposition(path: str) -> bytes:
    """A `Content-Disposition` with the last segment of a path, which no file system minds."""
    name = path.rpartition("/")[2]
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    header = f'attachment; filename="{plain}"'
    if plain != name:
        header += "; filename*=UTF-8''" + quote(name, safe="")
    return header.encode("ascii")
