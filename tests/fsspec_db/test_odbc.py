"""ODBC: PostgreSQL and SQLite by the drivers that Debian has."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseError,
    InvalidParameterError,
    InvalidQueryError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    UnsupportedError,
    ValueOutOfRangeError,
    connect,
)
from tests.fsspec_db.drivers import opened, postgres_url, sqlite_url
from tests.fsspec_db.samples import arrow_bytes
from tests.odbc import needs
from tests.postgres import Postgres

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


pytest.importorskip("arrow_odbc")
pytest.importorskip("pyodbc")

TYPES = """
CREATE TABLE s.t (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x', d date, n numeric(10, 2), free numeric,
    f real, g double precision, tz timestamptz, ok boolean, b bytea, i bigint, c time, ts timestamp, j json);
INSERT INTO s.t VALUES
 (1, 'añ😀 "q"', '0001-01-01', -99999999.99, 0.12345678901234567890, 0.1, 0.1,
  '1969-12-31 23:59:59.999999+00', true, '\\x00ff', -9223372036854775808,
  '23:59:59.999999', '9999-12-31 23:59:59.999999', '{"a" :1}'),
 (2, '', '9999-12-31', 99999999.99, 1e30, 'NaN', '-0', '9999-12-31 23:59:59+00', false, '',
  9223372036854775807, '00:00', '1969-12-31 23:59:59.999999', '[]'),
 (3, 'x', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE VIEW s.v AS SELECT id FROM s.t;
CREATE TABLE s.u (x int REFERENCES s.t)
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    needs("PostgreSQL Unicode")
    with Postgres() as server:
        server.sql("ALTER DATABASE postgres SET timezone TO 'Asia/Tokyo'")
        yield server


@pytest.fixture
def url(postgres: Postgres) -> str:
    postgres.sql("DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s;" + TYPES)
    return postgres_url("odbc", postgres)


def test_the_catalogue_is_what_the_driver_tells(url: str) -> None:
    with opened(url) as fs:
        assert fs.ls("/", detail=False) == ["/public", "/s"]
        assert fs.info("/s/v")["kind"] == "view"
        assert b"SELECT" in fs.cat_file("/s/v/definition.sql")
        assert fs.ls("/s/t/indexes", detail=False) == ["/s/t/indexes/t_pkey"]
        assert b'"references":"s.t(id)"' in fs.cat_file("/s/u/constraints/u_x_fkey")
        assert b'"name" text NOT NULL DEFAULT' in fs.cat_file("/s/t.sql")
        with pytest.raises(NotFoundError):
            fs.cat_file("/s/T.csv")


def test_types_are_those_of_the_columns_whatever_the_driver_describes(url: str) -> None:
    with opened(url) as fs:
        table = fs.read_batches("/s/t.arrow?order=id").read_all()
    told = {field.name: field.type for field in table.schema}
    assert told["n"] == pa.decimal128(10, 2)
    assert (told["f"], told["g"]) == (pa.float32(), pa.float64())  # both described by decimal digits
    assert told["tz"] == pa.timestamp("us", "UTC")
    rows = table.to_pylist()
    assert rows[0]["free"] == "0.12345678901234567890"  # described as numeric(28, 6) by default
    assert rows[0]["g"] == 0.1
    assert rows[0]["tz"].isoformat() == "1969-12-31T23:59:59.999999+00:00"
    assert str(rows[1]["g"]) == "-0.0"


@pytest.mark.parametrize("format_", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_what_was_read_is_written_back(url: str, postgres: Postgres, format_: str) -> None:
    before = postgres.sql("SELECT * FROM s.t ORDER BY 1")
    with opened(url, "write") as fs:
        postgres.sql("UPDATE s.t SET f = NULL WHERE id = 2")  # no format of text says NaN
        before = postgres.sql("SELECT * FROM s.t ORDER BY 1")
        postgres.sql("CREATE TABLE s.copy (LIKE s.t)")
        fs.pipe_file(f"/s/copy.{format_}", fs.cat_file(f"/s/t.{format_}"))
    assert postgres.sql("SELECT * FROM s.copy ORDER BY 1") == before


def test_a_value_that_would_be_cut_off_is_an_error(url: str, postgres: Postgres) -> None:
    postgres.sql("UPDATE s.t SET name = repeat('x', 70000) WHERE id = 1")
    with opened(url) as fs, pytest.raises(ValueOutOfRangeError, match="max_text_size"):
        fs.cat_file("/s/t.csv?columns=name")
    with opened(url + ";max_text_size=100000") as fs:
        assert len(fs.cat_file("/s/t.csv?columns=name&where=id=1")) == len("name\r\n") + 70000 + 2


def test_a_query_keeps_all_digits(url: str) -> None:
    sql = "SELECT free, g FROM s.t UNION ALL SELECT sum(free), 0.30000000000000004 FROM s.t"
    with opened(url + ";read_only=account") as fs:
        rows = fs.query(sql).to_pylist()
    assert [row["free"] for row in rows] == [
        "0.12345678901234567890",
        "1" + "0" * 30,
        None,
        "1" + "0" * 30 + ".12345678901234567890",
    ]
    assert rows[3]["g"] == 0.1 + 0.2


def test_a_query_keeps_what_the_driver_would_change(url: str) -> None:
    sql = """SELECT 12300::numeric(3, -2) AS n, 1e-499::numeric(3, 500) AS tiny, 4294967295::oid AS o,
        92233720368547758.07::numeric::money AS m, repeat('x', 300)::varchar AS v, array_agg(i) AS a, 1 AS n
        FROM generate_series(1, 300) i;"""
    with opened(url + ";read_only=account") as fs:
        read = fs.query(sql)
        assert read.column_names == ["n", "tiny", "o", "m", "v", "a", "n"]
        n, tiny, o, m, v, a, again = (column[0].as_py() for column in read.columns)
        for moment in ("'infinity'::date", "'infinity'::timestamp", "'0044-03-15 BC'::date"):
            with pytest.raises(ValueOutOfRangeError):
                fs.query(f"SELECT {moment} AS v")
        with pytest.raises(UnsupportedError):
            fs.query("SELECT")
    assert (n, Decimal(tiny), o, again) == ("12300", Decimal("1e-499"), 4294967295, 1)
    assert (m, v) == ("$92,233,720,368,547,758.07", "x" * 300)
    assert a == "{" + ",".join(map(str, range(1, 301))) + "}"


def test_a_wide_row_of_texts_is_read(url: str, postgres: Postgres) -> None:
    postgres.sql(f"CREATE TABLE s.wide ({', '.join(f'c{n} text' for n in range(400))})")
    postgres.sql("INSERT INTO s.wide (c399) VALUES ('x')")
    with opened(url) as fs:
        assert fs.cat_file("/s/wide.csv").endswith(b",x\r\n")


def test_a_decimal_is_written_whatever_its_scale(url: str, postgres: Postgres) -> None:
    values = pa.array([Decimal("0.00123"), Decimal("-0.00001")]).cast(pa.decimal128(3, 5))
    with opened(url, "manage") as fs:
        fs.pipe_file("/s/numbers.arrow", arrow_bytes(pa.table({"n": values})))
    assert postgres.sql("SELECT n FROM s.numbers ORDER BY 1") == "-0.00001\n0.00123\n"


@pytest.mark.parametrize("value", ["x" * (32 << 20), b"x" * (32 << 20)])
def test_a_long_value_is_written_in_bounded_memory(url: str, postgres: Postgres, value: str | bytes) -> None:
    short = value[:1]
    rows = pa.table({"v": [short] * 3000 + [value] + [short] * 3000})
    with opened(url, "manage") as fs:
        fs.pipe_file("/s/made.arrow", arrow_bytes(rows))  # 1024 such rows at once end the process
    told = postgres.sql("SELECT count(*), max(length(v)), sum(length(v)) FROM s.made")
    assert told == f"6001|{len(value)}|{len(value) + 6000}\n"


def test_a_text_that_drivers_would_cut_is_refused(url: str) -> None:
    with opened(url, "manage") as fs, pytest.raises(ValueOutOfRangeError) as caught:
        fs.pipe_file("/s/made.arrow", arrow_bytes(pa.table({"v": ["ok", "a\0b"]})))
    assert (caught.value.column, caught.value.row) == ("v", 2)


def test_values_are_bound(url: str) -> None:
    with opened(url) as fs:
        for where in ("d='0001-01-01'", "n<-1.5", "name='añ😀 \"q\"'", "ok=true AND i<0", "g=0.1"):
            assert fs.cat_file(f"/s/t.csv?columns=id&where={quote(where)}") == b"id\r\n1\r\n", where


def test_writes_are_one_transaction(url: str, postgres: Postgres) -> None:
    with opened(url, "write") as fs:
        for rows, error in (
            (pa.table({"id": [8, 8]}), ConstraintViolationError),
            (pa.table({"id": [8], "nope": [1]}), SchemaMismatchError),
            (pa.table({"id": [8, 9], "n": [Decimal("1.5"), Decimal("1.555")]}), ValueOutOfRangeError),
        ):
            with pytest.raises(error):
                fs.pipe_file("/s/t.arrow", arrow_bytes(rows))
        with pytest.raises(DatabaseError):
            fs.pipe_file("/s/t.arrow", arrow_bytes(pa.table({"id": [8, 9]}))[:-20], mode="append")
        assert postgres.sql("SELECT count(*) FROM s.t") == "3\n"
        fs.pipe_file("/s/t.arrow", arrow_bytes(pa.table({"n": [Decimal("1.5")], "id": [8]})), mode="append")
        assert postgres.sql("SELECT name, n FROM s.t WHERE id = 8") == "x|1.50\n"
        with pytest.raises(UnsupportedError):
            fs.pipe_file("/s/t.arrow", arrow_bytes(pa.table({"id": [8]})), mode="upsert")


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.date32()])
@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 2**62])
def test_a_moment_beyond_all_calendars_is_an_error(url: str, kind: pa.DataType, value: int) -> None:
    width = pa.int32() if kind == pa.date32() else pa.int64()
    scale = 1 if kind == pa.date32() else 10**9
    number = max(-(2 ** (width.bit_width - 1)), min(value * scale, 2 ** (width.bit_width - 1) - 1))
    rows = pa.table({"id": [1], "m": pa.array([number], width).view(kind)})
    with opened(url, "manage") as fs, pytest.raises(ValueOutOfRangeError) as caught:
        fs.pipe_file("/s/made.arrow", arrow_bytes(rows))  # arrow-odbc alone ends the process
    assert (caught.value.column, caught.value.row) == ("m", 1)


@pytest.mark.parametrize(
    "moment",
    ["d = 'infinity'", "ts = 'infinity'", "ts = '-infinity'", "tz = '20000-01-01'", "d = '0044-03-15 BC'"],
)
def test_a_moment_that_arrow_cannot_say_is_an_error(url: str, postgres: Postgres, moment: str) -> None:
    postgres.sql(f"UPDATE s.t SET {moment} WHERE id = 1")
    with opened(url) as fs, pytest.raises(ValueOutOfRangeError):
        fs.cat_file(f"/s/t.arrow?columns={moment.partition(' ')[0]}")


def test_a_relation_is_made_whole_or_not_at_all(url: str, postgres: Postgres) -> None:
    rows = pa.table({"id": [1, 2], "d": [Decimal("1.10"), None], "b": [b"\x00", None]})
    with opened(url, "manage") as fs:
        fs.pipe_file("/s/made.arrow", arrow_bytes(rows))
        assert postgres.sql("SELECT * FROM s.made ORDER BY 1") == "1|1.10|\\x00\n2||\n"
        fs.rm("/s/made", recursive=True)
        with pytest.raises(DatabaseError):
            fs.pipe_file("/s/made.arrow", arrow_bytes(rows)[:-20])
        assert not fs.exists("/s/made")


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (pa.array([2**64 - 1, None], pa.uint64()), "18446744073709551615"),
        (pa.array([1_000], pa.timestamp("ns")), "1970-01-01 00:00:00.000001"),
        (pa.array([None], pa.null()), ""),
    ],
)
def test_what_has_no_type_of_its_own_is_made_of_a_wider_one(
    url: str, postgres: Postgres, column: pa.Array, shown: str
) -> None:
    with opened(url, "manage") as fs:
        fs.pipe_file("/s/made.arrow", arrow_bytes(pa.table({"a": column})))
        assert postgres.sql("SELECT a FROM s.made LIMIT 1") == shown + "\n"
        fs.rm("/s/made", recursive=True)
        late = pa.array([1], pa.timestamp("ns"))  # the database alone rounds it
        with pytest.raises((ValueOutOfRangeError, UnsupportedError)):
            fs.pipe_file("/s/made.arrow", arrow_bytes(pa.table({"a": late})))


def test_there_are_no_queries_unless_the_account_is_vouched_for(url: str, postgres: Postgres) -> None:
    with opened(url, "manage") as fs, pytest.raises(UnsupportedError, match="read_only=account"):
        fs.query("COMMIT; DELETE FROM s.u; DELETE FROM s.t")  # a driver runs them all
    postgres.sql("CREATE SEQUENCE s.numbers")
    with opened(url + ";read_only=account", "manage") as fs:
        assert fs.query("SELECT ?::int + 1 AS x", [41]).to_pylist() == [{"x": 42}]
        with pytest.raises(InvalidQueryError):
            fs.query("DELETE FROM s.u")
        with pytest.raises(ReadOnlyError):
            fs.query("SELECT nextval('s.numbers')")
        with pytest.raises(InvalidQueryError):
            fs.query("SELECT nope")
    assert postgres.sql("SELECT count(*) FROM s.t") == "3\n"


def test_a_result_streams(url: str) -> None:
    with opened(url + ";read_only=account") as fs:
        stream = fs._bridge.query(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
        )
        assert stream.next()  # of a result without an end
        stream.close()


def test_sqlite_is_read_and_written(made: sqlite3.Connection, tmp_path: Path) -> None:
    made.executescript(
        "CREATE TABLE t (i INTEGER PRIMARY KEY, t TEXT, b BLOB, d DATE); CREATE VIEW v AS SELECT i FROM t"
    )
    with opened(sqlite_url("odbc", tmp_path / "made.db"), "manage") as fs:
        assert fs.ls("/", detail=False) == ["/main"]
        fs.pipe_file("/main/t.csv", b"t,i,b,d\r\n\xc3\xa9,7,AP8=,2024-02-29\r\n,8,,\r\n")
        assert made.execute("SELECT * FROM t").fetchall() == [
            (7, "é", b"\x00\xff", "2024-02-29"),
            (8, None, None, None),
        ]
        assert fs.cat_file("/main/t.csv?where=i=7") == b"i,t,b,d\r\n7,\xc3\xa9,AP8=,2024-02-29\r\n"
        assert fs.cat_file("/main/v.csv") == b"i\r\n7\r\n8\r\n"


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("REAL", [0.1 + 0.2]),  # the driver alone rounds it to 15 digits
        ("", [1, "text"]),  # the driver alone says NULL
        ("DATE", ["2024-01-01", "soon"]),
        ("TIMESTAMP", ["2024-01-01 00:00:00.123456"]),  # the driver alone cuts it
        ("INTEGER", ["seven"]),
    ],
)
def test_sqlites_driver_changes_no_value(
    made: sqlite3.Connection, tmp_path: Path, declared: str, values: list[Any]
) -> None:
    made.execute(f"CREATE TABLE t (a {declared})")
    made.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    with opened(sqlite_url("odbc", tmp_path / "made.db")) as fs, pytest.raises(ValueOutOfRangeError):
        fs.cat_file("/main/t.arrow")


def test_a_driver_that_nothing_is_known_of_tells_which_foreign_keys_change_rows(
    url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsspec_db.engines.driven.cascade_from", lambda *_: None)
    postgres.sql(
        "CREATE TABLE s.a (id int PRIMARY KEY, up int REFERENCES s.a ON DELETE CASCADE);"
        "CREATE TABLE s.b (a int CONSTRAINT told REFERENCES s.a ON DELETE SET NULL);"
        "INSERT INTO s.a VALUES (1, 1); INSERT INTO s.b VALUES (1)"
    )
    with opened(url, "write") as fs:
        with pytest.raises(ConstraintViolationError, match=r"told \(ON DELETE SET NULL\)"):
            fs.pipe_file("/s/a.csv", b"id,up\n1,1\n")
        postgres.sql("DROP TABLE s.b")
        fs.pipe_file("/s/a.csv", b"id,up\n2,2\n")
    assert postgres.sql("SELECT * FROM s.a") == "2|2\n"


@pytest.mark.parametrize(
    "url",
    [
        "odbc:",
        "odbc:nonsense",
        "odbc:Driver=None such",
        "odbc:DSN=x;read_only=yes",
        "odbc:DSN=x;max_text_size=a",
    ],
)
def test_a_url_that_names_no_driver_says_so(url: str) -> None:
    with pytest.raises(InvalidParameterError):
        connect(url)
