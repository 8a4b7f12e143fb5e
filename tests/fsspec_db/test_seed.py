"""The minimal backend, character for character, and every statement about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import RelationInfo
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

pytestmark = pytest.mark.usefixtures("seed")

ADA = pa.table({"id": [1], "name": ["ada"]})
GRACE = pa.table({"id": [2], "name": ["grace"]})


def test_it_is_listed(seed: ModuleType) -> None:
    fs = seed.fs
    assert fs.ls("/", detail=False) == ["/main"]
    assert set(fs.ls("/main", detail=False)) == {
        "/main/users",
        "/main/users.arrow",
        "/main/users.parquet",
        "/main/users.csv",
    }
    assert fs.isdir("/main/users")
    assert fs.isfile("/main/users.arrow")
    assert fs.info("/main/users.arrow")["size"] is None


def test_it_is_read_as_arrow(seed: ModuleType) -> None:
    assert table_of(seed.fs.cat_file("/main/users.arrow")) == ADA


@pytest.mark.parametrize("extension", ["arrow", "arrows", "feather", "parquet", "csv", "jsonl", "json"])
def test_it_is_read_in_every_format(seed: ModuleType, extension: str) -> None:
    assert seed.fs.cat_file(f"/main/users.{extension}")


def test_piping_replaces_its_rows(seed: ModuleType) -> None:
    seed.fs.pipe_file("/main/users.arrow", arrow_bytes(GRACE))
    assert table_of(seed.fs.cat_file("/main/users.arrow")) == GRACE


def test_appending_keeps_its_rows(seed: ModuleType) -> None:
    seed.fs.pipe_file("/main/users.arrow", arrow_bytes(GRACE), mode="append")
    assert seed.fs.query("SELECT * FROM users") == pa.concat_tables([ADA, GRACE])


def test_insert_gets_a_table(seed: ModuleType) -> None:
    got = []
    database = seed.fs.db

    def insert(*args: Any, **named: Any) -> int:
        got.append((args, named))
        return 1

    database.insert = insert
    seed.fs.pipe_file("/main/users.arrow", arrow_bytes(GRACE))
    ((schema, relation, table, mode), named) = got[0]
    assert (schema, relation, mode, named) == ("main", "users", "truncate", {})
    assert isinstance(table, pa.Table)
    assert table == GRACE


def test_it_is_queried(seed: ModuleType) -> None:
    assert seed.fs.query("SELECT * FROM users") == ADA
    assert table_of(seed.fs.open_query("SELECT * FROM users").read()) == ADA


def test_parameters_reach_it(seed: ModuleType) -> None:
    asked = []

    def query(sql: str, params: Any = None) -> pa.Table:
        asked.append((sql, params))
        return ADA

    seed.fs.db.query = query
    seed.fs.query("SELECT ?", [1])
    seed.fs.query("SELECT :a", {"a": "x"})
    seed.fs.query("SELECT 1")
    assert asked == [("SELECT ?", [1]), ("SELECT :a", {"a": "x"}), ("SELECT 1", None)]


def test_another_name_is_not_found(seed: ModuleType) -> None:
    assert not seed.fs.exists("/main/others.arrow")
    with pytest.raises(FileNotFoundError):
        seed.fs.cat_file("/main/others.arrow")
    with pytest.raises(FileNotFoundError):
        seed.fs.cat_file("/other/users.arrow")


def test_it_has_no_view(seed: ModuleType) -> None:
    with pytest.raises(FileNotFoundError):
        seed.fs.cat_file("/main/users/definition.sql")


@pytest.mark.parametrize(
    "kind",
    [
        FileNotFoundError,
        PermissionError,
        FileExistsError,
        NotADirectoryError,
        IsADirectoryError,
        ValueError,
        LookupError,
    ],
)
def test_what_it_raises_is_what_is_caught(seed: ModuleType, kind: type[Exception]) -> None:
    raised = kind("said by the backend")

    def refuse(*_: object) -> None:
        raise raised

    fs, database = seed.fs, seed.fs.db
    database.query = database.insert = refuse
    acts: list[Callable[[], Any]] = [
        lambda: fs.query("SELECT 1"),
        lambda: fs.open_query("SELECT 1"),
        lambda: fs.cat_file("/main/users.arrow"),
        lambda: fs.open("/main/users.csv"),
        lambda: fs.read_batches("/main/users.arrow").read_all(),
        lambda: fs.pipe_file("/main/users.arrow", arrow_bytes(GRACE)),
    ]
    for act in acts:
        with pytest.raises(kind) as caught:
            act()
        assert caught.value is raised
    database.list_schemas = refuse
    with pytest.raises(kind):
        fs.ls("/")


def test_metadata_are_documents(seed: ModuleType) -> None:
    fs = seed.fs
    assert sorted(fs.ls("/main/users", detail=False)) == [
        "/main/users/columns",
        "/main/users/constraints",
        "/main/users/indexes",
    ]
    assert b'"INTEGER"' in fs.cat_file("/main/users/columns/id")
    assert b'"pk"' in fs.cat_file("/main/users/constraints/pk_users")
    assert b"users" in fs.cat_file("/main/users.sql")


def test_counting_is_checked(seed: ModuleType) -> None:
    seed.fs.db.insert = lambda *_: "many"
    with pytest.raises(ValueError, match="how many rows"):
        seed.fs.pipe_file("/main/users.arrow", arrow_bytes(GRACE))


def test_metadata_of_another_class_are_a_type_error(seed: ModuleType) -> None:
    seed.fs.db.list_relations = lambda _: [("users", "table")]
    with pytest.raises(TypeError, match=RelationInfo.__name__):
        seed.fs.ls("/main")
