"""Ranges, sizes and open files are of one state; a state is encoded once for as long as it stands."""

# ruff: noqa: ARG002  (the contract names the arguments)

from __future__ import annotations

import gc
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fsspec.caching import caches
from fsspec.parquet import open_parquet_file

from fsspec_db import AbstractDatabaseFileSystem
from fsspec_db.snapshots import LEAST_BYTES
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import USERS, arrow_bytes, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

USERS_CSV = "/main/users.csv"
EVE = b"id,name,score\r\n9,eve,\r\n"


def counted(fs: Any) -> list[str]:
    """The paths that the database is asked for from now on, each time that it is."""
    asked: list[str] = []
    open_stream = fs.open_stream

    def counting(path: str, *arguments: Any, **options: Any) -> Any:
        asked.append(path)
        return open_stream(path, *arguments, **options)

    fs.open_stream = counting
    return asked


@pytest.fixture
def unlocked(engine: str, database: Path) -> Path:
    """The database, where who reads keeps nobody from writing."""
    if engine == "sqlite":
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = wal")
    return database


def many(rows: int, value: int) -> bytes:
    """A body for `users` of which every row tells of which state it is."""
    columns = {"id": range(rows), "name": [f"state {value:8}"] * rows, "score": [float(value)] * rows}
    return arrow_bytes(pa.table(columns, USERS.schema))


# One encoding


def test_a_state_is_read_once(fs: Any) -> None:
    whole = fs.cat_file(USERS_CSV)
    asked = counted(fs)
    assert fs.cat_file(USERS_CSV, 2, 9) == whole[2:9]
    assert fs.cat_file(USERS_CSV, -7) == whole[-7:]
    assert fs.cat_file(USERS_CSV, 5, -5) == whole[5:-5]
    assert fs.cat_file(USERS_CSV, None, 4) == whole[:4]
    assert fs.cat_file(USERS_CSV, len(whole) + 5) == fs.cat_file(USERS_CSV, 7, 3) == b""
    assert fs.cat_ranges([USERS_CSV] * 2, [0, -4], [3, None]) == [whole[:3], whole[-4:]]
    assert fs.cat_file(USERS_CSV) == fs.cat(USERS_CSV) == whole
    assert fs.head(USERS_CSV, 6) == whole[:6]
    assert fs.tail(USERS_CSV, 6) == whole[-6:]
    assert fs.read_block(USERS_CSV, 3, 5) == whole[3:8]
    with fs.open(USERS_CSV) as first, fs.open(USERS_CSV) as second:
        assert first.size == second.size == len(whole)
        assert first.read(5) + second.read(5) + first.read() == whole[:5] + whole[:5] + whole[5:]
    assert asked == [USERS_CSV]


def test_a_file_that_was_read_to_its_end_is_kept(fs: Any) -> None:
    asked = counted(fs)
    with fs.open(USERS_CSV) as file:
        whole = file.read()
        with fs.open(USERS_CSV) as other:
            assert other.read() == whole
    assert fs.cat_file(USERS_CSV, 1) == whole[1:]
    assert len(asked) == 1


def test_slices_of_a_large_file_read_on_when_they_come_again(fs: Any) -> None:
    fs.pipe_file("/main/users.arrow", many(200_000, 1))
    asked = counted(fs)
    for passes in (1, 2, 2):
        assert fs.cat_file("/main/users.csv", 0, 2) == b"id"
        assert len(asked) == passes


def test_a_file_that_was_left_early_is_not(fs: Any) -> None:
    fs.pipe_file("/main/users.arrow", many(200_000, 1))
    asked = counted(fs)
    for _ in range(2):
        with fs.open("/main/users.csv") as file:
            assert file.read(2) == b"id"
    assert len(asked) == 2


def test_shapes_and_formats_are_files_of_their_own(fs: Any) -> None:
    paths = [USERS_CSV, USERS_CSV + "?limit=1", "/main/users.jsonl", "/main/empty.csv"]
    asked = counted(fs)
    first = fs.cat_ranges(paths, 0, 1 << 20)
    assert len({*first}) == 4
    assert fs.cat_ranges(paths, 0, 1 << 20) == first
    assert len(asked) == 4


def test_parquet_readers_open_as_often_as_they_like(fs: Any) -> None:
    fs.pipe_file("/main/users.arrow", many(1000, 7))
    asked = counted(fs)
    path = "/main/users.parquet"
    assert pq.read_table(path, filesystem=fs, columns=["id"]).num_rows == 1000
    found = ds.dataset(path, filesystem=fs).to_table(filter=ds.field("id") < 10)
    assert found.column("score").to_pylist() == [7.0] * 10
    with fs.open(path) as file:
        assert pq.ParquetFile(file).metadata.num_rows == 1000
    with open_parquet_file(path, fs=fs, columns=["score"], engine="pyarrow") as file:
        assert set(pq.read_table(file, columns=["score"]).column("score").to_pylist()) == {7.0}
    assert asked == [path]


# States


def test_every_new_opening_sees_the_rows_as_they_are(fs: Any, database: Path) -> None:
    before = fs.cat_file(USERS_CSV, 0, 1000)
    fs.pipe_file(USERS_CSV, EVE)
    assert fs.cat_file(USERS_CSV, 0, 1000) == fs.cat_file(USERS_CSV) == EVE
    assert fs.size(USERS_CSV) == len(EVE) != len(before)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE users SET name = 'Eve'")
    assert fs.cat_file(USERS_CSV, -8) == b"9,Eve,\r\n"
    with fs.open(USERS_CSV) as file:
        assert file.read() == EVE.replace(b"eve", b"Eve")


@pytest.mark.parametrize("kept", ["", "kept"])
@pytest.mark.usefixtures("unlocked")
def test_an_open_file_stays_in_its_state(fs: Any, kept: str) -> None:
    fs.pipe_file("/main/users.arrow", many(200_000, 1))
    whole = fs.cat_file(USERS_CSV)
    if kept:
        assert fs.size(USERS_CSV) == len(whole)
    with fs.open(USERS_CSV) as file:
        assert file.read(9) == whole[:9]
        fs.pipe_file(USERS_CSV, EVE)
        assert fs.cat_file(USERS_CSV, 0, 100) == EVE
        assert file.seek(-9, os.SEEK_END) == len(whole) - 9
        assert file.read() == whole[-9:]
        file.seek(0)
        assert file.read() == whole


def test_where_nothing_tells_of_changes_nothing_is_kept(seed: ModuleType) -> None:
    fs = seed.fs
    asked = counted(fs)
    assert fs.cat_file(USERS_CSV, 0, 7) == b"id,name"
    assert fs.size(USERS_CSV) == len(fs.cat_file(USERS_CSV))
    with fs.open(USERS_CSV) as file:
        first = file.read()
        fs.db.table = pa.table({"id": [2], "name": ["changed"]})
        assert fs.cat_file(USERS_CSV, 9) == b"2,changed\r\n"
        assert fs.size(USERS_CSV) == len(b"id,name\r\n2,changed\r\n")
        file.seek(0)
        assert file.read() == first
    assert len(asked) == 6


def test_the_snapshot_is_of_the_rows_that_were_read(fs: Any, unlocked: Path) -> None:
    """The version is that of the read, not one that was asked for before or after it."""
    fs.pipe_file("/main/users.arrow", many(200_000, 1))
    with fs.open(USERS_CSV) as file:
        file.read(9)
        with closing(sqlite3.connect(unlocked)) as connection, connection:
            connection.execute("UPDATE users SET score = 2")
        old = file.seek(0) or file.read()
    assert b",1.0\r" in old
    new = fs.cat_file(USERS_CSV, 0, len(old))
    assert b",1.0\r" not in new


# Sizes


def test_a_size_is_exact_or_absent(fs: Any) -> None:
    whole = fs.cat_file(USERS_CSV)
    assert fs.info(USERS_CSV)["size"] is None
    assert fs.info(USERS_CSV, size=True) == {**fs.info(USERS_CSV), "size": len(whole)}
    assert fs.size(USERS_CSV) == len(whole)
    shaped = USERS_CSV + "?limit=1"
    assert fs.sizes([USERS_CSV, shaped]) == [len(whole), len(fs.cat_file(shaped))]
    assert fs.size("/main/users.sql") == len(fs.cat_file("/main/users.sql"))
    assert fs.size("/main") == fs.info("/main")["size"]
    with pytest.raises(FileNotFoundError):
        fs.size("/main/none.csv")


def test_opening_is_free_once_the_size_was_asked_for(fs: Any) -> None:
    asked = counted(fs)
    size = fs.size(USERS_CSV)
    with fs.open(USERS_CSV) as file:
        assert file.size == size
        assert file.seek(0, os.SEEK_END) == size
    assert fs.size(USERS_CSV) == size
    assert len(asked) == 1


# Bounds


def test_what_was_used_longest_ago_goes_first(opened: Callable[..., Any]) -> None:
    fs = opened(snapshot_bytes=3 * LEAST_BYTES)
    asked = counted(fs)
    shaped = [f"{USERS_CSV}?limit={n}" for n in range(4)]
    for path in (*shaped[:3], shaped[0], shaped[3]):
        fs.size(path)
    del asked[:]
    for path in (shaped[3], shaped[2], shaped[0]):
        fs.size(path)
    assert asked == []
    fs.size(shaped[1])
    assert len(asked) == 1


def test_nothing_goes_that_is_open(opened: Callable[..., Any]) -> None:
    fs = opened(snapshot_bytes=LEAST_BYTES)
    asked = counted(fs)
    one, two = f"{USERS_CSV}?limit=1", f"{USERS_CSV}?limit=2"
    with fs.open(one) as file:
        whole = file.read()
        fs.size(two)
        with fs.open(one) as again:
            assert again.read() == whole
        assert len(asked) == 2
    fs.size(two)
    fs.size(two)
    assert len(asked) == 3
    lost = fs.open(two)
    assert lost.size is not None
    del lost
    gc.collect()
    fs.size(one)
    fs.size(one)
    assert len(asked) == 4


@pytest.mark.parametrize("limit", [0, LEAST_BYTES])
def test_what_is_too_large_is_read_anew(opened: Callable[..., Any], limit: int) -> None:
    fs = opened(snapshot_bytes=limit)
    fs.pipe_file("/main/users.arrow", many(20_000, 1))
    whole = fs.cat_file(USERS_CSV)
    assert len(whole) > limit
    asked = counted(fs)
    for _ in range(2):
        assert fs.cat_file(USERS_CSV, 5, 500) == whole[5:500]
        assert fs.cat_file(USERS_CSV, -500) == whole[-500:]
    assert len(asked) == 4
    assert [fs.size(USERS_CSV), fs.size(USERS_CSV)] == [len(whole)] * 2
    # Where there is room to know it, it is counted at most once more: if no pass came to the end by itself.
    assert len(asked) == 6 if limit == 0 else len(asked) <= 5


class Versioned(OneTable):
    """Batches made as they are taken, of rows that never change."""

    version: str | None = "1"

    def __init__(self, batches: int, error: Exception | None = None) -> None:
        super().__init__()
        self.batches, self.error, self.made = batches, error, 0

    def query(self, sql: Any, params: Any = None) -> Any:
        batch = pa.record_batch({"id": pa.array(range(4096), pa.int64()), "name": ["x" * 64] * 4096})

        def make() -> Iterator[pa.RecordBatch]:
            for _ in range(self.batches):
                self.made += 1
                yield batch
            if self.error:
                raise self.error

        return pa.RecordBatchReader.from_batches(batch.schema, make())

    def data_version(self, schema: str, relation: str) -> str | None:
        return self.version


def test_a_range_of_what_is_too_large_reads_no_further_than_it_must() -> None:
    fs: Any = AbstractDatabaseFileSystem(Versioned(100_000), snapshot_bytes=1 << 20)
    assert fs.cat_file(USERS_CSV, 0, 2) == b"id"
    assert fs.db.made < 200
    fs.db.made = 0
    assert fs.cat_file(USERS_CSV, 0, 2) == b"id"
    assert fs.db.made < 100


def test_a_range_without_a_version_reads_no_further_than_it_must() -> None:
    fs: Any = AbstractDatabaseFileSystem(Versioned(100_000))
    fs.db.version = None
    assert fs.cat_file(USERS_CSV, 0, 2) == b"id"
    assert fs.db.made < 100


def test_what_breaks_behind_a_range_is_not_its_fault() -> None:
    fs: Any = AbstractDatabaseFileSystem(Versioned(100, OSError("cut")))
    asked = counted(fs)
    for _ in range(2):
        assert fs.cat_file(USERS_CSV, 0, 2) == b"id"
        with pytest.raises(OSError, match="cut"):
            fs.cat_file(USERS_CSV, -2)
        with pytest.raises(OSError, match="cut"):
            fs.size(USERS_CSV)
    assert len(asked) == 6


def test_files_on_disk_go_with_the_filesystem(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fsspec_db.spool.SPOOL_BYTES", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spools"))
    (tmp_path / "spools").mkdir()

    def on_disk() -> int:
        found = 0
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one that lists them
                found += descriptor.readlink().is_relative_to(tmp_path / "spools")
        return found

    fs = opened(snapshot_bytes=1 << 30)
    fs.pipe_file("/main/users.arrow", many(20_000, 1))
    whole = fs.cat_file(USERS_CSV)
    assert fs.cat_file(USERS_CSV, -500) == whole[-500:]
    assert fs.size("/main/users.arrow")
    assert on_disk() == 2
    with fs.open(USERS_CSV) as file:
        fs.close()
        assert on_disk() == 1
        assert file.read() == whole
    assert on_disk() == 0
    assert list((tmp_path / "spools").iterdir()) == []  # they never had a name that could be left behind


# Threads and processes


@pytest.mark.usefixtures("unlocked")
def test_threads_read_one_state_each_while_another_replaces_the_rows(opened: Callable[..., Any]) -> None:
    fs = opened()
    rows = 3000
    fs.pipe_file("/main/users.arrow", many(rows, 0))
    sizes = set()
    done = threading.Event()

    def read(number: int) -> int:
        reads = 0
        while not done.is_set():
            path = "/main/users.arrow"
            if number % 2:
                with fs.open(path) as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(0)
                    body = b"".join(iter(lambda: file.read(10_007), b""))
                    assert len(body) == size
            else:
                cut = 1000 * number
                body = b"".join(fs.cat_ranges([path] * 2, [0, cut], [cut, None], on_error="raise"))
            scores = set(table_of(body).column("score").to_pylist())
            assert len(scores) == 1, scores
            sizes.add(len(body))
            reads += 1
        return reads

    with ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(read, number) for number in range(6)]
        try:
            for value in range(1, 30):
                fs.pipe_file("/main/users.arrow", many(rows + value, value))
        finally:
            done.set()
        assert all(reader.result() for reader in readers)
    assert len(sizes) > 1


def test_a_forked_process_reads_by_itself(opened: Callable[..., Any]) -> None:
    fs = opened()
    whole = fs.cat_file(USERS_CSV)
    with fs.open(USERS_CSV) as file:
        file.read()
        assert fs.cat_file(USERS_CSV, 0, 4) == whole[:4]
        fs._snapshots._lock.acquire()  # as another thread may have it at this very moment
        child = os.fork()
        if child == 0:
            status = 1
            try:
                file.seek(3)
                right = (file.read(), fs.cat_file(USERS_CSV, 0, 4)) == (whole[3:], whole[:4])
                file.close()
                status = 0 if right and fs.size(USERS_CSV) == len(whole) else 2
            finally:
                os._exit(status)
        fs._snapshots._lock.release()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (file.seek(3), file.read()) == (3, whole[3:])


# What fsspec's names mean


@pytest.mark.parametrize("cache_type", [*(name for name in caches if name), None])
def test_every_cache_type_reads_the_same(fs: Any, cache_type: str | None) -> None:
    whole = fs.cat_file(USERS_CSV)
    with fs.open(USERS_CSV, cache_type=cache_type, block_size=5, cache_options={}) as file:
        assert file.size == (len(whole) if cache_type == "all" else None)
        assert file.read(7) + file.read() == whole
        assert file.seekable() == (cache_type != "none")


def test_an_unknown_cache_type_is_refused(fs: Any) -> None:
    with pytest.raises(ValueError, match="everything"):
        fs.open(USERS_CSV, cache_type="everything")


def test_the_time_of_a_change_is_when_it_was_first_seen(fs: Any, seed: ModuleType) -> None:
    start = datetime.now(UTC)
    first = fs.modified(USERS_CSV)
    assert start <= first <= datetime.now(UTC)
    assert fs.modified(USERS_CSV) == first
    fs.pipe_file(USERS_CSV, EVE)
    changed = datetime.now(UTC)
    assert fs.modified(USERS_CSV) >= changed > first
    for ask in (seed.fs.modified, seed.fs.created, fs.created):
        with pytest.raises(NotImplementedError):
            ask(USERS_CSV)
    with pytest.raises(FileNotFoundError):
        fs.modified("/main/none.csv")


leaves_files_open = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
"""fsspec's caches do."""


@pytest.fixture
def caching(database: Path, tmp_path: Path) -> Callable[..., Any]:
    """A filesystem of fsspec that caches one of ours."""

    def make(protocol: str, **options: Any) -> Any:
        return fsspec.filesystem(
            protocol,
            target_protocol="db+sqlite",
            target_options={"database": str(database), "access": "write"},
            cache_storage=str(tmp_path / protocol),
            skip_instance_cache=True,
            **options,
        )

    return make


@leaves_files_open
@pytest.mark.parametrize("protocol", ["filecache", "simplecache", "blockcache"])
def test_caching_filesystems_read(caching: Callable[..., Any], protocol: str) -> None:
    fs = caching(protocol)
    whole = fs.fs.cat_file(USERS_CSV)
    for _ in range(3):
        with fs.open(USERS_CSV) as file:
            assert (file.read(5), file.seek(-4, os.SEEK_END)) == (whole[:5], len(whole) - 4)
            assert file.read() == whole[-4:]
        assert file.closed
    assert fs.cat(USERS_CSV) == whole
    assert fs.cat_ranges([USERS_CSV] * 2, [0, 3], [2, 9]) == [whole[:2], whole[3:9]]
    assert fs.info(USERS_CSV)["type"] == "file"
    assert pq.read_table("/main/users.parquet", filesystem=fs).num_rows == 3


@leaves_files_open
@pytest.mark.parametrize("protocol", ["filecache", "blockcache"])
def test_caching_filesystems_that_check_see_changes(caching: Callable[..., Any], protocol: str) -> None:
    fs = caching(protocol, check_files=True)
    for body in (EVE + b"10,mallory,2.0\r\n", EVE):
        fs.fs.pipe_file(USERS_CSV, body)
        for _ in range(2):
            with fs.open(USERS_CSV) as file:
                assert file.read() == body


@leaves_files_open
def test_a_file_under_a_block_cache_stays_in_its_state(caching: Callable[..., Any]) -> None:
    fs = caching("blockcache")
    fs.fs.pipe_file("/main/users.arrow", many(200_000, 1))
    with fs.open("/main/users.arrow") as file:
        first = file.read(100)
        fs.fs.pipe_file("/main/users.arrow", many(200_000, 2))
        assert set(table_of(first + file.read()).column("score").to_pylist()) == {1.0}


def test_a_simple_cache_writes(caching: Callable[..., Any]) -> None:
    fs = caching("simplecache")
    with fs.open(USERS_CSV, "wb") as file:
        file.write(EVE)
    assert fs.fs.cat_file(USERS_CSV) == EVE


@leaves_files_open
@pytest.mark.parametrize("protocol", ["filecache", "simplecache", "blockcache"])
def test_a_chain_names_cache_tree_and_file(database: Path, tmp_path: Path, protocol: str) -> None:
    options: Any = {protocol: {"cache_storage": str(tmp_path / "cache")}}
    with fsspec.open(f"{protocol}::db+sqlite:///main/users.csv::file://{database}", **options) as file:
        assert file.read().startswith(b"id,name,score\r\n1,ada,1.5")
