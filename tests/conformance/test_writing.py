"""Bodies in: which rows are there afterwards, and that nothing has changed where one is refused."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from fsspec_db import (
    ConstraintViolationError,
    DatabaseError,
    IncompleteBodyError,
    MalformedBodyError,
    SchemaMismatchError,
    UnsupportedError,
    ValueOutOfRangeError,
)
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import arrow_bytes

if TYPE_CHECKING:
    from tests.conformance.harness import Database

EVE = {"id": 9, "name": "eve", "score": None}
TABLE = pa.table({"id": [9], "name": ["eve"], "score": pa.array([None], pa.float64())})


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def feather_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


BODIES = {
    "arrow": arrow_bytes(TABLE),
    "feather": feather_bytes(TABLE),
    "parquet": parquet_bytes(TABLE),
    "csv": b"id,name,score\r\n9,eve,\r\n",
    "jsonl": b'{"id": 9, "name": "eve", "score": null}\n',
    "json": b'[{"name": "eve", "id": 9, "score": null}]',
}

BROKEN: dict[str, tuple[str, bytes, type[DatabaseError]]] = {
    "nothing at all": ("arrow", b"", MalformedBodyError),
    "no format": ("arrow", b"not arrow at all", DatabaseError),
    "a cut stream": ("arrow", BODIES["arrow"][:-20], IncompleteBodyError),
    "a stream without its end": ("arrow", BODIES["arrow"][:-8], IncompleteBodyError),
    "a cut parquet file": ("parquet", BODIES["parquet"][:-9], DatabaseError),
    "a cut feather file": ("feather", BODIES["feather"][:-9], DatabaseError),
    "bad json": ("json", b'[{"id": 1, "name": "a"}', IncompleteBodyError),
    "bad jsonl": ("jsonl", b'{"id": 1, "name": "a"}\n{"id": ', DatabaseError),
    "a ragged row": ("csv", b"id,name\n1,a\n2\n3,c,d,e\n", MalformedBodyError),
    "an open quote": ("csv", b'id,name\n1,"a\n', IncompleteBodyError),
    "no utf-8": ("csv", b"id,name\n1,\xff\n", DatabaseError),
    "a wrong type": ("csv", b"id,name\n11,a\nx,b\n", ValueOutOfRangeError),
    "a number too large": (
        "jsonl",
        b'{"id": 11, "name": "a"}\n{"id": 1e30, "name": "b"}\n',
        ValueOutOfRangeError,
    ),
    "an unknown column": ("csv", b"id,name,colour\n11,a,red\n", SchemaMismatchError),
    "a missing value": ("csv", b"id,name\n11,a\n12,\n", ConstraintViolationError),
    "a missing column": ("csv", b"id\n11\n12\n", ConstraintViolationError),
    "the same key twice": ("csv", b"id,name\n11,a\n12,b\n11,c\n", ConstraintViolationError),
}


@pytest.mark.parametrize("extension", BODIES)
def test_a_body_replaces_all_rows(db: Database, extension: str) -> None:
    if not db.quirks.replaces:
        with pytest.raises(UnsupportedError):
            db.fs.pipe_file(db.path("users", extension), BODIES[extension])
        assert db.rows() == USERS
        return
    db.fs.pipe_file(db.path("users", extension), BODIES[extension])
    assert db.rows() == [EVE]
    assert db.ask("SELECT id, name, score FROM users") == [("9", "eve", None)]


@pytest.mark.parametrize("extension", BODIES)
def test_a_body_is_appended(db: Database, extension: str) -> None:
    db.fs.pipe_file(db.path("users", extension), BODIES[extension], mode="append")
    assert db.rows() == [*USERS, EVE]


@pytest.mark.parametrize("extension", BODIES)
def test_a_body_updates_by_primary_key(db: Database, extension: str) -> None:
    db.execute("INSERT INTO users VALUES (9, 'old', 7)")
    if not db.quirks.upserts:
        with pytest.raises(UnsupportedError):
            db.fs.pipe_file(db.path("users", extension), BODIES[extension], mode="upsert")
        assert db.rows() == [*USERS, {"id": 9, "name": "old", "score": 7.0}]
        return
    db.fs.pipe_file(db.path("users", extension), BODIES[extension], mode="upsert")
    assert db.rows() == [*USERS, EVE]


@pytest.mark.parametrize("extension", ["arrow", "csv"])
def test_of_rows_with_one_key_the_last_one_counts(db: Database, extension: str) -> None:
    if not db.quirks.upserts:
        return
    old = [{"id": n, "name": "old", "score": 7.0} for n in (9, 1, 9, 2)]
    rows = pa.Table.from_pylist([*old, EVE, USERS[0], USERS[1]], TABLE.schema)
    sink = io.BytesIO()
    csv.write_csv(rows, sink)
    body = arrow_bytes(rows) if extension == "arrow" else sink.getvalue()
    db.fs.pipe_file(db.path("users", extension), body, mode="upsert")
    assert db.rows() == [*USERS, EVE]


def test_an_update_keeps_the_columns_that_the_body_has_not(db: Database) -> None:
    if db.quirks.upserts:
        db.fs.pipe_file(db.path("users", "csv"), b"name,id\naugusta,1\nnew,4\n", mode="upsert")
        changed = {"id": 1, "name": "augusta", "score": 1.5}
        assert db.rows() == [changed, *USERS[1:], {"id": 4, "name": "new", "score": 0.5}]


def test_an_update_of_a_table_without_a_key_is_refused(db: Database) -> None:
    with pytest.raises((UnsupportedError, SchemaMismatchError)):
        db.fs.pipe_file(db.path("blank", "csv"), b"id,note\n1,a\n", mode="upsert")
    if db.quirks.upserts:
        with pytest.raises(SchemaMismatchError):
            db.fs.pipe_file(db.path("users", "csv"), b"name\na\n", mode="upsert")
    assert db.count("blank") == 0
    assert db.rows() == USERS


def test_a_body_without_rows_empties_a_table(db: Database) -> None:
    if db.quirks.replaces:
        db.fs.pipe_file(db.path("users", "arrow"), arrow_bytes(TABLE.slice(0, 0)))
        assert db.count("users") == 0


def test_columns_match_by_name_in_any_order(db: Database) -> None:
    body = TABLE.select(["score", "name", "id"])
    db.fs.pipe_file(db.path("users", "parquet"), parquet_bytes(body), mode="append")
    assert db.rows() == [*USERS, EVE]


def test_a_missing_column_takes_its_default(db: Database) -> None:
    db.fs.pipe_file(db.path("users", "csv"), b"name,id\neve,9\n", mode="append")
    db.fs.pipe_file(db.path("blank", "csv"), b"id\n1\n", mode="append")
    assert db.rows()[-1] == {**EVE, "score": 0.5}
    assert db.ask("SELECT id, note FROM blank") == [("1", None)]


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_broken_body_changes_nothing(db: Database, case: str, mode: str) -> None:
    extension, body, error = BROKEN[case]
    with pytest.raises(error if db.quirks.replaces or mode == "append" else DatabaseError):
        db.fs.pipe_file(db.path("users", extension), body, mode=mode)
    assert db.rows() == USERS
    db.fs.pipe_file(db.path("users", "csv"), BODIES["csv"], mode="append")
    assert db.rows() == [*USERS, EVE]


def test_an_unknown_column_is_named(db: Database) -> None:
    body = TABLE.append_column("colour", pa.array(["red"]))
    with pytest.raises(SchemaMismatchError) as caught:
        db.fs.pipe_file(db.path("users", "arrow"), arrow_bytes(body), mode="append")
    assert "colour" in (caught.value.column, str(caught.value)) or "colour" in str(caught.value)


def test_a_value_that_does_not_fit_is_named_with_its_row(db: Database) -> None:
    with pytest.raises(ValueOutOfRangeError) as caught:
        db.fs.pipe_file(db.path("users", "csv"), b"id,name\n11,a\nx,b\n", mode="append")
    assert (caught.value.column, caught.value.row) == ("id", 2)


def test_a_reference_to_nothing_is_refused(db: Database) -> None:
    db.execute(
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER, FOREIGN KEY (owner) REFERENCES users (id))"
    )
    db.fs.pipe_file(db.path("pets", "csv"), b"id,owner\n1,1\n2,\n", mode="append")
    if "fk" in db.quirks.constraints:
        with pytest.raises(ConstraintViolationError):
            db.fs.pipe_file(db.path("pets", "csv"), b"id,owner\n3,77\n", mode="append")
        assert db.count("pets") == 2
        if db.quirks.replaces:
            with pytest.raises(ConstraintViolationError):
                db.fs.pipe_file(db.path("users", "csv"), BODIES["csv"])
            assert db.rows() == USERS


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_replacing_changes_no_other_table(db: Database, action: str) -> None:
    tables = (
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER,"
        f" FOREIGN KEY (owner) REFERENCES users (id) ON DELETE {action}); INSERT INTO pets VALUES (1, 1);"
        "CREATE TABLE owners (id INTEGER PRIMARY KEY);"
        "CREATE TABLE fish (id INTEGER PRIMARY KEY, owner INTEGER,"
        f" FOREIGN KEY (owner) REFERENCES owners (id) ON DELETE {action})"
    )
    if not db.quirks.cascades:
        with pytest.raises(AssertionError):  # of the database's own client
            db.execute(tables)
        return
    db.execute(tables)
    body = db.fs.cat_file(db.path("users", "arrow"))
    with suppress(ConstraintViolationError):  # the same rows again may be told from a loss, or not
        db.fs.pipe_file(db.path("users", "arrow"), body)
    with pytest.raises(ConstraintViolationError):
        db.fs.pipe_file(db.path("users", "csv"), BODIES["csv"])
    assert db.ask("SELECT id, owner FROM pets") == [("1", "1")]
    assert db.rows() == USERS
    db.fs.pipe_file(db.path("owners", "csv"), b"id\n7\n")  # nothing can refer to no rows
    assert db.count("owners") == 1


def test_a_view_is_not_written(db: Database) -> None:
    for mode in ("overwrite", "append"):
        with pytest.raises((PermissionError, NotImplementedError)):
            db.fs.pipe_file(db.path("grown", "csv"), b"id,name\n9,eve\n", mode=mode)
    assert db.rows() == USERS


def test_a_large_body_is_written_whole(db: Database) -> None:
    table = pa.table({"id": pa.array(range(100, 100_100), pa.int32()), "name": ["x" * 50] * 100_000})
    db.fs.pipe_file(db.path("users", "arrow"), arrow_bytes(table), mode="append")
    assert db.ask("SELECT count(*), sum(id), min(length(name)) FROM users WHERE id >= 100") == [
        ("100000", str(sum(range(100, 100_100))), "50")
    ]


def test_many_batches_with_dictionaries_are_one_body(db: Database) -> None:
    words = pa.array(["a", "b", None, "a"]).dictionary_encode()
    batches = [pa.record_batch({"note": words, "id": pa.array([n] * 4, pa.int32())}) for n in range(50)]
    db.fs.pipe_file(db.path("blank", "arrow"), arrow_bytes(pa.Table.from_batches(batches)), mode="append")
    assert db.ask("SELECT count(*), count(note), sum(id) FROM blank") == [
        ("200", "150", str(4 * sum(range(50))))
    ]
