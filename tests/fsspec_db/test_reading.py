# ruff: noqa: ARG002  (the contract names the arguments)
from __future__ import annotations

import gc
import io
import json
import pathlib
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.callbacks import Callback
from hypothesis import given, settings
from hypothesis import strategies as st

from fsspec_db import AbstractDatabaseFileSystem, ReadFile
from fsspec_db.batches import record_batches
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import USERS, plain, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def batch_of(start: int, rows: int) -> pa.RecordBatch:
    names = pa.array(["x" * 64] * rows, pa.string())
    return pa.record_batch({"id": pa.array(range(start, start + rows), pa.int64()), "name": names})


class Endless(OneTable):
    """Answers with batches made as they are taken, and counts them."""

    def __init__(self, batches: Any = None, error: Any = None) -> None:
        super().__init__()
        self.batches, self.error = batches, error
        self.made = 0
        self.started, self.stopped = threading.Event(), threading.Event()

    def query(self, sql: Any, params: Any = None) -> Any:
        def make() -> Iterator[Any]:
            self.started.set()
            try:
                while self.batches is None or self.made < self.batches:
                    self.made += 1
                    yield batch_of(self.made * 4096, 4096)
                if self.error:
                    raise self.error
            finally:
                self.stopped.set()

        return pa.RecordBatchReader.from_batches(batch_of(0, 0).schema, make())


def test_all_formats_hold_the_rows(fs: Any) -> None:
    cat = fs.cat_file
    assert plain(table_of(cat("/main/users.arrow"))) == USERS
    assert plain(pa.ipc.open_file(cat("/main/users.feather")).read_all()) == USERS
    assert plain(pq.read_table(io.BytesIO(cat("/main/users.parquet")))) == USERS
    assert cat("/main/users.csv").splitlines() == [b"id,name,score", b"1,ada,1.5", b"2,grace,", b'3,"",3.0']
    lines = [json.loads(line) for line in cat("/main/users.jsonl").splitlines()]
    assert lines == json.loads(cat("/main/users.json")) == USERS.to_pylist()


def test_an_empty_relation_has_its_schema(fs: Any) -> None:
    assert table_of(fs.cat_file("/main/empty.arrow")).schema.names == ["note", "data"]


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ("columns=name&order=id", [("ada",), ("grace",), ("",)]),
        ("columns=name,id&limit=1&order=id", [("ada", 1)]),
        ("columns=id&where=id>1&order=-id", [(3,), (2,)]),
        ("columns=id&where=name+%3D+'ada'", [(1,)]),
        ("columns=id&limit=1&offset=1&order=id", [(2,)]),
        ("columns=id&limit=0", []),
    ],
)
def test_a_shape_is_what_is_read(fs: Any, shape: str, rows: Any) -> None:
    table = table_of(fs.cat_file(f"/main/users.arrow?{shape}"))
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert fs.read_batches(f"/main/users.csv?{shape}").read_all().to_pylist() == table.to_pylist()
    with fs.open(f"/main/users.arrow?{shape}") as file:
        assert table_of(file.read()).to_pylist() == table.to_pylist()


@pytest.mark.parametrize(
    "shape", ["columns=nothing", "limit=x", "color=red", "where=sleep(1)", "where=id=", "order=id,,"]
)
def test_a_bad_shape_is_a_value_error(fs: Any, shape: str) -> None:
    with pytest.raises(ValueError):
        fs.cat_file(f"/main/users.arrow?{shape}")


@settings(max_examples=60, deadline=None)
@given(start=st.none() | st.integers(-80, 80), end=st.none() | st.integers(-80, 80))
def test_a_range_is_a_slice(start: Any, end: Any) -> None:
    database = OneTable()
    database.table = USERS
    fs = AbstractDatabaseFileSystem(database)
    whole = fs.cat_file("/main/users.csv")
    assert fs.cat_file("/main/users.csv", start, end) == whole[start:end]
    assert fs.cat_ranges(["/main/users.csv"] * 2, [start, 0], [end, 5]) == [whole[start:end], whole[:5]]


def test_ranges_of_one_path_are_one_read(seed: ModuleType) -> None:
    asked = []
    table = seed.fs.db.table

    def query(sql: str, _params: Any = None) -> pa.Table:
        asked.append(sql)
        return table

    seed.fs.db.query = query
    got = seed.fs.cat_ranges(["/main/users.csv", "/main/none.csv", "/main/users.csv"], 0, [2, 2, 7])
    assert got[0] == b"id"
    assert isinstance(got[1], FileNotFoundError)
    assert got[2] == b"id,name"
    assert len(asked) == 1
    with pytest.raises(FileNotFoundError):
        seed.fs.cat_ranges(["/main/none.csv"], 0, 2, on_error="raise")


def test_cat_takes_patterns(fs: Any) -> None:
    assert set(fs.cat("/main/*.csv")) == {"/main/empty.csv", "/main/grown.csv", "/main/users.csv"}
    assert fs.cat("/main/users.csv?limit=0") == b"id,name,score\r\n"
    assert fs.head("/main/users.csv", 7) == b"id,name"
    assert fs.tail("/main/users.csv", 5) == fs.cat("/main/users.csv")[-5:]
    assert fs.read_block("/main/users.csv", 0, 7) == b"id,name"
    assert fs.read_text("/main/users.csv").startswith("id,name")


def test_a_file_reads_like_any_file(fs: Any) -> None:
    whole = fs.cat_file("/main/users.csv")
    with fs.open("/main/users.csv") as file:
        assert isinstance(file, ReadFile)
        assert file.readable()
        assert not file.writable()
        assert file.seekable()
        before = file.size
        assert file.read(3) == whole[:3]
        assert file.tell() == 3
        assert file.readline() == whole.splitlines(keepends=True)[0][3:]
        buffer = bytearray(5)
        assert file.readinto(buffer) == 5
        assert bytes(buffer) == b"1,ada"
        assert file.seek(0) == 0
        assert list(file) == whole.splitlines(keepends=True)
        assert file.seek(-4, 2) == len(whole) - 4
        assert file.read() == whole[-4:]
        assert (before, file.size) == (None, len(whole))
        assert file.read() == file.read(1) == file.read1() == b""
        assert file.readinto(buffer) == 0
        assert file.seek(1000) == 1000
        assert file.read() == b""
        with pytest.raises(ValueError):
            file.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
    assert file.closed
    with pytest.raises(ValueError):
        file.read()


def test_text_is_utf8(fs: Any) -> None:
    with fs.open("/main/users.csv", "r", newline="") as file:
        assert file.read() == fs.cat_file("/main/users.csv").decode()


def test_opening_says_what_is_wrong(fs: Any) -> None:
    with pytest.raises(FileNotFoundError):
        fs.open("/main/none.csv")
    with pytest.raises(IsADirectoryError):
        fs.open("/main/users")
    with pytest.raises(NotImplementedError):
        fs.open("/main/users.csv", "r+b")
    with pytest.raises(NotImplementedError):
        fs.open("/main/users.csv", compression="gzip")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "seek", "line", "end", "into"]), st.integers(0, 3_000_000)),
        max_size=12,
    )
)
def test_a_large_file_reads_as_its_bytes_do(steps: Any) -> None:
    fs: Any = AbstractDatabaseFileSystem(Endless(batches=9))
    whole = fs.cat_file("/main/users.csv")
    fs.db.made = 0
    model = io.BytesIO(whole)
    with fs.open("/main/users.csv") as file:
        for step, number in steps:
            if step == "read":
                assert file.read(number) == model.read(number)
            elif step == "line":
                assert file.readline() == model.readline()
            elif step == "into":
                mine, other = bytearray(number), bytearray(number)
                assert file.readinto(mine) == model.readinto(other)
                assert mine == other
            elif step == "seek":
                assert file.seek(number) == model.seek(number)
            else:
                assert file.seek(-number, 2) == len(whole) - number if number <= len(whole) else True
                model.seek(file.tell())
            assert file.tell() == model.tell()
        assert file.read() == model.read()


def test_a_pass_without_keeping(seed: ModuleType) -> None:
    with seed.fs.open("/main/users.csv", cache_type="none") as file:
        assert not file.seekable()
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)
        assert file.read() == seed.fs.cat_file("/main/users.csv")


def test_reading_streams_and_closing_stops_the_query() -> None:
    database = Endless()
    fs = AbstractDatabaseFileSystem(database)
    with fs.open("/main/users.arrow") as file:
        assert len(file.read(10_000_000)) == 10_000_000
        assert database.made < 100
    assert database.stopped.wait(5)


@pytest.mark.parametrize(
    "take",
    [
        lambda fs: fs.open("/main/users.arrow"),
        lambda fs: fs.open_query("SELECT 1"),
        lambda fs: fs.query_batches("SELECT 1"),
        lambda fs: fs.read_batches("/main/users.arrow"),
        lambda fs: fs.open_stream("/main/users.arrow"),
    ],
)
def test_losing_a_read_stops_the_query(take: Any) -> None:
    database = Endless()
    taken = take(AbstractDatabaseFileSystem(database))
    assert database.started.wait(5)
    del taken
    gc.collect()
    assert database.stopped.wait(5)


def test_an_error_in_the_middle_is_raised_and_stays() -> None:
    error = PermissionError("revoked")
    fs: Any = AbstractDatabaseFileSystem(Endless(batches=20, error=error))
    with fs.open("/main/users.csv") as file:
        assert len(file.read(100)) == 100
        for _ in range(2):
            with pytest.raises(PermissionError) as caught:
                file.read()
            assert caught.value is error
        assert file.seek(0) == 0
        assert file.read(10)
    fs.db.made = 0
    with pytest.raises(PermissionError):
        fs.cat_file("/main/users.csv")
    fs.db.made = 0
    reader = fs.read_batches("/main/users.csv")
    with pytest.raises(PermissionError) as caught:
        reader.read_all()
    assert caught.value is error


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "json"])
def test_a_batch_that_breaks_the_schema_is_an_error(extension: str) -> None:
    class Broken(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.RecordBatchReader:
            batches = [batch_of(0, 10), pa.record_batch({"id": ["one"], "name": ["x"]})]
            return pa.RecordBatchReader.from_batches(batches[0].schema, batches)

    fs = AbstractDatabaseFileSystem(Broken())
    with pytest.raises((ValueError, RuntimeError), match=r"schema|type"):
        fs.cat_file(f"/main/users.{extension}")
    with pytest.raises((ValueError, RuntimeError), match=r"schema|type"):
        fs.read_batches("/main/users.arrow").read_all()


def test_getting_a_file_is_whole_or_nothing(tmp_path: pathlib.Path, fs: Any) -> None:
    target = tmp_path / "deep" / "users.csv"
    fs.get_file("/main/users.csv?limit=1", target)
    assert target.read_bytes() == fs.cat_file("/main/users.csv?limit=1")
    fs.get("/main/users.csv", str(target))
    assert target.read_bytes() == fs.cat_file("/main/users.csv")
    buffer = io.BytesIO()
    fs.get_file("/main/users.csv", buffer)
    assert buffer.getvalue() == target.read_bytes()
    broken = AbstractDatabaseFileSystem(Endless(batches=200, error=OSError("cut")))
    with pytest.raises(OSError, match="cut"):
        broken.get_file("/main/users.csv", target)
    assert target.read_bytes() == fs.cat_file("/main/users.csv")
    assert [path.name for path in target.parent.iterdir()] == ["users.csv"]


def test_getting_tells_its_progress(tmp_path: pathlib.Path) -> None:
    fs = AbstractDatabaseFileSystem(Endless(batches=50))
    seen = []
    callback = Callback(hooks={"log": lambda size, value, **_: seen.append((size, value))})
    fs.get_file("/main/users.arrow", tmp_path / "users.arrow", callback=callback)
    size = (tmp_path / "users.arrow").stat().st_size
    assert seen[-1] == (size, size)
    assert len(seen) > 5
    assert [value for _, value in seen] == sorted(value for _, value in seen)


def test_a_tree_is_gotten(tmp_path: pathlib.Path, fs: Any) -> None:
    fs.get("/main", str(tmp_path / "out"), recursive=True)
    assert (tmp_path / "out" / "users.csv").read_bytes() == fs.cat_file("/main/users.csv")
    assert (tmp_path / "out" / "users" / "columns" / "id").is_file()


def test_queries_bind_parameters(fs: Any) -> None:
    assert fs.query("SELECT id FROM users WHERE name = ?", ["ada"]).to_pylist() == [{"id": 1}]
    assert fs.query("SELECT id FROM users WHERE id > :least ORDER BY id", {"least": 1}).to_pylist() == [
        {"id": 2},
        {"id": 3},
    ]
    assert fs.query("SELECT id FROM users ORDER BY id", limit=2).num_rows == 2
    assert table_of(fs.open_query("SELECT id FROM users WHERE id = ?", [3]).read()).to_pylist() == [{"id": 3}]
    assert fs.open_query("SELECT id FROM users WHERE id = 3", extension="csv").read() == b"id\r\n3\r\n"
    batches = fs.query_batches("SELECT id FROM users")
    assert isinstance(batches, pa.RecordBatchReader)
    assert batches.read_all().num_rows == 3


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nothing", ""])
def test_a_refused_query_is_a_value_error(fs: Any, sql: str) -> None:
    for act in (fs.query, fs.query_batches, fs.open_query):
        with pytest.raises(ValueError):
            act(sql)


def test_a_query_writes_nothing(fs: Any) -> None:
    with pytest.raises((PermissionError, ValueError)):
        fs.query("DELETE FROM users")
    assert fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 3}]


def test_pandas_polars_and_pyarrow_read_it(fs: Any) -> None:
    with fs.open("/main/users.parquet") as file:
        assert pd.read_parquet(file)["name"].tolist() == ["ada", "grace", ""]
    with fs.open("/main/users.csv") as file:
        assert pd.read_csv(file, keep_default_na=False)["name"].tolist() == ["ada", "grace", ""]
    with fs.open("/main/users.parquet") as file:
        assert pl.read_parquet(file)["id"].to_list() == [1, 2, 3]
    assert plain(pq.read_table("/main/users.parquet", filesystem=fs)) == USERS
    assert pl.DataFrame(fs.read_batches("/main/users.arrow"))["id"].to_list() == [1, 2, 3]


def test_a_filesystem_that_is_lost_is_closed_by_itself(seed: ModuleType) -> None:
    database = seed.MemoryDatabase()
    gone = weakref.ref(database)
    AbstractDatabaseFileSystem(database).ls("/main")
    del database
    gc.collect()
    assert gone() is None


def test_a_closed_filesystem_does_not_answer(fs: Any) -> None:
    fs.ls("/main")
    fs.close()
    fs.close()
    for act in (
        fs.ping,
        lambda: fs.ls("/main"),
        lambda: fs.cat_file("/main/users.csv"),
        lambda: fs.query("SELECT 1"),
    ):
        with pytest.raises(ConnectionError):
            act()


def test_an_interrupt_ends_a_read() -> None:
    class Stuck(OneTable):
        def query(self, sql: str, params: Any = None) -> pa.Table:
            started.set()
            released.wait(30)
            return self.table

    started, released = threading.Event(), threading.Event()
    fs = AbstractDatabaseFileSystem(Stuck())
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        started.wait(10)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fs.cat_file("/main/users.csv")
    released.set()
    thread.join()


def test_a_time_limit_ends_a_read(fs: Any) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for act in (fs.query, fs.open_query):
        with pytest.raises(TimeoutError):
            act(endless, timeout=0.2)


def test_a_file_answers_as_files_do(fs: Any) -> None:
    whole = fs.cat_file("/main/users.csv")
    with fs.open("/main/users.csv") as file:
        assert file.read(0) == b""
        assert file.seek(2) == 2
        assert file.seek(3, io.SEEK_CUR) == 5
        buffer = bytearray(4)
        assert file.readinto1(buffer) == 4
        assert bytes(buffer) == whole[5:9]
        assert file.readline(2) == whole[9:11]
        assert file.readline(0) == b""
        assert io.BufferedReader(file).read() == whole[11:]
    with pytest.raises(ValueError):
        file.seek(0)
    with fs.open("/main/users.csv") as file, pytest.raises(ValueError, match="whence"):
        file.seek(0, 7)


def test_lines_longer_than_a_look_ahead_are_whole(seed: ModuleType) -> None:
    seed.fs.db.table = pa.table({"id": [1, 2], "name": ["x" * 30_000, "y"]})
    for kept in ("none", "readahead"):
        with seed.fs.open("/main/users.csv", cache_type=kept) as file:
            assert [len(line) for line in file] == [9, 30_004, 5]


def test_ranges_must_match_their_paths(fs: Any) -> None:
    with pytest.raises(ValueError, match="length"):
        fs.cat_ranges(["/main/users.csv"], [0, 1], [2])


def test_a_device_is_written_as_it_is(fs: Any) -> None:
    fs.get_file("/main/users.csv", "/dev/null")
    assert pathlib.Path("/dev/null").is_char_device()


def test_a_batch_stream_may_fail_by_itself() -> None:
    class Failing:
        """A stream whose consumer, not whose producer, is at fault."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            def batches() -> Iterator[pa.RecordBatch]:
                yield batch_of(0, 1)
                raise OSError("by itself")

            return pa.RecordBatchReader.from_batches(batch_of(0, 0).schema, batches()).__arrow_c_stream__()

        def check(self) -> None:
            pass

        def close(self) -> None:
            closed.append(True)

    closed: list[bool] = []
    stream: Any = Failing()
    with pytest.raises(OSError, match="by itself"):
        record_batches(stream).read_all()
    assert closed == [True]
