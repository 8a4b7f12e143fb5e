"""A write may begin while the last of its body is on the way; it ends with a whole body, or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.gateway.serving import head, read_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

ROWS = 300_000
BODY = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(ROWS))
"""Longer than what is spooled in memory and what sockets hold."""
LATE = 64 << 10
"""Bytes of its end."""


@pytest.fixture
def server(database: Path, serve: Serve) -> Server:
    """A server that spools in a file what is not small."""
    return serve(f"sqlite:///{database}", "--access", "write", "--spool-memory-bytes", "64KiB")


def request(*headers: str, method: str = "PUT", body: bytes = BODY) -> bytes:
    """A request with its whole body."""
    return (
        head(method, "/main/empty.csv", f"Content-Length: {len(body)}", "Connection: close", *headers) + body
    )


def count(database: Path) -> int:
    """The rows that are committed."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT count(*) FROM empty").fetchone()
        return int(found[0])


def being_written(database: Path) -> bool:
    """Whether somebody's transaction is writing."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def becomes(database: Path, *, written: bool) -> None:
    """Waits until a transaction is writing, or none is."""
    until = time.monotonic() + 10
    while being_written(database) is not written:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_write_begins_before_the_last_byte_came(server: Server, database: Path):
    whole = request()
    with server.connect() as connection:
        connection.sendall(whole[:-LATE])
        becomes(database, written=True)
        assert count(database) == 0
        connection.sendall(whole[-LATE:])
        assert read_to_end(connection).startswith(b"HTTP/1.1 204 ")
    assert count(database) == ROWS


def test_a_write_that_waits_does_not_keep_its_body_from_being_received(server: Server, database: Path):
    body = b"id,name\n" + b"".join(b"%d,%s\n" % (row, b"x" * 1000) for row in range(40_000))
    whole = request(body=body)
    with closing(sqlite3.connect(database, isolation_level=None)) as other, server.connect() as connection:
        other.execute("BEGIN IMMEDIATE")
        connection.settimeout(10)
        connection.sendall(whole)
        other.execute("COMMIT")
        assert read_to_end(connection).startswith(b"HTTP/1.1 204 ")
    assert count(database) == 40_000


def test_who_sends_slowly_keeps_nobody_from_writing(server: Server, database: Path):
    whole = request(method="POST")
    with server.connect() as connection:
        connection.sendall(whole[:-LATE])
        becomes(database, written=True)
        becomes(database, written=False)
        with closing(sqlite3.connect(database)) as other, other:
            other.execute("INSERT INTO empty VALUES (-1, 'meanwhile')")
        connection.sendall(whole[-LATE:])
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")
    assert count(database) == ROWS + 1


def test_a_client_that_leaves_after_its_write_began_changes_nothing(server: Server, database: Path):
    whole = request()
    with server.connect() as connection:
        connection.sendall(whole[:-1])
        becomes(database, written=True)
    becomes(database, written=False)
    assert count(database) == 0


def test_rows_that_end_before_the_body_are_not_committed_before_its_end(server: Server, database: Path):
    table = pa.table({"id": range(ROWS), "name": [f"name {row}" for row in range(ROWS)]})
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table)
    stream_and_more = buffer.getvalue() + bytes(2 * LATE)
    whole = request(body=stream_and_more).replace(b"empty.csv", b"empty.arrow")
    with server.connect() as connection:
        connection.sendall(whole[:-1])
        becomes(database, written=True)
    becomes(database, written=False)
    assert count(database) == 0


def test_a_digest_is_verified_though_the_write_began(server: Server, database: Path):
    wrong = base64.b64encode(hashlib.sha256(BODY[:-1]).digest()).decode()
    with server.connect() as connection:
        connection.sendall(request(f"Content-Digest: sha-256=:{wrong}:"))
        assert b"/-/problems/digest-mismatch" in read_to_end(connection)
    assert count(database) == 0
    right = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    with server.connect() as connection:
        connection.sendall(request(f"Content-Digest: sha-256=:{right}:"))
        assert read_to_end(connection).startswith(b"HTTP/1.1 204 ")
    assert count(database) == ROWS


def test_what_is_wrong_with_rows_is_said_when_the_body_is_whole(server: Server, database: Path):
    body = BODY[: 1 << 20].rpartition(b"\n")[0] + b"\nno number,x\n" + BODY[1 << 20 :].partition(b"\n")[2]
    with server.connect() as connection:
        connection.sendall(request(body=body))
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert count(database) == 0


def test_a_write_that_takes_its_time_is_made_once(server: Server, database: Path):
    with closing(sqlite3.connect(database, isolation_level=None)) as other, server.connect() as connection:
        other.execute("BEGIN IMMEDIATE")
        connection.sendall(request(method="POST"))
        time.sleep(3)  # longer than a write waits for its body, which is all there
        other.execute("ROLLBACK")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert count(database) == ROWS
