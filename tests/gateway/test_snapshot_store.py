"""Snapshots are files in a bounded spool, and leave nothing behind."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.databases import Numbered
from tests.gateway.numbered import ROW, SIZE, Tables, eventually, states
from tests.gateway.serving import head, read_to_end, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

PATH = "/main/known.csv"
A, B, C, D = (f"{PATH}?limit={limit}" for limit in (100_001, 100_002, 100_003, 100_004))
"""Representations of the same bytes."""
IDENTITY = {"accept-encoding": "identity"}
PART = {"range": f"bytes=-{ROW}"}
TWO = ("--snapshot-total-bytes", str(SIZE * 2 + SIZE // 2))
"""Room for two of them."""


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def plain(response: httpx.Response) -> bool:
    """Whether it is a stream of which nothing is said beforehand."""
    return (
        response.status_code == 200
        and response.headers["accept-ranges"] == "none"
        and "content-length" not in response.headers
    )


@pytest.mark.parametrize("relation", ["known", "unknown"])
def test_what_is_too_long_has_no_length_and_no_ranges(tables: Tables, serve: Serve, relation: str):
    tables.serve(serve, "--snapshot-max-bytes", str(SIZE - 1))
    path = f"/main/{relation}.csv"
    with tables.client() as client:
        assert plain(client.head(path))
        for headers in ({}, PART, {"range": "bytes=0-9,20-29"}, {"range": "bytes=999999999-"}):
            whole = client.get(path, headers=headers)
            assert plain(whole), headers
            assert len(whole.content) == SIZE
        eventually(lambda: not any(file.stat().st_size for file in tables.files()))
        small = client.head("/main/known.json?limit=1&columns=id")
        assert small.status_code == 200


def test_what_is_too_long_is_not_scanned_for_its_length_twice(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-max-bytes", str(SIZE - 1))
    with tables.client() as client:
        for _ in range(5):
            assert plain(client.head(PATH))
    assert tables.batches() < 5 * Numbered.batches


def test_exactly_so_many_bytes_are_not_too_many(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-max-bytes", str(SIZE))
    with tables.client() as client:
        assert client.head(PATH).headers["content-length"] == str(SIZE)
        assert client.get(PATH, headers=PART).status_code == 206


def test_the_least_recently_used_is_evicted(tables: Tables, serve: Serve):
    tables.serve(serve, *TWO, "--snapshot-lease", "0.01")

    def scans(path: str) -> int:
        before = tables.scanned()
        with tables.client() as client:
            part = client.get(path, headers=PART)
            assert (part.status_code, states(part.content)) == (206, {1})
        threading.Event().wait(0.05)  # the lease
        return tables.scanned() - before

    assert [scans(path) for path in (A, B, A, C, A, B, C)] == [1, 1, 0, 1, 0, 1, 1]
    assert sum(file.stat().st_size for file in tables.files()) <= SIZE * 2 + SIZE // 2


def test_what_is_leased_is_not_evicted(tables: Tables, serve: Serve):
    tables.serve(serve, *TWO)
    with tables.client("one") as one, tables.client("two") as two:
        assert one.get(A, headers=PART).status_code == 206
        assert one.get(B, headers=PART).status_code == 206
        tables.become(2)
        refused = two.get(C, headers=PART)
        assert plain(refused), "there is no room"
        assert states(refused.content) == {2}
        assert plain(two.head(D))
        for path in (A, B, A):
            part = one.get(path, headers=PART)
            assert (part.status_code, states(part.content)) == (206, {1})
    eventually(lambda: len(tables.files()) == 2)


def test_what_is_being_read_is_not_evicted(tables: Tables, serve: Serve):
    tables.serve(serve, *TWO, "--snapshot-lease", "0.01")
    with tables.client() as client:
        assert client.head(A).status_code == 200
        with tables.server.connect() as slow:
            slow.sendall(head("GET", A, "Range: bytes=0-", "Connection: close"))
            first = slow.recv(1000)
            assert first.startswith(b"HTTP/1.1 206 ")
            for path in (B, C, D, B, C, D):
                assert client.get(path, headers=PART).status_code in {200, 206}
                threading.Event().wait(0.02)
            body = (first + read_to_end(slow)).partition(b"\r\n\r\n")[2]
        assert (len(body), states(body)) == (SIZE, {1})


def test_what_nobody_reads_is_removed(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-age", "1", "--snapshot-lease", "0.5")
    with tables.client() as client:
        client.head(PATH)
        assert [file.stat().st_size for file in tables.files()] == [SIZE]
        eventually(lambda: not tables.files(), 15)
        assert client.get(PATH, headers=PART).status_code == 206


def test_states_that_went_by_do_not_pile_up(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-lease", "0.01", "--snapshot-age", "1")
    with tables.client() as client:
        for state in range(2, 9):
            tables.become(state)
            assert states(client.get(PATH, headers=PART).content) == {state}
            threading.Event().wait(0.05)  # the lease
        eventually(lambda: len(tables.files()) <= 1, 15)


@pytest.mark.parametrize("relation", ["known", "unknown"])
def test_what_is_written_over_a_longer_file_has_nothing_of_it(tables: Tables, serve: Serve, relation: str):
    tables.serve(serve, "--snapshot-lease", "0.01")
    with tables.client() as client:
        path = f"/main/{relation}.csv"
        client.head(path)
        (file,) = tables.files()
        tables.become(2)
        client.head(path)  # to another file; the first is spare now
        threading.Event().wait(0.05)  # the lease
        tables.become(3)
        short = f"{path}?limit=40000"
        length = int(client.head(short).headers["content-length"])
        assert file in tables.files()
        assert sorted(file.stat().st_size for file in tables.files()) == [length, SIZE]
        part = client.get(short, headers={"range": "bytes=0-"})
        assert (part.status_code, len(part.content), states(part.content)) == (206, length, {3})
        last = client.get(short, headers={"range": "bytes=-100"})
        assert last.content == part.content[-100:]
        beyond = client.get(short, headers={"range": f"bytes={length}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{length}")


def test_the_spool_is_empty_at_the_end(tables: Tables, tmp_path: Path):
    def start(*arguments: str, env: dict[str, str] | None = None) -> Server:
        return running.enter_context(serving(tmp_path / "log", *arguments, env=env))

    with ExitStack() as running:
        tables.serve(start)
        with tables.client() as client:
            client.head(PATH)
        assert tables.files()
    assert list(tables.spool.iterdir()) == []


@pytest.mark.parametrize("finished", [True, False])
def test_what_a_killed_gateway_left_is_swept(tables: Tables, made: Path, serve: Serve, *, finished: bool):
    tables.serve(serve, gated=not finished)
    if finished:
        httpx.head(f"{tables.server.url}{PATH}", headers=IDENTITY)
    else:
        with tables.server.connect() as connection:
            connection.sendall(head("HEAD", PATH))
            tables.let(5)
            eventually(lambda: sum(file.stat().st_size for file in tables.files()) > SIZE // 4)
    with serving(
        tables.folder / "beside.log", f"sqlite:///{made}", "--spool-dir", str(tables.spool)
    ) as beside:
        assert httpx.head(f"{beside.url}/main/big.csv", headers=IDENTITY).status_code == 200
        others = {file for file in tables.files() if file.stat().st_size}
        tables.server.process.kill()
        tables.server.process.wait()
        tables.server.process.returncode = 0  # as meant
        left = {file for file in others if file.exists()}
        assert left
        tables.gate = None
        tables.serve(serve)
        # What is of the one that still runs is left to it.
        assert httpx.get(f"{beside.url}/main/big.csv", headers={**PART, **IDENTITY}).status_code == 206
        with tables.client() as client:
            assert client.get(PATH, headers=PART).status_code == 206
        assert len({file.parent for file in tables.files()}) == 2
    assert len(list(tables.spool.iterdir())) == 1
