"""Rows, in each format, in any number, of one state of the database."""

from __future__ import annotations

import gc
import io
import json
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsspec_db import UnsupportedError
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import table_of

if TYPE_CHECKING:
    from tests.conformance.harness import Database


def fill(db: Database, rows: int) -> None:
    """A table `many` of numbers from 1, all of version 0, too long for one chunk."""
    db.execute(
        f"CREATE TABLE many AS SELECT i, 0 AS version, {db.engine.literal('x' * 200)} AS filler"
        f" FROM ({db.engine.many.format(rows)}) numbers"
    )


def test_all_formats_hold_the_rows(db: Database) -> None:
    def read(extension: str) -> Any:
        return db.fs.cat_file(f"{db.path('users', extension)}?order=id")

    assert table_of(read("arrow")).to_pylist() == USERS
    assert pa.ipc.open_file(read("feather")).read_all().to_pylist() == USERS
    assert pq.read_table(io.BytesIO(read("parquet"))).to_pylist() == USERS
    assert read("csv").splitlines()[:3] == [b"id,name,score", b"1,ada,1.5", b"2,grace,"]
    assert read("csv").splitlines()[3].startswith(b'3,"",3')
    assert [json.loads(line) for line in read("jsonl").splitlines()] == json.loads(read("json")) == USERS


def test_a_view_is_read(db: Database) -> None:
    assert db.rows("grown.arrow?order=id") == [{"id": 2, "name": "grace"}, {"id": 3, "name": ""}]


def test_an_empty_relation_has_its_schema(db: Database) -> None:
    read = table_of(db.fs.cat_file(db.path("blank", "arrow")))
    assert (read.num_rows, read.column_names) == (0, ["id", "note"])
    assert read.schema.types[1] == pa.string()
    assert db.fs.cat_file(db.path("blank", "csv")) == b"id,note\r\n"
    assert db.fs.cat_file(db.path("blank", "json")).split() in ([b"[]"], [b"[", b"]"])
    assert db.fs.cat_file(db.path("blank", "jsonl")) == b""


def test_many_rows_are_all_there_once(db: Database) -> None:
    fill(db, 100_000)
    for extension in ("arrow", "parquet"):
        body = db.fs.cat_file(db.path("many", extension))
        read = table_of(body) if extension == "arrow" else pq.read_table(io.BytesIO(body))
        assert sorted(read["i"].to_pylist()) == list(range(1, 100_001))


def test_a_read_is_one_state_beside_a_writer(db: Database) -> None:
    fill(db, 60_000)
    db.fs.cat_file(db.path("many", "arrow"))
    for version in (1, 2):
        with db.fs.open_stream(db.path("many", "arrow")) as stream:
            first = stream.next()
            assert first
            db.execute(f"UPDATE many SET version = {version}")
            read = table_of(first + stream.read_all())
        assert read.num_rows == 60_000
        if db.quirks.snapshot:
            assert read["version"].unique().to_pylist() == [version - 1]


def test_readers_that_leave_give_everything_back(db: Database) -> None:
    fill(db, 20_000)
    for _ in range(12):
        stream = db.fs.open_stream(db.path("many", "arrow"))
        assert stream.next()
        del stream
        gc.collect()
    assert db.rows() == USERS
    db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n")
    assert db.count("users") == 1


def test_several_threads_read_at_once(db: Database) -> None:
    fill(db, 20_000)
    counts, fs = [], db.fs

    def read() -> None:
        counts.append(table_of(fs.cat_file(db.path("many", "arrow"))).num_rows)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [20_000] * 8


@pytest.mark.parametrize("take", ["query", "query_batches"])
def test_a_query_gives_its_rows_and_their_schema(db: Database, take: str) -> None:
    def ask(sql: str) -> pa.Table:
        taken: Any = getattr(db.fs, take)(sql)
        return taken if take == "query" else taken.read_all()

    if not db.quirks.queries:
        with pytest.raises(UnsupportedError):
            ask("SELECT id, name FROM users")
        return
    assert ask("SELECT id, name FROM users WHERE id > 1 ORDER BY id").to_pylist() == [
        {"id": 2, "name": "grace"},
        {"id": 3, "name": ""},
    ]
    nothing = ask("SELECT id, name FROM users WHERE id > 100")
    assert (nothing.num_rows, nothing.column_names) == (0, ["id", "name"])
