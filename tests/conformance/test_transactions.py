"""A write is all or nothing, for those who look on meanwhile too."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from fsspec_db import ConstraintViolationError, DatabaseUnavailableError, IncompleteBodyError
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from tests.conformance.harness import Database

ROWS = 30_000


def version(number: int, rows: int = ROWS) -> bytes:
    """A body for `users`, of which every row says the same number."""
    ids = pa.array(range(100, 100 + rows), pa.int32())
    return arrow_bytes(pa.table({"id": ids, "name": [str(number)] * rows}))


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
def test_a_write_that_fails_at_its_end_leaves_the_old_rows(db: Database, mode: str) -> None:
    whole = pa.ipc.open_stream(version(1)).read_all()
    last = pa.table({"id": pa.array([100], pa.int32()), "name": pa.array([None], pa.string())})
    for body, error in (
        (version(1)[:-8], IncompleteBodyError),
        (arrow_bytes(pa.concat_tables([whole, last])), ConstraintViolationError),
    ):
        with pytest.raises((error, NotImplementedError)):
            db.fs.pipe_file(db.path("users", "arrow"), body, mode=mode)
        assert db.count("users") == 3
        assert db.rows() == USERS


def test_readers_see_the_old_rows_or_the_new_ones(db: Database) -> None:
    if not db.quirks.replaces:
        return
    db.fs.pipe_file(db.path("users", "arrow"), version(0))
    seen: list[tuple[int, list[str]]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            read = table_of(db.fs.cat_file(db.path("users", "arrow") + "?columns=name"))
            seen.append((read.num_rows, read["name"].unique().to_pylist()))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(1, 4):
            db.fs.pipe_file(db.path("users", "arrow"), version(number))
            assert db.ask("SELECT DISTINCT name FROM users") == [(str(number),)]
    finally:
        over.set()
        reader.join()
    assert seen
    assert {rows for rows, _ in seen} == {ROWS}
    assert all(len(names) == 1 for _, names in seen), seen


def test_writers_at_once_lose_nothing(db: Database) -> None:
    failed: list[BaseException] = []
    fs = db.fs

    def write(start: int) -> None:
        body = arrow_bytes(pa.table({"id": pa.array(range(start, start + 100), pa.int32())}))
        try:
            fs.pipe_file(db.path("blank", "arrow"), body, mode="append")
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=write, args=(n * 100,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert db.ask("SELECT count(*), count(DISTINCT id) FROM blank") == [("800", "800")]


def test_of_those_who_replace_at_once_the_rows_of_one_are_left(db: Database) -> None:
    if not db.quirks.replaces:
        return
    fs, path = db.fs, db.path("blank", "arrow")
    bodies = [arrow_bytes(pa.table({"id": pa.array([n] * 3000, pa.int32())})) for n in (1, 2)]
    for _ in range(3):
        with ThreadPoolExecutor() as threads:
            writing = [threads.submit(fs.pipe_file, path, body) for body in bodies]
        outcomes = [each.exception() for each in writing]
        # A database may refuse the one who comes late.
        assert None in outcomes
        assert all(error is None or isinstance(error, DatabaseUnavailableError) for error in outcomes)
        assert db.ask("SELECT count(*), count(DISTINCT id) FROM blank") == [("3000", "1")]


def test_a_block_of_several_files_writes_them_at_its_end(db: Database) -> None:
    with db.fs.transaction:
        db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n", mode="append")
        db.fs.pipe_file(db.path("blank", "csv"), b"id\n1\n", mode="append")
        assert db.count("users") == 3
    assert (db.count("users"), db.count("blank")) == (4, 1)
