"""GET and HEAD on directories: a page for people, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import pages
from gateway.negotiation import choose
from gateway.problems import Problem

if TYPE_CHECKING:
    from gateway.drive import Drive
    from gateway.exchange import Exchange

PAGE_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


async def listing(exchange: Exchange, drive: Drive) -> None:
    """Answers with the entries of a directory.

    Raises:
        Problem: `not-found`, `not-acceptable`, `invalid-parameter`.
    """
    if exchange.scope["query_string"]:
        raise Problem("invalid-parameter", "A directory takes no parameters.")
    media_type = choose(exchange.headers.get(b"accept"), ["text/html", "application/json"])
    if media_type is None:
        raise Problem("not-acceptable", "Available are text/html and application/json.")
    entries = await drive.ls(exchange.path)
    vary = [(b"vary", b"Accept"), (b"accept-ranges", b"none"), (b"cache-control", b"no-cache")]
    if media_type == "application/json":
        headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"), *vary]
        await exchange.answer_in_pieces(headers, pages.json(entries))
    else:
        await exchange.answer_in_pieces(
            [*PAGE_HEADERS, *vary], pages.html(exchange.path, entries, kind=drive.kind(exchange.path))
        )
