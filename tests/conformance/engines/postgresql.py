"""PostgreSQL, judged by psql."""

from __future__ import annotations

import csv
import io
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import pyarrow as pa

from tests.conformance.harness import Harness
from tests.conformance.kinds import Kind
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

NULL = "<null>"
csv.field_size_limit(2**30)
TEXTS = (
    "''",
    "E'it''s \"quoted\", \\\\and'",
    "E'two\\r\\nlines'",
    "' spaces '",
    "'NULL'",
    "'日本 語 🙂 é'",
    "repeat('xy', 524288)",
)
RANGE = "value-out-of-range"
MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
ARRAY = "array_to_json({}::text[])"
INTERVAL = (
    "(extract(year FROM {0}) * 12 + extract(month FROM {0}))::int || ' ' || extract(day FROM {0})::int"
    " || ' ' || (extract(hour FROM {0}) * 3600000000000 + extract(minute FROM {0}) * 60000000000"
    " + extract(microseconds FROM {0}) * 1000)::bigint"
)


def decimal(precision: int, scale: int) -> Kind:
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    most = "9" * (precision - scale) + ("." + "9" * scale if scale else "")
    least = "0." + "0" * (scale - 1) + "1" if scale else "1"
    return Kind(
        declared=f"numeric({precision},{scale})",
        arrow=kind(precision, scale),
        values=("0", least, most, f"-{most}"),
        unsaid={"'NaN'": RANGE},
    )


def text(
    declared: str, *values: str, before: str = "", ask: str = "{}", unheld: tuple[str, ...] = ()
) -> Kind:
    beyond = tuple((pa.scalar(value), RANGE) for value in unheld)
    return Kind(declared=declared, arrow=pa.string(), values=values, before=before, ask=ask, unheld=beyond)


KINDS = (
    Kind(declared="boolean", arrow=pa.bool_(), values=("true", "false"), ask="{}::text"),
    Kind(
        declared="smallint",
        arrow=pa.int16(),
        values=("0", "-32768", "32767"),
        unheld=((pa.scalar(32768), RANGE),),
    ),
    Kind(
        declared="integer",
        arrow=pa.int32(),
        values=("0", "-2147483648", "2147483647"),
        unheld=((pa.scalar(2**31), RANGE),),
    ),
    Kind(declared="bigint", arrow=pa.int64(), values=("0", "-9223372036854775808", "9223372036854775807")),
    Kind(declared="oid", arrow=pa.uint32(), values=("0", "4294967295"), unheld=((pa.scalar(-1), RANGE),)),
    Kind(
        declared="real",
        arrow=pa.float32(),
        values=("0", "'-0'", "0.1", "3.4028235e38", "'1e-45'", "'NaN'", "'Infinity'", "'-Infinity'"),
        unheld=((pa.scalar(0.1), RANGE), (pa.scalar(1e300), RANGE)),
    ),
    Kind(
        declared="double precision",
        arrow=pa.float64(),
        values=(
            "0",
            "'-0'",
            "0.1",
            "1.7976931348623157e308",
            "'5e-324'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
        ),
    ),
    decimal(15, 2),
    decimal(38, 0),
    decimal(38, 38),
    decimal(39, 1),
    decimal(76, 0),
    decimal(76, 20),
    text("numeric", "0", "'NaN'", "'-Infinity'", "1.10", f"-{'9' * 100}.{'9' * 50}", "1e-100"),
    text("numeric(100,50)", "0", "1.10", f"-{'9' * 50}.{'9' * 50}", unheld=("0." + "1" * 51,)),
    text("text", *TEXTS),
    text("varchar(9)", "''", "'nine byte'", "'日本 語 🙂'", unheld=("ten bytes ", "nine byte ")),
    text("char(5)", "''", "'ab'", "'abcde'", ask="CASE WHEN {0} IS NOT NULL THEN concat({0}) END"),
    text("name", "''", "'pg_class'"),
    text("citext", "'Ada'", "'ada'", before="CREATE EXTENSION IF NOT EXISTS citext"),
    text("xml", "'<a b=\"c\">é</a>'"),
    text("inet", "'::1/128'", "'10.0.0.0/8'", "'10.0.0.1'"),
    text("cidr", "'10.0.0.0/8'"),
    text("macaddr", "'08:00:2b:01:02:03'"),
    text("bit(3)", "B'101'", "B'000'", unheld=("1", "10101")),
    text("bit varying", "B''", "B'10111'"),
    text("bit varying(3)", "B''", "B'101'", unheld=("10101",)),
    text("int4range", "'[1,5)'", "'empty'", "'(,)'"),
    text("tsvector", "'a:1 fat:2,4B'", "''"),
    text("point", "'(0.1,-2)'"),
    text("money", "'12.34'", "'-92233720368547758.08'"),
    text("timetz", "'23:59:59.999999+05:30'"),
    text("timetz(0)", "'23:59:59+05:30'", unheld=("12:00:00.6+00",)),
    text("pair", "ROW(1, 'a,\"b\"')", "ROW(NULL, '')", before="CREATE TYPE pair AS (a int, b text)"),
    Kind(
        declared="bytea",
        arrow=pa.binary(),
        values=("''", "'\\x00ff'", "decode(repeat('00ff', 524288), 'hex')"),
        ask="encode({}, 'hex')",
    ),
    Kind(
        declared="uuid",
        arrow=pa.uuid(),
        values=("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    ),
    Kind(
        declared="json",
        arrow=pa.json_(),
        values=('\'{"a" :[1, null, "q\\""]}\'', "'\"\\u00e9\"'", "'null'", "'1e400'"),
    ),
    Kind(declared="jsonb", arrow=pa.json_(), values=('\'{"a": [1, null, "q\\""]}\'', "'null'", "'{}'")),
    Kind(
        declared="date",
        arrow=pa.date32(),
        values=("'0001-01-01'", "'1969-12-31'", "'9999-12-31'", "'4713-01-01 BC'", "'5874897-12-31'"),
        ask="{} - date '1970-01-01'",
        unsaid={"'infinity'": RANGE, "'-infinity'": RANGE},
    ),
    Kind(
        declared="time",
        arrow=pa.time64("us"),
        values=("'00:00:00'", "'23:59:59.999999'"),
        ask=MICROSECONDS,
        unsaid={"'24:00:00'": RANGE},
    ),
    Kind(
        declared="time(0)",
        arrow=pa.time64("us"),
        values=("'23:59:59'",),
        ask=MICROSECONDS,
        unheld=((pa.scalar(86_399_999_999, pa.time64("us")), RANGE),),
    ),
    Kind(
        declared="timestamp",
        arrow=pa.timestamp("us"),
        values=(
            "'0001-01-01 00:00:00'",
            "'1969-12-31 23:59:59.999999'",
            "'9999-12-31 23:59:59.999999'",
            "'4713-01-01 00:00:00 BC'",
            "'294246-12-31 23:59:59.999999'",
        ),
        ask=MICROSECONDS,
        unsaid={"'infinity'": RANGE, "'-infinity'": RANGE, "'294276-12-31 23:59:59.999999'": RANGE},
    ),
    Kind(
        declared="timestamptz",
        arrow=pa.timestamp("us", "UTC"),
        values=(
            "'0001-01-01 00:00:00+00'",
            "'1969-12-31 23:59:59.999999+00'",
            "'2024-02-29 12:00:00+05:30'",
            "'9999-12-31 23:59:59.999999+00'",
        ),
        ask=MICROSECONDS,
        unsaid={"'infinity'": RANGE, "'-infinity'": RANGE},
    ),
    Kind(
        declared="timestamp(0)",
        arrow=pa.timestamp("us"),
        values=("'2024-02-29 12:00:00'",),
        ask=MICROSECONDS,
        unheld=((pa.scalar(600_000, pa.timestamp("us")), RANGE),),
    ),
    Kind(
        declared="timestamptz(3)",
        arrow=pa.timestamp("us", "UTC"),
        values=("'2024-02-29 12:00:00.123+00'",),
        ask=MICROSECONDS,
        unheld=((pa.scalar(600, pa.timestamp("us", "UTC")), RANGE),),
    ),
    Kind(
        declared="interval",
        arrow=pa.month_day_nano_interval(),
        values=("'0'", "'-1 mon -2 days -0.000001 sec'", "'178 years 11 mons'", "'1000000:00:00'"),
        ask=INTERVAL,
        unsaid={"'100000000:00:00'": RANGE},
    ),
    Kind(
        declared="interval(0)",
        arrow=pa.month_day_nano_interval(),
        values=("'1 mon -2 days 00:00:03'",),
        ask=INTERVAL,
        unheld=((pa.scalar(pa.MonthDayNano([0, 0, 1_600_000_000])), RANGE),),
    ),
    Kind(
        declared="interval year to month",
        arrow=pa.month_day_nano_interval(),
        values=("'14 mons'",),
        ask=INTERVAL,
        unheld=((pa.scalar(pa.MonthDayNano([14, 5, 0])), RANGE),),
    ),
    Kind(
        declared="mood",
        called="enum",
        arrow=pa.dictionary(pa.int32(), pa.string()),
        values=("'sad'", "'it''s \"fine\"'"),
        before="CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"')",
    ),
    Kind(
        declared="positive",
        called="domain over numeric(8,3)",
        arrow=pa.decimal128(8, 3),
        values=("0.001", "99999.999"),
        before="CREATE DOMAIN positive AS numeric(8, 3) CHECK (VALUE > 0)",
    ),
    Kind(
        declared="moment",
        called="domain over timestamp(0)",
        arrow=pa.timestamp("us"),
        values=("'2024-02-29 12:00:00'",),
        before="CREATE DOMAIN moment AS timestamp(0)",
        ask=MICROSECONDS,
        unheld=((pa.scalar(600_000, pa.timestamp("us")), RANGE),),
    ),
    Kind(
        declared="integer[]",
        arrow=pa.list_(pa.int32()),
        values=("'{}'", "'{1,NULL,-3}'"),
        ask=ARRAY,
        unsaid={"'{{1},{2}}'": RANGE},
        unheld=((pa.scalar([2**31]), RANGE), (pa.scalar([1.5]), RANGE)),
    ),
    Kind(
        declared="varchar(3)[]",
        arrow=pa.list_(pa.string()),
        values=("'{\"ab \",NULL}'",),
        ask=ARRAY,
        unheld=((pa.scalar(["ab  "]), RANGE),),
    ),
    Kind(
        declared="text[]",
        arrow=pa.list_(pa.string()),
        values=("'{}'", '\'{"a,b","NULL",NULL,"q\\"\\\\",""}\''),
        ask=ARRAY,
    ),
    Kind(
        declared="numeric(50,2)[]",
        arrow=pa.list_(pa.decimal256(50, 2)),
        values=("'{}'", "'{0.01,NULL,-123.45}'"),
        ask=ARRAY,
    ),
    Kind(declared="boolean[]", arrow=pa.list_(pa.bool_()), values=("'{t,f,NULL}'",), ask=ARRAY),
    Kind(declared="date[]", arrow=pa.list_(pa.date32()), values=("'{1969-12-31,NULL}'",), ask=ARRAY),
    text("integer[][]", "'{}'", "'{{1,2},{3,4}}'"),
)


CLEAN = """
SET client_min_messages = error;
SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' \\gexec
CREATE SCHEMA public;
"""


class PostgreSQL(Harness):
    """A server of our own, with a database for each test."""

    name = "postgresql"
    unmade = frozenset({"duration", "struct", "timestamp_ns"})
    schema = "public"
    kinds: ClassVar[Sequence[Kind]] = KINDS
    exact = "{}::text"
    endless = "SELECT pg_sleep(600)"
    hostile = (
        "INSERT INTO users VALUES (9, 'eve', 1) RETURNING id",
        "DELETE FROM users",
        "SELECT * INTO t FROM users",
        "CREATE TABLE t (n int)",
        "CREATE TEMPORARY TABLE t (n int)",
        "DROP TABLE users",
        "COPY users TO PROGRAM 'cat'",
        "COPY users FROM PROGRAM 'echo 9,eve,1' (FORMAT csv)",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('numbers')",
        "SELECT setval('numbers', 5)",
        "EXPLAIN ANALYZE DELETE FROM users",
        "WITH w AS (DELETE FROM users RETURNING id) SELECT * FROM w",
        "DO $$ BEGIN COMMIT; DELETE FROM users; END $$",
        "SELECT 1; DELETE FROM users",
        "COMMIT",
    )
    bait = "CREATE SEQUENCE numbers"
    caught = "SELECT last_value, is_called FROM numbers"
    breaking = "SELECT 1 / (100000 - i) AS n, repeat('x', 200) AS filler FROM generate_series(1, 100000) i"
    sqlstates = MappingProxyType(
        {
            "syntax": "42601",
            "no relation": "42P01",
            "no column": "42703",
            "unique": "23505",
            "not null": "23502",
        }
    )
    rests = """
        CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
        CREATE TRIGGER rests BEFORE INSERT ON users
            FOR EACH ROW WHEN (NEW.id = 5000) EXECUTE FUNCTION rest();
    """
    unreachable = "postgresql://ada:canary@127.0.0.1:1/sales"
    positional = "SELECT id FROM users WHERE id >= $1 AND name <> $2 ORDER BY id"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = count()
        self._free: list[str] = []
        self._server = Postgres()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def server(self) -> Postgres:
        return self._server

    def address(self, database: str) -> str:
        """The URL of a database of the server."""
        return self._server.url.removesuffix("postgres") + database

    def database(self, url: str) -> str:
        """The database of such a URL."""
        return url.rpartition("/")[2]

    def create(self) -> str:
        if self._free:
            url = self._free.pop()
            self.execute(url, CLEAN)  # in a tenth of the time that a new one takes
            return url
        name = f"conformance_{next(self._numbers)}"
        self._server.sql(f"CREATE DATABASE {name}")
        return self.address(name)

    def discard(self, url: str) -> None:
        self._free.append(url)

    def execute(self, url: str, statements: str) -> None:
        self._server.sql(f"\\connect {self.database(url)}\n{statements}")

    def ask(self, url: str, query: str) -> list[tuple[str | None, ...]]:
        shown = f"\\connect {self.database(url)}\n\\pset format csv\n\\pset null {NULL}\n{query};"
        rows = csv.reader(io.StringIO(self._server.sql(shown), newline=""))
        return [tuple(None if value == NULL else value for value in row) for row in rows]

    def resting(self, url: str) -> bool:
        at_rest = "wait_event = 'PgSleep' AND datname = current_database()"
        return bool(self.ask(url, f"SELECT pid FROM pg_stat_activity WHERE {at_rest}"))

    def disconnect(self, url: str) -> None:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        self.ask(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")

    def busy(self, url: str) -> bool:
        running = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            f" AND datname = {self.literal(self.database(url))} AND query LIKE '%pg_sleep(600)%'"
        )
        return bool(self._server.sql(running))


HARNESS = PostgreSQL
