"""What went wrong, in the words of `fsspec_db.errors`, with what the engine's own code says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fsspec_db import ConstraintViolationError, DatabaseError, InvalidQueryError, NotFoundError, code_of
from tests.conformance.harness import USERS

if TYPE_CHECKING:
    from tests.conformance.harness import Database


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax"),
        ("SELECT * FROM nothing", "no relation"),
        ("SELECT nothing FROM users", "no column"),
        ("", ""),
        (" ;\n", ""),
    ],
)
def test_a_refused_query_says_why(db: Database, sql: str, said: str) -> None:
    if not db.quirks.queries:
        with pytest.raises(NotImplementedError):
            db.fs.query(sql)
        return
    for act in (db.fs.query, db.fs.query_batches, db.fs.open_query):
        with pytest.raises(InvalidQueryError) as caught:
            act(sql)
        assert str(caught.value)
        if said:
            assert caught.value.sqlstate == db.engine.sqlstates.get(said)
    assert db.rows() == USERS


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"id,name\n1,twice\n", "unique"), (b"id,name\n9,\n", "not null"), (b"id\n9\n", "not null")],
)
def test_a_violated_constraint_says_which(db: Database, body: bytes, said: str) -> None:
    with pytest.raises(ConstraintViolationError) as caught:
        db.fs.pipe_file(db.path("users", "csv"), body, mode="append")
    error = caught.value
    assert code_of(error) == "constraint-violation"
    assert error.sqlstate == db.engine.sqlstates.get(said)
    if said == "not null":
        assert error.column == "name" or "name" in str(error)
    assert db.rows() == USERS


def test_what_is_not_there_says_its_path(db: Database) -> None:
    for path in (db.path("nothing", "csv"), f"{db.path('users')}/columns/nothing"):
        with pytest.raises(NotFoundError) as caught:
            db.fs.cat_file(path)
        assert caught.value.path in (path, path.removesuffix(".csv"))


def test_an_error_in_the_middle_of_a_result_is_typed_and_no_end(db: Database) -> None:
    if db.quirks.queries:
        stream = db.fs.query_stream(db.engine.breaking)
        with pytest.raises(DatabaseError):
            stream.read_all()
        assert not stream.complete
        assert db.fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 3}]
