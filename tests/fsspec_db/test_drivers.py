"""What is the same by ADBC's drivers and by ODBC's: of PostgreSQL, and of SQLite."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from fsspec_db import ConstraintViolationError, DatabaseError, NotFoundError, QueryTimeoutError, connect
from tests.fsspec_db.drivers import opened, postgres_url, sqlite_url
from tests.fsspec_db.samples import arrow_bytes
from tests.postgres import Postgres

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

VOUCHED = {"adbc": "&read_only=account", "odbc": ";read_only=account"}


@pytest.fixture(params=["adbc", "odbc"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def url(way: str, postgres: Postgres) -> str:
    postgres.sql("DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s")
    return postgres_url(way, postgres)


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_replacing_rows_changes_no_other_table(url: str, postgres: Postgres, rule: str) -> None:
    postgres.sql(
        "CREATE TABLE s.a (id int PRIMARY KEY, up int REFERENCES s.a ON DELETE CASCADE);"
        f"CREATE TABLE s.b (a int DEFAULT 1 CONSTRAINT told REFERENCES s.a ON DELETE {rule});"
    )
    with opened(url, "write") as fs:
        fs.pipe_file("/s/a.csv", b"id,up\n1,1\n")  # an empty one
        postgres.sql("INSERT INTO s.b VALUES (1)")
        with pytest.raises(ConstraintViolationError, match=rf"rows of s\.a .* told \(ON DELETE {rule}\): up"):
            fs.pipe_file("/s/a.csv", b"id,up\n1,1\n")
        fs.pipe_file("/s/b.csv", b"a\n1\n")
        assert fs.cat_file("/s/b.csv") == b"a\r\n1\r\n"
        postgres.sql("DROP TABLE s.b")
        fs.pipe_file("/s/a.csv", b"id,up\n2,2\n")  # its own foreign key does not count
    assert postgres.sql("SELECT * FROM s.a") == "2|2\n"


def test_a_reader_who_leaves_stops_the_statement(url: str, postgres: Postgres, way: str) -> None:
    with opened(url + VOUCHED[way]) as fs:
        stream = fs._bridge.query("SELECT 42424242 AS n, i FROM generate_series(1, 1000000000) i")
        time.sleep(0.3)
        stream.close()
        with pytest.raises(QueryTimeoutError):
            fs.query("SELECT 42424242, pg_sleep(60)", timeout=0.3)
        busy = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%42424242%' AND state = 'active'"
            " AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + 2
        while (left := postgres.sql(busy)) != "0\n" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == "0\n"


@pytest.mark.parametrize("word", ["c4nary", "wr0ng-c4nary", "{c4nary}"])
def test_a_password_is_in_no_error_and_no_form(way: str, postgres: Postgres, word: str) -> None:
    postgres.sql("DROP USER IF EXISTS guarded; CREATE USER guarded PASSWORD 'c4nary'")
    postgres.demand("scram-sha-256", "guarded")
    try:
        with opened(postgres_url(way, postgres, "guarded", word)) as fs:
            shown = repr(fs) + fs.url
            assert fs.exists("/public")
    except DatabaseError as error:
        shown = str(error) + repr(error)
    assert "c4nary" not in shown


def test_sqlite_replaces_where_no_foreign_key_is_enforced(
    way: str, made: sqlite3.Connection, tmp_path: Path
) -> None:
    made.executescript(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES a ON DELETE CASCADE);"
        "CREATE TABLE b (a INTEGER REFERENCES a ON DELETE CASCADE);"
        "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1)"
    )
    rows = arrow_bytes(pa.table({"id": [2], "up": [2]}))
    url = sqlite_url(way, tmp_path / "made.db")
    if way == "odbc":
        with (
            opened(url + ";FKSupport=1", "write") as fs,
            pytest.raises(ConstraintViolationError, match="fk_b_1"),
        ):
            fs.pipe_file("/main/a.arrow", rows)
        assert made.execute("SELECT a, id FROM b, a").fetchall() == [(1, 1)]
    with opened(url, "write") as fs:
        fs.pipe_file("/main/a.arrow", rows)
    assert made.execute("SELECT a, id FROM b, a").fetchall() == [(1, 2)]


def test_a_sqlite_file_that_is_missing_is_not_made(way: str, tmp_path: Path) -> None:
    url = sqlite_url(way, tmp_path / "none.db")
    with pytest.raises(NotFoundError):
        connect(url, access="manage")
    assert not list(tmp_path.iterdir())
