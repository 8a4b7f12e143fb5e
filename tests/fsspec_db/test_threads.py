"""Nobody waits for a read but its reader."""
# ruff: noqa: ARG002  (the contract names the arguments)

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import AbstractDatabaseFileSystem, connect
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import arrow_bytes, plain, table_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable


class Heartbeat:
    """Ticks in a thread of its own, and knows the longest pause between two ticks."""

    def __enter__(self) -> Any:
        self._stop = threading.Event()
        self.longest = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self) -> None:
        last = time.perf_counter()
        while not self._stop.wait(0.001):
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("large") / "large.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        connection.executemany(
            "INSERT INTO big VALUES (?, ?, ?)", ((n, f"name {n}" * 5, n / 7) for n in range(500_000))
        )
        connection.commit()
    return path


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda fs: fs.cat_file("/main/big.arrow"), id="arrow"),
        pytest.param(lambda fs: fs.cat_file("/main/big.csv"), id="csv"),
        pytest.param(lambda fs: fs.cat_file("/main/big.parquet"), id="parquet"),
        pytest.param(lambda fs: fs.query("SELECT * FROM big ORDER BY name"), id="query"),
        pytest.param(lambda fs: fs.read_batches("/main/big.arrow").read_all(), id="batches"),
        pytest.param(lambda fs: fs.pipe_file("/main/big.arrow", fs.cat_file("/main/big.arrow")), id="write"),
    ],
)
def test_other_threads_keep_running(large: pathlib.Path, act: Any) -> None:
    fs = connect(f"sqlite:///{large}", access="write")
    fs.ls("/main")
    pauses = []
    for _ in range(3):  # a machine that stalls does so once, a lock that is held is held each time
        start = time.perf_counter()
        with Heartbeat() as heartbeat:
            act(fs)
        pauses.append(heartbeat.longest / (time.perf_counter() - start))
    assert min(pauses) < 0.5, pauses
    fs.close()


def test_many_threads_share_one_filesystem(opened: Callable[..., Any]) -> None:
    fs = opened()
    expected = plain(table_of(fs.cat_file("/main/users.arrow")))

    def work(number: Any) -> Any:
        match number % 4:
            case 0:
                return plain(table_of(fs.cat_file("/main/users.arrow"))) == expected
            case 1:
                return fs.query("SELECT ? AS n", [number]).to_pylist() == [{"n": number}]
            case 2:
                return fs.exists("/main/users.csv") and not fs.exists("/main/none.csv")
            case _:
                with fs.open("/main/users.csv") as file:
                    return file.read().startswith(b"id,name")

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(200)))


def test_writers_take_turns(opened: Callable[..., Any]) -> None:
    fs = opened()

    def append(number: Any) -> None:
        body = arrow_bytes(pa.table({"id": pa.array([number], pa.int64()), "name": [str(number)]}))
        fs.pipe_file("/main/users.arrow", body, mode="append")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, range(100, 140)))
    assert fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 43}]


class Watched(OneTable):
    """Knows how many calls ran at once."""

    def __init__(self) -> None:
        super().__init__()
        self.running = self.most = 0
        self.gate = threading.Barrier(2)

    def query(self, sql: Any, params: Any = None) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.concurrent:
            self.gate.wait(10)
        else:
            time.sleep(0.002)  # lets another call in, if anything would
        self.running -= 1
        return self.table


class Concurrent(Watched):
    concurrent = True


def test_a_python_database_is_called_once_at_a_time() -> None:
    fs: Any = AbstractDatabaseFileSystem(Watched())
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: fs.cat_file("/main/users.csv"), range(50)))
    assert fs.db.most == 1


def test_unless_it_says_that_it_is_concurrent() -> None:
    fs: Any = AbstractDatabaseFileSystem(Concurrent())
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: fs.cat_file("/main/users.csv"), range(2)))
    assert fs.db.most == 2


def test_a_python_database_may_use_its_own_filesystem() -> None:
    class Inward(OneTable):
        def query(self, sql: Any, params: Any = None) -> Any:
            assert fs.exists("/main/users.csv")
            return self.table

    fs = AbstractDatabaseFileSystem(Inward())
    assert fs.cat_file("/main/users.csv") == b"id,name\r\n1,ada\r\n"
