"""What the catalogue says: columns, indexes, constraints, views, comments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fsspec_db import encode_name

if TYPE_CHECKING:
    from tests.conformance.harness import Database

FAMILY = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, title VARCHAR(20));
CREATE TABLE child (
    a INTEGER NOT NULL, b INTEGER DEFAULT 7 NOT NULL, c VARCHAR(9) DEFAULT 'it''s', p INTEGER,
    CONSTRAINT child_pk PRIMARY KEY (b, a), CONSTRAINT once UNIQUE (a, p),
    CONSTRAINT positive CHECK (b > 0), CONSTRAINT parents FOREIGN KEY (p) REFERENCES parent (id));
CREATE INDEX by_p ON child (p, a);
CREATE UNIQUE INDEX by_c ON child (c);
CREATE VIEW kin AS SELECT child.a, parent.title FROM child JOIN parent ON child.p = parent.id;
"""


@pytest.fixture
def family(bare: Database) -> Database:
    bare.execute(FAMILY)
    return bare


def documents(db: Database, relation: str, facet: str) -> list[dict[str, Any]]:
    """The JSON documents of a facet, in the order of its listing."""
    return [
        json.loads(db.fs.cat_file(path)) for path in db.fs.ls(f"{db.path(relation)}/{facet}", detail=False)
    ]


def test_columns_have_their_order_types_and_defaults(family: Database) -> None:
    columns = documents(family, "child", "columns")
    assert [column["name"] for column in columns] == ["a", "b", "c", "p"]
    assert [column["ordinal"] for column in columns] == [1, 2, 3, 4]
    assert [column["nullable"] for column in columns] == [False, False, True, True]
    assert [column["primary_key"] for column in columns] == [True, True, False, False]
    assert all(column["data_type"] for column in columns)
    if family.quirks.defaults:
        assert [columns[0]["default"], columns[1]["default"], columns[3]["default"]] == [None, "7", None]
        assert "it''s" in columns[2]["default"]
    else:
        assert all(column["default"] is None for column in columns)


def test_a_view_has_columns(family: Database) -> None:
    assert [column["name"] for column in documents(family, "kin", "columns")] == ["a", "title"]


def test_indexes_have_their_columns_in_order(family: Database) -> None:
    indexes = {index["name"]: index for index in documents(family, "child", "indexes")}
    if not family.quirks.indexes:
        assert indexes == {}
        return
    assert (indexes["by_p"]["columns"], indexes["by_p"]["unique"]) == (["p", "a"], False)
    assert (indexes["by_c"]["columns"], indexes["by_c"]["unique"]) == (["c"], True)


def test_constraints_say_what_they_hold(family: Database) -> None:
    constraints = {item["kind"]: item for item in documents(family, "child", "constraints")}
    assert set(constraints) == family.quirks.constraints
    if "pk" in constraints:
        assert constraints["pk"]["columns"] == ["b", "a"]
    if "unique" in constraints:
        assert constraints["unique"]["columns"] == ["a", "p"]
    if "fk" in constraints:
        assert constraints["fk"]["columns"] == ["p"]
        schema = family.root.removeprefix("/")
        assert constraints["fk"]["references"] in (f"{schema}.parent(id)", "parent(id)")
    if "check" in constraints:
        assert constraints["check"]["name"] == "positive" or not family.quirks.constraint_names
        assert "b > 0" in constraints["check"]["expr"].replace('"', "").replace("`", "")


def test_a_view_says_its_text_and_what_it_reads(family: Database) -> None:
    if family.quirks.definitions:
        text = family.fs.cat_file(f"{family.path('kin')}/definition.sql").decode()
        assert "JOIN" in text.upper()
        family.execute("DROP VIEW kin")
        family.execute(text if "CREATE" in text.upper() else f"CREATE VIEW kin AS {text}")
        assert [column["name"] for column in documents(family, "kin", "columns")] == ["a", "title"]
    schema = encode_name(family.root.removeprefix("/"))
    read = {
        path.rpartition("/")[2] for path in family.fs.ls(f"{family.path('kin')}/depends_on", detail=False)
    }
    assert read == ({f"{schema}.child", f"{schema}.parent"} if family.quirks.depends_on else set())


def test_the_ddl_of_a_table_makes_it_anew(family: Database) -> None:
    if not family.quirks.creates:
        assert b"child" in family.fs.cat_file(family.path("child", "sql"))
        return
    before = documents(family, "child", "columns")
    ddl = family.fs.cat_file(family.path("child", "sql")).decode()
    family.execute("DROP VIEW kin")
    family.execute("DROP TABLE child")
    family.execute(ddl)
    assert documents(family, "child", "columns") == before


def test_comments_are_told(db: Database) -> None:
    if db.quirks.comments:
        db.execute(db.engine.comment)
    said = ("people", "called") if db.quirks.comments else (None, None)
    (name,) = (column for column in documents(db, "users", "columns") if column["name"] == "name")
    assert (db.fs.info(db.path("users"))["comment"], name["comment"]) == said


def test_a_wide_table_has_all_its_columns(bare: Database) -> None:
    names = [f"c{n}" for n in range(300)]
    bare.execute(f"CREATE TABLE wide ({', '.join(f'{name} INTEGER' for name in names)})")
    bare.execute(f"INSERT INTO wide VALUES ({', '.join(map(str, range(300)))})")
    listed = bare.fs.ls(bare.path("wide") + "/columns", detail=False)
    assert [path.rpartition("/")[2] for path in listed] == names
    assert bare.rows("wide.arrow") == [{name: n for n, name in enumerate(names)}]
