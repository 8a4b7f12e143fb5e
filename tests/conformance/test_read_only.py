"""Reading cannot write, whatever it says; and each level of access does what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fsspec_db import DatabaseError, ReadOnlyError, UnsupportedError
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import table_of

if TYPE_CHECKING:
    from pathlib import Path

    from fsspec_db import Access
    from tests.conformance.harness import Database

ON_PURPOSE = re.compile(
    "only a statement that answers with rows|a query is one statement|multiple commands"
    "|near 'DELETE FROM users'"
    "|could not begin COPY|read-write mode must be set before any query|no such function: writefile"
)
"""What an invalid query may say: a mere mistake in the statement would prove nothing."""

CSV = b"id,name\n9,eve\n"


@pytest.mark.parametrize("access", ["read", "manage"])
def test_a_query_only_reads(
    db: Database, hostile: str, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    db.execute(db.engine.bait)
    before, baits = db.fs.find(db.root), db.ask(db.engine.caught)
    fs = db.open(access)
    with pytest.raises(DatabaseError if db.quirks.queries else UnsupportedError) as caught:
        fs.query(hostile)
    if db.quirks.queries:
        meant = caught.value.code in ("read-only", "forbidden", "unsupported")
        assert meant or ON_PURPOSE.search(str(caught.value)), caught.value
        assert fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 3}]
    assert db.rows() == USERS
    assert db.fs.find(db.root) == before
    assert db.ask(db.engine.caught) == baits
    assert list(tmp_path.iterdir()) == []
    db.fs.pipe_file(db.path("users", "csv"), CSV, mode="append")
    assert db.count("users") == 4


def test_reading_does_not_write(db: Database) -> None:
    fs = db.open("read")
    for mode in ("overwrite", "append", "upsert", "create"):
        with pytest.raises(ReadOnlyError):
            fs.pipe_file(db.path("users", "csv"), CSV, mode=mode)
    for act in (
        lambda: fs.rm(db.path("blank"), recursive=True),
        lambda: fs.mv(db.path("blank"), db.path("void")),
        lambda: fs.mkdir("/second"),
        lambda: fs.rmdir(db.root),
        lambda: fs.open(db.path("users", "csv"), "wb"),
    ):
        with pytest.raises(PermissionError):
            act()
    users = table_of(fs.cat_file(f"{db.path('users', 'arrow')}?order=id"))
    assert users.to_pylist() == USERS
    assert db.count("blank") == 0


def test_writing_does_not_manage(db: Database) -> None:
    fs = db.open("write")
    fs.pipe_file(db.path("users", "csv"), CSV, mode="append")
    assert db.count("users") == 4
    with pytest.raises((PermissionError, FileNotFoundError)):
        fs.pipe_file(db.path("fresh", "csv"), CSV)
    for act in (
        lambda: fs.pipe_file(db.path("fresh", "csv"), CSV, mode="create"),
        lambda: fs.rm(db.path("blank"), recursive=True),
        lambda: fs.mv(db.path("blank"), db.path("void")),
        lambda: fs.mkdir("/second"),
        lambda: fs.rmdir(db.root),
    ):
        with pytest.raises(PermissionError):
            act()
    assert not fs.exists(db.path("fresh"))
    assert db.count("blank") == 0


def test_a_query_is_refused_where_the_engine_cannot_hold_it_to_reading(db: Database) -> None:
    if db.quirks.queries:
        assert db.fs.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]
    else:
        with pytest.raises(NotImplementedError):
            db.fs.query("SELECT 1 AS n")
