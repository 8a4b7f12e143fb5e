"""PostgreSQL: what it says itself, as Arrow and back."""

from __future__ import annotations

import json
import socketserver
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseError,
    DatabaseUnavailableError,
    ForbiddenError,
    InvalidPredicateError,
    InvalidQueryError,
    NotFoundError,
    QueryTimeoutError,
    ReadOnlyError,
    SchemaMismatchError,
    ValueOutOfRangeError,
    connect,
    encode_name,
)
from tests.fsspec_db.samples import arrow_bytes
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db import Access, DatabaseFileSystem

TYPES = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"');
CREATE DOMAIN positive AS numeric(8, 3) CHECK (VALUE > 0);
CREATE TABLE kinds (
    n int PRIMARY KEY, b boolean, i2 smallint, i8 bigint, o oid, f4 real, f8 double precision,
    d numeric(15, 2), big numeric(76, 20), free numeric, t text, v varchar(9), c char(5), bin bytea,
    day date, clock time, ts timestamp, tz timestamptz, span interval, id uuid, j json, jb jsonb,
    m mood, p positive, ints int[], texts text[], grid int[][], net inet, bits bit(3), r int4range);
INSERT INTO kinds VALUES
 (1, true, -32768, -9223372036854775808, 0, '-0', 'NaN', -9999999999999.99,
  -99999999999999999999999999999999999999999999999999999999.99999999999999999999,
  -0.000000000000000000000000000000000000000000001, '', '', '', '\x', '0001-01-01', '00:00:00',
  '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', '-1 mon -2 days -0.000001 sec',
  '00000000-0000-0000-0000-000000000000', '{"a" :1}', '{"a": [1, null]}', 'sad', 0.001,
  '{}', '{}', '{}', '::1/128', B'101', '[1,5)'),
 (2, false, 32767, 9223372036854775807, 4294967295, 'Infinity', '-Infinity', 9999999999999.99,
  0.00000000000000000001, 12345678901234567890123456789012345678901234567890.5, E'a"b\\c\n日本 語',
  'nine byte', 'ab', '\x00ff', '9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999',
  '9999-12-31 23:59:59.999999+00', '178 years 11 mons', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '"\u00e9"', '"x"', 'it''s "fine"', 12345.678, '{1,NULL,-3}', '{"a,b","NULL",NULL,"q\"\\"}',
  '{{1,2},{3,4}}', '10.0.0.0/8', B'000', 'empty'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database."""
    name = f"t{abs(hash(request.node.nodeid))}"
    server.sql(f"CREATE DATABASE {name}")
    yield server.url.removesuffix("postgres") + name
    server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def opened(url: str, access: Access = "read", **options: Any) -> Iterator[DatabaseFileSystem]:
    with closing(connect(url, access=access, **options)) as fs:
        yield fs


def run(server: Postgres, url: str, sql: str) -> str:
    return server.sql(f"\\connect {url.rpartition('/')[2]}\n{sql}")


def table(fs: DatabaseFileSystem, path: str) -> pa.Table:
    return pa.ipc.open_stream(fs.cat_file(path)).read_all()


def test_every_type_is_carried_exactly(server: Postgres, database: str) -> None:
    run(server, database, TYPES)
    with opened(database) as fs:
        read = table(fs, "/public/kinds.arrow?order=n")
    types = {field.name: field.type for field in read.schema}
    assert types["d"] == pa.decimal128(15, 2)
    assert types["big"] == pa.decimal256(76, 20)
    assert types["p"] == pa.decimal128(8, 3)
    assert types["tz"] == pa.timestamp("us", "UTC")
    assert types["m"] == pa.dictionary(pa.int32(), pa.string())
    assert types["ints"] == pa.list_(pa.int32())
    assert {types[name] for name in ("free", "grid", "net", "bits", "r", "c")} == {pa.string()}
    # What the server says as text is the judge.
    for name in ("d", "big", "free", "t", "v", "m", "p", "bits", "r", "grid", "j", "jb", "id", "day"):
        said = run(server, database, f"SELECT COALESCE(({name})::text, 'NULL') FROM kinds ORDER BY n")
        shown = [_text(value) for value in read[name].to_pylist()]
        assert "\n".join(shown) + "\n" == said, name
    assert read["i8"].to_pylist() == [-(2**63), 2**63 - 1, None]
    assert str(read["f4"][0].as_py()) == "-0.0"
    assert read["net"].to_pylist() == ["::1", "10.0.0.0/8", None]
    assert read["ints"].to_pylist() == [[], [1, None, -3], None]
    assert read["texts"].to_pylist() == [[], ["a,b", "NULL", None, 'q"\\'], None]
    assert read["bin"].to_pylist() == [b"", b"\x00\xff", None]
    assert read["c"].to_pylist() == ["     ", "ab   ", None]
    assert read["ts"].cast(pa.int64()).to_pylist()[0] == -1
    assert read["span"][0].as_py() == pa.MonthDayNano([-1, -2, -1000])


def _text(value: Any) -> str:
    if value is None:
        return "NULL"
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet"])
def test_what_was_read_can_be_written_back(server: Postgres, database: str, extension: str) -> None:
    run(server, database, TYPES + "CREATE TABLE copy (LIKE kinds INCLUDING ALL);")
    with opened(database, "write") as fs:
        fs.pipe_file(f"/public/copy.{extension}", fs.cat_file(f"/public/kinds.{extension}"))
    difference = "SELECT count(*) FROM (SELECT kinds::text FROM kinds EXCEPT SELECT copy::text FROM copy) d"
    assert run(server, database, difference).strip() == "0"
    assert run(server, database, "SELECT count(*) FROM copy").strip() == "3"


SPANS = """
CREATE TABLE spans (n int, span interval, several interval[]);
INSERT INTO spans VALUES
 (1, '-1 mon -2 days -0.000001 sec', '{1 mon,NULL,-1 day}'), (2, '1 mon -1 day 00:00:01', '{}'),
 (3, '0', NULL), (4, '-178000000 years', '{00:00:00.5}'), (5, NULL, '{}'),
 (6, '292 years 23:59:59.999999', NULL);
CREATE TABLE copy (LIKE spans);
"""
DIFFERENCES = """
SELECT count(*) FROM spans s FULL JOIN copy c USING (n)
WHERE (s.span::text, s.several::text) IS DISTINCT FROM (c.span::text, c.several::text);
"""


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_intervals_come_back_through_every_format(
    server: Postgres, database: str, extension: str, style: str
) -> None:
    run(server, database, f"{SPANS} ALTER ROLE postgres SET intervalstyle = '{style}'")
    try:
        with opened(f"{database}?options=-c%20intervalstyle={style}", "manage") as fs:
            fs.pipe_file(f"/public/copy.{extension}", fs.cat_file(f"/public/spans.{extension}"))
            if extension in {"arrow", "feather", "parquet"}:
                fs.pipe_file(f"/public/new.{extension}", fs.cat_file(f"/public/spans.{extension}"))
                assert table(fs, "/public/new.arrow").equals(table(fs, "/public/spans.arrow"))
    finally:
        server.sql("ALTER ROLE postgres RESET intervalstyle")
    assert run(server, database, DIFFERENCES).strip() == "0"


def test_a_text_becomes_an_interval(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE t (span interval)")
    with opened(database, "write") as fs:
        texts = pa.table({"span": ["P-1M-2DT-0.000001S", "PT36H", None]})
        fs.pipe_file("/public/t.arrow", arrow_bytes(texts))
        said = run(server, database, "SELECT span FROM t")
        assert said == "-1 mons -2 days -00:00:00.000001\n36:00:00\n\n"
        with pytest.raises(ValueOutOfRangeError):
            fs.pipe_file("/public/t.arrow", arrow_bytes(pa.table({"span": ["soon"]})))
        assert run(server, database, "SELECT span FROM t") == said


DOMAINS = """
CREATE DOMAIN moment AS timestamp(0); CREATE DOMAIN short AS varchar(3); CREATE DOMAIN word AS short;
CREATE DOMAIN moments AS timestamp(0)[]; CREATE DOMAIN bits AS bit(3);
"""
CUT = [
    ("timestamp(0)", "2024-01-01T12:00:00", "2024-01-01T12:00:00.6"),
    ("timestamptz(3)", "2024-01-01T12:00:00.600Z", "2024-01-01T12:00:00.6006Z"),
    ("time(0)", "23:59:59", "23:59:59.999999"),
    ("timetz(0)", "12:00:00+00", "12:00:00.6+00"),
    ("interval(0)", "PT1S", "PT1.6S"),
    ("interval year to month", "P1Y2M", "P1Y2M5D"),
    ("interval day to minute", "P1DT2H3M", "P1DT2H3M4S"),
    ("numeric(100,50)", "1.50", "0." + "1" * 60),
    ("numeric(5,-2)", "12300", "12345"),
    ("bit(3)", "101", "10101"),
    ("bit(3)", "101", "1"),
    ("bit varying(3)", "1", "10101"),
    ("varchar(3)", "äb ", "äb  "),
    ("char(3)", "äb ", "äb  "),
    ('"char"', "x", "xy"),
    ("moment", "2024-01-01T12:00:00", "2024-01-01T12:00:00.6"),
    ("short", "ab ", "ab  "),
    ("word", "ab ", "ab  "),
    ("bits", "101", "10101"),
    ("timestamp(0)[]", '["2024-01-01T12:00:00"]', '["2024-01-01T12:00:00.6"]'),
    ("moments", '["2024-01-01T12:00:00"]', '["2024-01-01T12:00:00.6"]'),
    ("interval(0)[]", '["PT1S"]', '["PT1.6S"]'),
    ("varchar(3)[]", '["ab "]', '["ab  "]'),
    ("short[]", '["ab "]', '["ab  "]'),
    ("varchar(3)[][]", '{{"ab "}}', '{{"ab  "}}'),
]


@pytest.mark.parametrize(("declared", "kept", "cut"), CUT)
def test_what_a_column_would_round_or_cut_is_refused_with_its_row(
    server: Postgres, database: str, declared: str, kept: str, cut: str
) -> None:
    run(server, database, f"{DOMAINS} CREATE TABLE t (id int PRIMARY KEY, v {declared})")
    kept, cut = ('"' + text.replace('"', '""') + '"' for text in (kept, cut))
    with opened(database, "write") as fs:
        fs.pipe_file("/public/t.csv", f"id,v\n1,{kept}\n2,\n".encode())
        was = fs.cat_file("/public/t.csv?order=id")
        for mode in ("overwrite", "append", "upsert"):
            with pytest.raises(ValueOutOfRangeError) as caught:
                fs.pipe_file("/public/t.csv", f"id,v\n3,{kept}\n4,\n5,{cut}\n".encode(), mode=mode)
            assert (caught.value.column, caught.value.row) == ("v", 3)
        assert fs.cat_file("/public/t.csv?order=id") == was


def listed(item: pa.DataType, *values: Any) -> pa.Array:
    return pa.array([list(values)], pa.list_(item))


@pytest.mark.parametrize(
    ("declared", "value", "error"),
    [
        ("integer[]", listed(pa.int64(), 2**40), ValueOutOfRangeError),
        ("integer[]", listed(pa.float64(), 1.7), ValueOutOfRangeError),
        ("bigint[]", listed(pa.string(), "12", "x"), SchemaMismatchError),
        ("numeric(5,2)[]", listed(pa.int64(), 12345678), ValueOutOfRangeError),
        ("numeric(5,2)[]", listed(pa.float64(), 1.239), ValueOutOfRangeError),
        ("real[]", listed(pa.float64(), 0.1), ValueOutOfRangeError),
        ("date[]", listed(pa.timestamp("us"), 13 * 3600 * 10**6), ValueOutOfRangeError),
        ("timestamptz[]", listed(pa.timestamp("us"), 0), SchemaMismatchError),
        ("boolean[]", listed(pa.int32(), 0, 5), SchemaMismatchError),
        ("text[]", listed(pa.int64(), 1), SchemaMismatchError),
    ],
)
def test_an_array_keeps_its_values_or_is_refused(
    server: Postgres, database: str, declared: str, value: pa.Array, error: type[DatabaseError]
) -> None:
    run(server, database, f"CREATE TABLE t (v {declared})")
    with opened(database, "write") as fs:
        with pytest.raises(error) as caught:
            fs.pipe_file("/public/t.arrow", arrow_bytes(pa.table({"v": value})))
        assert caught.value.column == "v"
    assert run(server, database, "SELECT count(*) FROM t").strip() == "0"


def test_arrays_of_other_types_are_widened(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE t (v text[], w bigint[], n numeric(5,2)[])")
    words = pa.ListArray.from_arrays([0, 3], pa.array(["b", None, "b"]).dictionary_encode())
    body = pa.table({"v": words, "w": listed(pa.int8(), -1, None), "n": listed(pa.float64(), 0.1, 2)})
    with opened(database, "write") as fs:
        fs.pipe_file("/public/t.arrow", arrow_bytes(body))
    assert run(server, database, "SELECT * FROM t").strip() == "{b,NULL,b}|{-1,NULL}|{0.10,2.00}"


def test_a_value_that_arrow_cannot_say_is_an_error_with_its_column(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE TABLE a (x numeric(5, 1)); INSERT INTO a VALUES ('NaN');
           CREATE TABLE b (x date); INSERT INTO b VALUES ('infinity');
           CREATE TABLE c (x timestamptz); INSERT INTO c VALUES ('-infinity');
           CREATE TABLE d (x time); INSERT INTO d VALUES ('24:00:00');
           CREATE TABLE e (x int[]); INSERT INTO e VALUES ('{{1},{2}}');""",
    )
    with opened(database) as fs:
        for name in "abcde":
            with pytest.raises(ValueOutOfRangeError) as caught:
                fs.cat_file(f"/public/{name}.arrow")
            assert caught.value.column == "x"


def test_pages_read_side_by_side_are_the_whole_table_in_its_order(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        "CREATE TABLE t AS SELECT i, repeat('x', 200) AS filler FROM generate_series(1, 100000) i",
    )
    with opened(database, threads=3) as fs:
        whole = table(fs, "/public/t.arrow")
    assert whole["i"].to_pylist() == list(range(1, 100_001))


def test_a_read_is_one_snapshot_beside_a_writer(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        "CREATE TABLE t AS SELECT i, 0 AS version, repeat('x', 200) AS f FROM generate_series(1, 60000) i",
    )
    with opened(database, threads=3) as fs:
        for version in range(1, 4):
            with fs.open_stream("/public/t.arrow") as stream:
                first = stream.next()
                assert first
                run(server, database, f"UPDATE t SET version = {version}")
                rest = stream.read_all()
            read = pa.ipc.open_stream(first + rest).read_all()
            assert read.num_rows == 60_000
            assert read["version"].unique().to_pylist() == [version - 1]


def test_what_is_read_side_by_side_is_one_snapshot_beside_a_busy_writer(
    server: Postgres, database: str
) -> None:
    run(
        server,
        database,
        """CREATE TABLE t (i int PRIMARY KEY, version int, f text) WITH (fillfactor = 50);
           INSERT INTO t SELECT i, 0, repeat('x', 200) FROM generate_series(1, 30000) i""",
    )
    # The connections take turns at the pages, so that each has some of these.
    marks = range(1, 30_000, 1000)
    update = f"UPDATE t SET version = version + 1 WHERE i IN ({', '.join(map(str, marks))});\n"
    with opened(database, threads=3) as fs, ThreadPoolExecutor() as pool:
        writer = pool.submit(run, server, database, update * 4000)
        reads = 0
        while not writer.done():
            read = table(fs, "/public/t.arrow").sort_by("i")["version"].to_pylist()
            assert len({read[mark - 1] for mark in marks}) == 1
            reads += 1
        writer.result()
    assert reads > 5


def test_metadata_is_what_the_catalogue_says(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE TABLE parent (id int PRIMARY KEY);
           CREATE TABLE child (a int, b int DEFAULT 7 CHECK (b > 0), p int REFERENCES parent, UNIQUE (a, b));
           COMMENT ON COLUMN child.b IS 'seven';
           CREATE VIEW seen AS SELECT a FROM child;
           CREATE MATERIALIZED VIEW kept AS SELECT a FROM child;
           CREATE TABLE cut (n int) PARTITION BY RANGE (n);
           CREATE TABLE cut_1 PARTITION OF cut FOR VALUES FROM (0) TO (9); INSERT INTO cut VALUES (3);""",
    )
    with opened(database) as fs:
        listed = {entry["name"]: entry["kind"] for entry in fs.ls("/public") if entry["type"] == "directory"}
        assert listed == {
            "/public/child": "table",
            "/public/cut": "partitioned table",
            "/public/cut_1": "table",
            "/public/kept": "materialized view",
            "/public/parent": "table",
            "/public/seen": "view",
        }
        column = fs.cat_file("/public/child/columns/b").decode()
        assert '"default":"7"' in column.replace(" ", "")
        assert "seven" in column
        reference = fs.cat_file("/public/child/constraints/child_p_fkey").decode()
        assert "public.parent(id)" in reference
        assert "(b > 0)" in fs.cat_file("/public/child/constraints/child_b_check").decode()
        assert fs.ls("/public/seen/depends_on", detail=False) == ["/public/seen/depends_on/public.child"]
        assert b"SELECT" in fs.cat_file("/public/seen/definition.sql")
        assert fs.cat_file("/public/cut.csv") == b"n\r\n3\r\n"
        with pytest.raises(NotFoundError):
            fs.info("/public/Child")


FORMATS = ("arrow", "feather", "parquet", "csv", "jsonl", "json")


def test_system_schemas_are_not_listed_and_are_there(database: str) -> None:
    with opened(database, "manage") as fs:
        assert [entry["name"] for entry in fs.ls("/")] == ["/public"]
        for schema in ("/pg_catalog", "/information_schema"):
            assert fs.exists(schema)
            assert fs.isdir(schema)
            assert fs.info(schema)["kind"] == "schema"
            with pytest.raises(FileExistsError):
                fs.mkdir(schema)
            assert fs.find(f"{schema}/tables/columns") or schema == "/pg_catalog"
        relation = fs.ls("/pg_catalog/pg_class", detail=False)
        assert relation == [
            f"/pg_catalog/pg_class/{facet}" for facet in ("columns", "indexes", "constraints")
        ]
        for missing in ("/pg_nothing", "/PG_CATALOG", "/pg_catalog/nothing"):
            assert not fs.exists(missing)
            with pytest.raises(FileNotFoundError):
                fs.ls(missing)


@pytest.mark.parametrize("schema", ["pg_catalog", "information_schema"])
def test_every_system_relation_is_read_in_every_format(database: str, schema: str) -> None:
    with opened(database, formats=FORMATS) as fs:
        relations = [entry["name"] for entry in fs.ls(f"/{schema}") if entry["type"] == "directory"]
        assert len(relations) > 50
        # The standard's own views are slow.
        shape = "?limit=99" if schema == "information_schema" else ""
        for relation in relations:
            said = fs.cat_file(f"{relation}.arrow")
            names = pa.ipc.open_stream(said).read_all().column_names
            for extension in FORMATS:
                body = fs.cat_file(f"{relation}.{extension}{shape}")
                if extension == "feather":
                    assert pa.ipc.open_file(body).read_all().column_names == names
                elif extension == "parquet":
                    assert pq.read_table(pa.BufferReader(body)).column_names == names
                elif extension == "csv":
                    assert body.startswith(",".join(names).encode())
                elif extension == "jsonl":
                    assert all(list(json.loads(line)) == names for line in body.splitlines())
                elif extension == "json":
                    assert all(list(row) == names for row in json.loads(body))


def test_a_shape_is_bound_and_a_wrong_one_is_the_requests_fault(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        "CREATE TABLE t AS SELECT i, i / 2.0 AS half, 'n' || i AS t FROM generate_series(1, 9) i",
    )
    with opened(database) as fs:
        assert fs.cat_file("/public/t.csv?columns=t,i&where=i>7 OR t='n1'&order=-i&limit=2") == (
            b"t,i\r\nn9,9\r\nn8,8\r\n"
        )
        assert fs.cat_file("/public/t.csv?columns=i&where=t ILIKE 'N2'") == b"i\r\n2\r\n"
        assert fs.cat_file("/public/t.csv?columns=i&where=t='x''; DROP TABLE t; --'") == b"i\r\n"
        for where in ("t+1>2", "i='x'"):
            with pytest.raises(InvalidPredicateError):
                fs.cat_file(f"/public/t.csv?where={where.replace('+', '%2B')}")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1) RETURNING n",
        "DELETE FROM t",
        "SELECT * INTO u FROM t",
        "CREATE TEMPORARY TABLE u (n int)",
        "COPY t TO PROGRAM 'cat'",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('s')",
        "SELECT setval('s', 5)",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
        "WITH w AS (INSERT INTO t VALUES (1) RETURNING n) SELECT * FROM w",
        "DO $$ BEGIN COMMIT; INSERT INTO t VALUES (1); END $$",
        "SELECT 1; INSERT INTO t VALUES (1)",
        "COMMIT",
    ],
)
def test_a_query_only_reads(server: Postgres, database: str, statement: str) -> None:
    run(server, database, "CREATE TABLE t (n int); CREATE SEQUENCE s;")
    with opened(database, "manage") as fs:
        with pytest.raises(DatabaseError):
            fs.query(statement)
        assert fs.query("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 0}]
    assert run(server, database, "SELECT is_called FROM s; SELECT to_regclass('u') IS NULL").split() == [
        "f",
        "t",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
        "SELECT pg_notify('heard', '')",
        "SELECT pg_advisory_lock(7)",
        "EXPLAIN ANALYZE CREATE TABLE u AS SELECT 1",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SELECT set_config('statement_timeout', '1', false)",
    ],
)
def test_what_a_read_only_transaction_lets_pass_is_taken_back(
    server: Postgres, database: str, statement: str
) -> None:
    run(server, database, "SELECT lo_create(4242)")
    left = """SELECT (SELECT string_agg(oid::text, ',') FROM pg_largeobject_metadata), to_regclass('u'),
              (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"""
    with opened(database) as fs:
        fs.query(statement)
        assert run(server, database, left).strip() == "4242||0"
        setting = fs.query("SELECT current_setting('statement_timeout') AS s").to_pylist()
        assert setting == [{"s": "0"}]
        fs.query("SELECT pg_sleep(0.01)")


def test_a_role_forbids_what_a_transaction_does_not(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE t (n int); CREATE SCHEMA hidden; CREATE TABLE hidden.t (n int)")
    run(server, database, "CREATE EXTENSION dblink")
    documented = Path("docs/postgresql.md").read_text().partition("CREATE ROLE reader")
    script = documented[1] + documented[2].partition("\n\n")[0]
    run(server, database, script.replace("'…'", "'canary'").replace("sales", database.rpartition("/")[2]))
    try:
        with opened(database.replace("postgres@", "reader@")) as fs:
            assert fs.cat_file("/public/t.csv") == b"n\r\n"
            run(server, database, "CREATE TABLE later (n int)")
            assert fs.cat_file("/public/later.csv") == b"n\r\n"
            assert fs.query("SHOW statement_timeout").to_pylist() == [{"statement_timeout": "5min"}]
            for statement in (
                "SELECT pg_read_file('PG_VERSION')",
                "SELECT pg_ls_dir('.')",
                "SELECT lo_import('/etc/hostname')",
                "SELECT lo_export(4242, '/nowhere/x')",
                "SELECT lo_create(0)",
                "SELECT lo_from_bytea(0, 'x')",
                "SELECT pg_reload_conf()",
                "SELECT pg_switch_wal()::text",
                "SELECT pg_stat_reset()::text",
                "SELECT pg_create_physical_replication_slot('x')::text",
                "SELECT rolpassword FROM pg_authid",
                "SELECT pg_logical_emit_message(false, 'a', 'b')::text",
                "SELECT dblink_exec('', 'INSERT INTO t VALUES (1)')",
                "SELECT * FROM dblink('', 'SELECT 1') AS d (n int)",
                "SELECT * FROM hidden.t",
            ):
                with pytest.raises(ForbiddenError):
                    fs.query(statement)
            with pytest.raises(ForbiddenError):
                fs.cat_file("/hidden/t.csv")
    finally:
        server.sql(f"DROP DATABASE {database.rpartition('/')[2]} WITH (FORCE)")
        server.sql("DROP ROLE reader")


def test_parameters_are_bound_by_their_types(database: str) -> None:
    with opened(database) as fs:
        sql = "SELECT $1 AS a, $2 AS b, $3::text AS c, $4 AS d, $5::int[] AS e"
        read = fs.query(sql, [1, 2.5, None, b"\x00", [1, None]]).to_pylist()
        assert read == [{"a": 1, "b": 2.5, "c": None, "d": b"\x00", "e": [1, None]}]
        assert fs.query("SELECT n FROM generate_series(1, 5) n", limit=2).num_rows == 2


def test_parameters_are_bound_by_their_names(database: str) -> None:
    with opened(database) as fs:
        sql = "SELECT :a AS a, :b || ':a' AS b, :a::text AS c, $$:a$$ AS d, '{1,2,3}'::int[] -- :e"
        read = fs.query(sql, {"b": "x", "a": 7}).to_pylist()
        assert [list(row.values())[:4] for row in read] == [[7, "x:a", "7", ":a"]]
        drop = "'; DROP TABLE t; --"
        assert fs.query("SELECT :x AS x", {"x": drop}).to_pylist() == [{"x": drop}]
        for wrong, params in (("SELECT :a", {}), ("SELECT 1", {"a": 1}), ("SELECT :a, $1", {"a": 1})):
            with pytest.raises(InvalidQueryError):
                fs.query(wrong, params)


def test_rows_are_replaced_appended_and_updated_by_key(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT 'none', w numeric)")
    rows = pa.table({"id": [1, 2], "v": ["a", None], "w": ["1.10", None]})
    with opened(database, "write") as fs:
        fs.pipe_file("/public/t.arrow", arrow_bytes(rows))
        fs.pipe_file("/public/t.arrow", arrow_bytes(pa.table({"id": [3]})), mode="append")
        assert fs.cat_file("/public/t.csv?order=id") == b"id,v,w\r\n1,a,1.10\r\n2,,\r\n3,none,\r\n"
        fs.pipe_file("/public/t.arrow", arrow_bytes(pa.table({"id": [2, 4], "v": ["B", "D"]})), mode="upsert")
        assert (
            fs.cat_file("/public/t.csv?columns=id,v&order=id") == b"id,v\r\n1,a\r\n2,B\r\n3,none\r\n4,D\r\n"
        )


def test_of_rows_with_one_key_the_last_one_counts_whatever_the_key_is(
    server: Postgres, database: str
) -> None:
    run(
        server,
        database,
        """CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN net AS inet;
           CREATE TABLE a (n inet, m mood, o net, v int, PRIMARY KEY (o, m, n));
           CREATE TABLE b (k text PRIMARY KEY);""",
    )
    body = "n,m,o,v\n::1,ok,::2,1\n::1,sad,::2,2\n0::1,ok,::2,3\n"
    with opened(database, "write") as fs:
        for _ in range(2):
            assert fs.write("/public/a.csv", body.encode(), "upsert") == (2, False)
            assert fs.cat_file("/public/a.csv?columns=m,v&order=v") == b"m,v\r\nsad,2\r\nok,3\r\n"
        assert fs.write("/public/b.csv", b"k\nx\ny\nx\n", "upsert") == (2, False)
        assert fs.write("/public/b.csv", b"k\nx\nz\n", "upsert") == (1, False)
        long = "".join(f"{n % 3},{'x' * (n % 7) * 900}{n}\n" for n in range(200))
        run(server, database, "CREATE TABLE c (k int PRIMARY KEY, v text)")
        fs.pipe_file("/public/c.csv", f"k,v\n{long}".encode(), mode="upsert")
    assert run(server, database, "SELECT k, trim(v, 'x') FROM c ORDER BY k").split() == [
        "0|198",
        "1|199",
        "2|197",
    ]


def test_a_write_that_fails_changes_nothing(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE t (id int PRIMARY KEY, d numeric(5, 2)); INSERT INTO t VALUES (1, 1)")
    with opened(database, "write") as fs:
        for wrong, error in (
            (pa.table({"id": [5, 5]}), ConstraintViolationError),
            (pa.table({"id": [5, 2**40]}), ValueOutOfRangeError),
            (pa.table({"id": [5], "nope": [1]}), SchemaMismatchError),
            (pa.table({"id": [5], "d": ["x"]}), SchemaMismatchError),
        ):
            with pytest.raises(error):
                fs.pipe_file("/public/t.arrow", arrow_bytes(wrong))
            assert fs.cat_file("/public/t.csv") == b"id,d\r\n1,1.00\r\n"
    with opened(database) as fs, pytest.raises(ReadOnlyError):
        fs.pipe_file("/public/t.arrow", arrow_bytes(pa.table({"id": [1]})))
    run(server, database, "CREATE VIEW v AS SELECT 1 AS n")
    with opened(database, "write") as fs, pytest.raises(ForbiddenError):
        fs.pipe_file("/public/v.arrow", arrow_bytes(pa.table({"n": [1]})))


@pytest.mark.parametrize(
    "name", ['"; drop table t; --', "a/b", "a.csv", "100%", "..", "日本 語", "it's", "-"]
)
def test_any_name_is_created_read_and_dropped(database: str, name: str) -> None:
    path = f"/public/{encode_name(name)}"
    with opened(database, "manage") as fs:
        fs.pipe_file(f"{path}.arrow", arrow_bytes(pa.table({name: [1, 2]})), mode="create")
        assert table(fs, f"{path}.arrow").to_pydict() == {name: [1, 2]}
        assert path in fs.ls("/public", detail=False)
        fs.rm(path, recursive=True)
        assert not fs.exists(path)


def test_a_query_stops_on_the_server_when_its_reader_leaves(server: Postgres, database: str) -> None:
    with opened(database) as fs:
        stream = fs.query_stream("SELECT pg_sleep(600)")
        running = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        )
        _until(lambda: server.sql(running).strip() == "1")
        stream.close()
        _until(lambda: server.sql(running).strip() == "0", 2)
        with pytest.raises(TimeoutError):
            fs.query("SELECT pg_sleep(600)", timeout=0.2)
        _until(lambda: server.sql(running).strip() == "0", 2)


def _until(holds: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def test_the_shorter_limit_of_time_holds(server: Postgres, database: str) -> None:
    run(server, database, "CREATE VIEW slow AS SELECT pg_sleep(30)::text AS t")
    server.sql("CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET statement_timeout = '200ms'")
    run(server, database, "GRANT SELECT ON slow TO hasty")
    try:
        with opened(database.replace("postgres@", "hasty@")) as fs:
            for limit in (None, 20):
                with pytest.raises(QueryTimeoutError) as caught:
                    fs.query("SELECT pg_sleep(30)", timeout=limit)
                assert caught.value.sqlstate == "57014"
                with pytest.raises(QueryTimeoutError):
                    fs.cat_file("/public/slow.csv", timeout=limit)
            started = time.monotonic()
            with pytest.raises(QueryTimeoutError):
                fs.query("SELECT pg_sleep(30)", timeout=0.05)
            assert time.monotonic() - started < 0.2
            assert fs.query("SELECT 1 AS n", timeout=20).to_pylist() == [{"n": 1}]
    finally:
        server.sql(f"DROP DATABASE {database.rpartition('/')[2]} WITH (FORCE)")
        server.sql("DROP ROLE hasty")


def test_no_password_is_shown(server: Postgres) -> None:
    url = f"postgresql://nobody:canary@127.0.0.1:{server.port}/postgres"
    with pytest.raises(DatabaseError) as caught:
        connect(url)
    assert "canary" not in repr(caught.value)
    with opened(url.replace("nobody", "postgres")) as fs:
        assert "canary" not in repr(fs)


@pytest.mark.parametrize("method", ["scram-sha-256", "md5"])
def test_a_password_is_proven(server: Postgres, method: str) -> None:
    user = method.partition("-")[0]
    server.sql(f"SET password_encryption = '{method}'; CREATE ROLE {user} LOGIN PASSWORD 'p@ss:word'")
    server.demand(method, user)
    place = f"127.0.0.1:{server.port}/postgres"
    for url, proven in ((f"{user}:p%40ss%3Aword", True), (f"{user}:wrong", False), (user, False)):
        address = f"postgresql://{url}@{place}"
        if proven:
            _until(lambda address=address: _opens(address))
        else:
            _until(lambda address=address: not _opens(address))


def _opens(url: str) -> bool:
    try:
        with opened(url) as fs:
            return fs.exists("/public")
    except DatabaseError:
        return False


def test_replacing_a_partitioned_table_changes_nothing_that_refers_to_a_partition(
    server: Postgres, database: str
) -> None:
    run(
        server,
        database,
        """CREATE TABLE cut (n int PRIMARY KEY) PARTITION BY RANGE (n);
           CREATE TABLE cut_1 PARTITION OF cut FOR VALUES FROM (0) TO (9); INSERT INTO cut VALUES (3);
           CREATE TABLE child (n int REFERENCES cut_1 ON DELETE CASCADE); INSERT INTO child VALUES (3);""",
    )
    with opened(database, "write") as fs:
        for table in ("cut", "cut_1"):
            with pytest.raises(ConstraintViolationError, match="child_n_fkey"):
                fs.pipe_file(f"/public/{table}.csv", b"n\n3\n")
    assert run(server, database, "SELECT n FROM child").strip() == "3"


def test_a_reader_that_leaves_stops_nobody_elses_statement(server: Postgres, database: str) -> None:
    rows = "SELECT i, repeat(md5(i::text), 6) AS filler FROM generate_series(1, 120000) i"
    run(server, database, f"CREATE TABLE t AS {rows}")
    with opened(database, threads=4) as fs:
        for taken in (14, 18):
            stream = fs.open_stream("/public/t.arrow")
            for _ in range(taken):
                assert stream.next()
            # Some of its connections have no more to do, and are kept for others.
            _until(lambda: server.sql(_IDLE).strip() != "0")
            with ThreadPoolExecutor() as pool:
                other = pool.submit(fs.query, "SELECT 7 AS n, pg_sleep(0.7)::text")
                _until(lambda: server.sql(_SLEEPING).strip() == "1")
                stream.close()
                assert other.result()["n"].to_pylist() == [7]


_IDLE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsspec-db' AND state = 'idle'"
_SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def test_a_read_beside_who_truncates_and_fills_has_all_rows(server: Postgres, database: str) -> None:
    run(server, database, "CREATE TABLE src AS SELECT generate_series(1, 20000) AS i; CREATE TABLE t (i int)")
    run(server, database, "INSERT INTO t SELECT * FROM src; CREATE VIEW v AS SELECT i FROM t")
    rewrite = "BEGIN; TRUNCATE t; INSERT INTO t SELECT * FROM src; COMMIT; SELECT pg_sleep(0.02);\n"
    with opened(database, threads=2) as fs, ThreadPoolExecutor() as pool:
        writer = pool.submit(run, server, database, rewrite * 40)
        while not writer.done():
            for relation in ("t", "v"):
                assert table(fs, f"/public/{relation}.arrow").num_rows == 20_000
        writer.result()


@pytest.mark.parametrize(("statement", "times"), [("LOCK TABLE t", 1000), ("REINDEX TABLE t", 40)])
def test_who_waits_for_a_table_does_not_keep_its_readers_from_each_other(
    server: Postgres, database: str, statement: str, times: int
) -> None:
    run(
        server,
        database,
        "CREATE TABLE t AS SELECT i, repeat('x', 200) AS f FROM generate_series(1, 200000) i",
    )
    run(server, database, "CREATE INDEX few ON t (i) WHERE i < 9")
    with opened(database, threads=4) as fs, ThreadPoolExecutor() as pool:
        other = pool.submit(run, server, database, f"BEGIN; {statement}; COMMIT;\n" * times)
        while not other.done():
            assert len(fs.cat_file("/public/t.arrow?columns=i", timeout=10)) > 800_000
        other.result()
    with opened(database, threads=4) as fs:
        fs.cat_file("/public/t.arrow")
        side_by_side = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsspec-db'"
        assert server.sql(side_by_side).strip() == "4"


def test_what_cannot_be_locked_is_read(server: Postgres, database: str) -> None:
    rows = "SELECT i, i AS hidden, repeat('x', 200) AS f FROM generate_series(1, 20000) i"
    run(
        server,
        database,
        f"""CREATE TABLE t AS {rows}; CREATE MATERIALIZED VIEW kept AS SELECT i FROM t;
            CREATE VIEW seen AS SELECT i FROM kept; CREATE ROLE partial LOGIN;
            GRANT SELECT (i, f) ON t TO partial; GRANT SELECT ON kept, seen TO partial;
            CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
            CREATE FOREIGN TABLE file (line text) SERVER files OPTIONS (filename '/etc/hostname')""",
    )
    try:
        with opened(database) as fs:
            assert fs.cat_file("/public/file.csv")
        with opened(database.replace("postgres@", "partial@"), threads=3) as fs:
            for path in ("t.arrow?columns=i,f", "kept.arrow", "seen.arrow"):
                assert table(fs, f"/public/{path}")["i"].to_pylist() == list(range(1, 20_001))
            assert fs.cat_file("/public/t.csv?columns=i&where=i=7", timeout=30) == b"i\r\n7\r\n"
            for path in ("t.arrow", "t.csv?columns=hidden", "file.csv"):
                with pytest.raises(ForbiddenError):
                    fs.cat_file(f"/public/{path}")
            with pytest.raises(NotFoundError):
                fs.cat_file("/public/none.csv")
    finally:
        server.sql(f"DROP DATABASE {database.rpartition('/')[2]} WITH (FORCE)")
        server.sql("DROP ROLE partial")


def test_arrays_of_any_shape_are_read_where_a_column_says_so(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE TABLE t (grid int[][], list int[], texts text[]);
           INSERT INTO t VALUES ('{{1,2},{3,4}}', '{1}', '{a}');
           CREATE VIEW v AS SELECT grid[1:1] AS part, list, texts FROM t; CREATE VIEW w AS SELECT part FROM v;
           CREATE VIEW plain AS SELECT texts FROM t; CREATE MATERIALIZED VIEW m AS SELECT grid FROM t""",
    )
    with opened(database) as fs:
        assert fs.cat_file("/public/w.csv") == b'part\r\n"{{1,2}}"\r\n'
        assert fs.cat_file("/public/m.csv") == b'grid\r\n"{{1,2},{3,4}}"\r\n'
        # A view's columns are those of its query: which of a type is which, nobody says.
        assert table(fs, "/public/v.arrow").to_pylist() == [
            {"part": "{{1,2}}", "list": "{1}", "texts": ["a"]}
        ]
        assert table(fs, "/public/plain.arrow").to_pylist() == [{"texts": ["a"]}]
        with pytest.raises(ValueOutOfRangeError, match="several dimensions"):
            fs.query("SELECT grid FROM t")
        assert fs.query("SELECT grid::text FROM t").to_pylist() == [{"grid": "{{1,2},{3,4}}"}]


LONG = """
import re, sys
from pathlib import Path
from fsspec_db import connect

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

fs = connect(sys.argv[1])
fs.cat_file("/public/t.csv?columns=i")
before = peak()
with fs.open_stream("/public/t.arrow") as stream:
    size = sum(len(chunk) for chunk in iter(stream.next, None))
grown = peak() - before
# What was needed for them is given back, though the connection is kept.
fs.cat_file("/public/t.csv?columns=i")
held = int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
print(size >> 20, grown, held - before)
"""


def test_memory_is_bounded_by_bytes_where_rows_are_long(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        "CREATE TABLE t AS SELECT i, repeat(md5(i::text), 655360) AS x FROM generate_series(1, 24) i",
    )
    done = subprocess.run(
        [sys.executable, "-c", LONG, database], check=True, capture_output=True, text=True, timeout=110
    )
    size, grown, held = map(int, done.stdout.split())
    assert size >= 480
    assert grown < 240
    assert held < 64


def test_what_nothing_holds_to_not_null_may_be_null(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE DOMAIN said AS text NOT NULL; CREATE TABLE a (n int NOT NULL, v said);
           INSERT INTO a VALUES (1, 'x');
           CREATE VIEW b AS SELECT m, v FROM generate_series(1, 2) m LEFT JOIN a ON n = m;
           CREATE MATERIALIZED VIEW c AS SELECT * FROM b;""",
    )
    with opened(database) as fs:
        assert [field.nullable for field in table(fs, "/public/a.arrow").schema] == [False, False]
        for view in "bc":
            read = table(fs, f"/public/{view}.arrow?order=m")
            assert read.to_pydict() == {"m": [1, 2], "v": ["x", None]}
            assert fs.cat_file(f"/public/{view}.csv?order=m") == b"m,v\r\n1,x\r\n2,\r\n"


def test_replacing_a_table_takes_no_rows_of_its_heirs(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE TABLE a (n int); CREATE TABLE heir (b text) INHERITS (a); INSERT INTO a VALUES (1);
           CREATE TABLE grandchild () INHERITS (heir);""",
    )
    with opened(database, "write") as fs:
        fs.pipe_file("/public/a.csv", b"n\n2\n")
        for table in ("heir", "grandchild"):
            run(server, database, f"INSERT INTO {table} VALUES (3, 'precious')")
            with pytest.raises(ConstraintViolationError, match="heir"):
                fs.pipe_file("/public/a.csv", b"n\n4\n")
            assert run(server, database, f"SELECT b FROM {table}").strip() == "precious"
            run(server, database, f"DELETE FROM {table}")
        fs.pipe_file("/public/heir.csv", b"n,b\n5,kept\n")
    assert run(server, database, "SELECT n FROM a ORDER BY n").split() == ["2", "5"]


def test_the_rows_written_are_those_that_the_server_counts(server: Postgres, database: str) -> None:
    run(
        server,
        database,
        """CREATE TABLE t (id int PRIMARY KEY, v inet);
           CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN RETURN CASE WHEN NEW.id % 2 = 1 THEN NEW END; END';
           CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION odd();""",
    )
    with opened(database, "write") as fs:
        assert fs.write("/public/t.csv", b"id\n1\n2\n3\n") == (2, False)
        assert fs.write("/public/t.csv", b"id,v\n5,::1\n6,\n", "append") == (1, False)
        assert fs.write("/public/t.csv", b"id\n1\n7\n8\n", "upsert") == (1, False)
    assert run(server, database, "SELECT id FROM t ORDER BY id").split() == ["1", "3", "5", "7"]


def test_a_commit_that_takes_back_is_no_success() -> None:
    def told(tag: bytes, body: bytes = b"") -> bytes:
        return tag + struct.pack("!i", len(body) + 4) + body

    class Undoing(socketserver.StreamRequestHandler):
        """Lets anybody in, and rolls back whatever is asked."""

        def handle(self) -> None:
            (length,) = struct.unpack("!i", self.rfile.read(4))
            self.rfile.read(length - 4)
            ready = told(b"Z", b"I")
            self.wfile.write(told(b"R", bytes(4)) + ready)
            while (head := self.rfile.read(5)) and head[:1] != b"X":
                self.rfile.read(struct.unpack("!i", head[1:])[0] - 4)
                self.wfile.write(told(b"C", b"ROLLBACK\0") + ready)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Undoing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(DatabaseUnavailableError, match="took back"):
            connect(f"postgresql://ada@127.0.0.1:{server.server_address[1]}/d?sslmode=disable")
        server.shutdown()
