"""A body that did not arrive whole changes nothing."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.serving import head, read_to_end
from tests.gateway.test_writing import rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

ENDS = {"arrow": 8, "feather": 6, "parquet": 4, "json": 1}
"""Bytes that prove the end of a file."""


def chunked(body: bytes, size: int) -> bytes:
    """The chunked coding of a body."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def framed(method: str, path: str, body: bytes, framing: str) -> bytes:
    """A request with its body."""
    if framing == "length":
        return head(method, path, f"Content-Length: {len(body)}") + body
    return head(method, path, "Transfer-Encoding: chunked") + chunked(body, 1000)


def taken_in(server: Server) -> None:
    """Returns when the app has what was sent before: a body that ends in uvicorn's hands proves nothing."""
    for _ in range(2):
        assert httpx.get(f"{server.url}/-/health/live").status_code == 200


def given_up(server: Server, requests: int) -> None:
    """Waits until so many clients were noticed to have left."""
    until = time.monotonic() + 10
    while server.log.read_text().count(": the client left") < requests:
        assert time.monotonic() < until, server.log.read_text()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def body(reader: Server) -> bytes:
    """Seven good rows, and many more: a cut one could be taken for a smaller table."""
    return httpx.get(f"{reader.url}/main/big.csv?limit=2000&columns=id").content


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("ending", ["close", "half-close", "reset"])
def test_a_cut_at_every_tenth_changes_nothing(
    writer: Server, database: Path, body: bytes, method: str, framing: str, ending: str
):
    before = rows(database, "empty")
    request = framed(method, "/main/empty.csv", body, framing)
    # One byte short of the end is the hardest.
    cuts = [*(len(request) * tenth // 10 for tenth in range(1, 10)), len(request) - 1]
    for cut in cuts:
        with writer.connect() as connection:
            connection.sendall(request[:cut])
            taken_in(writer)
            if ending == "half-close":
                connection.shutdown(socket.SHUT_WR)
                assert b"HTTP/1.1 2" not in read_to_end(connection)
            elif ending == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    given_up(writer, len(cuts))
    assert rows(database, "empty") == before
    whole = framed(method, "/main/empty.csv", body, framing).replace(
        b"Host: localhost", b"Host: localhost\r\nConnection: close"
    )
    assert writer.raw(whole).startswith(b"HTTP/1.1 20")
    assert len(rows(database, "empty")) == 2000


def test_a_broken_chunk_changes_nothing(writer: Server, database: Path):
    before = rows(database)
    request = head("PUT", "/main/users.csv", "Transfer-Encoding: chunked")
    answer = writer.raw(request + b"e\r\nid,name,score\n\r\nzz\r\n1,a,1\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert rows(database) == before


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "json"])
def test_a_file_without_its_own_end_changes_nothing(
    writer: Server, database: Path, extension: str, framing: str
):
    whole = httpx.get(f"{writer.url}/main/users.{extension}").content.rstrip()
    before = rows(database)
    # The end-of-stream marker, the magic behind a footer, a bracket: the rows are all there.
    cut = framed("PUT", f"/main/users.{extension}", whole[: -ENDS[extension]], framing)
    answer = writer.raw(cut.replace(b"Host: localhost", b"Host: localhost\r\nConnection: close"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"/-/problems/incomplete-body" in answer
    assert rows(database) == before


def test_a_body_that_stops_coming_is_given_up(database: Path, serve: Serve, body: bytes):
    server = serve(f"sqlite:///{database}", "--access", "write", "--stall-timeout", "0.5")
    answer = server.raw(framed("PUT", "/main/empty.csv", body, "length")[:-10])
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"/-/problems/incomplete-body" in answer
    assert rows(database, "empty") == []


def test_cut_bodies_give_their_place_back(database: Path, serve: Serve, body: bytes):
    server = serve(f"sqlite:///{database}", "--access", "write", "--pool-size", "1", "--pool-wait", "1")
    request = framed("PUT", "/main/empty.csv", body, "length")
    for _ in range(4):
        with server.connect() as connection:
            connection.sendall(request[:-10])
    assert httpx.get(f"{server.url}/main/users.csv").status_code == 200
