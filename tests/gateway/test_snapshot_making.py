"""A snapshot is made once for all who ask, and is read while it is being made."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.numbered import ROW, SIZE, Asking, Tables, eventually, states
from tests.gateway.serving import head
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE state <> 'idle' AND pid <> pg_backend_pid() AND query ~ 'slow'
"""


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    made = Tables(tmp_path)
    yield made
    if made.gate is not None:
        os.close(made.gate)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.sql("CREATE VIEW slow AS SELECT i, pg_sleep(0.01)::text FROM generate_series(1, 100000) i")
        yield server


def test_many_who_ask_at_once_cause_one_scan(tables: Tables, serve: Serve):
    tables.serve(serve, gated=True)
    path = "/main/known.csv"
    with ExitStack() as stack:
        clients = [stack.enter_context(tables.client(str(number))) for number in range(12)]
        heads = [Asking(client.head, path) for client in clients[:6]]
        ranges = [Asking(client.get, path, headers={"range": f"bytes=-{ROW}"}) for client in clients[6:]]
        eventually(tables.scanned)
        time.sleep(0.5)  # for all to have asked
        assert all(asking.is_alive() for asking in heads + ranges)
        tables.let()
        for asking in heads:
            assert asking.answer().headers["content-length"] == str(SIZE)
        assert {(asking.answer().status_code, len(asking.answer().content)) for asking in ranges} == {
            (206, ROW)
        }
        assert len({asking.answer().headers["etag"] for asking in heads + ranges}) == 1
    assert tables.scanned() == 1


def test_a_get_streams_what_is_being_made(tables: Tables, serve: Serve):
    tables.serve(serve, gated=True)
    path = "/main/known.csv"
    with tables.client() as one, tables.client("two") as two:
        sized = Asking(one.head, path)
        eventually(tables.scanned)
        tables.let(3)
        with two.stream("GET", path) as streamed:
            pieces = streamed.iter_raw()
            received = next(pieces)
            assert states(received) == {1}
            assert sized.is_alive()
            tables.let()
            received += b"".join(pieces)
        assert len(received) == int(sized.answer().headers["content-length"])
        assert streamed.headers["etag"] == sized.answer().headers["etag"]
    assert tables.scanned() == 1


def test_a_first_part_does_not_wait_for_the_rest_of_another_state(tables: Tables, serve: Serve):
    """While the old state is still being made, who asks anew gets the new one."""
    tables.serve(serve, gated=True)
    path = "/main/known.csv"
    with tables.client() as one, tables.client("two") as two:
        old = Asking(one.get, path, headers={"range": f"bytes=-{ROW}"})
        eventually(tables.scanned)
        tables.become(2)
        new = Asking(two.get, path, headers={"range": f"bytes=-{ROW}"})
        eventually(lambda: tables.scanned() == 2)
        tables.let()
        assert states(old.answer().content) == {1}
        assert states(new.answer().content) == {2}
        assert old.answer().headers["etag"] != new.answer().headers["etag"]


def test_a_tag_that_still_holds_costs_no_scan(tables: Tables, serve: Serve):
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client() as client:
        tag = client.get(path).headers["etag"]
    assert tables.scanned() == 1
    tables.serve(serve)  # another gateway, which has seen no rows
    with tables.client() as client:
        for method in ("GET", "HEAD"):
            unchanged = client.request(method, path, headers={"if-none-match": tag})
            assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)
            changed = client.request(method, path, headers={"if-match": '"other"'})
            assert changed.status_code == 412
        assert tables.scanned() == 1
        tables.become(2)
        assert client.get(path, headers={"if-none-match": tag}).status_code == 200
    assert tables.scanned() == 2


def test_a_snapshot_at_hand_costs_no_scan(tables: Tables, serve: Serve):
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client() as client:
        size = int(client.head(path).headers["content-length"])
        for agent in ("one", "two"):
            asked = {"user-agent": agent}
            assert client.head(path, headers=asked).headers["content-length"] == str(size)
            assert len(client.get(path, headers=asked).content) == size
            assert client.get(path, headers={**asked, "range": "bytes=0-9"}).status_code == 206
    assert tables.scanned() == 1


@pytest.fixture
def forever(database: Path, serve: Serve) -> Server:
    """A server with a view that never has a row, and one place in the pool."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE VIEW forever AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
            " SELECT max(i) AS i FROM n"
        )
    return serve(f"sqlite:///{database}", "--pool-size", "1", "--pool-wait", "1", "--threads", "1")


def computed(server: Server) -> float:
    """Seconds of processor time that the server has used."""
    fields = Path("/proc", str(server.process.pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("request_head", [("HEAD", ""), ("GET", "Range: bytes=0-9")])
def test_a_client_that_leaves_stops_the_making(forever: Server, request_head: tuple[str, str]):
    method, field = request_head
    before = computed(forever)
    with forever.connect() as connection:
        connection.sendall(head(method, "/main/forever.csv", *([field] if field else [])))
        eventually(lambda: computed(forever) - before > 0.5)
    time.sleep(1)  # what the invariant allows
    before = computed(forever)
    time.sleep(0.5)
    assert computed(forever) - before < 0.1
    assert httpx.get(f"{forever.url}/main/users.csv").status_code == 200


@pytest.mark.parametrize("request_head", [("HEAD", ""), ("GET", "Range: bytes=0-9")])
def test_the_server_of_the_database_is_told_to_stop(
    postgres: Postgres, serve: Serve, request_head: tuple[str, str]
):
    server = serve(postgres.url)
    method, field = request_head
    with server.connect() as connection:
        connection.sendall(head(method, "/public/slow.csv", *([field] if field else [])))
        eventually(lambda: postgres.sql(BUSY) != "0\n")
    eventually(lambda: postgres.sql(BUSY) == "0\n", 1)


def test_the_making_ends_when_the_last_who_waits_has_left(tables: Tables, serve: Serve):
    tables.serve(serve, gated=True)
    path = "/main/known.csv"
    with tables.server.connect() as last:
        with tables.server.connect() as first:
            first.sendall(head("HEAD", path))
            eventually(tables.scanned)
            last.sendall(head("GET", path, "Range: bytes=0-9"))
            time.sleep(0.3)  # for it to have asked
        time.sleep(0.5)
        tables.let(3)
        time.sleep(0.5)
        assert (tables.scanned(), tables.stopped()) == (1, 0)
    time.sleep(0.2)
    tables.let(1)  # a thread of Python that waits cannot be stopped before
    eventually(tables.stopped, 1)
    assert tables.scanned() == 1


def test_who_leaves_takes_nothing_from_who_stays(tables: Tables, serve: Serve):
    tables.serve(serve, gated=True)
    path = "/main/known.csv"
    with tables.client() as client:
        with tables.server.connect() as leaving:
            leaving.sendall(head("HEAD", path))
            eventually(tables.scanned)
            staying = Asking(client.head, path)
            time.sleep(0.3)  # for it to have asked
        tables.let()
        assert staying.answer().headers["content-length"] == str(SIZE)
    assert tables.scanned() == 1


def test_an_engine_without_versions_is_read_for_each_who_asks(tables: Tables, serve: Serve):
    """What was begun before might miss what was committed since."""
    tables.serve(serve, gated=True)
    path = "/main/unknown.csv"
    with tables.client() as one, tables.client("two") as two:
        before = Asking(one.head, path)
        eventually(tables.scanned)
        tables.become(2)
        after = Asking(two.get, path, headers={"range": f"bytes=-{ROW}"})
        eventually(lambda: tables.scanned() == 2)
        tables.let()
        assert states(after.answer().content) == {2}
        assert before.answer().headers["etag"] != after.answer().headers["etag"]
