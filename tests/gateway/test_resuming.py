"""Who goes on where a download broke gets the rest of the same rows, or is told that they are gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.serving import head

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.serving import Server

PATH = "/main/big.csv"
PIECE = 100_000


def begin(server: Server, *headers: str) -> bytes:
    """The first bytes of a body, of a connection that is left then."""
    with server.connect() as connection:
        connection.sendall(head("GET", PATH, *headers))
        answer = b""
        while len(answer) < PIECE:
            piece = connection.recv(1 << 16)
            assert piece
            answer += piece
    fields, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked" in fields.lower()
    return body.partition(b"\r\n")[2][: PIECE // 2]


def go_on(server: Server, at: int, **headers: str) -> httpx.Response:
    """What is answered on another connection."""
    fields = {"user-agent": "resuming", "range": f"bytes={at}-", **headers}
    return httpx.get(server.url + PATH, headers=fields, timeout=30)


def change(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute("UPDATE big SET text = replace(text, '0', 'o')")


def test_the_rest_follows_what_was_streamed(writer: Server) -> None:
    beginning = begin(writer, "User-Agent: resuming")
    rest = go_on(writer, len(beginning))
    assert rest.status_code == 206
    assert beginning + rest.content == httpx.get(writer.url + PATH).content


def test_rows_that_changed_meanwhile_are_no_end_of_those_before(writer: Server, database: Path) -> None:
    beginning = begin(writer, "User-Agent: resuming")
    change(database)
    rest = go_on(writer, len(beginning))
    assert (rest.status_code, rest.json()["type"]) == (409, "/-/problems/snapshot-gone")
    # Begun anew, it goes on.
    anew = {"user-agent": "resuming", "accept-encoding": "identity"}
    assert httpx.head(writer.url + PATH, headers=anew).status_code == 200
    assert go_on(writer, 10).status_code == 206


def test_ranges_are_bytes_of_the_file_whatever_can_be_inflated(client: httpx.Client) -> None:
    whole = client.get(PATH).content
    inflating = {"accept-encoding": "gzip, zstd"}
    coded = client.head(PATH, headers=inflating)
    assert (coded.headers["accept-ranges"], coded.headers["content-encoding"]) == ("none", "zstd")
    part = client.get(PATH, headers={**inflating, "range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])
    assert "content-encoding" not in part.headers
    assert part.headers["etag"] != coded.headers["etag"]
    resumed = {**inflating, "range": "bytes=1000-1999", "if-range": coded.headers["etag"]}
    with client.stream("GET", PATH, headers=inflating) as answer:
        sent = b"".join(answer.iter_raw())
    with client.stream("GET", PATH, headers=resumed) as answer:
        assert (answer.status_code, answer.headers["content-encoding"]) == (206, "zstd")
        assert b"".join(answer.iter_raw()) == sent[1000:2000]


@pytest.mark.parametrize(
    "headers",
    [{"user-agent": "another"}, {"range": "bytes=10-19"}, {"range": "bytes=-9"}, {"range": "bytes=0-"}],
)
def test_who_does_not_resume_is_not_held_to_it(
    writer: Server, database: Path, headers: dict[str, str]
) -> None:
    begin(writer, "User-Agent: resuming")
    change(database)
    assert go_on(writer, 10, **headers).status_code == 206
