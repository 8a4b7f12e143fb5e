"""Versions of a database in Python: asked around a read, and before a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import AbstractDatabaseFileSystem, PreconditionFailedError, UnsupportedError
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATH = "/main/users.arrow"


class Numbered(OneTable):
    """A table whose version is a number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 1
        self.between: Callable[[], None] = lambda: None

    def data_version(self, schema: str, relation: str) -> str | None:  # noqa: ARG002
        return str(self.number)

    def query(self, sql: str, params: Any = None) -> Any:
        self.between()
        return super().query(sql, params)

    def insert(self, schema: str, relation: str, table: pa.Table, mode: Any = "append") -> int:
        self.number += 1
        return super().insert(schema, relation, table, mode)


def read(fs: AbstractDatabaseFileSystem, shape: str = "") -> tuple[str | None, bytes]:
    with fs.bridge.read(PATH, shape) as stream:
        body = stream.read_all()
        return stream.version, body


def test_a_stream_has_the_version_that_stood_before_and_after() -> None:
    db = Numbered()
    fs = AbstractDatabaseFileSystem(db)
    assert read(fs)[0] == fs.data_version(PATH) == "1"
    assert read(fs, "order=id")[0] is None, "rows that are equal may come in any order"

    def move() -> None:
        db.number += 1

    db.between = move
    assert read(fs)[0] is None
    db.between = lambda: None
    assert read(fs)[0] == "2"


@pytest.mark.parametrize("sizes", [(8192, 11_808), (1, 19_999), (20_000,), (8000, 191, 2, 11_807)])
def test_the_bytes_of_a_version_do_not_depend_on_how_batches_are_cut(sizes: Sequence[int]) -> None:
    rows = 20_000
    values = [None if n % 3 == 0 else n for n in range(rows)]

    def table(garbage: int) -> pa.Table:
        numbers = pa.array([garbage if n is None else n for n in values], pa.int64())
        valid = pa.array([n is not None for n in values]).buffers()[1]
        holed = pa.Array.from_buffers(pa.int64(), rows, [valid, numbers.buffers()[1]])
        names = pa.array([None if n is None else f"name {n}" for n in values])
        kinds = names.dictionary_encode()
        lists = pa.array([None if n is None else [n, None] for n in values])
        return pa.table({"n": holed, "name": names, "kind": kinds, "list": lists})

    class Cut(Numbered):
        def query(self, sql: str, params: Any = None) -> Any:  # noqa: ARG002
            start, batches = 0, []
            for size in sizes:
                batches += self.table.slice(start, size).combine_chunks().to_batches()
                start += size
            return pa.Table.from_batches(batches)

    bodies = []
    for garbage, kind in ((0, Numbered), (7, Cut)):
        db = kind()
        db.table = table(garbage)
        version, body = read(AbstractDatabaseFileSystem(db))
        assert version == "1"
        assert table_of(body).to_pydict() == db.table.to_pydict()
        bodies.append(body)
    assert bodies[0] == bodies[1]


def test_a_write_for_a_version_is_made_while_it_stands() -> None:
    db = Numbered()
    fs = AbstractDatabaseFileSystem(db)
    body = b"id,name\n2,grace\n"
    assert fs.write("/main/users.csv", body, "append", if_version="1") == (1, False)
    with pytest.raises(PreconditionFailedError):
        fs.write("/main/users.csv", body, "append", if_version="1")
    assert db.table.num_rows == 2
    with pytest.raises(UnsupportedError):
        AbstractDatabaseFileSystem(OneTable()).write("/main/users.csv", body, "append", if_version="1")


def test_a_database_that_keeps_others_out_refuses_by_itself() -> None:
    class Atomic(Numbered):
        def insert_if(self, schema: str, relation: str, reader: Any, mode: Any, version: str) -> int:
            self.number += 1  # somebody else, at the last moment
            if version != str(self.number):
                raise PreconditionFailedError("too late")
            return self.insert_stream(schema, relation, reader, mode)

    db = Atomic()
    fs = AbstractDatabaseFileSystem(db)
    with pytest.raises(PreconditionFailedError, match="too late"):
        fs.write("/main/users.csv", b"id,name\n2,grace\n", if_version="1")
    assert db.table.num_rows == 1
