"""SQLite, judged by the `sqlite3` module of Python, which has a library of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from tests.conformance.harness import Harness
from tests.conformance.kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

TEXTS = (
    "''",
    "'it''s \"quoted\", \\and'",
    "'two\r\nlines'",
    "' spaces '",
    "'NULL'",
    "'日本 語 🙂 é'",
    "replace(hex(zeroblob(524288)), '00', 'xy')",
)
INTEGERS = ("0", "-1", "9223372036854775807", "-9223372036854775808")
REALS = ("0.0", "0.1", "-1.5", "1.7976931348623157e308", "5e-324", "9e999", "-9e999")
BLOBS = ("x''", "x'00ff'", "zeroblob(1048576)")
DATES = ("'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'")
MOMENTS = (
    "'0001-01-01 00:00:00'",
    "'1969-12-31 23:59:59.999999'",
    "'2024-02-29 12:00:00'",
    "'9999-12-31 23:59:59.999999'",
)
DIGITS = "9" * 38
UNHELD = "value-out-of-range"
NAN = (pa.scalar(float("nan")), UNHELD)
OUTGROWN = {"csv": UNHELD, "jsonl": UNHELD, "json": UNHELD}
"""Text formats do not say that a column has outgrown what it is declared to be."""
UNTYPED = {"csv": "changed", "jsonl": "changed", "json": "changed"}
"""What the table does not say either is a text there."""

KINDS = (
    Kind(
        declared="INTEGER",
        arrow=pa.int64(),
        values=INTEGERS,
        unheld=((pa.scalar(2**63, pa.uint64()), UNHELD),),
    ),
    Kind(declared="BIGINT", arrow=pa.int64(), values=INTEGERS),
    Kind(declared="INT", after="STRICT", called="INT, STRICT", arrow=pa.int64(), values=INTEGERS),
    Kind(declared="REAL", arrow=pa.float64(), values=REALS, unheld=(NAN,)),
    Kind(declared="DOUBLE PRECISION", arrow=pa.float64(), values=REALS, unheld=(NAN,)),
    Kind(
        declared="REAL",
        after="STRICT",
        called="REAL, STRICT",
        arrow=pa.float64(),
        values=REALS,
        unheld=(NAN,),
    ),
    Kind(declared="TEXT", arrow=pa.string(), values=TEXTS),
    Kind(declared="VARCHAR(9)", arrow=pa.string(), values=TEXTS),
    Kind(declared="TEXT", after="STRICT", called="TEXT, STRICT", arrow=pa.string(), values=TEXTS),
    Kind(declared="BLOB", arrow=pa.binary(), values=BLOBS),
    Kind(declared="BLOB", after="STRICT", called="BLOB, STRICT", arrow=pa.binary(), values=BLOBS),
    Kind(
        declared="BOOLEAN",
        arrow=pa.bool_(),
        values=("0", "1"),
        ask="iif({0}, 'true', iif({0} = 0, 'false', NULL))",
    ),
    Kind(declared="DATE", arrow=pa.date32(), values=DATES),
    Kind(declared="DATETIME", arrow=pa.timestamp("us"), values=MOMENTS),
    Kind(declared="TIMESTAMP", arrow=pa.timestamp("us"), values=MOMENTS),
    Kind(
        declared="TIME",
        arrow=pa.time64("us"),
        values=("'00:00:00'", "'12:34:56.500000'", "'23:59:59.999999'"),
    ),
    Kind(
        declared="DECIMAL(15,2)",
        arrow=pa.decimal128(15, 2),
        values=("0", "0.01", "-1.1", "9999999999999.99", "-9999999999999.99"),
    ),
    Kind(
        declared="DECIMAL(38,10)",
        arrow=pa.decimal128(38, 10),
        values=("0", "0.0000000001", "-12345.0123456789"),
    ),
    Kind(
        declared="DECIMAL_TEXT(38,10)",
        arrow=pa.decimal128(38, 10),
        values=(
            "'0.0000000001'",
            "'-1234567890123456789012345678.0123456789'",
            f"'{DIGITS[:28]}.{DIGITS[:10]}'",
        ),
    ),
    Kind(declared="JSON", arrow=pa.json_(), values=('\'{"a" :[1, null, "q\\""]}\'', "'\"日本\"'", "'null'")),
    Kind(declared="", called="(none), of integers", arrow=pa.int64(), values=INTEGERS, formats=UNTYPED),
    Kind(declared="", called="(none), of texts", arrow=pa.string(), values=TEXTS),
    Kind(declared="", called="(none), of bytes", arrow=pa.binary(), values=BLOBS, formats=UNTYPED),
    Kind(declared="NUMERIC", arrow=pa.float64(), values=("1.5", "2")),
    Kind(
        declared="INTEGER",
        called="INTEGER, with a text",
        arrow=pa.string(),
        values=("1", "'x'"),
        formats=OUTGROWN,
    ),
    Kind(
        declared="INTEGER",
        called="INTEGER, with a fraction",
        arrow=pa.float64(),
        values=("1", "1.5"),
        formats=OUTGROWN,
    ),
    Kind(
        declared="DATE",
        called="DATE, with a text",
        arrow=pa.string(),
        values=("'2024-02-29'", "'soon'"),
        formats=OUTGROWN,
    ),
    Kind(
        declared="TEXT",
        called="TEXT, not UTF-8",
        arrow=pa.binary(),
        values=("CAST(x'ff' AS TEXT)",),
        ask="CAST({} AS BLOB)",
        formats={**dict.fromkeys(("arrow", "feather", "parquet"), "schema-mismatch"), **UNTYPED},
    ),
)


JUDGE = """
import contextlib, json, sqlite3, sys

def text(value):
    return value.hex() if isinstance(value, bytes) else None if value is None else str(value)

for line in sys.stdin:
    method, path, sql = json.loads(line)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        try:
            said = [list(map(text, row)) for row in getattr(connection, method)(sql)], None
            connection.commit()
        except Exception as error:
            said = None, repr(error)
    print(json.dumps(said), flush=True)
"""
"""In a process of its own: two SQLite libraries in one would take each other's locks away."""


class SQLite(Harness):
    """Files in a folder."""

    name = "sqlite"
    unmade = frozenset(
        {
            "decimal76",
            "duration",
            "interval",
            "list",
            "struct",
            "texts",
            "timestamp_ns",
            "timestamptz",
            "uint64",
        }
    )
    schema = "main"
    kinds = KINDS
    exact = "typeof({0}) || ' ' || quote({0})"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n"
    hostile = (
        "INSERT INTO users VALUES (9, 'eve', 1) RETURNING id",
        "DELETE FROM users",
        "CREATE TEMP TABLE t (n INTEGER)",
        "CREATE TABLE t (n INTEGER)",
        "DROP TABLE users",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "WITH w AS (SELECT 1) INSERT INTO users SELECT 9, 'eve', 1 FROM w",
        "SELECT 1; DELETE FROM users",
    )

    breaking = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " SELECT i, json_extract(iif(i = 100000, '{', '{}'), '$.a') AS n FROM n"
    )
    caught = "PRAGMA user_version"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = count()

    def create(self) -> str:
        path = self.folder / f"{next(self._numbers)}.db"
        url = f"sqlite:///{path}"
        self.execute(url, "PRAGMA journal_mode = WAL")
        return url

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", JUDGE]
        self._judge = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._judge:
            pass

    def execute(self, url: str, statements: str) -> None:
        self._say("executescript", url, statements)

    def ask(self, url: str, query: str) -> list[tuple[str | None, ...]]:
        return [tuple(row) for row in self._say("execute", url, query)]

    def _say(self, method: str, url: str, sql: str) -> Any:
        assert self._judge.stdin is not None
        assert self._judge.stdout is not None
        self._judge.stdin.write(json.dumps([method, url.removeprefix("sqlite:///"), sql]) + "\n")
        self._judge.stdin.flush()
        rows, error = json.loads(self._judge.stdout.readline())
        assert not error, error
        return rows


HARNESS = SQLite
