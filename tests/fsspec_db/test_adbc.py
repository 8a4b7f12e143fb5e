"""ADBC: Flight SQL and PostgreSQL by their servers, and SQLite by a driver that guesses."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseError,
    InvalidParameterError,
    InvalidQueryError,
    NotFoundError,
    QueryTimeoutError,
    ReadOnlyError,
    SchemaMismatchError,
    UnsupportedError,
    ValueOutOfRangeError,
    connect,
)
from tests.flightsql import FlightSQL
from tests.fsspec_db.drivers import opened, postgres_url, sqlite_url
from tests.fsspec_db.samples import arrow_bytes
from tests.postgres import Postgres

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


pytest.importorskip("adbc_driver_manager")
pytestmark = pytest.mark.timeout(600)  # the first one may have to build the server

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"


@pytest.fixture(scope="module")
def server() -> Iterator[FlightSQL]:
    pytest.importorskip("adbc_driver_flightsql")
    with FlightSQL() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("adbc_driver_postgresql")
    with Postgres() as server:
        yield server


@pytest.fixture
def url(postgres: Postgres) -> str:
    postgres.sql(
        "DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s;"
        "CREATE TABLE s.t (id int PRIMARY KEY, name text DEFAULT 'x', n numeric(10, 2), f real);"
        "INSERT INTO s.t VALUES (1, 'one', 1.50, 0.5), (2, NULL, NULL, NULL);"
        "CREATE VIEW s.v AS SELECT id FROM s.t"
    )
    return postgres_url("adbc", postgres)


def test_a_catalog_whose_schemas_have_no_name_is_a_schema(server: FlightSQL) -> None:
    with opened(server.url) as fs:
        assert fs.ls("/", detail=False) == ["/main"]
        assert (
            fs.cat_file("/main/intTable.csv?columns=id,keyName&limit=2")
            == b"id,keyName\r\n1,one\r\n2,zero\r\n"
        )
        assert fs.info("/main/intTable/columns/id")["type"] == "file"
        with pytest.raises(NotFoundError):
            fs.cat_file("/main/inttable.csv")


def test_flight_sql_writes_in_one_transaction(server: FlightSQL) -> None:
    rows = pa.table({"b": [b"x", b"\x00"], "id": [1, 2], "name": ["é", None], "r": [1.5, -0.0]})
    with opened(server.url, "manage") as fs:
        fs.pipe_file("/main/made.arrow", arrow_bytes(rows))
        try:
            assert (
                fs.read_batches("/main/made.arrow")
                .read_all()
                .select(rows.column_names)
                .cast(rows.schema)
                .equals(rows)
            )
            fs.pipe_file("/main/made.arrow", arrow_bytes(rows.slice(1)), mode="append")
            assert fs.cat_file("/main/made.csv?columns=id") == b"id\r\n1\r\n2\r\n2\r\n"
            fs.pipe_file("/main/made.arrow", arrow_bytes(rows.slice(1)))
            assert fs.cat_file("/main/made.csv?columns=id") == b"id\r\n2\r\n"
            fs.mv("/main/made", "/main/moved")
            fs.mv("/main/moved", "/main/made")
        finally:
            fs.rm("/main/made", recursive=True)
        before = fs.cat_file("/main/intTable.csv")
        with pytest.raises(ConstraintViolationError):
            fs.pipe_file("/main/intTable.csv", b"id,keyName\r\n3,a\r\n3,b\r\n")
        assert fs.cat_file("/main/intTable.csv") == before


def test_flight_sql_has_no_query_endpoint_unless_its_account_is_vouched_for(server: FlightSQL) -> None:
    with opened(server.url, "manage") as fs, pytest.raises(UnsupportedError, match="read_only=account"):
        fs.query("DELETE FROM intTable")
    with opened(server.url + "&read_only=account") as fs:
        assert fs.query("SELECT ? + 1 AS x", [41]).to_pylist() == [{"x": 42}]
        with pytest.raises(InvalidQueryError):
            fs.query("SELECT nope FROM intTable")


def test_flight_sql_streams_and_stops_when_the_reader_leaves(server: FlightSQL) -> None:
    with opened(server.url + "&read_only=account") as fs:
        stream = fs._bridge.query(ENDLESS)
        assert stream.next()  # of a result without an end
        stream.close()
        with pytest.raises(QueryTimeoutError):
            fs.query(ENDLESS.replace("SELECT n FROM", "SELECT count(*) AS n FROM"), timeout=0.3)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            spent = _ticks(server)
            time.sleep(0.5)
            if _ticks(server) == spent:
                return
        pytest.fail("the server still works for readers who left")


def _ticks(server: FlightSQL) -> int:
    with open(f"/proc/{server.process.pid}/stat") as stat:  # noqa: PTH123
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


def test_names_are_no_patterns(url: str, postgres: Postgres) -> None:
    postgres.sql(r"""CREATE TABLE s."%" (a int, "_" int); CREATE TABLE s."a\b" (c int NOT NULL DEFAULT 7)""")
    with opened(url) as fs:
        assert fs.ls("/s/%25/columns", detail=False) == ["/s/%25/columns/a", "/s/%25/columns/_"]
        assert fs.cat_file("/s/a%5Cb.csv") == b"c\r\n"
        assert b"NOT NULL DEFAULT 7" in fs.cat_file("/s/a%5Cb.sql")


def test_postgresql_shows_the_schemas_of_the_current_catalog(url: str) -> None:
    with opened(url) as fs:
        assert fs.ls("/", detail=False) == ["/public", "/s"]
        assert fs.info("/s/v")["kind"] == "view"
        assert b"SELECT" in fs.cat_file("/s/v/definition.sql")
        assert fs.ls("/s/t/constraints", detail=False) == ["/s/t/constraints/t_pkey"]
        assert fs.cat_file("/s/t.csv?where=n=1.5") == b"id,name,n,f\r\n1,one,1.50,0.5\r\n"


@pytest.mark.parametrize("format_", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_what_was_read_is_written_back(url: str, postgres: Postgres, format_: str) -> None:
    before = postgres.sql("SELECT * FROM s.t ORDER BY 1")
    with opened(url, "write") as fs:
        fs.pipe_file(f"/s/t.{format_}", fs.cat_file(f"/s/t.{format_}"))
    assert postgres.sql("SELECT * FROM s.t ORDER BY 1") == before


def test_columns_match_by_name_and_missing_ones_take_their_default(url: str, postgres: Postgres) -> None:
    with opened(url, "write") as fs:
        body = pa.table({"n": [Decimal("7.1")], "id": pa.array([7], pa.int64())})
        fs.pipe_file("/s/t.arrow", arrow_bytes(body), mode="append")
        assert postgres.sql("SELECT * FROM s.t WHERE id = 7") == "7|x|7.10|\n"
        with pytest.raises(SchemaMismatchError, match="nope") as caught:
            fs.pipe_file("/s/t.csv", b"id,nope\r\n8,1\r\n", mode="append")
    assert caught.value.column == "nope"


@pytest.mark.parametrize(
    ("column", "values", "row"),
    [
        ("id", pa.array([8, 2**40]), 2),
        ("n", pa.array([Decimal("1.555")]), 1),  # the driver alone rounds it
        ("n", pa.array(["1.5", "1.555"]), 2),
        ("f", pa.array([0.5, 0.1]), 2),
    ],
)
def test_a_value_that_would_change_is_refused_with_its_place(
    url: str, postgres: Postgres, column: str, values: pa.Array, row: int
) -> None:
    rows = pa.table({**({} if column == "id" else {"id": range(8, 8 + len(values))}), column: values})
    with opened(url, "write") as fs, pytest.raises(ValueOutOfRangeError) as caught:
        fs.pipe_file("/s/t.arrow", arrow_bytes(rows))
    assert (caught.value.column, caught.value.row) == (column, row)
    assert postgres.sql("SELECT count(*) FROM s.t") == "2\n"


def test_a_type_of_the_same_width_is_not_reinterpreted(url: str) -> None:
    rows = pa.table({"id": pa.array([1.5], pa.float32())})  # the driver alone writes its four bytes
    with opened(url, "write") as fs, pytest.raises(ValueOutOfRangeError):
        fs.pipe_file("/s/t.arrow", arrow_bytes(rows), mode="append")


def test_rows_are_updated_by_primary_key(url: str, postgres: Postgres) -> None:
    rows = pa.table({"name": ["deux", "trois"], "id": [2, 3]})
    with opened(url, "write") as fs:
        fs.pipe_file("/s/t.arrow", arrow_bytes(rows), mode="upsert")
    assert postgres.sql("SELECT id, name FROM s.t ORDER BY 1") == "1|one\n2|deux\n3|trois\n"


def test_a_created_relation_has_the_types_of_its_rows(url: str, postgres: Postgres) -> None:
    schema = pa.schema([pa.field("id", pa.int32(), nullable=False), ("d", pa.decimal128(5, 2))])
    rows = pa.table({"id": [1], "d": [Decimal("1.10")]}, schema=schema)
    with opened(url, "manage") as fs:
        fs.pipe_file("/s/made.arrow", arrow_bytes(rows))
    columns = "SELECT column_name, data_type, is_nullable, numeric_scale FROM information_schema.columns"
    told = postgres.sql(f"{columns} WHERE table_name = 'made' ORDER BY 1")
    assert told == "d|numeric|YES|2\nid|integer|NO|0\n"
    broken = arrow_bytes(pa.table({"id": [1, 2]}))[:-20]
    with opened(url, "manage") as fs:
        with pytest.raises(DatabaseError):
            fs.pipe_file("/s/broken.arrow", broken)
        assert not fs.exists("/s/broken")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO s.t (id) VALUES (9)",
        "SET TRANSACTION READ WRITE",
        "COMMIT; INSERT INTO s.t (id) VALUES (9)",
        "SELECT 1) TO STDOUT; INSERT INTO s.t (id) VALUES (9); --",
        "SELECT nextval('s.q')",
        "COPY s.t TO PROGRAM 'cat'",
        "WITH w AS (INSERT INTO s.t (id) VALUES (9) RETURNING id) SELECT * FROM w",
    ],
)
def test_postgresql_holds_a_query_to_reading(url: str, postgres: Postgres, sql: str) -> None:
    postgres.sql("CREATE SEQUENCE s.q")
    with opened(url, "manage") as fs, pytest.raises((ReadOnlyError, InvalidQueryError)):
        fs.query(sql)
    assert postgres.sql("SELECT count(*), (SELECT is_called FROM s.q) FROM s.t") == "2|f\n"


def test_a_query_may_end_in_a_comment(url: str) -> None:
    with opened(url) as fs:
        assert fs.query("SELECT 1 AS a -- one").to_pylist() == [{"a": 1}]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (1, 1.5),
        (1, "text"),
        (None, "text"),
        (1.5, 2**53 + 1),  # the driver alone makes a double of it
        (0.5, "text"),
        ("text", b"\xff\xfe"),
    ],
)
def test_sqlites_driver_changes_no_value(
    made: sqlite3.Connection, tmp_path: Path, first: Any, later: Any
) -> None:
    made.execute("CREATE TABLE t (a)")
    made.executemany("INSERT INTO t VALUES (?)", [*[(first,)] * 3000, (later,)])
    with opened(sqlite_url("adbc", tmp_path / "made.db")) as fs, pytest.raises(ValueOutOfRangeError):
        fs.cat_file("/main/t.arrow")


def test_sqlites_driver_shortens_no_number_beside_a_text(made: sqlite3.Connection, tmp_path: Path) -> None:
    made.execute("CREATE TABLE t (a)")
    made.executemany(
        "INSERT INTO t VALUES (?)", [("text",), (0.1234567890123,)]
    )  # six digits, by the driver alone
    with opened(sqlite_url("adbc", tmp_path / "made.db")) as fs, pytest.raises(ValueOutOfRangeError):
        fs.cat_file("/main/t.arrow")


def test_sqlite_is_held_to_reading(made: sqlite3.Connection, tmp_path: Path) -> None:
    made.execute("CREATE TABLE t (a)")
    with opened(sqlite_url("adbc", tmp_path / "made.db"), "manage") as fs:
        for sql in ("INSERT INTO t VALUES (1)", "CREATE TEMP TABLE x (a)", "DROP TABLE t"):
            with pytest.raises(ReadOnlyError):
                fs.query(sql)
        fs.query("PRAGMA query_only = OFF")
        with pytest.raises(ReadOnlyError):
            fs.query("INSERT INTO t VALUES (1)")
        fs.pipe_file("/main/t.arrow", arrow_bytes(pa.table({"a": [1]})))
    assert made.execute("SELECT a FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "url", ["adbc:", "adbc:no_such_driver?uri=x", "adbc:sqlite?uri", "adbc:sqlite?read_only=yes"]
)
def test_a_url_that_names_no_driver_says_so(url: str) -> None:
    with pytest.raises(InvalidParameterError):
        connect(url)
