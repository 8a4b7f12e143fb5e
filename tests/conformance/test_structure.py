"""Relations and schemas made, renamed and dropped, or refused by an error that says so."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pytest

from fsspec_db import DatabaseError, UnsupportedError, code_of
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from tests.conformance.harness import Database

TABLE = pa.table({"id": [1, 2], "name": ["a", None]})

COLUMNS: dict[str, pa.Array] = {
    "int8": pa.array([-128, 127, None], pa.int8()),
    "int16": pa.array([-(2**15), 2**15 - 1, None], pa.int16()),
    "int32": pa.array([-(2**31), 2**31 - 1, None], pa.int32()),
    "int64": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
    "uint8": pa.array([0, 255, None], pa.uint8()),
    "uint16": pa.array([0, 2**16 - 1, None], pa.uint16()),
    "uint32": pa.array([0, 2**32 - 1, None], pa.uint32()),
    "uint64": pa.array([0, 2**64 - 1, None], pa.uint64()),
    "float32": pa.array([0.1, -3.5e38 * 0.9, None], pa.float32()),
    "float64": pa.array([0.1, 5e-324, None], pa.float64()),
    "bool": pa.array([True, False, None]),
    "string": pa.array(["", '日本 "it\'s"', None]),
    "large_string": pa.array(["", "é", None], pa.large_string()),
    "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
    "binary": pa.array([b"", b"\x00\xff", None]),
    "decimal15": pa.array([Decimal("0.01"), Decimal("-9999999999999.99"), None], pa.decimal128(15, 2)),
    "decimal38": pa.array([Decimal("9" * 38), Decimal(-1), None], pa.decimal128(38, 0)),
    "decimal76": pa.array([Decimal("9" * 70 + ".999999"), Decimal("0.000001"), None], pa.decimal256(76, 6)),
    "date32": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "time64": pa.array([dt.time(0), dt.time(23, 59, 59, 999999), None], pa.time64("us")),
    "timestamp": pa.array([dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(9999, 12, 31), None]),
    "timestamp_ns": pa.array([-1, 2**62, None], pa.timestamp("ns")),
    "timestamptz": pa.array([dt.datetime(1969, 12, 31, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
    "duration": pa.array([-1, 10**12, None], pa.duration("us")),
    "interval": pa.array([pa.MonthDayNano([1, -2, 3000]), None]),
    "uuid": pa.array([UUID(int=1).bytes, None], pa.uuid()),
    "json": pa.array(['{"a" : 1}', None], pa.json_()),
    "list": pa.array([[], [1, None], None], pa.list_(pa.int32())),
    "texts": pa.array([[], ['a,"b"', None, ""], None], pa.list_(pa.string())),
    "struct": pa.array([{"a": 1}, None], pa.struct([("a", pa.int32())])),
    "null": pa.nulls(2),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_new_table_holds_what_made_it_or_is_not_made(bare: Database, name: str) -> None:
    column = COLUMNS[name]
    body = arrow_bytes(pa.table({"n": pa.array(range(len(column)), pa.int32()), "v": column}))
    path = bare.path("fresh", "arrow")
    if name in bare.engine.unmade:
        with pytest.raises(DatabaseError) as caught:
            bare.fs.pipe_file(path, body, mode="create")
        assert caught.value.code in ("unsupported", "schema-mismatch", "value-out-of-range")
        assert not bare.fs.exists(bare.path("fresh"))
        return
    bare.fs.pipe_file(path, body, mode="create")
    read = table_of(bare.fs.cat_file(f"{path}?order=n"))["v"].combine_chunks()
    if name == "json" and not bare.quirks.keeps_json:
        assert list(map(value, read)) == list(map(value, column))
        assert shown(read) != shown(column)
    else:
        assert shown(read) == shown(column)


def value(text: pa.Scalar) -> Any:
    return json.loads(text.as_py() or "null")


def shown(array: pa.Array) -> list[Any]:
    """Values in a form that widening keeps."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        return [value and value * scale for value in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_time64(kind):
        # A time of day is a duration where there is nothing else.
        return [value and value * 10**3 for value in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_float32(kind):
        array = array.cast(pa.float64())
    return [value.bytes if isinstance(value, UUID) else value for value in array.to_pylist()]


def test_nullability_becomes_not_null(bare: Database) -> None:
    if not bare.quirks.creates:
        return
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.int32())])
    bare.fs.pipe_file(bare.path("t", "arrow"), arrow_bytes(pa.table({"a": [1], "b": [None]}, schema)))
    bare.execute("INSERT INTO t (a) VALUES (2)")
    with pytest.raises(AssertionError):
        bare.execute("INSERT INTO t (b) VALUES (3)")
    assert bare.count("t") == 2


def test_a_relation_is_created_once(db: Database) -> None:
    path = db.path("fresh", "parquet")
    if not db.quirks.creates:
        with pytest.raises(UnsupportedError):
            db.fs.write(db.path("fresh", "arrow"), arrow_bytes(TABLE), "create")
        assert not db.fs.exists(path)
        return
    assert db.fs.write(db.path("fresh", "arrow"), arrow_bytes(TABLE), "create") == (2, True)
    with pytest.raises(FileExistsError):
        db.fs.write(db.path("fresh", "arrow"), arrow_bytes(TABLE), "create")
    assert db.fs.write(db.path("fresh", "arrow"), arrow_bytes(TABLE), "append") == (2, False)
    assert db.count("fresh") == 4


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_a_text_body_makes_a_table(db: Database, extension: str) -> None:
    if db.quirks.creates:
        db.fs.pipe_file(db.path("again", extension), db.fs.cat_file(db.path("users", extension)))
        assert db.rows("again.arrow?order=id") == USERS


def test_a_body_that_breaks_leaves_no_new_relation(db: Database) -> None:
    rows = pa.table({"id": range(200_000)})
    for body in (arrow_bytes(TABLE)[:-20], arrow_bytes(rows)[:-20]):
        with pytest.raises((ValueError, NotImplementedError)):
            db.fs.pipe_file(db.path("fresh", "arrow"), body)
        assert not db.fs.exists(db.path("fresh"))


def test_a_relation_is_dropped_with_its_directory(db: Database) -> None:
    if not db.quirks.creates:
        with pytest.raises(UnsupportedError):
            db.fs.rm(db.path("blank"), recursive=True)
        assert db.count("blank") == 0
        return
    for name in ("grown", "blank"):
        db.fs.rm(db.path(name), recursive=True)
        assert not db.fs.exists(db.path(name))
    with pytest.raises(FileNotFoundError):
        db.fs.rm(db.path("blank"), recursive=True)
    for path in (db.path("users", "csv"), db.path("users", "sql"), db.path("users") + "/columns/id"):
        with pytest.raises(PermissionError):
            db.fs.rm(path, recursive=True)
    assert db.rows() == USERS


def test_a_relation_is_renamed_with_its_directory(db: Database) -> None:
    if not db.quirks.renames:
        with pytest.raises(UnsupportedError):
            db.fs.mv(db.path("blank"), db.path("void"))
        assert db.fs.exists(db.path("blank"))
        return
    db.fs.mv(db.path("blank"), db.path("void"))
    assert not db.fs.exists(db.path("blank"))
    assert db.count("void") == 0
    with pytest.raises(FileExistsError):
        db.fs.mv(db.path("void"), db.path("users"))
    with pytest.raises(FileNotFoundError):
        db.fs.mv(db.path("blank"), db.path("other"))
    assert db.rows() == USERS


def test_rows_are_copied_between_relations(db: Database) -> None:
    if db.quirks.creates:
        db.fs.cp_file(db.path("users", "csv") + "?where=id<3", db.path("young", "parquet"))
        assert db.rows("young.arrow?order=id") == USERS[:2]
        db.fs.copy(db.path("users"), db.path("again"), recursive=True)
        assert db.rows("again.arrow?order=id") == USERS


def test_a_schema_is_made_filled_and_dropped(db: Database) -> None:
    if not db.quirks.creates_schemas:
        for act in (db.fs.mkdir, db.fs.rmdir):
            with pytest.raises(NotImplementedError) as caught:
                act("/second" if act == db.fs.mkdir else db.root)
            assert code_of(caught.value) == "unsupported"
        assert "/second" not in db.fs.ls("/", detail=False)
        return
    db.fs.mkdir("/second")
    assert "/second" in db.fs.ls("/", detail=False)
    assert db.fs.ls("/second") == []
    with pytest.raises(FileExistsError):
        db.fs.mkdir("/second")
    db.fs.pipe_file("/second/t.arrow", arrow_bytes(TABLE))
    assert table_of(db.fs.cat_file("/second/t.arrow")).num_rows == 2
    with pytest.raises(OSError) as caught_here:
        db.fs.rmdir("/second")
    assert code_of(caught_here.value) == "not-empty"
    db.fs.rm("/second/t", recursive=True)
    db.fs.rmdir("/second")
    assert "/second" not in db.fs.ls("/", detail=False)


def test_a_relation_moves_between_schemas(db: Database) -> None:
    if not db.quirks.moves:
        with pytest.raises((NotImplementedError, FileNotFoundError)):
            db.fs.mv(db.path("users"), "/second/users")
    else:
        db.fs.mkdir("/second")
        db.fs.mv(db.path("blank"), "/second/empty")
        assert db.fs.exists("/second/empty.csv")
        assert not db.fs.exists(db.path("blank"))
        db.fs.rm("/second/empty", recursive=True)
        db.fs.rmdir("/second")
    assert db.rows() == USERS
