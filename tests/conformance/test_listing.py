"""What is there: the schema, its relations, their files, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conformance.harness import Database

NAMES = ("blank", "grown", "users")


def test_the_root_lists_the_schema(db: Database) -> None:
    assert db.root in db.fs.ls("/", detail=False)
    assert db.fs.info(db.root)["type"] == "directory"


def test_a_schema_lists_its_relations_and_their_files(db: Database) -> None:
    entries = {entry["name"]: (entry["type"], entry["kind"]) for entry in db.fs.ls(db.root)}
    assert entries == {
        **{db.path(name): ("directory", "view" if name == "grown" else "table") for name in NAMES},
        **{db.path(name, ext): ("file", "data") for name in NAMES for ext in ("arrow", "parquet", "csv")},
    }


def test_ls_info_and_exists_agree_and_sizes_are_exact(db: Database) -> None:
    for _, directories, files in db.fs.walk(db.root, detail=True):
        for name, entry in [*directories.items(), *files.items()]:
            path = entry["name"]
            assert path.endswith(name)
            assert db.fs.info(path) == entry
            assert db.fs.exists(path)
            if entry["type"] == "file":
                assert entry["size"] in (None, len(db.fs.cat_file(path)))


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "nothing.csv",
        "nothing.sql",
        "users/columns/nothing",
        "users/constraints/nothing",
        "users/indexes/nothing",
        "users/definition.sql",
        "USERS",
        "USERS.csv",
        "users/columns/ID",
    ],
)
def test_what_is_missing_is_not_found(db: Database, path: str) -> None:
    assert not db.fs.exists(f"{db.root}/{path}")
    for act in (db.fs.ls, db.fs.info, db.fs.cat_file):
        with pytest.raises(FileNotFoundError):
            act(f"{db.root}/{path}")


def test_a_missing_schema_is_not_found(db: Database) -> None:
    for path in ("/nowhere", "/nowhere/users", "/nowhere/users.csv"):
        assert not db.fs.exists(path)
        with pytest.raises(FileNotFoundError):
            db.fs.info(path)


def test_listings_are_of_this_moment(db: Database) -> None:
    db.fs.ls(db.root)
    db.execute("CREATE TABLE later (n INTEGER)")
    assert db.path("later") in db.fs.ls(db.root, detail=False)
    db.execute("DROP TABLE later")
    assert db.path("later") not in db.fs.ls(db.root, detail=False)


def test_a_database_without_relations_lists_none(bare: Database) -> None:
    assert bare.fs.ls(bare.root) == []
    assert bare.fs.find(bare.root) == []
