"""DuckDB, judged by its own package, in this process: no other can open a file that is open to write."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.conformance.harness import Harness
from tests.conformance.kinds import Kind

if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS") == "1":
    import duckdb
else:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")

from fsspec_db.engines.duckdb import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = (
    "''",
    "'it''s \"quoted\", \\and'",
    "E'two\\r\\nlines'",
    "' spaces '",
    "'NULL'",
    "'日本 語 🙂 é'",
    "repeat('xy', 524288)",
)
UNHELD = "value-out-of-range"
MISMATCH = "schema-mismatch"
MOMENTS = (
    "'0001-01-01 00:00:00'",
    "'1969-12-31 23:59:59.999999'",
    "'2024-02-29 12:00:00'",
    "'9999-12-31 23:59:59.999999'",
)
INFINITE = {"'infinity'": UNHELD, "'-infinity'": UNHELD}
REALS = ("0.0", "'-0.0'", "-1.5", "'nan'", "'inf'", "'-inf'")
PARTS = (
    "date_part('year', {0}) * 12 + date_part('month', {0}) || ' ' || date_part('day', {0}) || ' ' ||"
    " (date_part('hour', {0}) * 3600000000 + date_part('minute', {0}) * 60000000"
    " + date_part('microsecond', {0})) * 1000"
)


def whole(declared: str, arrow: pa.DataType, least: int, most: int) -> Kind:
    return Kind(
        declared=declared,
        arrow=arrow,
        values=("0", str(least), str(most)),
        unheld=((pa.scalar(0.5), UNHELD),),
    )


KINDS = (
    Kind(declared="BOOLEAN", arrow=pa.bool_(), values=("true", "false")),
    whole("TINYINT", pa.int8(), -(2**7), 2**7 - 1),
    whole("SMALLINT", pa.int16(), -(2**15), 2**15 - 1),
    whole("INTEGER", pa.int32(), -(2**31), 2**31 - 1),
    whole("BIGINT", pa.int64(), -(2**63), 2**63 - 1),
    whole("UTINYINT", pa.uint8(), 0, 2**8 - 1),
    whole("USMALLINT", pa.uint16(), 0, 2**16 - 1),
    whole("UINTEGER", pa.uint32(), 0, 2**32 - 1),
    whole("UBIGINT", pa.uint64(), 0, 2**64 - 1),
    Kind(
        declared="HUGEINT",
        arrow=pa.decimal128(38, 0),
        values=("0", "-" + "9" * 38, "9" * 38),
        unsaid={str(2**127 - 1): UNHELD},
    ),
    Kind(declared="UHUGEINT", arrow=pa.string(), values=("0", str(2**128 - 1))),
    Kind(declared="BIGNUM", arrow=pa.string(), values=("0", "-1", "'" + "9" * 80 + "'")),
    Kind(
        declared="FLOAT",
        arrow=pa.float32(),
        values=(*REALS, "3.4028235e38"),
        unheld=((pa.scalar(0.1), UNHELD),),
    ),
    Kind(declared="DOUBLE", arrow=pa.float64(), values=(*REALS, "0.1", "1.7976931348623157e308", "5e-324")),
    Kind(
        declared="DECIMAL(4,1)",
        arrow=pa.decimal128(4, 1),
        values=("0", "-999.9", "0.1"),
        unheld=((pa.scalar(0.25), UNHELD),),
    ),
    Kind(
        declared="DECIMAL(38,10)",
        arrow=pa.decimal128(38, 10),
        values=("0", "0.0000000001", "-" + "9" * 28 + "." + "9" * 10),
    ),
    Kind(declared="VARCHAR", arrow=pa.string(), values=TEXTS, unheld=((pa.scalar(1), MISMATCH),)),
    Kind(declared="BLOB", arrow=pa.binary(), values=("''", "'\\x00\\xff'"), ask="hex({})"),
    Kind(declared="BIT", arrow=pa.string(), values=("'0'", "'0101'", "'00000000000000000101'")),
    Kind(
        declared="UUID",
        arrow=pa.uuid(),
        values=("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
        unheld=((pa.scalar("x"), UNHELD),),
    ),
    Kind(declared="JSON", arrow=pa.json_(), values=('\'{"a" :[1, null, "q\\""]}\'', "'\"日本\"'", "'null'")),
    Kind(
        declared="DATE",
        arrow=pa.date32(),
        values=("'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"),
        unsaid=INFINITE,
    ),
    Kind(
        declared="TIME",
        arrow=pa.time64("us"),
        values=("'00:00:00'", "'12:34:56.5'", "'23:59:59.999999'"),
        unsaid={"'24:00:00'": UNHELD},
    ),
    Kind(
        declared="TIME_NS",
        arrow=pa.time64("ns"),
        values=("'00:00:00'", "'23:59:59.999999999'"),
        ask="epoch_ns({})",
    ),
    Kind(declared="TIMETZ", arrow=pa.string(), values=("'12:00:00+05:30'", "'23:59:59.999999-15:59:59'")),
    Kind(declared="TIMESTAMP", arrow=pa.timestamp("us"), values=MOMENTS, unsaid=INFINITE),
    Kind(
        declared="TIMESTAMP_S",
        arrow=pa.timestamp("s"),
        values=("'0001-01-01 00:00:00'", "'1969-12-31 23:59:59'"),
        ask="epoch_ms({}) // 1000",
        unsaid=INFINITE,
    ),
    Kind(
        declared="TIMESTAMP_MS",
        arrow=pa.timestamp("ms"),
        values=("'1969-12-31 23:59:59.999'", "'9999-12-31 23:59:59.999'"),
        ask="epoch_ms({})",
        unsaid=INFINITE,
    ),
    Kind(
        declared="TIMESTAMP_NS",
        arrow=pa.timestamp("ns"),
        values=("'1677-09-22 00:00:00'", "'2262-04-11 23:47:16.854775806'"),
        ask="epoch_ns({})",
        unsaid=INFINITE,
    ),
    Kind(
        declared="TIMESTAMPTZ",
        arrow=pa.timestamp("us", "UTC"),
        values=tuple(f"{moment[:-1]}+00'" for moment in MOMENTS),
        ask="epoch_us({})",
        unsaid=INFINITE,
        unheld=((pa.scalar(0, pa.timestamp("us")), MISMATCH),),
    ),
    Kind(
        declared="INTERVAL",
        arrow=pa.month_day_nano_interval(),
        values=("'0 seconds'", "'1 year 2 months -3 days 4.000005 seconds'", "'-1 month'"),
        ask=PARTS,
        unsaid={"to_microseconds(9223372036854775807)": UNHELD},
        unheld=((pa.scalar(pa.MonthDayNano([0, 0, 1])), UNHELD),),
    ),
    Kind(
        declared="ENUM('ok', 'so so', 'é')",
        arrow=pa.dictionary(pa.uint8(), pa.string()),
        values=("'ok'", "'é'"),
        unheld=((pa.scalar("no"), UNHELD),),
    ),
    Kind(
        declared="INTEGER[]",
        arrow=pa.list_(pa.int32()),
        values=("[]", "[1, NULL, -2147483648]"),
        ask="to_json(CAST({} AS VARCHAR[]))",
    ),
    Kind(
        declared="VARCHAR[]",
        arrow=pa.list_(pa.string()),
        values=("[]", "['', NULL, 'a,\"b\\', 'NULL']"),
        ask="to_json({})",
    ),
    Kind(
        declared="BIT[]",
        arrow=pa.list_(pa.string()),
        values=("['01', NULL]",),
        ask="to_json(CAST({} AS VARCHAR[]))",
    ),
)


class DuckDB(Harness):
    """Files in a folder."""

    name = "duckdb"
    unmade = frozenset({"decimal76", "duration"})
    schema = "main"
    kinds = KINDS
    exact = "typeof({0}) || ' ' || CAST({0} AS VARCHAR)"
    endless = "SELECT sum(a.i * b.i) AS n FROM range(10000000) a(i), range(10000000) b(i)"
    hostile = (
        "INSERT INTO users VALUES (9, 'eve', 1) RETURNING id",
        "DELETE FROM users",
        "CREATE TEMP TABLE t (n INTEGER)",
        "CREATE TABLE t (n INTEGER)",
        "DROP TABLE users",
        "COPY users TO 'users.csv'",
        "EXPORT DATABASE 'exported'",
        "ATTACH 'other.duckdb' AS other",
        "ATTACH ':memory:' AS other",
        "INSTALL json",
        "LOAD json",
        "SET threads = 1",
        "PRAGMA enable_profiling",
        "CHECKPOINT",
        "SELECT nextval('numbers')",
        "EXPLAIN ANALYZE DELETE FROM users",
        "EXPLAIN ANALYZE COMMIT",
        "WITH w AS (DELETE FROM users RETURNING id) SELECT * FROM w",
        "FROM read_csv('/etc/passwd')",
        "CALL force_checkpoint()",
        "PREPARE p AS DELETE FROM users",
        "SELECT 1; DELETE FROM users",
        "COMMIT; DELETE FROM users",
    )
    bait = "CREATE SEQUENCE numbers"
    caught = "SELECT last_value FROM duckdb_sequences()"
    breaking = (
        "SELECT i, CASE WHEN i = 1000000 THEN error('broken') ELSE 'fine' END AS e FROM range(1000001) t(i)"
    )
    named = "SELECT id FROM users WHERE id >= $least AND name <> $other ORDER BY id"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = count()

    def create(self) -> str:
        url = f"duckdb:///{self.folder}/base{next(self._numbers)}.duckdb"
        self.execute(url, "SELECT 1")
        return url

    def execute(self, url: str, statements: str) -> None:
        with self._open(url) as connection:
            try:
                connection.execute(statements)
            except duckdb.Error as error:
                raise AssertionError(str(error)) from error

    def ask(self, url: str, query: str) -> list[tuple[str | None, ...]]:
        with self._open(url) as connection:
            return connection.sql(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})").fetchall()

    def _open(self, url: str) -> duckdb.DuckDBPyConnection:
        file = url.removeprefix("duckdb:///")
        try:
            return duckdb.connect(file, config=dict(SETTINGS))
        except duckdb.ConnectionException:  # a filesystem reads it
            return duckdb.connect(file, read_only=True, config=dict(SETTINGS))


HARNESS = DuckDB
