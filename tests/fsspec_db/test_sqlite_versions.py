"""A version of SQLite has the same bytes whatever was read before, and by whichever connection."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fsspec_db import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fsspec_db import DatabaseFileSystem

TABLES = """
CREATE TABLE loose (id INTEGER PRIMARY KEY, a, b TEXT, c DATE);
CREATE TABLE keyed (a TEXT, b INTEGER, filler TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE INDEX by_b ON keyed (b, a); CREATE INDEX by_a ON loose (a);
CREATE VIEW seen AS SELECT random() AS r;
CREATE VIRTUAL TABLE words USING fts5(line);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO loose SELECT i, i % 1000, 'text ' || i, '2024-01-01' FROM n;
INSERT INTO keyed SELECT 'key ' || (a * 7919 % 1000), id, printf('%.200c', 'x') FROM loose;
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    run(path, TABLES)
    return path


def run(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


@pytest.fixture
def opened(file: Path) -> Iterator[list[DatabaseFileSystem]]:
    """Two that have looked at different things first."""
    both = [connect(f"sqlite:///{file}", threads=threads) for threads in (1, 4)]
    for relation in ("loose", "keyed"):
        both[0].cat_file(f"/main/{relation}.csv?columns=b")
    yield both
    for fs in both:
        fs.close()


def read(fs: DatabaseFileSystem, path: str, shape: str = "") -> tuple[str | None, bytes]:
    with fs.bridge.read(path, shape) as stream:
        body = stream.read_all()
        return stream.version, body


SHAPES = (
    "",
    "columns=b,a",
    "where=b<>'x'",
    "where=a=7",
    "order=a",
    "limit=20000&offset=5",
    "order=-b&limit=9",
)


@pytest.mark.parametrize("relation", ["loose", "keyed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_read_before_changes_no_byte(
    opened: list[DatabaseFileSystem], relation: str, shape: str
) -> None:
    for extension in ("arrow", "parquet", "csv"):
        found = [read(fs, f"/main/{relation}.{extension}", shape) for fs in (*opened, *opened)]
        assert None not in {version for version, _ in found}
        assert len({body for _, body in found}) == 1, extension


def test_after_analyze_only_what_every_connection_reads_alike_has_a_version(
    file: Path, opened: list[DatabaseFileSystem]
) -> None:
    run(file, "ANALYZE")
    late = connect(f"sqlite:///{file}")
    for relation in ("loose", "keyed"):
        for shape in SHAPES:
            found = [read(fs, f"/main/{relation}.arrow", shape) for fs in (*opened, late)]
            told = [body for version, body in found if version is not None]
            assert len(set(told)) <= 1, (relation, shape)
            assert len(told) == 3 or shape not in ("", "columns=b,a"), (relation, shape)
    late.close()


def test_what_is_no_table_has_no_version(opened: list[DatabaseFileSystem]) -> None:
    for relation in ("seen", "words"):
        assert opened[0].data_version(f"/main/{relation}.csv") is None
        assert read(opened[0], f"/main/{relation}.csv")[0] is None
