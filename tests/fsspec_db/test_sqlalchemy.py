"""SQLAlchemy over SQLite, PostgreSQL, MariaDB, and a database that it knows nothing special of."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseUnavailableError,
    InvalidParameterError,
    InvalidQueryError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    UnsupportedError,
    ValueOutOfRangeError,
    connect,
)
from tests.fsspec_db.samples import arrow_bytes, table_of
from tests.mariadb import MariaDB
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fsspec_db import Access, DatabaseFileSystem

if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS") != "1":
    for package in ("sqlalchemy", "psycopg", "pymysql"):
        pytest.importorskip(package)

pytestmark = pytest.mark.filterwarnings("ignore:Did not recognize type")

FORMATS = ("arrow", "feather", "parquet", "csv", "jsonl", "json")

SQLITE = """
CREATE TABLE kinds (
    i INTEGER PRIMARY KEY, r REAL, t TEXT, v VARCHAR(9), b BLOB, bo BOOLEAN, d DATE, dt DATETIME, tm TIME,
    de DECIMAL(10, 2), n NUMERIC, j JSON);
INSERT INTO kinds VALUES
 (-9223372036854775808, 5e-324, '', 'it''s', x'', 1, '0001-01-01', '1969-12-31 23:59:59.999999',
  '23:59:59.999999', 12345678.25, 7, '{"a" :1}'),
 (9223372036854775807, 1.7976931348623157e308, '日本 語', '"q"', x'00ff', 0, '9999-12-31',
  '9999-12-31 23:59:59', '00:00:00', -0.1, 1.5, 'null'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""

MARIADB = r"""
CREATE TABLE kinds (
    n INT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, bo BOOLEAN, si SMALLINT, mi MEDIUMINT, bi BIGINT,
    bu BIGINT UNSIGNED, bt BIT(10), y YEAR, d DECIMAL(15, 2), big DECIMAL(65, 30), f FLOAT, g DOUBLE, t TEXT,
    v VARCHAR(9), c CHAR(5), bin BLOB, vb VARBINARY(10), fb BINARY(4), day DATE, dt DATETIME(6), dt0 DATETIME,
    ts TIMESTAMP(6) NULL, tm TIME(6), e ENUM('a', 'b''c'), s SET('x', 'y'), j JSON, p POINT, u UUID, i INET6);
INSERT INTO kinds VALUES
 (1, -128, 255, TRUE, -32768, -8388608, -9223372036854775808, 18446744073709551615, b'1000000001', 1901,
  -9999999999999.99, -99999999999999999999999999999999999.999999999999999999999999999999, 16777217.5, 5e-324,
  '', '', '', '', '\0\'', x'00ff', '0001-01-01', '1969-12-31 23:59:59.999999', '9999-12-31 23:59:59',
  '1970-01-01 00:00:01.000001', '-838:59:59.000001', 'b''c', 'x,y', '{"a" :1}', POINT(1, 2),
  '00000000-0000-0000-0000-000000000001', '::1'),
 (2, 127, 0, FALSE, 1, 2, 9223372036854775807, 0, b'0', 2155, 0.01, 0, 0.1, 1.7976931348623157e308,
  '日本 語 🙂', ' x ', 'ab', x'00', '', '', '9999-12-31', '9999-12-31 23:59:59.999999', '1000-01-01',
  '2038-01-19 03:14:07.999999', '838:59:59', 'a', '', '"x"', NULL, 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '::ffff:1.2.3.4');
INSERT INTO kinds (n) VALUES (3);
"""


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "a b%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            SQLITE + SQLITE.split(";", maxsplit=1)[0].replace("kinds", "copy") + ";"
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score DECIMAL(5,2) DEFAULT .5);"
            "INSERT INTO users VALUES (1, 'ada', 1.5), (2, 'grace', NULL);"
        )
    return path


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        server.sql(
            "CREATE DATABASE shop CHARACTER SET utf8mb4;"
            " CREATE USER app@'127.0.0.1' IDENTIFIED BY 's3cr3t/x'; GRANT ALL ON *.* TO app@'127.0.0.1'"
        )
        yield server


@contextmanager
def opened(url: str, access: Access = "manage") -> Iterator[DatabaseFileSystem]:
    with closing(connect(url, access=access)) as fs:
        yield fs


def by_sqlite(path: Path, options: str = "") -> str:
    import sqlalchemy

    # Before 2.1 a file's name is not encoded.
    url = sqlalchemy.URL.create("sqlite", database=str(path)).render_as_string()
    return f"sqlalchemy:{url}{options}"


def by_psycopg(server: Postgres) -> str:
    return "sqlalchemy:" + server.url.replace("postgresql:", "postgresql+psycopg:")


def by_pymysql(server: MariaDB) -> str:
    return f"sqlalchemy:mysql+pymysql://app:s3cr3t%2Fx@127.0.0.1:{server.port}/shop"


def asked(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# SQLite


def test_declared_types_of_sqlite_are_read_exactly(sqlite: Path) -> None:
    with opened(by_sqlite(sqlite), "read") as fs:
        read = table_of(fs.cat_file("/main/kinds.arrow?order=i"))
    types = {field.name: field.type for field in read.schema}
    assert types["de"] == pa.decimal128(10, 2)
    assert types["dt"] == pa.timestamp("us")
    assert types["n"] == pa.string()
    assert read["i"].to_pylist() == [-(2**63), 3, 2**63 - 1]
    assert read["de"].to_pylist() == [Decimal("12345678.25"), None, Decimal("-0.10")]
    assert read["dt"].cast(pa.int64())[0].as_py() == -1
    assert read["n"].to_pylist() == ["7", None, "1.5"]
    assert read["bo"].to_pylist() == [True, None, False]


@pytest.mark.parametrize("extension", FORMATS)
def test_what_sqlite_holds_comes_back_in_every_format(sqlite: Path, extension: str) -> None:
    with opened(by_sqlite(sqlite), "write") as fs:
        fs.pipe_file(f"/main/copy.{extension}", fs.cat_file(f"/main/kinds.{extension}"))
    assert asked(sqlite, "SELECT * FROM kinds EXCEPT SELECT * FROM copy") == []
    assert asked(sqlite, "SELECT count(*) FROM copy") == [(3,)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("i", "'x'"),
        ("i", "1.5"),
        ("d", "'yesterday'"),
        ("d", "5"),
        ("dt", "'2024-02-30 00:00:00'"),
        ("de", "'1.005'"),
        ("de", "0.125"),
        ("b", "'text'"),
        ("t", "x'ff'"),
        ("bo", "2"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_an_error_and_not_changed(
    sqlite: Path, column: str, value: str
) -> None:
    with closing(sqlite3.connect(sqlite)) as connection, connection:
        kind = {
            "i": "INTEGER",
            "d": "DATE",
            "dt": "DATETIME",
            "de": "DECIMAL(10,2)",
            "b": "BLOB",
            "t": "TEXT",
        }
        connection.execute(f"CREATE TABLE dirty (v {kind.get(column, 'BOOLEAN')})")
        connection.execute(f"INSERT INTO dirty VALUES (NULL), ({value})")
    with opened(by_sqlite(sqlite), "read") as fs, pytest.raises(ValueOutOfRangeError) as failure:
        fs.cat_file("/main/dirty.arrow")
    assert (failure.value.column, failure.value.row) == ("v", 2)


def test_the_types_of_a_result_hold_to_its_end(sqlite: Path) -> None:
    with closing(sqlite3.connect(sqlite)) as connection, connection:
        connection.execute("CREATE TABLE long (v)")
        connection.executemany("INSERT INTO long VALUES (?)", [[n] for n in range(20_000)] + [["x"]])
    with opened(by_sqlite(sqlite), "read") as fs:
        assert fs.query("SELECT v FROM long LIMIT 20000").schema.types == [pa.int64()]
        with pytest.raises(ValueOutOfRangeError, match="CAST") as failure:
            fs.query("SELECT v FROM long")
        assert failure.value.row == 20_001
        assert fs.query("SELECT CAST(v AS TEXT) AS v FROM long")["v"][-1].as_py() == "x"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM users",
        "WITH d AS (SELECT 1) DELETE FROM users",
        "INSERT INTO users (name) VALUES ('x') RETURNING id",
        "PRAGMA query_only = 0",
        "ATTACH ':memory:' AS x",
        "CREATE TEMP TABLE x (a)",
        "COMMIT",
        "SELECT load_extension('x')",
    ],
)
def test_sqlite_runs_what_reads_alone(sqlite: Path, statement: str) -> None:
    with opened(by_sqlite(sqlite)) as fs:
        with pytest.raises(ReadOnlyError):
            fs.query(statement)
        with pytest.raises(InvalidQueryError):
            fs.query(f"SELECT 1; {statement}")
        assert fs.query("SELECT count(*) AS n FROM users")["n"].to_pylist() == [2]


def test_a_file_of_sqlite_is_opened_as_the_access_says(sqlite: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        connect(by_sqlite(tmp_path / "none.db"), access="write")
    assert not (tmp_path / "none.db").exists()
    with opened(by_sqlite(tmp_path / "new.db")) as fs:
        fs.pipe_file("/main/t.csv", b"a\n1\n")
    assert asked(tmp_path / "new.db", "SELECT * FROM t") == [(1,)]
    sqlite.chmod(0o400)
    with opened(by_sqlite(sqlite), "read") as fs:
        assert fs.cat_file("/main/users.csv?columns=id") == b"id\r\n1\r\n2\r\n"


def test_numbers_that_sqlite_has_not_are_not_stored(sqlite: Path) -> None:
    with opened(by_sqlite(sqlite)) as fs:
        for body in (
            pa.table({"i": [1], "r": [float("nan")]}),
            pa.table({"i": [1], "n": ["007"]}),
            pa.table({"i": [1], "de": pa.array([Decimal("1.005")])}),
            pa.table({"i": [1], "de": [0.001]}),
            pa.table({"i": pa.array([2**63], pa.uint64())}),
        ):
            with pytest.raises(ValueOutOfRangeError) as failure:
                fs.pipe_file("/main/copy.arrow", arrow_bytes(body))
            assert failure.value.column == body.column_names[-1]
            assert failure.value.row == 1
        with pytest.raises(SchemaMismatchError):
            fs.pipe_file("/main/copy.arrow", arrow_bytes(pa.table({"i": [1], "de": ["1.5"]})))
    assert asked(sqlite, "SELECT count(*) FROM copy") == [(0,)]


# MariaDB


def test_what_mariadb_holds_is_read_and_comes_back(mariadb: MariaDB) -> None:
    mariadb.sql(f"USE shop; {MARIADB}")
    with opened(by_pymysql(mariadb)) as fs:
        read = table_of(fs.cat_file("/shop/kinds.arrow?order=n"))
        types = {field.name: field.type for field in read.schema}
        assert types["bu"] == pa.uint64()
        assert types["big"] == pa.decimal256(65, 30)
        assert types["ts"] == pa.timestamp("us", "UTC")
        assert types["tm"] == pa.duration("us")
        assert types["e"] == pa.dictionary(pa.int32(), pa.string())
        assert (types["bt"], types["p"], types["y"]) == (pa.binary(), pa.binary(), pa.uint16())
        # The server's text of a FLOAT has six digits; these are all.
        assert read["f"].to_pylist() == [16777218.0, pa.scalar(0.1, pa.float32()).as_py(), None]
        assert read["bt"].to_pylist() == [b"\x02\x01", b"\0\0", None]
        for extension in FORMATS:
            mariadb.sql("USE shop; CREATE OR REPLACE TABLE copy LIKE kinds")
            fs.pipe_file(f"/shop/copy.{extension}", fs.cat_file(f"/shop/kinds.{extension}"))
            assert mariadb.sql("SELECT count(*) FROM shop.copy") == "3\n"
            assert mariadb.sql("SELECT * FROM shop.kinds EXCEPT SELECT * FROM shop.copy") == "", extension
        fs.pipe_file("/shop/made.arrow", fs.cat_file("/shop/kinds.arrow?columns=n,bu,d,f,t,dt,ts,tm"))
    said = "SELECT n, bu, d, f + 0e0, t, dt, ts, tm FROM shop.{}"
    assert mariadb.sql(f"{said.format('kinds')} EXCEPT {said.format('made')}") == ""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM kept",
        "SELECT 1 INTO OUTFILE '/tmp/fsspec-db-none'",
        "SELECT 1 INTO @x",
        "CREATE TEMPORARY TABLE x (a int)",
        "CREATE TABLE x (a int)",
        "INSERT INTO kept SELECT 2 RETURNING n",
        "CALL spoil()",
        "SELECT spoil_all()",
        "SET SESSION TRANSACTION READ WRITE",
        "LOCK TABLES kept WRITE",
        "COMMIT",
        "COMMIT AND CHAIN",
    ],
)
def test_mariadb_runs_what_reads_alone(mariadb: MariaDB, statement: str) -> None:
    mariadb.sql(
        "USE shop; CREATE OR REPLACE TABLE kept (n INT); INSERT INTO kept VALUES (1);"
        " CREATE OR REPLACE PROCEDURE spoil() DELETE FROM kept;"
        " CREATE OR REPLACE FUNCTION spoil_all() RETURNS INT RETURN nextval(never);"
        " CREATE OR REPLACE SEQUENCE never;"
    )
    with opened(by_pymysql(mariadb)) as fs:
        with pytest.raises(ReadOnlyError):
            fs.query(statement)
        with pytest.raises(InvalidQueryError):
            fs.query(f"SELECT 1; {statement}")
        assert fs.query("SELECT count(*) AS n, ? AS p FROM kept WHERE '?' <> ''", [7]).to_pylist() == [
            {"n": 1, "p": 7}
        ]


def test_a_float_of_mariadb_that_a_statement_asks_for_is_not_rounded(mariadb: MariaDB) -> None:
    mariadb.sql("CREATE OR REPLACE TABLE shop.floats (f FLOAT); INSERT INTO shop.floats VALUES (16777216)")
    with opened(by_pymysql(mariadb), "read") as fs:
        with pytest.raises(InvalidQueryError, match="DOUBLE"):
            fs.query("SELECT f FROM floats")
        assert fs.query("SELECT CAST(f AS DOUBLE) AS f FROM floats")["f"].to_pylist() == [16777216.0]


def test_a_date_that_is_none_is_an_error_with_its_column(mariadb: MariaDB) -> None:
    mariadb.sql(
        "SET sql_mode = ''; CREATE OR REPLACE TABLE shop.zeros (d DATE);"
        "INSERT INTO shop.zeros VALUES ('0000-00-00')"
    )
    with opened(by_pymysql(mariadb), "read") as fs, pytest.raises(ValueOutOfRangeError) as failure:
        fs.cat_file("/shop/zeros.csv")
    assert failure.value.column == "d"


def test_what_mariadb_would_cut_or_round_is_refused(mariadb: MariaDB) -> None:
    mariadb.sql(
        "SET GLOBAL sql_mode = ''; CREATE OR REPLACE TABLE shop.strict"
        " (v VARCHAR(3), d DECIMAL(5, 1), t DATETIME, n TINYINT)"
    )
    stamp = pa.array([1], pa.timestamp("us"))
    with opened(by_pymysql(mariadb), "write") as fs:
        for body in (
            pa.table({"v": ["four"]}),
            pa.table({"d": pa.array([Decimal("1.25")])}),
            pa.table({"t": stamp}),
            pa.table({"n": [128]}),
        ):
            with pytest.raises(ValueOutOfRangeError):
                fs.pipe_file("/shop/strict.arrow", arrow_bytes(body))
    assert mariadb.sql("SELECT count(*) FROM shop.strict") == "0\n"


def test_an_upsert_of_mariadb_goes_by_the_primary_key_alone(mariadb: MariaDB) -> None:
    mariadb.sql(
        "CREATE OR REPLACE TABLE shop.keyed (id INT PRIMARY KEY, name VARCHAR(9) UNIQUE, n INT DEFAULT 5);"
        "INSERT INTO shop.keyed VALUES (1, 'ada', 1), (2, 'grace', 2)"
    )
    with opened(by_pymysql(mariadb), "write") as fs:
        fs.pipe_file("/shop/keyed.csv", b"id,name\n1,ADA\n3,new\n", mode="upsert")
        assert mariadb.sql("SELECT * FROM shop.keyed") == "1\tADA\t1\n2\tgrace\t2\n3\tnew\t5\n"
        with pytest.raises(ConstraintViolationError):  # and does not change the row that has the name
            fs.pipe_file("/shop/keyed.csv", b"id,name\n9,grace\n", mode="upsert")
    assert mariadb.sql("SELECT id FROM shop.keyed WHERE name = 'grace'") == "2\n"


@pytest.mark.parametrize("leave", ["close", "timeout"])
def test_a_statement_of_mariadb_stops_when_its_reader_leaves(mariadb: MariaDB, leave: str) -> None:
    running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
    with opened(by_pymysql(mariadb), "read") as fs:
        stream = fs.query_stream("SELECT SLEEP(60) AS n", timeout=1 if leave == "timeout" else None)
        _until(lambda: mariadb.sql(running) == "1\n")
        if leave == "close":
            stream.close()
        else:
            with pytest.raises(TimeoutError):
                stream.read_all()
        _until(lambda: mariadb.sql(running) == "0\n", 2)
        assert fs.query("SELECT 1 AS n")["n"].to_pylist() == [1]


def test_a_server_that_comes_back_is_found_again(mariadb: MariaDB) -> None:
    mariadb.sql("CREATE OR REPLACE TABLE shop.back (n INT); INSERT INTO shop.back VALUES (1)")
    with opened(by_pymysql(mariadb), "read") as fs:
        assert fs.cat_file("/shop/back.csv") == b"n\r\n1\r\n"
        mariadb.stop()
        with pytest.raises(DatabaseUnavailableError):
            fs.cat_file("/shop/back.csv")
        mariadb.start()
        assert fs.cat_file("/shop/back.csv") == b"n\r\n1\r\n"


# PostgreSQL; the conformance suite has the rest


def test_a_result_of_psycopg_has_the_types_of_the_server(postgres: Postgres) -> None:
    statement = (
        "SELECT 1::int2 AS s, NULL::numeric(9, 3) AS d, 1.10::numeric AS n, '{\"a\" :1}'::json AS j,"
        " '1 mon'::interval AS i, '{1,NULL}'::int8[] AS l, '10.0.0.0/8'::inet AS a,"
        " '{[1,2)}'::int4multirange AS r,"
        " now() AS t, 'x'::bytea AS b, NULL::uuid AS u WHERE $1::int = 1"
    )
    with opened(by_psycopg(postgres), "read") as fs:
        full, empty = fs.query(statement, [1]), fs.query(statement, [2])
    assert full.schema == empty.schema
    assert (full.num_rows, empty.num_rows) == (1, 0)
    row = full.to_pylist()[0]
    assert (row["n"], row["j"], row["a"], row["r"]) == ("1.10", '{"a" :1}', "10.0.0.0/8", "{[1,2)}")
    assert row["i"] == pa.MonthDayNano([1, 0, 0])
    types = {field.name: field.type for field in full.schema}
    assert (types["s"], types["d"], types["l"]) == (pa.int16(), pa.decimal128(9, 3), pa.list_(pa.int64()))
    assert types["t"] == pa.timestamp("us", "UTC")


def test_a_reader_at_work_gives_its_connection_back_after_the_database_was_closed(postgres: Postgres) -> None:
    postgres.sql("CREATE TABLE read_late AS SELECT repeat('x', 99) AS t FROM generate_series(1, 99999)")
    with opened(by_psycopg(postgres)) as fs:
        stream = fs._bridge.read("/public/read_late.arrow")
        assert stream.next()
    while stream.next():
        pass
    stream.close()
    left = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 2
    while (open_still := postgres.sql(left)) != "0\n" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert open_still == "0\n"


def test_a_session_is_not_left_to_the_next_statement(postgres: Postgres) -> None:
    with opened(by_psycopg(postgres) + "?fsspec_db_pool_size=1", "read") as fs:
        fs.query("SELECT pg_advisory_lock(7), set_config('work_mem', '77MB', false)")
        (row,) = fs.query("SELECT current_setting('work_mem') AS m, pg_try_advisory_lock(7) AS l").to_pylist()
    assert row["m"] != "77MB"
    assert row["l"]


def test_marks_within_texts_are_no_parameters(postgres: Postgres) -> None:
    statement = "SELECT '$1 :n %s' || $t$ $1 $t$ AS a, E'\\'$1' AS b, $1::int /* $2 */ AS c"
    with opened(by_psycopg(postgres), "read") as fs:
        assert fs.query(statement, [5]).to_pylist() == [{"a": "$1 :n %s $1 ", "b": "'$1", "c": 5}]
        assert fs.query("SELECT ':n' || :n::text AS a", {"n": 5}).to_pylist() == [{"a": ":n5"}]
        with pytest.raises(InvalidQueryError):
            fs.query("SELECT $1::int AS a", [1, 2])
        with pytest.raises(InvalidQueryError):
            fs.query("SELECT :n::int AS a", {"m": 1})


def test_batches_stay_small_and_so_does_what_the_server_keeps_for_us(postgres: Postgres) -> None:
    postgres.sql("CREATE TABLE long AS SELECT repeat('x', 100000) AS t FROM generate_series(1, 1000)")
    with opened(by_psycopg(postgres), "read") as fs, closing(fs.read_batches("/public/long.arrow")) as stream:
        reader = pa.RecordBatchReader.from_stream(stream)
        assert max(batch.nbytes for batch in reader) < 2**21


def test_what_a_view_of_postgresql_is_not_held_to_may_be_null(postgres: Postgres) -> None:
    postgres.sql(
        """CREATE DOMAIN said AS text NOT NULL; CREATE TABLE spoken (n int, v said);
           CREATE VIEW heard AS SELECT m, v FROM generate_series(1, 1) m LEFT JOIN spoken ON n = m;"""
    )
    with opened(by_psycopg(postgres), "read") as fs:
        assert fs.cat_file("/public/heard.arrow")
        assert fs.cat_file("/public/heard.csv") == b"m,v\r\n1,\r\n"


# Foreign keys

RULES = ("CASCADE", "SET NULL", "SET DEFAULT")


def test_replacing_rows_of_postgresql_changes_no_other_table(postgres: Postgres) -> None:
    for at, rule in enumerate(RULES):
        schema = f"x'%:y\\{at}"
        postgres.sql(
            f'CREATE SCHEMA "{schema}"; SET search_path TO "{schema}";'
            "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a ON DELETE CASCADE);"
            "CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY LIST (id);"
            "CREATE TABLE part PARTITION OF whole FOR VALUES IN (1); INSERT INTO whole VALUES (1);"
            f"CREATE TABLE b (a int DEFAULT 1 CONSTRAINT told REFERENCES a ON DELETE {rule});"
            f"CREATE TABLE c (p int DEFAULT 1 REFERENCES part ON DELETE {rule}); INSERT INTO c VALUES (1);"
        )
        with opened(by_psycopg(postgres)) as fs:
            place = "/" + quote(schema)
            fs.pipe_file(f"{place}/a.csv", b"id,up\n1,1\n")  # an empty one
            postgres.sql(f'INSERT INTO "{schema}".b VALUES (1)')
            with pytest.raises(ConstraintViolationError, match=rf"told \(ON DELETE {rule}\): up"):
                fs.pipe_file(f"{place}/a.csv", b"id,up\n1,1\n")
            with pytest.raises(ConstraintViolationError, match="c_p_fkey"):
                fs.pipe_file(f"{place}/whole.csv", b"id\n1\n")
            fs.pipe_file(f"{place}/b.csv", b"a\n1\n")
            assert fs.cat_file(f"{place}/b.csv") == b"a\r\n1\r\n"
            assert fs.cat_file(f"{place}/c.csv") == b"p\r\n1\r\n"
            postgres.sql(f'ALTER TABLE "{schema}".b DROP CONSTRAINT told')
            fs.pipe_file(f"{place}/a.csv", b"id,up\n2,2\n")  # its own foreign key does not count


@pytest.mark.parametrize("address", ["sqlalchemy:postgresql+psycopg://", "adbc:postgresql?uri=postgresql://"])
def test_replacing_rows_of_postgresql_takes_none_of_heirs(postgres: Postgres, address: str) -> None:
    postgres.sql(
        """DROP TABLE IF EXISTS stem CASCADE; CREATE TABLE stem (n int);
           CREATE TABLE heir (b text) INHERITS (stem); INSERT INTO heir VALUES (1, 'precious')"""
    )
    with opened(postgres.url.replace("postgresql://", address)) as fs:
        with pytest.raises(ConstraintViolationError, match=r"by heir \(INHERITS\)"):
            fs.pipe_file("/public/stem.csv", b"n\n2\n")
        assert postgres.sql("SELECT b FROM stem JOIN heir USING (n)").strip() == "precious"
        fs.pipe_file("/public/heir.csv", b"n,b\n3,kept\n")
        assert fs.cat_file("/public/stem.csv") == b"n\r\n3\r\n"


def test_replacing_rows_of_mariadb_changes_no_other_table(mariadb: MariaDB) -> None:
    mariadb.sql(
        "USE shop; CREATE TABLE `a'\\` (id INT PRIMARY KEY, up INT,"
        " FOREIGN KEY (up) REFERENCES `a'\\` (id) ON DELETE CASCADE);"
        " CREATE TABLE `A'\\` (id INT PRIMARY KEY);"
        " CREATE TABLE b (a INT, CONSTRAINT told FOREIGN KEY (a) REFERENCES `a'\\` (id) ON DELETE SET NULL)"
    )
    with opened(by_pymysql(mariadb)) as fs:
        place = "/shop/" + quote("a'\\")
        fs.pipe_file(f"{place}.csv", b"id,up\n1,1\n")
        mariadb.sql("INSERT INTO shop.b VALUES (1)")
        with pytest.raises(ConstraintViolationError, match=r"told \(ON DELETE SET NULL\)"):
            fs.pipe_file(f"{place}.csv", b"id,up\n1,1\n")
        for _ in range(2):
            fs.pipe_file(f"{place.replace('/a', '/A')}.csv", b"id\n1\n")  # another table
        assert fs.cat_file("/shop/b.csv") == b"a\r\n1\r\n"
        mariadb.sql("DROP TABLE shop.b")
        fs.pipe_file(f"{place}.csv", b"id,up\n2,2\n")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dialect", ["sqlite", "strange"])
def test_replacing_rows_of_sqlite_changes_no_other_table(sqlite: Path, rule: str, dialect: str) -> None:
    with closing(sqlite3.connect(sqlite)) as connection:
        connection.executescript(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, up INTEGER REFERENCES a ON DELETE CASCADE);"
            f"CREATE TABLE b (a INTEGER DEFAULT 1, FOREIGN KEY (a) REFERENCES a (id) ON DELETE {rule});"
        )
    _strange()
    with opened(by_sqlite(sqlite).replace("sqlite:", f"{dialect}:")) as fs:
        fs.pipe_file("/main/a.csv", b"id,up\n1,\n")
        fs.pipe_file("/main/b.csv", b"a\n1\n")
        fs.pipe_file("/main/b.csv", b"a\n1\n")
        with pytest.raises(ConstraintViolationError, match=rf"main\.a .* fk_b_1 \(ON DELETE {rule}\)"):
            fs.pipe_file("/main/a.csv", b"id,up\n1,\n")
        assert asked(sqlite, "SELECT * FROM b") == [(1,)]
        with closing(sqlite3.connect(sqlite)) as connection:
            connection.execute("DROP TABLE b")
        fs.pipe_file("/main/a.csv", b"id,up\n2,2\n")
    assert asked(sqlite, "SELECT id FROM a") == [(2,)]


# Any other


def test_a_database_that_nothing_is_known_of_is_read_and_written(sqlite: Path) -> None:
    _strange()
    url = by_sqlite(sqlite).replace("sqlite:", "strange:")
    with opened(url) as fs:
        assert fs.cat_file("/main/users.csv?columns=id&order=-id&limit=1") == b"id\r\n2\r\n"
        assert fs.cat_file("/main/users.csv?columns=id&order=id&limit=5&offset=1") == b"id\r\n2\r\n"
        fs.pipe_file("/main/users.csv", b"id,name\n1,augusta\n3,new\n", mode="upsert")
        with pytest.raises(UnsupportedError, match="fsspec_db_read_only=role"):
            fs.query("SELECT 1")
        with pytest.raises(UnsupportedError):
            fs.mv("/main/users", "/main/people", recursive=True)
    assert asked(sqlite, "SELECT * FROM users") == [(1, "augusta", 1.5), (2, "grace", None), (3, "new", 0.5)]
    with opened(url + "?fsspec_db_read_only=role") as fs:
        assert fs.query("SELECT count(*) AS n FROM users WHERE id > ?", [1]).to_pylist() == [{"n": 2}]


def _strange() -> None:
    """A dialect under a name that no record has; SQLite is behind it."""
    from sqlalchemy.dialects import registry
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    class Strange(SQLiteDialect_pysqlite):
        name = "strange"
        driver = "strange"
        supports_statement_cache = True

    globals()["Strange"] = Strange
    registry.register("strange", __name__, "Strange")


def test_several_threads_read_and_write_at_once(sqlite: Path) -> None:
    with opened(by_sqlite(sqlite)) as fs:
        failures: list[Exception] = []

        def work(number: int) -> None:
            try:
                for step in range(5):
                    fs.pipe_file("/main/users.csv", b"name\nx%d\n" % (number * 10 + step), mode="append")
                    fs.cat_file("/main/users.arrow")
            except Exception as failure:  # noqa: BLE001
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert asked(sqlite, "SELECT count(*) FROM users") == [(32,)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlalchemy:", "URL"),
        ("sqlalchemy:nope://host/db", "nope"),
        ("sqlalchemy:sqlite://", "memory"),
        ("sqlalchemy:duckdb:///x.db", "duckdb:"),
        ("sqlalchemy:sqlite:///x.db?fsspec_db_read_only=yes", "fsspec_db_read_only"),
        ("sqlalchemy:sqlite:///x.db?fsspec_db_nope=1", "options"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        connect(url)


def test_no_password_is_told(mariadb: MariaDB) -> None:
    url = by_pymysql(mariadb).replace("s3cr3t%2Fx", "canary%2Fx")
    with opened(url) as fs:
        with pytest.raises(DatabaseUnavailableError) as failure:
            fs.ls("/")
        chain = f"{failure.value!r} {failure.value} {failure.value.__cause__} {fs!r} {fs.url}"
    assert "canary" not in chain


def _until(holds: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)
