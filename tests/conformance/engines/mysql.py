"""MySQL, judged by its own client."""

from __future__ import annotations

import re
from itertools import count
from time import sleep
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

import pyarrow as pa

from tests.conformance.harness import Harness
from tests.conformance.kinds import Kind
from tests.mysql import MySQL as MySQLServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from tests.mysql_server import Server

RANGE = "value-out-of-range"
UTC = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {})"
MICROSECONDS = (
    "CAST(IF({0} < 0, -1, 1) * (ABS(HOUR({0})) * 3600 + MINUTE({0}) * 60 + SECOND({0})) * 1000000"
    " + IF({0} < 0, -1, 1) * MICROSECOND({0}) AS SIGNED)"
)
# Dates that no calendar has can be written only where they are not forbidden, as MySQL does unasked.
SESSION = "SET time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO'"
ZEROS = {"'0000-00-00'": RANGE, "'2024-00-01'": RANGE}


def integer(declared: str, arrow: pa.DataType, least: int, most: int) -> Kind:
    beyond = ((pa.scalar(most + 1, pa.int64()), RANGE),) if most < 2**63 - 1 else ()
    return Kind(declared=declared, arrow=arrow, values=("0", str(least), str(most)), unheld=beyond)


def decimal(precision: int, scale: int) -> Kind:
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    most = "9" * (precision - scale) + ("." + "9" * scale if scale else "")
    least = "0." + "0" * (scale - 1) + "1" if scale else "1"
    return Kind(
        declared=f"decimal({precision},{scale})",
        arrow=kind(precision, scale),
        values=("0", least, most, f"-{most}"),
    )


def text(declared: str, *values: str, called: str = "") -> Kind:
    return Kind(declared=declared, called=called, arrow=pa.string(), values=values)


def binary(declared: str, *values: str, ask: str = "HEX({})") -> Kind:
    return Kind(declared=declared, arrow=pa.binary(), values=values, ask=ask)


def time(*values: str, beyond: int) -> Kind:
    return Kind(
        declared="time(6)",
        arrow=pa.duration("us"),
        values=("'00:00:00'", "'-00:00:00.000001'", *values),
        ask=MICROSECONDS,
        unheld=tuple((pa.scalar(value, pa.duration("us")), RANGE) for value in (839 * 3600 * 10**6, beyond)),
    )


TEXTS = (
    "''",
    "'it''s \"quoted\", \\\\and'",
    "'two\\r\\nlines'",
    "' spaces '",
    "'NULL'",
    "'日本 語 🙂 é'",
    "REPEAT('xy', 524288)",
)

COMMON = (
    integer("tinyint", pa.int8(), -128, 127),
    integer("tinyint unsigned", pa.uint8(), 0, 255),
    Kind(declared="boolean", arrow=pa.int8(), values=("false", "true", "127")),
    integer("smallint", pa.int16(), -(2**15), 2**15 - 1),
    integer("smallint unsigned", pa.uint16(), 0, 2**16 - 1),
    integer("mediumint", pa.int32(), -(2**23), 2**23 - 1),
    integer("mediumint unsigned", pa.uint32(), 0, 2**24 - 1),
    integer("int", pa.int32(), -(2**31), 2**31 - 1),
    integer("int unsigned", pa.uint32(), 0, 2**32 - 1),
    Kind(declared="int(9) unsigned zerofill", arrow=pa.uint32(), values=("0", "4294967295"), ask="{} + 0"),
    integer("bigint", pa.int64(), -(2**63), 2**63 - 1),
    Kind(declared="bigint unsigned", arrow=pa.uint64(), values=("0", str(2**64 - 1))),
    Kind(
        declared="year",
        arrow=pa.uint16(),
        values=("0", "1901", "2155"),
        ask="{} + 0",
        unheld=((pa.scalar(70), RANGE), (pa.scalar(2156), RANGE)),
    ),
    Kind(
        declared="float",
        arrow=pa.float32(),
        values=("0", "'-0'", "0.1", "3.4028234e38", "1.4e-45"),
        ask="CAST({} AS DOUBLE)",
        unheld=((pa.scalar(0.1), RANGE), (pa.scalar(float("nan"), pa.float32()), RANGE)),
    ),
    Kind(
        declared="double",
        arrow=pa.float64(),
        values=("0", "'-0'", "0.1", "1.7976931348623157e308", "2.2250738585072014e-308"),
        unheld=((pa.scalar(float("inf")), RANGE),),
    ),
    decimal(15, 2),
    decimal(38, 0),
    decimal(38, 30),
    decimal(39, 1),
    decimal(65, 0),
    decimal(65, 30),
    Kind(
        declared="decimal(10,2) unsigned",
        arrow=pa.decimal128(10, 2),
        values=("0", "99999999.99"),
        unheld=((pa.scalar(-1), RANGE),),
    ),
    text("longtext", *TEXTS),
    text("varchar(9)", "''", "'nine byte'", "'日本 語 🙂'", "'ends '"),
    text("char(5)", "''", "'ab'", "'abcde'"),
    text("varchar(9) character set latin1", "'é'"),
    text("set('x','y','z''')", "''", "'x'", "'x,z'''"),
    binary("blob", "''", "x'00ff'"),
    binary("longblob", "REPEAT(x'00ff', 524288)"),
    binary("varbinary(9)", "''", "x'00ff20'"),
    binary("binary(3)", "x'000000'", "x'00ff20'"),
    binary("bit(1)", "b'0'", "b'1'", ask="LPAD(HEX({}), 2, '0')"),
    binary("bit(12)", "b'0'", "b'111111111111'", ask="LPAD(HEX({}), 4, '0')"),
    binary("bit(64)", "b'0'", "18446744073709551615", ask="LPAD(HEX({}), 16, '0')"),
    binary("geometry", "ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('LINESTRING(0 0, 1 1)')"),
    Kind(
        declared="date",
        arrow=pa.date32(),
        values=("'0001-01-01'", "'1969-12-31'", "'9999-12-31'"),
        ask="DATEDIFF({}, '1970-01-01')",
        unsaid=ZEROS,
    ),
    Kind(
        declared="datetime",
        arrow=pa.timestamp("us"),
        values=("'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"),
        ask=UTC,
        unsaid=ZEROS,
        unheld=((pa.scalar(1, pa.timestamp("us")), RANGE),),
    ),
    Kind(
        declared="datetime(6)",
        arrow=pa.timestamp("us"),
        values=("'0001-01-01 00:00:00'", "'1969-12-31 23:59:59.999999'", "'9999-12-31 23:59:59.999999'"),
        ask=UTC,
        unsaid=ZEROS,
    ),
    Kind(
        declared="timestamp(6) null",
        arrow=pa.timestamp("us", "UTC"),
        values=("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'"),
        ask=UTC,
        unsaid={"'0000-00-00'": RANGE},
        unheld=((pa.scalar(-1, pa.timestamp("us", "UTC")), RANGE),),
    ),
    Kind(
        declared="time(3)",
        arrow=pa.duration("us"),
        values=("'23:59:59.999'",),
        ask=MICROSECONDS,
        unheld=((pa.scalar(1, pa.duration("us")), RANGE),),
    ),
    Kind(
        declared="enum('sad','it''s \"fine\"','日本','')",
        called="enum",
        arrow=pa.dictionary(pa.int32(), pa.string()),
        values=("'sad'", "'it''s \"fine\"'", "'日本'", "''"),
        unheld=((pa.scalar("SAD"), RANGE), (pa.scalar("2"), RANGE)),
    ),
)

KINDS = (
    *COMMON,
    Kind(
        declared="json",
        arrow=pa.json_(),
        values=('\'{"a" :[1, null, "q\\\\""]}\'', "'null'", "'[1e30, 18446744073709551615, 0.1]'"),
        unheld=tuple(
            (pa.scalar(text, pa.json_(pa.utf8())), RANGE)
            for text in ("0.10000000000000000555", "[1e400]", "{")
        ),
    ),
    # Beyond 838 hours a prepared statement takes no fractions of a second.
    time("'-838:59:59'", "'838:59:59'", "'837:59:59.999999'", beyond=838 * 3600 * 10**6 + 1),
)

HOSTILE = (
    "DELETE FROM users",
    "REPLACE INTO users VALUES (1, 'eve', 1)",
    "CREATE TABLE t (n int)",
    "CREATE TABLE t SELECT 1 AS n",
    "CREATE TEMPORARY TABLE t (n int)",
    "DROP TABLE users",
    "TRUNCATE users",
    "OPTIMIZE TABLE users",
    "ANALYZE TABLE users",
    "REPAIR TABLE users",
    "SELECT * FROM users INTO OUTFILE 'users.txt'",
    "SELECT 1 INTO DUMPFILE 'one'",
    "SELECT * FROM users FOR UPDATE",
    "SELECT writes()",
    "CALL write_too()",
    "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE users",
    "LOCK TABLES users WRITE",
    "HANDLER users OPEN",
    "FLUSH TABLES",
    "SET GLOBAL max_connections = 7",
    "SET SESSION TRANSACTION READ WRITE",
    "START TRANSACTION READ WRITE",
    "SELECT 1; DELETE FROM users",
    "COMMIT",
)


class MySQL(Harness):
    """A server of our own, with a database for each test."""

    name = "mysql"
    unmade = frozenset(
        {"bool", "decimal76", "interval", "list", "struct", "texts", "timestamp_ns", "timestamptz"}
    )
    schema = ""
    kinds: ClassVar[Sequence[Kind]] = KINDS
    exact = "HEX(CAST({} AS BINARY))"
    endless = "SELECT SLEEP(600)"
    hostile: ClassVar[Sequence[str]] = (
        *HOSTILE,
        "SET PERSIST max_connections = 7",
        "EXPLAIN ANALYZE DELETE FROM users",
        "ANALYZE TABLE users UPDATE HISTOGRAM ON name",
        "LOCK INSTANCE FOR BACKUP",
        "PREPARE p FROM 'DELETE FROM users'",
        "CLONE LOCAL DATA DIRECTORY 'copy'",
    )
    bait = """
        delimiter //
        CREATE FUNCTION writes() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM users; RETURN 1; END//
        CREATE PROCEDURE write_too() BEGIN DELETE FROM users; SELECT 1; END//
        delimiter ;
    """
    caught = "SELECT @@GLOBAL.max_connections"
    breaking = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " SELECT i, EXP(IF(i = 100000, 1000, 1)) AS e, REPEAT('x', 200) AS filler FROM n"
    )
    sqlstates = MappingProxyType(
        {
            "syntax": "42000",
            "no relation": "42S02",
            "no column": "42S22",
            "unique": "23000",
            "not null": "23000",
        }
    )
    rests = """
        delimiter //
        CREATE TRIGGER rests BEFORE INSERT ON users
            FOR EACH ROW IF NEW.id = 5000 THEN DO SLEEP(600); END IF//
        delimiter ;
    """
    unreachable = "mysql://ada:canary@127.0.0.1:1/sales"
    comment = "ALTER TABLE users COMMENT 'people', MODIFY name VARCHAR(200) NOT NULL COMMENT 'called';"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._numbers = count()
        self._server = self.start()

    def start(self) -> Server:
        return MySQLServer("cte-max-recursion-depth=4294967295")

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    @property
    def server(self) -> Server:
        return self._server

    def create(self) -> str:
        name = f"conformance_{next(self._numbers)}"
        others = self._server.sql(
            "SELECT CONCAT('DROP DATABASE `', REPLACE(schema_name, '`', '``'), '`;')"
            " FROM information_schema.schemata WHERE schema_name NOT IN"
            " ('mysql', 'sys', 'performance_schema', 'information_schema')"
        )
        self._server.sql(f"{others}CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"{self._server.url}/{name}"

    def home(self, url: str) -> str:
        return url.rpartition("/")[2]

    def execute(self, url: str, statements: str) -> None:
        self._server.sql(f"{SESSION};\n{statements}", database=self.home(url))

    def ask(self, url: str, query: str) -> list[tuple[str | None, ...]]:
        # The only way of the client that tells NULL from a text.
        shown = self._server.sql(f"{SESSION};\n{query};", database=self.home(url), options=["--xml"])
        rows = re.findall(r"  <row>\n(.*?)  </row>\n", shown, re.DOTALL)
        field = re.compile(r'\t<field name="[^"]*"(?: xsi:nil="true" /|>(.*?)</field)>\n', re.DOTALL)
        return [tuple(map(_unescaped, field.finditer(row))) for row in rows]

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, text: str) -> str:
        # The client takes line ends of all kinds for one.
        escaped = text.replace("\\", "\\\\").replace("'", "''").replace("\r", "\\r")
        return f"'{escaped}'"

    def guarded(self, url: str) -> str:
        self._server.sql(
            "DROP USER IF EXISTS ada@'%'; CREATE USER ada@'%' IDENTIFIED BY 'canary';"
            " GRANT ALL ON *.* TO ada@'%'"
        )
        return url.replace("//root@", "//ada:canary@")

    def resting(self, url: str) -> bool:
        at_rest = "state = 'User sleep' AND db = DATABASE()"
        return bool(self.ask(url, f"SELECT id FROM information_schema.processlist WHERE {at_rest}"))

    def disconnect(self, url: str) -> None:
        others = "FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        kills = self.ask(url, f"SELECT CONCAT('KILL ', id, ';') {others}")
        self._server.sql("".join(str(kill) for (kill,) in kills))
        while self.ask(url, f"SELECT id {others}"):
            sleep(0.01)

    def busy(self, url: str) -> bool:
        running = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' AND db = "
        return bool(self.ask(url, running + self.literal(self.home(url))))


def _unescaped(field: re.Match[str]) -> str | None:
    text = field[1]
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text and text.replace(entity, character)
    return text


HARNESS = MySQL
