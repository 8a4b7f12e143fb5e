"""`/-/query`: one statement that reads, and its result in any data format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from fsspec_db import FORMATS
from gateway import strict_json
from gateway.body import small_body
from gateway.negotiation import represent
from gateway.problems import Problem, from_backend
from gateway.transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.exchange import Exchange
    from gateway.pool import Pool
    from gateway.settings import Settings
    from gateway.tree import Tree

KEYS: Final = ("sql", "params", "database", "limit", "timeout", "format")
"""What a query may say, as a key of its JSON or as a URL parameter."""

MAX_BODY: Final = 1 << 20

# The order of preference among equals; `arrows` is `arrow` by another name.
_OFFERED: Final = tuple(extension for extension in FORMATS if extension != "arrows")


@dataclass(frozen=True, slots=True)
class Query:
    """A request to the endpoint, checked."""

    sql: str
    params: list[Any] | dict[str, Any] | None = None
    database: str | None = None
    limit: int | None = None
    timeout: float | None = None
    format: str | None = None


class Queries:
    """The endpoint."""

    def __init__(self, tree: Tree, settings: Settings) -> None:
        self.tree = tree
        self.settings = settings

    async def __call__(self, exchange: Exchange) -> None:
        """Answers GET, HEAD and POST."""
        if exchange.method not in ("GET", "HEAD", "POST"):
            raise Problem("method-not-allowed", "Queries are GET or POST.", {"allow": "GET, HEAD, POST"})
        query = await _read(exchange)
        fs, pool = self._database(query.database)
        extensions = _OFFERED if query.format is None else (query.format,)
        # A format that was asked for by name needs no Accept besides.
        accept = exchange.headers.get(b"accept") if query.format is None else None
        chosen = represent(extensions, accept, exchange.headers.get(b"accept-encoding"))
        limit, capped = self._limit(query.limit)
        if pool.in_doubt:
            await pool.check()
        await pool.queries.take()
        try:
            await pool.data.take()
            try:
                stream = _start(
                    fs, query, chosen.extension, chosen.codec, limit, self._timeout(query.timeout)
                )
                await transfer(
                    exchange,
                    stream,
                    [
                        (b"content-type", chosen.media_type.encode()),
                        (
                            b"content-disposition",
                            b'attachment; filename="query.%s"' % chosen.extension.encode(),
                        ),
                        (b"accept-ranges", b"none"),
                        (b"vary", b"Accept, Accept-Encoding"),
                        (b"cache-control", b"no-store"),
                        (b"x-content-type-options", b"nosniff"),
                    ],
                    coding=chosen.coding,
                    stall=self.settings.stall_timeout,
                    max_bytes=self.settings.query_max_bytes,
                    capped=capped,
                )
            except Problem as problem:
                _note(pool, problem)
                raise
            finally:
                pool.data.give()
        finally:
            pool.queries.give()
        pool.used()

    def _database(self, name: str | None) -> tuple[AbstractDatabaseFileSystem, Pool]:
        served = self.tree.filesystems
        if name is None:
            if len(served) > 1:
                raise Problem("invalid-request", f"'database' must be one of {', '.join(map(repr, served))}.")
            name = next(iter(served))
        if name not in served:
            raise Problem("not-found", f"No database is served as {name!r}.")
        return served[name], self.tree.pools[name]

    def _limit(self, asked: int | None) -> tuple[int | None, bool]:
        """The row limit, and whether it is the gateway's rather than the client's."""
        cap = self.settings.query_max_rows
        if cap and (asked is None or asked > cap):
            return cap, True
        return asked, False

    def _timeout(self, asked: float | None) -> float | None:
        limits = [limit for limit in (asked, self.settings.query_timeout) if limit]
        return min(limits, default=None)


async def _read(exchange: Exchange) -> Query:
    values = _parameters(exchange)
    if exchange.method == "POST":
        media_type = exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type not in (b"application/json", b"application/sql"):
            raise Problem(
                "unsupported-media-type",
                "A query is application/json or application/sql.",
                {"accept": "application/json, application/sql"},
            )
        body = await small_body(exchange, MAX_BODY)
        said = _from_json(body) if media_type == b"application/json" else {"sql": _text(body)}
        twice = sorted(said.keys() & values.keys())
        if twice:
            raise Problem("invalid-request", f"{twice[0]!r} is in the URL and in the body.")
        values |= said
    return _checked(values)


def _parameters(exchange: Exchange) -> dict[str, Any]:
    try:
        text = exchange.scope["query_string"].decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Problem("invalid-request", "The query string is not UTF-8, or too long.") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise Problem("invalid-parameter", f"{name!r} is there twice.")
        values[name] = value
    try:
        if "limit" in values:
            values["limit"] = _digits(values["limit"])
        if "timeout" in values:
            values["timeout"] = float(values["timeout"])
    except ValueError:
        raise Problem("invalid-parameter", "'limit' and 'timeout' are numbers.") from None
    if "params" in values:
        values["params"] = strict_json.parse(values["params"])
    return values


def _digits(text: str) -> int:
    """As `int`, without its signs, spaces and underscores."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _from_json(body: bytes) -> dict[str, Any]:
    document = strict_json.parse(body)
    if not isinstance(document, dict):
        raise Problem("invalid-request", "A query is a JSON object.")
    return document


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("invalid-request", "The statement is not UTF-8.") from None


def _checked(values: Mapping[str, Any]) -> Query:
    unknown = sorted(values.keys() - set(KEYS))
    if unknown:
        raise Problem("invalid-parameter", f"{unknown[0]!r} is not one of {', '.join(KEYS)}.")
    present = {key: value for key, value in values.items() if value is not None}
    expected: Mapping[str, tuple[tuple[type, ...], str]] = {
        "sql": ((str,), "text"),
        "params": ((list, dict), "a list or an object"),
        "database": ((str,), "text"),
        "limit": ((int,), "a whole number"),
        "timeout": ((int, float), "a number of seconds"),
        "format": ((str,), "text"),
    }
    for key, value in present.items():
        types, words = expected[key]
        if not isinstance(value, types) or isinstance(value, bool):
            raise Problem("invalid-parameter", f"{key!r} must be {words}.")
    query = Query(**{"sql": "", **present})
    if not query.sql.strip():
        raise Problem("invalid-query", "There is no statement: 'sql' is empty.")
    if query.limit is not None and not 0 <= query.limit < 1 << 63:
        raise Problem("invalid-parameter", "'limit' must not be negative.")
    if query.timeout is not None and not (math.isfinite(query.timeout) and query.timeout > 0):
        raise Problem("invalid-parameter", "'timeout' must be more than 0 seconds.")
    if query.format is not None and query.format not in FORMATS:
        raise Problem("invalid-parameter", f"'format' must be one of {', '.join(FORMATS)}.")
    return query


def _start(
    fs: AbstractDatabaseFileSystem,
    query: Query,
    extension: str,
    codec: Any,
    limit: int | None,
    timeout: float | None,
) -> Any:
    try:
        return fs.query_stream(
            query.sql, query.params, extension=extension, codec=codec, limit=limit, timeout=timeout
        )
    except Exception as error:
        raise from_backend(error) from error


def _note(pool: Pool, problem: Problem) -> None:
    if problem.code == "database-unavailable":
        pool.failed()
