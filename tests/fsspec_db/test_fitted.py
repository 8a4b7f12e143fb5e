# ruff: noqa: ARG002  (the contract names the arguments)
from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from fsspec_db import (
    AbstractDatabaseFileSystem,
    ConstraintViolationError,
    IncompleteBodyError,
    SchemaMismatchError,
    ValueOutOfRangeError,
    fitted,
)
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import arrow_bytes

RELATION = pa.schema([("id", pa.int32()), pa.field("name", pa.string(), nullable=False)])


class Fitting(OneTable):
    """Keeps what it was given, by way of a driver that changes every error into one of its own."""

    def insert_stream(self, schema: str, relation: str, reader: Any, mode: Any = "append") -> int:
        rows = fitted(reader, RELATION, passed_over=["made"])
        try:
            self.table = rows.read_all()
        except pa.ArrowException as error:
            raise RuntimeError("the driver failed") from error
        return int(self.table.num_rows)


def test_rows_take_the_types_of_the_relation() -> None:
    database = Fitting()
    body = pa.table({"made": [0.0], "NAME": pa.array(["a"]).dictionary_encode(), "id": pa.array([1.0])})
    assert AbstractDatabaseFileSystem(database).write("/main/users.arrow", arrow_bytes(body)) == (1, False)
    assert database.table.schema == pa.schema([RELATION.field("name"), RELATION.field("id")])
    assert database.table.to_pylist() == [{"name": "a", "id": 1}]


@pytest.mark.parametrize(
    ("body", "error", "column", "row"),
    [
        ({"id": [1, 2, 2**40]}, ValueOutOfRangeError, "id", 3),
        ({"name": ["a", None]}, ConstraintViolationError, "name", 2),
        ({"name": [b"a"]}, SchemaMismatchError, "name", None),
        ({"nope": ["a"]}, SchemaMismatchError, "nope", None),
    ],
)
def test_what_is_lost_is_heard_through_any_driver(
    body: Any, error: Any, column: str, row: int | None
) -> None:
    database = Fitting()
    with pytest.raises(error) as caught:
        AbstractDatabaseFileSystem(database).write("/main/users.arrow", arrow_bytes(pa.table(body)))
    assert (caught.value.column, caught.value.row) == (column, row)


def test_a_body_that_is_broken_is_heard_as_that() -> None:
    database = Fitting()
    with pytest.raises(IncompleteBodyError):
        AbstractDatabaseFileSystem(database).write("/main/users.arrow", arrow_bytes(database.table)[:-20])
    with pytest.raises(ValueOutOfRangeError):
        AbstractDatabaseFileSystem(database).write("/main/users.csv", b"id,name\nx,a\n")


def test_it_serves_without_a_filesystem() -> None:
    reader = pa.table({"id": [1, 2**40]}).to_reader()
    with pytest.raises(pa.ArrowInvalid, match="cannot hold 1099511627776"):
        fitted(reader, RELATION).read_all()
