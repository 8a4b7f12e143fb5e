"""The values of a query are bound, in order or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fsspec_db import InvalidQueryError
from tests.conformance.harness import USERS
from tests.conformance.test_shaping import HOSTILE

if TYPE_CHECKING:
    from tests.conformance.harness import Database


def ask(db: Database, way: str, least: Any, other: Any) -> list[dict[str, Any]]:
    if way == "positional":
        return db.fs.query(db.engine.positional, [least, other]).to_pylist()  # type: ignore[no-any-return]
    return db.fs.query(db.engine.named, {"least": least, "other": other}).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", ["positional", "named"])
def test_values_are_bound(db: Database, way: str) -> None:
    if not db.quirks.queries or way not in db.quirks.parameters:
        with pytest.raises((NotImplementedError, ValueError)):
            ask(db, way, 1, "grace")
        return
    assert ask(db, way, 1, "grace") == [{"id": 1}, {"id": 3}]
    assert ask(db, way, 2, "") == [{"id": 2}]
    assert ask(db, way, None, "grace") == []
    for text in HOSTILE:
        assert ask(db, way, 1, text) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert db.rows() == USERS


@pytest.mark.parametrize("values", [[], [1]])
def test_too_few_are_refused(db: Database, values: list[int]) -> None:
    if db.quirks.queries and "positional" in db.quirks.parameters:
        with pytest.raises(InvalidQueryError):
            db.fs.query(db.engine.positional, values)


def test_a_limit_of_rows_is_said(db: Database) -> None:
    if db.quirks.queries:
        stream = db.fs.query_stream("SELECT id FROM users ORDER BY id", limit=2)
        stream.read_all()
        assert (stream.rows, stream.truncated) == (2, True)
        stream = db.fs.query_stream("SELECT id FROM users ORDER BY id", limit=3)
        stream.read_all()
        assert (stream.rows, stream.truncated) == (3, False)
