"""A client that reads by ranges reads one state, however the rows change meanwhile."""

from __future__ import annotations

import socket
import sqlite3
import struct
import time
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.numbered import ROW, SIZE, Tables, states
from tests.gateway.serving import head, read_to_end
from tests.mariadb import MariaDB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve

RELATIONS = pytest.mark.parametrize("path", ["/main/known.csv", "/main/unknown.csv"])
FIRST = {"range": f"bytes=9-{9 + ROW * 1000 - 1}"}
LAST = {"range": f"bytes=-{ROW * 1000}"}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        server.sql("CREATE DATABASE d; CREATE TABLE d.t (id int PRIMARY KEY, state int)")
        yield server


@RELATIONS
@pytest.mark.parametrize("begun_by", ["head", "range"])
def test_ranges_of_one_client_are_of_one_state(tables: Tables, serve: Serve, path: str, begun_by: str):
    tables.serve(serve)
    with tables.client() as client:
        first = client.head(path) if begun_by == "head" else client.get(path, headers=FIRST)
        run = b""
        for start in range(0, SIZE, ROW * 10_000):
            tables.become(2 + len(run) % 7)
            part = client.get(path, headers={"range": f"bytes={start}-{start + ROW * 10_000 - 1}"})
            assert (part.status_code, part.headers["etag"]) == (206, first.headers["etag"])
            run += part.content
        assert states(run) == {1}
        assert len(run) == SIZE
    assert tables.scanned() == 1


@RELATIONS
def test_a_whole_get_begins_a_run_where_it_has_a_tag(tables: Tables, serve: Serve, path: str):
    """What is resumed after it was cut off is what was begun."""
    tables.serve(serve)
    with tables.client() as client:
        client.head(path)
        assert states(client.get(path).content) == {1}
        tables.become(2)
        assert states(client.get(path, headers=LAST).content) == {1}


@RELATIONS
def test_head_and_whole_get_look_again(tables: Tables, serve: Serve, path: str):
    tables.serve(serve)
    with tables.client() as client:
        tags = [client.head(path).headers["etag"]]
        tables.become(2)
        tags.append(client.head(path).headers["etag"])
        assert states(client.get(path, headers=LAST).content) == {2}
        tables.become(3)
        assert states(client.get(path).content) == {3}
        tables.become(4)
        tags.append(client.head(path).headers["etag"])
        assert states(client.get(path, headers=FIRST).content) == {4}
        assert len(set(tags)) == 3


@RELATIONS
def test_another_client_sees_the_new_state(tables: Tables, serve: Serve, path: str):
    tables.serve(serve)
    with tables.client("one") as one, tables.client("two") as two:
        old = one.head(path).headers["etag"]
        tables.become(2)
        new = two.get(path, headers=LAST)
        assert (states(new.content), new.headers["etag"] != old) == ({2}, True)
        assert states(one.get(path, headers=LAST).content) == {1}
        assert states(two.get(path, headers=FIRST).content) == {2}


@RELATIONS
@pytest.mark.parametrize("differs", ["user-agent", "authorization"])
def test_a_client_is_known_on_another_connection(tables: Tables, serve: Serve, path: str, differs: str):
    tables.serve(serve)
    who = {"user-agent": "one", "authorization": "Basic YTpi"}
    url = f"{tables.server.url}{path}"
    httpx.head(url, headers={**who, "accept-encoding": "identity"})
    tables.become(2)
    asked = {**who, **LAST, "accept-encoding": "identity"}
    assert states(httpx.get(url, headers=asked).content) == {1}
    assert states(httpx.get(url, headers={**asked, differs: "other"}).content) == {2}
    assert states(httpx.get(url, headers=asked).content) == {1}


@RELATIONS
def test_a_lease_ends_when_it_is_not_used(tables: Tables, serve: Serve, path: str):
    tables.serve(serve, "--snapshot-lease", "1")
    with tables.client() as client:
        client.head(path)
        tables.become(2)
        for _ in range(4):
            time.sleep(0.5)  # less than the lease, which each read renews
            assert states(client.get(path, headers=FIRST).content) == {1}
        time.sleep(1.2)
        assert states(client.get(path, headers=FIRST).content) == {2}


@RELATIONS
@pytest.mark.parametrize("condition", ["if-match", "if-range"])
def test_the_tag_of_a_leased_state_is_good(tables: Tables, serve: Serve, path: str, condition: str):
    """Also if the client looked at the file again in between, as several readers in one process do."""
    tables.serve(serve)
    with tables.client() as client:
        old = client.head(path).headers["etag"]
        tables.become(2)
        new = client.head(path).headers["etag"]
        assert new != old
        for tag, state in ((old, 1), (new, 2), (old, 1)):
            part = client.get(path, headers={**LAST, condition: tag})
            assert (part.status_code, states(part.content), part.headers["etag"]) == (206, {state}, tag)


@RELATIONS
@pytest.mark.parametrize("looks", [0, 1])
def test_a_pool_of_connections_is_one_client(tables: Tables, serve: Serve, path: str, looks: int):
    """It looks on one and reads on others; when it looks again, those go along."""
    tables.serve(serve)
    with tables.client() as one, tables.client() as two:
        pool = (one, two)
        one.head(path)
        for state in (1, 2, 3):
            tables.become(state)
            (one if state == 1 else pool[looks]).head(path)
            for connection in (one, two, one):
                assert states(connection.get(path, headers=LAST).content) == {state}


def test_a_port_that_comes_back_is_another_connection(tables: Tables, serve: Serve):
    """As of tools that are run again and again, which look on one connection and read on another."""
    tables.serve(serve)

    def ask(port: int, method: str, *fields: str) -> tuple[int, bytes]:
        fields = ("User-Agent: one", "Connection: close", *fields)
        address = ("127.0.0.1", tables.server.port)
        with socket.create_connection(address, 20, ("127.0.0.1", port)) as connection:
            # It ends at once, so that the port is free.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(head(method, "/main/known.csv", *fields))
            return connection.getsockname()[1], read_to_end(connection)

    port, _ = ask(0, "HEAD")
    tables.become(2)
    ask(0, "HEAD")
    _, part = ask(port, "GET", f"Range: {LAST['range']}")
    assert states(part) == {2}


@RELATIONS
def test_readers_that_look_each_on_its_connection_keep_apart(tables: Tables, serve: Serve, path: str):
    """Also if they have one name, as processes of one host do."""
    tables.serve(serve)
    with tables.client() as one, tables.client() as two, tables.client() as three:
        for state, reader in enumerate((one, two, three), 1):
            tables.become(state)
            reader.head(path)
        for _ in range(2):
            for state, reader in enumerate((one, two, three), 1):
                assert states(reader.get(path, headers=LAST).content) == {state}


def test_a_range_of_an_earlier_state_by_its_tag_does_not_bring_it_back(tables: Tables, serve: Serve):
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client() as client:
        old = client.head(path).headers["etag"]
        tables.become(2)
        client.head(path)
        assert states(client.get(path, headers={**LAST, "if-match": old}).content) == {1}
        assert states(client.get(path, headers=LAST).content) == {2}


def test_the_tag_of_somebody_else_is_not_good(tables: Tables, serve: Serve):
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client("one") as one, tables.client("two") as two:
        old = one.head(path).headers["etag"]
        tables.become(2)
        assert two.get(path, headers={**LAST, "if-match": old}).status_code == 412
        whole = two.get(path, headers={**LAST, "if-range": old})
        assert (whole.status_code, states(whole.content)) == (200, {2})


@RELATIONS
def test_each_representation_is_leased(tables: Tables, serve: Serve, path: str):
    """A reader of two files of one relation may see two states, each of them whole."""
    tables.serve(serve)
    with tables.client() as client:
        client.head(path)
        tables.become(2)
        other = path.replace(".csv", ".jsonl")
        assert b'"id":2' in client.get(other, headers={"range": "bytes=0-20"}).content
        assert states(client.get(path, headers=LAST).content) == {1}
        tables.become(3)
        assert b'"id":2' in client.get(other, headers={"range": "bytes=0-20"}).content


def test_what_a_client_writes_itself_ends_no_run(tables: Tables, serve: Serve):
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client() as client:
        client.head(path)
        assert client.put(path, content=b"id,text\n5,x\n").status_code == 204
        assert states(client.get(path, headers=LAST).content) == {1}
        client.head(path)
        assert states(client.get(path, headers=LAST).content) == {5}


def test_a_range_of_what_was_never_seen_is_of_now(tables: Tables, serve: Serve):
    tables.serve(serve)
    tables.become(4)
    with tables.client() as client:
        assert states(client.get("/main/known.csv", headers=LAST).content) == {4}


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_run_over_sqlite_beside_writers(database: Path, serve: Serve, journal: str):
    with closing(sqlite3.connect(database)) as other:
        other.execute(f"PRAGMA journal_mode = {journal}")
        server = serve(f"sqlite:///{database}")
        with httpx.Client(base_url=server.url, headers={"accept-encoding": "identity"}) as client:
            path = "/main/big.csv"
            before = client.get(path).content
            size = int(client.head(path).headers["content-length"])
            run = b""
            for start in range(0, size, 1_000_000):
                with other:
                    other.execute("UPDATE big SET text = ? || text WHERE id % 100 = ?", ("x", start % 97))
                run += client.get(path, headers={"range": f"bytes={start}-{start + 999_999}"}).content
            assert run == before
            assert client.get(path).content != before


def test_a_run_over_mariadb_beside_writers(mariadb: MariaDB, serve: Serve):
    mariadb.sql("DELETE FROM d.t; INSERT INTO d.t SELECT seq, 1 FROM d2.seq_1_to_300000".replace("d2.", "d."))
    server = serve(mariadb.url)
    with httpx.Client(base_url=server.url, headers={"accept-encoding": "identity"}) as client:
        path = "/d/t.csv?order=id"
        streamed = client.get(path)
        known = client.head(path)
        size, tag = int(known.headers["content-length"]), known.headers["etag"]
        assert (len(streamed.content), tag[0]) == (size, '"')
        assert client.head(path).headers["etag"] == tag
        run = b""
        for start in range(0, size, 1_000_000):
            mariadb.sql("UPDATE d.t SET state = state + 1")
            run += client.get(path, headers={"range": f"bytes={start}-{start + 999_999}"}).content
        assert run == streamed.content
        assert client.head(path).headers["etag"] != tag


GZIP = {"accept-encoding": "gzip"}


def test_a_file_whose_size_was_listed_is_not_coded(tables: Tables, serve: Serve):
    """Many who list also accept codings, and take what comes to be of the size that was listed."""
    tables.serve(serve)
    path = "/main/known.csv"
    with tables.client() as client:
        listed = client.request("PROPFIND", path, headers={**GZIP, "depth": "0"})
        assert f"getcontentlength>{SIZE}<" in listed.text
        tables.become(2)
        whole = client.get(path, headers=GZIP)
        assert "content-encoding" not in whole.headers
        assert (whole.headers["content-length"], states(whole.content)) == (str(SIZE), {1})
        assert states(client.get(path, headers=LAST).content) == {1}


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_who_left_a_whole_get_has_no_rest_of_another_state(tables: Tables, serve: Serve, coding: str):
    """It counts the bytes that it has decoded."""
    tables.serve(serve)
    path = "/main/known.csv"
    asked = {"accept-encoding": coding}
    rest = {**asked, "range": f"bytes={SIZE // 2}-"}
    with tables.client() as client:
        for state in (1, 2):
            with client.stream("GET", path, headers=asked) as left:
                next(left.iter_bytes())
            part = client.get(path, headers=rest)
            assert (part.status_code, states(part.content)) == (206, {state})
            tables.become(state + 1)
        with client.stream("GET", path, headers=asked) as left:
            next(left.iter_bytes())
        tables.become(9)
        refused = client.get(path, headers=rest)
        assert (refused.status_code, refused.json()["type"]) == (409, "/-/problems/snapshot-gone")
        client.head(path)
        assert states(client.get(path, headers=LAST).content) == {9}


def test_who_lists_within_a_read_goes_on_with_it(tables: Tables, serve: Serve):
    """As webdav4 does, which asks for the size before it goes on elsewhere."""
    tables.serve(serve)
    path = "/main/known.csv"

    def part(start: int) -> set[int]:
        with tables.client() as other:
            return states(other.get(path, headers={"range": f"bytes={start}-"}).content)

    with tables.client() as client:
        client.request("PROPFIND", path, headers={"depth": "0"})
        with client.stream("GET", path) as left:
            next(left.iter_bytes())
    for state in (2, 3):
        tables.become(state)
        with tables.client() as client:
            client.request("PROPFIND", path, headers={"depth": "0"})
            assert part(SIZE // 2) == part(SIZE // 4) == {1}
    httpx.head(f"{tables.server.url}{path}", headers={"user-agent": "one", "accept-encoding": "identity"})
    assert part(SIZE // 2) == {3}
