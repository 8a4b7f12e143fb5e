"""GET and HEAD on files of the tree."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from gateway.file_request import FileRequest
from gateway.leases import Leases
from gateway.negotiation import Representation, choose, content_coding, for_data
from gateway.problems import Problem, from_backend
from gateway.snapshot import GivenUp
from gateway.snapshots import SnapshotStore
from gateway.validators import Dates, Reading, of_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsspec_db import AbstractDatabaseFileSystem, ChunkStream
    from gateway.exchange import Exchange
    from gateway.settings import Settings
    from gateway.spool import SpoolDirectory
    from gateway.tree import Target

_TAG: Final = re.compile(r'"[^"]*"')
_REMEMBERED: Final = 10_000
"""Tags that are known to be those of later versions, too."""

DOCUMENTS: Final[Mapping[str, str]] = {
    "ddl": "application/sql",
    "definition": "application/sql",
    "item": "application/json",
    "dependency": "application/json",
}
"""Media types of the files that describe a relation, by kind."""


class Reads:
    """What is read: at once, or from a snapshot where a length, a range or a tag is asked for."""

    def __init__(self, spools: SpoolDirectory, settings: Settings) -> None:
        self.settings = settings
        self.dates = Dates()
        self.snapshots = SnapshotStore(spools, self.dates, settings)
        self.leases = Leases(settings.snapshot_lease)
        self._same: OrderedDict[str, str] = OrderedDict()
        """Tags, and those of later versions that have the same bytes."""

    async def get(self, exchange: Exchange, target: Target) -> None:
        """Sends a file, or ranges of it; for HEAD, says what GET would."""
        fs, pool = target.database()
        headers = exchange.headers
        accept, accept_encoding = headers.get(b"accept"), headers.get(b"accept-encoding")
        shape = shape_of(exchange)
        named = headers.get(b"if-range", b"") + headers.get(b"if-match", b"")
        if b"range" in headers and not named:
            # Few who ask for a part could decode a part of what is coded. Who knows its tag, can.
            accept_encoding = None
        if target.extension is not None:
            chosen = for_data(target.extension, accept, accept_encoding)
            if chosen.coding is not None:
                coded = _reading(target.place, target.path, chosen, shape)
                plain = replace(chosen, coding=None)
                known = b"range" not in headers or coded.named(named)
                # A size that was listed is that of what is not coded.
                if not known or self.leases.listed(exchange, replace(coded, chosen=plain)):
                    chosen = plain
        else:
            chosen = _document(target, accept, accept_encoding)
            if shape:
                raise Problem("invalid-parameter", "Only data files take parameters.")
        file = FileRequest(
            self, exchange, target, fs, pool, _reading(target.place, target.path, chosen, shape)
        )
        if target.extension is None:
            await file.document()
        elif file.at_once:
            await file.stream()
        else:
            try:
                await file.validated()
            except FileNotFoundError:
                if exchange.started:
                    raise
                await file.validated()  # the bytes were taken away: they are made again

    async def current(self, exchange: Exchange, target: Target) -> Current:
        """What the conditions of a write are about.

        Raises:
            Problem: What the database said, `not-found` above all.
        """
        fs, pool = target.database()
        headers = exchange.headers
        chosen = for_data(target.extension or "", headers.get(b"accept"), headers.get(b"accept-encoding"))
        reading = Reading(target.place, target.path, chosen, "")
        version = await pool.call(fs.data_version, target.path)
        if version is not None:
            named = (headers.get(b"if-match", b"") + headers.get(b"if-none-match", b"")).decode("latin-1")
            tags = [reading.tag(version), *await self.tags_of(named, target, version)]
            return Current(version, tags, self.dates.modified(reading, version, tags[0]))
        # The tag may be of what was not coded, whatever codings this request accepts.
        contents: list[str] = []
        modified = None
        for coding in dict.fromkeys((None, chosen.coding)):
            coded = replace(reading, chosen=replace(chosen, coding=coding))
            try:
                snapshot = self.snapshots.make(coded, None, pool, partial(self.start, fs, target, coded))
                with snapshot:
                    await snapshot.complete()
            except GivenUp:
                continue
            contents.append(snapshot.tag)
            modified = snapshot.modified
        return Current(None, contents, modified)

    async def tags_of(self, named: str, target: Target, version: str) -> list[str]:
        """Those of the tags in a header that the file has in a version, whichever its representation.

        A version moves when other rows do. A tag of an earlier one still holds where the bytes that
        had it are known, and are the same now.
        """
        fs, pool = target.database()
        found = of_state(named, target.path, version)
        for tag in set(_TAG.findall(named)) - set(found):
            known = self._same.get(tag, tag)
            if of_state(known, target.path, version):
                found.append(tag)
                continue
            old = self.snapshots.tagged(known, target.place)
            if old is None:
                continue
            start = partial(self.start, fs, target, old.reading)
            try:
                with old:
                    new = self.snapshots.find(old.reading, version)
                    new = new or self.snapshots.make(old.reading, version, pool, start)
                    with new:
                        await new.complete()
                        same = new.version == version and await old.equals(new)
            except (GivenUp, FileNotFoundError):
                continue
            if same:
                self._same[tag] = new.tag
                found.append(tag)
                if len(self._same) > _REMEMBERED:
                    self._same.popitem(last=False)
        return found

    def start(
        self, fs: AbstractDatabaseFileSystem, target: Target, reading: Reading, spool: str | None = None
    ) -> ChunkStream:
        """Starts to read, and to write what is read to a file as well.

        Raises:
            Problem: As the filesystem says.
        """
        chosen = reading.chosen
        extension = chosen.extension if target.extension not in (None, chosen.extension) else None
        try:
            return fs.open_stream(
                target.path,
                reading.shape,
                extension=extension,
                codec=chosen.codec,
                timeout=self.settings.read_timeout or None,
                spool=spool,
            )
        except Exception as error:
            raise from_backend(error) from error

    def start_all(
        self,
        fs: AbstractDatabaseFileSystem,
        target: Target,
        wanted: Sequence[tuple[Reading, str | None]],
    ) -> list[ChunkStream]:
        """As `start`, for all rows of a relation in several formats, which are read once.

        Raises:
            Problem: As the filesystem says.
        """
        if len(wanted) == 1:
            return [self.start(fs, target, *wanted[0])]  # which encodes while it makes sure of the types
        spooled = [(reading.chosen.extension, spool) for reading, spool in wanted]
        try:
            return fs.open_streams(target.path, spooled, timeout=self.settings.read_timeout or None)
        except Exception as error:
            raise from_backend(error) from error


@dataclass(frozen=True, slots=True)
class Current:
    """The state of a data file, before it is written."""

    version: str | None
    tags: list[str]
    """Of its representations, as far as they matter."""
    modified: int | None


_reading = lru_cache(maxsize=1024)(Reading)


def shape_of(exchange: Exchange) -> str:
    """The query string of a request.

    Raises:
        Problem: `invalid-parameter`: it is not UTF-8.
    """
    try:
        return str(exchange.scope["query_string"].decode("utf-8"))
    except UnicodeDecodeError:
        raise Problem("invalid-parameter", "The query string is not UTF-8.") from None


def _document(target: Target, accept: bytes | None, accept_encoding: bytes | None) -> Representation:
    media_type = DOCUMENTS[target.kind]
    if choose(accept, [media_type, "text/plain"]) is None:
        raise Problem("not-acceptable", f"Available is {media_type}.")
    return Representation("", media_type, None, content_coding(accept_encoding))
