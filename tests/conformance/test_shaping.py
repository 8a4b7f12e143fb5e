"""What stands after `?`: columns, rows and their order; and nothing of it becomes SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from fsspec_db import InvalidParameterError, InvalidPredicateError
from tests.conformance.harness import USERS

if TYPE_CHECKING:
    from tests.conformance.harness import Database

SHAPES = {
    "columns=name&order=id": [("ada",), ("grace",), ("",)],
    "columns=name,id&limit=1&order=id": [("ada", 1)],
    "columns=id&order=-id": [(3,), (2,), (1,)],
    "columns=id&limit=1&offset=1&order=id": [(2,)],
    "columns=id&limit=0": [],
    "columns=id&offset=9&order=id": [],
    "columns=id&where=id > 1&order=-id": [(3,), (2,)],
    "columns=id&where=name = 'ada'": [(1,)],
    "columns=id&where=name = ''": [(3,)],
    "columns=id&where=score IS NULL": [(2,)],
    "columns=id&where=score IS NOT NULL&order=id": [(1,), (3,)],
    "columns=id&where=score >= 1.5 AND NOT id = 1": [(3,)],
    "columns=id&where=id = 1 OR name = 'grace'&order=id": [(1,), (2,)],
    "columns=id&where=id IN (1, 3, 7)&order=id": [(1,), (3,)],
    "columns=id&where=id NOT IN (1, 3)": [(2,)],
    "columns=id&where=id BETWEEN 2 AND 3&order=id": [(2,), (3,)],
    "columns=id&where=name LIKE 'gr%'": [(2,)],
    "columns=id&where=name ILIKE 'GR%'": [(2,)],
    "columns=id&where=id * 2 - 1 = 5": [(3,)],
    "columns=id&where=id <> 1&order=id": [(2,), (3,)],
    "columns=id&where=CAST(id AS TEXT) = '2'": [(2,)],
}

NUMBERS = "CREATE TABLE numbers (n NUMERIC); INSERT INTO numbers VALUES (9), (100), (10)"

HOSTILE = (
    "x'; DROP TABLE users; --",
    "' OR '1'='1",
    "\\' OR 1=1 --",
    '" OR ""="',
    "%",
    "$1",
    "?",
    ":name",
    "\r\n;",
    "日本 🙂",
    "x" * 200,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_what_is_read(db: Database, shape: str) -> None:
    escaped = "&".join(
        f"{key}={quote(text, safe=',-')}" for key, text in (part.split("=", 1) for part in shape.split("&"))
    )
    assert [tuple(row.values()) for row in db.rows(f"users.arrow?{escaped}")] == SHAPES[shape]


def test_rows_are_in_the_order_of_their_values_whatever_carries_them(db: Database) -> None:
    db.execute(NUMBERS)
    for shape, order in (("order=n", [9, 10, 100]), ("order=-n&limit=1", [100]), ("order=n&offset=2", [100])):
        assert [float(row["n"]) for row in db.rows(f"numbers.arrow?{shape}")] == order


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_a_text(db: Database, text: str) -> None:
    where = quote("name = '" + text.replace("'", "''") + "'")
    assert db.rows(f"users.arrow?where={where}") == []
    db.execute(f"INSERT INTO users VALUES (7, {db.engine.literal(text)}, 1)")
    found = db.rows(f"users.arrow?columns=id,name&where={where}")
    assert found == db.rows("users.arrow?columns=id,name&where=id=7") != []
    assert db.count("users") == 4


@pytest.mark.parametrize(
    "where", ["sleep(1)", "id IN (SELECT 1)", "id =", "id = 1; DROP TABLE users", "id = ?", "1 = 1 --"]
)
def test_what_is_no_predicate_is_refused(db: Database, where: str) -> None:
    with pytest.raises(InvalidPredicateError):
        db.rows(f"users.arrow?where={quote(where)}")
    assert db.rows() == USERS


@pytest.mark.parametrize(
    "shape",
    [
        "columns=nothing",
        "where=nothing%3D1",
        "order=nothing",
        "limit=x",
        "limit=-1",
        "color=red",
        "order=id,,",
    ],
)
def test_what_is_no_shape_is_refused(db: Database, shape: str) -> None:
    with pytest.raises((InvalidParameterError, FileNotFoundError)):
        db.rows(f"users.arrow?{shape}")


def test_a_view_is_shaped(db: Database) -> None:
    assert db.rows("grown.arrow?columns=name&where=id%3D2") == [{"name": "grace"}]
