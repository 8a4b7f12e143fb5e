"""What is DuckDB's own; what all engines share is in the conformance suite."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import AbstractDatabaseFileSystem, connect
from fsspec_db.errors import (
    AlreadyExistsError,
    ConstraintViolationError,
    DatabaseUnavailableError,
    ForbiddenError,
    InvalidParameterError,
    InvalidQueryError,
    NotEmptyError,
    NotFoundError,
    PreconditionFailedError,
    QueryTimeoutError,
    ReadOnlyError,
    SchemaMismatchError,
    UnsupportedError,
    ValueOutOfRangeError,
)

if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS") == "1":
    import duckdb
else:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fsspec_db import DatabaseFileSystem

    Opened = Callable[..., DatabaseFileSystem]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.duckdb"


@pytest.fixture
def make(file: Path) -> Callable[[str], None]:
    """Runs SQL in the file, by DuckDB itself."""

    def run(sql: str) -> None:
        with duckdb.connect(str(file)) as connection:
            connection.execute(sql)

    return run


@pytest.fixture
def opened(file: Path) -> Iterator[Opened]:
    filesystems: list[DatabaseFileSystem] = []

    def open_file(access: Any = "manage", options: str = "") -> DatabaseFileSystem:
        filesystems.append(connect(f"duckdb:///{file}{options}", access=access))
        return filesystems[-1]

    yield open_file
    for fs in filesystems:
        fs.close()


def body(values: pa.Array) -> bytes:
    """An Arrow stream of one column, `v`."""
    table, sink = pa.table({"v": values}), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def rows(fs: DatabaseFileSystem, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fs.query(sql).to_pylist()
    return found


# Opening


def test_only_manage_makes_a_file(file: Path, opened: Opened) -> None:
    for access in ("read", "write"):
        with pytest.raises(NotFoundError):
            opened(access)
    assert not file.exists()
    opened("manage")
    assert file.exists()


def test_a_database_in_memory_is_each_one_its_own() -> None:
    first, second = (connect("duckdb://", access="manage") for _ in range(2))
    first.pipe_file("/main/t.csv", b"a\n1\n")
    assert first.exists("/main/t")
    assert not second.exists("/main/t")


def test_options_are_settings_and_no_others_are_taken(opened: Opened) -> None:
    fs = opened("manage", "?threads=1&memory_limit=100MB")
    asked = "SELECT current_setting('threads')::INT AS t, current_setting('memory_limit') AS m"
    assert rows(fs, asked) == [{"t": 1, "m": "95.3 MiB"}]
    for option in (
        "enable_external_access=true",
        "autoload_known_extensions=true",
        "lock_configuration=false",
    ):
        with pytest.raises(InvalidParameterError, match="no option"):
            opened("manage", "?" + option)
    with pytest.raises(InvalidParameterError, match="Memory"):
        connect("duckdb://?memory_limit=lots")


def test_another_process_hears_that_the_file_is_in_use(file: Path, opened: Opened) -> None:
    opened("manage")
    script = f"import fsspec_db; fsspec_db.connect('duckdb:///{file}').ls('/')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "DatabaseUnavailableError: another process has the database file open" in done.stderr


def test_one_process_opens_a_file_in_one_way(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE t AS SELECT 1 AS a")
    writing = opened("manage")
    reading = opened("read")
    writing.pipe_file("/main/t.csv", b"a\n2\n")
    assert reading.cat_file("/main/t.csv") == b"a\r\n2\r\n"
    before = reading.data_version("/main/t.csv")
    assert before is not None
    assert before == writing.data_version("/main/t.csv")
    writing.pipe_file("/main/t.csv", b"a\n2\n")
    assert reading.data_version("/main/t.csv") == writing.data_version("/main/t.csv") != before
    with pytest.raises(ReadOnlyError):
        reading.pipe_file("/main/t.csv", b"a\n3\n")
    with pytest.raises(DatabaseUnavailableError, match="other options"):
        opened("write", "?threads=1")
    reading.close()
    writing.close()
    opened("read")
    with pytest.raises(DatabaseUnavailableError, match="another access"):
        opened("write")


def test_what_is_no_database_is_unavailable(file: Path, opened: Opened) -> None:
    file.write_bytes(b"no database, for all that it is long enough" * 1000)
    with pytest.raises(DatabaseUnavailableError, match="not a valid DuckDB"):
        opened("read")


def test_a_file_that_is_read_has_one_version(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE t AS SELECT 1 AS a")
    fs = opened("read")
    before = fs.bridge.data_version("/main/t.csv")
    assert before
    fs.close()
    make("INSERT INTO t VALUES (2)")
    assert opened("read").bridge.data_version("/main/t.csv") != before


SCATTERED = """
CREATE TABLE t AS SELECT i::INTEGER AS id,
    CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS n,
    CASE WHEN i % 5 = 0 THEN NULL ELSE TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND END AS ts,
    CASE WHEN i % 7 = 0 THEN NULL ELSE 'text ' || i END AS s,
    CASE WHEN i % 9 = 0 THEN NULL ELSE i % 2 = 0 END AS b,
    CASE WHEN i % 4 = 0 THEN NULL ELSE [i, NULL, i + 1] END AS l,
    CASE WHEN i % 6 = 0 THEN NULL ELSE {'a': i, 'b': CASE WHEN i % 2 = 0 THEN NULL ELSE 'b' END} END AS st,
    CASE WHEN i % 8 = 0 THEN NULL ELSE (i % 3)::VARCHAR::ENUM('0', '1', '2', 'none') END AS e,
    CASE WHEN i % 10 = 0 THEN NULL ELSE (i * 3)::HUGEINT END AS h FROM range(200_001) r(i);
UPDATE t SET n = NULL WHERE id % 1000 = 7;
DELETE FROM t WHERE id % 17 = 3;
"""
"""NULLs of every layout, in a table of which DuckDB's threads give parts of other sizes each time."""


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet"])
def test_a_version_has_the_same_bytes_however_many_threads_there_are(
    make: Callable[[str], None], opened: Opened, extension: str
) -> None:
    make(SCATTERED)
    bodies: dict[tuple[str, str | None], set[bytes]] = {}
    versions = set()
    for options in ("?threads=1", "?threads=4", "?threads=2"):
        fs = opened("read", options)
        for shape, codec in (("", None), ("where=n>5000", "zstd"), ("limit=70001&offset=501", "lz4")):
            for _ in range(2):
                with fs.bridge.read(f"/main/t.{extension}", shape, codec=codec) as stream:  # type: ignore[arg-type]
                    bodies.setdefault((shape, codec), set()).add(stream.read_all())
                    versions.add(stream.version)
        fs.close()
    assert len(versions) == 1
    assert None not in versions
    assert [shape for shape, found in bodies.items() if len(found) > 1] == []


def test_what_may_be_random_has_no_version(make: Callable[[str], None], opened: Opened) -> None:
    make(
        "CREATE TABLE t (a INTEGER, b DOUBLE GENERATED ALWAYS AS (random())); INSERT INTO t (a) VALUES (1);"
        "CREATE VIEW v AS SELECT random() AS r; CREATE TABLE plain AS SELECT 1 AS a"
    )
    fs = opened("read")
    for relation in ("t", "v"):
        assert fs.data_version(f"/main/{relation}.csv") is None
        with fs.bridge.read(f"/main/{relation}.csv") as stream:
            stream.read_all()
            assert stream.version is None
    assert fs.data_version("/main/plain.csv") is not None
    with fs.bridge.read("/main/plain.csv", "order=a") as stream:
        stream.read_all()
        assert stream.version is None


def test_a_write_for_a_version_is_refused_where_another_ended_meanwhile(file: Path) -> None:
    from fsspec_db.engines.duckdb import DuckDB  # only where there is one

    database = DuckDB(str(file), "manage")
    fs = AbstractDatabaseFileSystem(database, access="manage")
    fs.pipe_file("/main/t.csv", b"a\n1\n")
    version = fs.data_version("/main/t.csv")
    assert version
    arriving = pa.table({"a": pa.array([2] * 10, pa.int64())})

    def batches() -> Iterator[pa.RecordBatch]:
        fs.pipe_file("/main/t.csv", b"a\n3\n", mode="append")
        yield from arriving.to_batches()

    reader = pa.RecordBatchReader.from_batches(arriving.schema, batches())
    with pytest.raises(PreconditionFailedError):
        database.insert_if("main", "t", reader, "append", version)
    assert fs.cat_file("/main/t.csv") == b"a\r\n1\r\n3\r\n"
    fs.close()


# Read-only

ESCAPES = [
    "COPY t TO '{0}/out.csv'",
    "COPY t FROM '{0}/in.csv'",
    "ATTACH '{0}/other.duckdb'",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "INSTALL json",
    "LOAD json",
    "EXPORT DATABASE '{0}/export'",
    "IMPORT DATABASE '{0}/export'",
    "SET threads = 1",
    "SET VARIABLE v = 1",
    "RESET threads",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE TEMP MACRO m(a) AS a",
    "CREATE TABLE x AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "FROM read_csv('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM glob('/etc/*')",
    "FROM '/etc/passwd'",
    "COMMIT",
    "COMMIT; INSERT INTO t VALUES (2)",
    "SELECT 1; SELECT 2",
    "ROLLBACK",
    "BEGIN",
    "INSERT INTO t VALUES (2)",
    "INSERT INTO t VALUES (2) RETURNING a",
    "UPDATE t SET a = 2 RETURNING a",
    "DELETE FROM t RETURNING a",
    "TRUNCATE t",
    "WITH x AS (INSERT INTO t VALUES (2) RETURNING a) FROM x",
    "MERGE INTO t USING (SELECT 1 AS a) AS s ON t.a = s.a WHEN MATCHED THEN DELETE",
    "DROP TABLE t",
    "ALTER TABLE t RENAME TO u",
    "COMMENT ON TABLE t IS 'x'",
    "SELECT nextval('s')",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (2)",
    "EXPLAIN ANALYZE COMMIT",
    "EXPLAIN COMMIT",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CALL pragma_version()",
    "CALL force_checkpoint()",
    "PIVOT t ON a USING count(*)",
    "FROM query('INSERT INTO t VALUES (2)')",
    "SELECT getenv('HOME')",
    "FROM secret_variable",
    "",
]


@pytest.mark.parametrize("access", ["read", "manage"])
def test_a_query_cannot_do_anything_but_read(
    make: Callable[[str], None], opened: Opened, tmp_path: Path, access: str
) -> None:
    secret_variable = pa.table({"a": [1]})
    make("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1); CREATE SEQUENCE s")
    (tmp_path / "in.csv").write_text("7\n")
    before = sorted(tmp_path.iterdir())
    fs = opened(access)
    for sql in ESCAPES:
        with pytest.raises((ReadOnlyError, ForbiddenError, InvalidQueryError, UnsupportedError)):
            pytest.fail(f"{sql} was run: {fs.query(sql.format(tmp_path))}")
        assert rows(fs, "FROM t") == [{"a": 1}], sql
        assert rows(fs, "SELECT last_value AS v FROM duckdb_sequences()") == [{"v": None}], sql
        assert rows(fs, "SELECT count(*) AS n FROM duckdb_databases() WHERE NOT internal") == [{"n": 1}], sql
        assert rows(fs, "SELECT count(*) AS n FROM duckdb_tables()") == [{"n": 1}], sql
        assert [one for one in sorted(tmp_path.iterdir()) if one.suffix != ".wal"] == before, sql
    assert secret_variable.num_rows == 1


def test_every_spelling_of_a_select_is_one(opened: Opened) -> None:
    fs = opened()
    fs.pipe_file("/main/t.csv", b"a,b\n1,x\n")
    for sql in (
        " -- first\n SELECT a FROM t ; -- last",
        "FROM t",
        "TABLE t",
        "VALUES (1)",
        "WITH c AS (FROM t) FROM c",
        "DESCRIBE t",
        "SUMMARIZE t",
        "SHOW TABLES",
        "EXPLAIN SELECT a FROM t",
        "PIVOT t ON b IN ('x') USING count(*)",
    ):
        assert fs.query(sql).num_rows >= 1, sql


def test_a_read_is_one_state(opened: Opened) -> None:
    fs = opened()
    fs.query("SELECT 1")
    fs.pipe_file("/main/t.arrow", body(pa.array(range(300_000))))
    with fs.open_stream("/main/t.csv") as stream:
        first = stream.next() or b""
        fs.pipe_file("/main/t.arrow", body(pa.array([-1])))
        rest = stream.read_all()
    assert len((first + rest).splitlines()) == 300_001
    assert fs.cat_file("/main/t.csv") == b"v\r\n-1\r\n"


# Cancelling


def test_a_query_that_runs_too_long_is_stopped(opened: Opened) -> None:
    begun = time.monotonic()
    with pytest.raises(QueryTimeoutError):
        opened().query("SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)", timeout=0.3)
    assert time.monotonic() - begun < 2


def test_a_query_stops_when_its_reader_leaves(opened: Opened) -> None:
    fs = opened()
    for sql in (
        "SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)",
        "SELECT i FROM range(100000000000) t(i)",
    ):
        stream = fs.bridge.query(sql)
        time.sleep(0.3)
        stream.close()
        time.sleep(0.7)
        spent = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - spent < 0.2, sql


def test_a_write_that_runs_too_long_changes_nothing(opened: Opened) -> None:
    fs = opened()
    fs.pipe_file("/main/t.arrow", body(pa.array([1])))
    with pytest.raises(QueryTimeoutError):
        fs.write("/main/t.arrow", body(pa.array(range(3_000_000))), "replace", timeout=0.02)
    assert rows(fs, "FROM t") == [{"v": 1}]


def test_streams_outlive_each_other(opened: Opened) -> None:
    fs = opened()
    streams = [fs.bridge.query("SELECT i FROM range(200000) t(i)", extension="csv") for _ in range(20)]
    done: list[int] = []
    threads = [threading.Thread(target=lambda s=s: done.append(len(s.read_all()))) for s in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(done)) == 1
    assert len(done) == 20


# Writing


def test_a_broken_body_changes_nothing(opened: Opened) -> None:
    fs = opened()
    fs.pipe_file("/main/t.arrow", body(pa.array(range(200_000))))
    whole = body(pa.array(range(500_000)))
    for mode in ("overwrite", "append"):
        with pytest.raises(ValueError, match="end"):
            fs.pipe_file("/main/t.arrow", whole[: len(whole) // 2], mode=mode)
    with pytest.raises(ValueError, match="end"):
        fs.pipe_file("/main/new.arrow", whole[: len(whole) // 2])
    assert rows(fs, "SELECT count(*) AS n, max(v) AS m FROM t") == [{"n": 200_000, "m": 199_999}]
    assert not fs.exists("/main/new")


def test_rows_with_the_same_keys_replace_each_other(make: Callable[[str], None], opened: Opened) -> None:
    make(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR DEFAULT 'd', c INTEGER);"
        "INSERT INTO t VALUES (1, 'x', 1)"
    )
    fs = opened("write")
    fs.pipe_file("/main/t.csv", b"a,b\n1,y\n2,z\n")
    assert rows(fs, "FROM t") == [{"a": 1, "b": "y", "c": None}, {"a": 2, "b": "z", "c": None}]
    fs.pipe_file("/main/t.csv", b"c,a\n7,2\n8,3\n", mode="upsert")
    assert rows(fs, "FROM t ORDER BY a") == [
        {"a": 1, "b": "y", "c": None},
        {"a": 2, "b": "z", "c": 7},
        {"a": 3, "b": "d", "c": 8},
    ]
    fs.pipe_file("/main/t.csv", b"a,b\n4,first\n4,last\n", mode="upsert")
    assert rows(fs, "SELECT b FROM t WHERE a = 4") == [{"b": "last"}]
    with pytest.raises(ConstraintViolationError):
        fs.pipe_file("/main/t.csv", b"a\n1\n", mode="append")
    with pytest.raises(SchemaMismatchError) as caught:
        fs.pipe_file("/main/t.csv", b"b\nx\n", mode="upsert")
    assert caught.value.column == "a"


def test_generated_columns_are_passed_over(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE t (a INTEGER, b INTEGER AS (a + 1)); INSERT INTO t VALUES (1)")
    fs = opened("write")
    fs.pipe_file("/main/t.csv", fs.cat_file("/main/t.csv"), mode="append")
    assert rows(fs, "FROM t") == [{"a": 1, "b": 2}] * 2


def test_a_new_table_is_not_null_where_its_fields_are(opened: Opened) -> None:
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.string())])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}, schema=schema))
    fs = opened()
    fs.pipe_file("/main/t.arrow", sink.getvalue())
    assert fs.cat_file("/main/t.sql") == b"CREATE TABLE t(a INTEGER NOT NULL, b VARCHAR);\n"
    assert json.loads(fs.cat_file("/main/t/columns/a"))["nullable"] is False


def test_nothing_that_would_be_lost_is_written(make: Callable[[str], None], opened: Opened) -> None:
    for number, (kind, values) in enumerate(LOSSES):
        make(f"CREATE TABLE t{number} (v {kind})")
        fs = opened("write")
        with pytest.raises((ValueOutOfRangeError, SchemaMismatchError)) as caught:
            fs.pipe_file(f"/main/t{number}.arrow", body(values))
        assert caught.value.column == "v", kind
        assert rows(fs, f"FROM t{number}") == []
        fs.close()


LOSSES = [
    ("INTEGER", pa.array([1.0, 2.5])),
    ("TINYINT", pa.array([300])),
    ("DECIMAL(5, 2)", pa.array([1.239])),
    ("DECIMAL(5, 2)", pa.array(["1.234"]).cast(pa.decimal128(4, 3))),
    ("FLOAT", pa.array([0.1])),
    ("DOUBLE", pa.array([2**53 + 1])),
    ("TIMESTAMP", pa.array([1], pa.timestamp("ns"))),
    ("DATE", pa.array([1], pa.timestamp("s"))),
    ("TIMESTAMPTZ", pa.array([1], pa.timestamp("us"))),
    ("TIMESTAMP", pa.array([1], pa.timestamp("us", "UTC"))),
    ("INTERVAL", pa.array([1], pa.duration("ns"))),
    ("INTERVAL", pa.array([None, pa.MonthDayNano([1, 2, 3])])),
    ("INTEGER", pa.array(["1"])),
    ("INTEGER[]", pa.array([[1, 2**40]])),
    ("UUID", pa.array(["no uuid"])),
    ("ENUM('a')", pa.array(["b"])),
    ("JSON", pa.array(["{"])),
    ("JSON", pa.array(["{"], pa.json_())),
    ("UNION(a INTEGER, b VARCHAR)", pa.array(["1"])),
    ("BOOLEAN", pa.array([1])),
]


def test_the_row_that_does_not_fit_is_named(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE t (v TINYINT)")
    values = pa.array([*([1] * 70_000), 128, 1, 129])
    with pytest.raises(ValueOutOfRangeError, match="128") as caught:
        opened("write").pipe_file("/main/t.arrow", body(values))
    assert caught.value.row == 70_001


# Types

TYPES: list[tuple[str, list[str]]] = [
    ("BOOLEAN", ["true", "false"]),
    ("TINYINT", ["-128", "127"]),
    ("SMALLINT", ["-32768", "32767"]),
    ("INTEGER", ["-2147483648", "2147483647"]),
    ("BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    ("HUGEINT", ["-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"]),
    ("UTINYINT", ["0", "255"]),
    ("USMALLINT", ["65535"]),
    ("UINTEGER", ["4294967295"]),
    ("UBIGINT", ["18446744073709551615"]),
    ("UHUGEINT", ["0", "340282366920938463463374607431768211455"]),
    ("BIGNUM", ["123456789012345678901234567890123456789012345678901234567890", "-1"]),
    ("FLOAT", ["'nan'", "'inf'", "'-inf'", "-0.0", "3.4028235e38"]),
    ("DOUBLE", ["'nan'", "'inf'", "'-inf'", "-0.0", "1.7976931348623157e308", "0.1"]),
    ("DECIMAL(4, 1)", ["-999.9", "0.1"]),
    ("DECIMAL(38, 10)", ["9999999999999999999999999999.9999999999"]),
    ("DATE", ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'", "'0044-03-15 (BC)'"]),
    ("TIME", ["'00:00:00'", "'23:59:59.999999'"]),
    ("TIME_NS", ["'23:59:59.999999999'"]),
    ("TIMETZ", ["'12:00:00+05:30'", "'23:59:59.999999-15:59:59'"]),
    ("TIMESTAMP", ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"]),
    ("TIMESTAMP_S", ["'1969-12-31 23:59:59'", "'9999-12-31 23:59:59'"]),
    ("TIMESTAMP_MS", ["'1969-12-31 23:59:59.999'"]),
    ("TIMESTAMP_NS", ["'1677-09-22 00:00:00'", "'2262-04-11 23:47:16.854775806'"]),
    ("TIMESTAMPTZ", ["'1969-12-31 23:59:59.999999+00'", "'2024-06-01 12:00:00+02'"]),
    ("INTERVAL", ["'1 year 2 months -3 days 4.000005 seconds'", "'-1 month'", "'0 seconds'"]),
    ("VARCHAR", ["''", "'é☃𝄞\"x'", "'a,b\n''c'", "repeat('x', 1048576)", "'NULL'"]),
    ("BLOB", ["''", "'\\x00\\xff'"]),
    ("BIT", ["'0'", "'0101'", "'00000000000000000101'"]),
    ("UUID", ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("JSON", ["'{\"a\": [1, 2.50, null]}'", "'null'"]),
    ("VARIANT", ["1", "'x'"]),
    ("ENUM('ok', 'so so', 'é')", ["'ok'", "'é'"]),
    ("INTEGER[]", ["[]", "[1, null, 3]"]),
    ("VARCHAR[]", ["['a', '', 'x \"y\" ,z', null]"]),
    ("INTEGER[][]", ["[[1], [], null]"]),
    ("INTEGER[3]", ["[1, null, 3]"]),
    ("ENUM('x', 'y')[]", ["['x']"]),
    ("STRUCT(a INTEGER, b VARCHAR)", ["{'a': 1, 'b': null}", "{'a': null, 'b': 'q\"'}"]),
    (
        "STRUCT(h UHUGEINT, t TIMETZ)",
        ["{'h': 340282366920938463463374607431768211455, 't': '12:00:00+05:30'}"],
    ),
    ("MAP(VARCHAR, INTEGER)", ["map {}", "map {'k': 1, 'l': null}"]),
    ("MAP(VARCHAR, BIT[])", ["map {'k': ['01']}"]),
]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=[kind for kind, _ in TYPES])
def test_values_come_back_as_they_went_in_every_format(
    make: Callable[[str], None], opened: Opened, kind: str, values: list[str]
) -> None:
    inserted = ", ".join(f"({at}, {value})" for at, value in enumerate(["NULL", *values]))
    make(
        f"CREATE TABLE t (id INTEGER, v {kind}); CREATE TABLE copy AS FROM t; INSERT INTO t VALUES {inserted}"
    )
    fs = opened("write")
    text = "SELECT id, CAST(v AS VARCHAR) AS v FROM {} ORDER BY id"
    for extension in ("arrow", "feather", "parquet", "csv", "jsonl", "json"):
        fs.pipe_file(f"/main/copy.{extension}", fs.cat_file(f"/main/t.{extension}"))
        assert rows(fs, text.format("copy")) == rows(fs, text.format("t")), extension


@pytest.mark.parametrize(
    ("sql", "detail"),
    [
        ("SELECT 'infinity'::TIMESTAMP AS v", "infinity"),
        ("SELECT '-infinity'::DATE AS v", "infinity"),
        ("SELECT 'infinity'::TIMESTAMP_NS AS v", "infinity"),
        ("SELECT 'infinity'::TIMESTAMPTZ AS v", "infinity"),
        ("SELECT '24:00:00'::TIME AS v", "24:00:00"),
        ("SELECT to_microseconds(9223372036854775807) AS v", "too long"),
        ("SELECT 170141183460469231731687303715884105727::HUGEINT AS v", "DECIMAL"),
    ],
)
def test_what_arrow_cannot_say_is_an_error(opened: Opened, sql: str, detail: str) -> None:
    with pytest.raises(ValueOutOfRangeError, match=detail) as caught:
        opened().query(sql)
    assert caught.value.column == "v"


def test_types_are_known_before_the_first_row(opened: Opened) -> None:
    found = (
        opened()
        .query("SELECT 1::UTINYINT AS a, '01'::BIT AS a, now() AS t, '1'::JSON AS j WHERE false")
        .schema
    )
    assert found.names == ["a", "a", "t", "j"]
    assert found.types[:3] == [pa.uint8(), pa.string(), pa.timestamp("us", "UTC")]
    assert found.field(1).metadata == {b"fsspec_db.sql_type": b"BIT"}
    assert found.field(3).type == pa.json_()


def test_a_copy_has_the_types_of_its_original(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE t (a BIT, b UUID, c HUGEINT, d TIMETZ, e JSON, f UHUGEINT, g BIGNUM, h TIME_NS)")
    fs = opened()
    fs.cp_file("/main/t", "/main/u")
    assert fs.cat_file("/main/u.sql").replace(b" u(", b" t(") == fs.cat_file("/main/t.sql")


# Parameters, names, catalogue


def test_parameters_by_position_and_by_name(opened: Opened) -> None:
    fs = opened()
    assert fs.query("SELECT ? AS a, ? AS b", [1, "x"]).to_pylist() == [{"a": 1, "b": "x"}]
    assert fs.query("SELECT $2 AS a, $1 AS b", [1, "x"]).to_pylist() == [{"a": "x", "b": 1}]
    assert fs.query("SELECT $y AS a", {"y": [1, 2]}).to_pylist() == [{"a": [1, 2]}]
    for sql, params in (("SELECT ?", [1, 2]), ("SELECT $a", {"b": 1}), ("SELECT ?", None), ("SELECT 1", [1])):
        with pytest.raises(InvalidQueryError):
            fs.query(sql, params)


def test_names_are_quoted(opened: Opened) -> None:
    fs = opened()
    for name in ('a"b', "select", "a.b", "x; DROP TABLE t", "é☃", " "):
        target = {"v": pa.array([1])}
        fs.write(f"/main/{fs_name(name)}.arrow", body(target["v"]), "create")
        assert rows(fs, f'FROM "{name.replace(chr(34), chr(34) * 2)}"') == [{"v": 1}]
        fs.mv(f"/main/{fs_name(name)}", "/main/moved")
        fs.rm("/main/moved", recursive=True)


def fs_name(name: str) -> str:
    from fsspec_db import encode_name

    return encode_name(name)


def test_names_differ_by_more_than_case(opened: Opened) -> None:
    fs = opened()
    fs.pipe_file("/main/Users.csv", b"a\n1\n")
    assert not fs.exists("/main/users")
    with pytest.raises(AlreadyExistsError):
        fs.pipe_file("/main/users.csv", b"a\n1\n")
    with pytest.raises(AlreadyExistsError):
        fs.mkdir("/MAIN")


def test_a_schema_is_not_named_as_the_file(opened: Opened) -> None:
    with pytest.raises(UnsupportedError, match="database of that name"):
        opened().mkdir("/test")


def test_the_catalogue_is_told(make: Callable[[str], None], opened: Opened) -> None:
    make(
        "CREATE SCHEMA s; CREATE TABLE s.p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE s.c (x INTEGER REFERENCES s.p(id), y VARCHAR DEFAULT 'd' UNIQUE, CHECK (x > 0));"
        "CREATE INDEX i ON s.c(x, lower(y)); COMMENT ON TABLE s.c IS 'table';"
        "COMMENT ON COLUMN s.c.x IS 'column';"
        'CREATE VIEW s."a AS b" AS WITH q AS (FROM S.P) SELECT * FROM q JOIN s.c ON x = id'
    )
    fs = opened("read")
    assert {entry["name"]: entry.get("comment") for entry in fs.ls("/s")}["/s/c"] == "table"
    column = json.loads(fs.cat_file("/s/c/columns/y"))
    assert (column["data_type"], column["default"], column["nullable"]) == ("VARCHAR", "'d'", True)
    assert json.loads(fs.cat_file("/s/c/columns/x"))["comment"] == "column"
    kinds = {json.loads(fs.cat_file(path))["kind"] for path in fs.ls("/s/c/constraints", detail=False)}
    assert kinds == {"fk", "unique", "check"}
    index = json.loads(fs.cat_file("/s/c/indexes/i"))
    assert index["columns"] == ["x", "(lower(y))"]
    assert re.match(rb'CREATE VIEW s\."a AS b" AS', fs.cat_file("/s/a AS b/definition.sql"))
    assert fs.ls("/s/a AS b/depends_on", detail=False) == [
        "/s/a AS b/depends_on/s.c",
        "/s/a AS b/depends_on/s.p",
    ]


def test_a_table_that_another_refers_to_is_not_dropped(make: Callable[[str], None], opened: Opened) -> None:
    make("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER REFERENCES p (id))")
    fs = opened()
    with pytest.raises(NotEmptyError):
        fs.rm("/main/p", recursive=True)
    for name in ("c", "p"):
        fs.rm(f"/main/{name}", recursive=True)
    assert not fs.exists("/main/p")
