"""What ends before its time: the interpreter under readers, a write under Ctrl-C, a stuck backend."""
# ruff: noqa: ARG002  (the contract names the arguments)

from __future__ import annotations

import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import AbstractDatabaseFileSystem, Doorbell, connect, on_cancel
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import arrow_bytes

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

EXIT_UNDER_READERS = """
import sys, threading
import pyarrow as pa
from fsspec_db import AbstractDatabaseFileSystem
from tests.fsspec_db.backends import OneTable

class Endless(OneTable):
    def query(self, sql, params=None):
        batch = self.table.to_batches()[0]
        def make():
            while True:
                yield batch
        return pa.RecordBatchReader.from_batches(self.table.schema, make())

fs = AbstractDatabaseFileSystem(Endless())
streams = [fs.open_stream("/main/users.arrow") for _ in range(4)]
begun = threading.Barrier(5)

def read(stream):
    stream.next()
    begun.wait()
    while True:
        stream.next()

for stream in streams:
    threading.Thread(target=read, args=(stream,), daemon=True).start()
begun.wait()
print("over")
"""


def test_python_ends_in_peace_under_its_readers() -> None:
    for _ in range(3):
        ended = subprocess.run(
            [sys.executable, "-c", EXIT_UNDER_READERS],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\n", "")


def test_an_interrupt_ends_a_write_and_nothing_is_written(tmp_path: pathlib.Path) -> None:
    with closing(connect(f"sqlite:///{tmp_path / 'new.db'}", access="manage")) as fs:
        fs.pipe_file("/main/numbers.csv", b"n\n1\n", mode="create")
        body = arrow_bytes(pa.table({"n": pa.array(range(20_000_000), pa.int64())}))
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            fs.pipe_file("/main/numbers.arrow", body)
        timer.join()
        assert time.perf_counter() - start < 5
        assert fs.cat_file("/main/numbers.csv").split() == [b"n", b"1"]


def test_a_time_limit_ends_a_read_from_a_backend_that_is_stuck() -> None:
    class Stuck(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.Table:
            released.wait(30)
            return self.table

    released = threading.Event()
    fs = AbstractDatabaseFileSystem(Stuck())
    woken = threading.Event()
    with pytest.raises(TimeoutError):
        fs.query("SELECT 1", timeout=0.1)
    stream = fs.query_stream("SELECT 1", timeout=0.1)
    assert stream.poll(woken.set) is None
    assert woken.wait(10)
    with pytest.raises(TimeoutError):
        stream.poll(woken.set)
    released.set()


def test_closing_a_stream_wakes_whoever_waits_for_it() -> None:
    class Stuck(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.Table:
            released.wait(30)
            return self.table

    released, woken = threading.Event(), threading.Event()
    stream = AbstractDatabaseFileSystem(Stuck()).query_stream("SELECT 1")
    assert stream.poll(woken.set) is None
    stream.close()
    assert woken.wait(10)
    with pytest.raises(Exception, match="closed"):
        stream.poll(woken.set)
    released.set()


def test_a_bell_rings_for_the_streams_that_can_go_on() -> None:
    class Stuck(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.Table:
            released.wait(30)
            return self.table

    released, bell = threading.Event(), Doorbell()
    fs = AbstractDatabaseFileSystem(Stuck())
    first, second = fs.query_stream("SELECT 1"), fs.query_stream("SELECT 1")
    assert first.poll(lambda: "first", bell) is None
    assert second.poll(lambda: "second", bell) is None
    assert bell.answer() == []
    first.close()
    assert select.select([bell], [], [], 10)[0]
    assert [wake() for wake in bell.answer()] == ["first"]
    assert not select.select([bell], [], [], 0)[0], "an answered bell is silent"
    released.set()
    assert select.select([bell], [], [], 10)[0]
    assert [wake() for wake in bell.answer()] == ["second"]
    assert second.poll(lambda: None, bell)


class Interruptible(OneTable):
    """Waits in a query, in a batch or in a write until it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.told, self.over = threading.Event(), threading.Event(), threading.Event()

    def wait(self) -> None:
        on_cancel(lambda: 1 / 0)  # replaced by the next
        on_cancel(self.told.set)
        self.begun.set()
        assert self.told.wait(20), "nobody said to stop"
        self.over.set()
        raise RuntimeError("interrupted")

    def query(self, sql: str, params: Any = None) -> Any:
        if "LIMIT 0" in sql:
            return self.table
        if "late" not in sql:
            self.wait()

        def batches() -> Iterator[pa.RecordBatch]:
            yield self.table.to_batches()[0]
            self.wait()

        return pa.RecordBatchReader.from_batches(self.table.schema, batches())

    def insert_stream(self, schema: str, relation: str, reader: Any, mode: Any = "append") -> int:
        self.wait()
        return 0


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 'late'"])
def test_a_backend_is_told_that_its_reader_left(sql: str) -> None:
    database = Interruptible()
    fs = AbstractDatabaseFileSystem(database)
    stream = fs.query_stream(sql)
    assert database.begun.wait(10)
    stream.close()
    assert database.over.wait(1)


def test_a_backend_is_told_that_time_is_up() -> None:
    database = Interruptible()
    fs = AbstractDatabaseFileSystem(database)
    with pytest.raises(TimeoutError):
        fs.query("SELECT 1", timeout=0.1)
    assert database.over.wait(1)
    database = Interruptible()
    fs = AbstractDatabaseFileSystem(database)
    with pytest.raises(TimeoutError):
        fs.write("/main/users.arrow", arrow_bytes(database.table), timeout=0.1)
    assert database.over.wait(1)


def test_nobody_is_told_after_the_work() -> None:
    class Quick(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.Table:
            on_cancel(told.set)
            return self.table

    told = threading.Event()
    fs = AbstractDatabaseFileSystem(Quick())
    for _ in range(200):
        with fs.query_stream("SELECT 1", timeout=5) as stream:
            assert stream.read_all()
    on_cancel(told.set)
    assert not told.wait(0.1)
