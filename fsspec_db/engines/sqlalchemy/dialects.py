"""What differs between the databases behind SQLAlchemy, as data, and what SQLAlchemy has no word for."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from fsspec_db.engines.sqlalchemy import types
from fsspec_db.errors import InvalidQueryError, ReadOnlyError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Describe = Callable[[Any], list[types.Carrier | None]]


@dataclass(frozen=True, kw_only=True)
class Driver:
    """How a driver holds one statement of somebody else's to reading.

    Attributes:
        guard: Called with a connection in its read-only transaction, the statement as the driver
            takes it, its parameters, and the statement with marks `$1`; raises where it is anything
            but one that reads rows, before it runs.
        describe: The carriers of a result's columns from its cursor; `None` for one that it does not tell.
        connected: Called with each new connection of the driver.
    """

    guard: Callable[[sa.Connection, str, Any, str], None]
    describe: Describe | None = None
    connected: Callable[[Any], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A database.

    Attributes:
        family: What the bridge calls its SQL.
        reading: Statements that make the transaction that has begun a read-only one, of one snapshot.
        writing: Statements at the beginning of one that writes.
        drivers: Those by which a statement of somebody else's is held to reading.
        declared: Names and types of the columns of `:schema`, `:relation`, as the database spells them; the
            base of a type that is a domain, or NULL; whether NOT NULL holds, where it may not.
        casts: Whether a column of another type can be selected as the exact text of its value.
        transactional: Whether tables are created in a transaction.
        schemas: Whether schemas can be created and dropped.
        rename: How a relation is renamed within its schema: `{source}` into `{target}`, or into `{there}`
            with the schema.
        moves: The same into another `{schema}`, under the name `{passing}` on the way, which is `{passed}`
            in the old schema and `{moved}` in the new.
        hidden: Schemas of the system.
    """

    family: str
    reading: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    drivers: Mapping[str, Driver] = field(default_factory=dict)
    declared: str | None = None
    casts: bool = True
    transactional: bool = False
    schemas: bool = False
    rename: str | None = None
    moves: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset({"information_schema"})


def of(dialect: sa.Dialect) -> Dialect:
    """The record of a dialect of SQLAlchemy; one that is not known can do the least."""
    return DIALECTS.get(dialect.name, Dialect(family="generic"))


def quoted(dialect: sa.Dialect, *names: str) -> str:
    """A name, with those that it stands in, for a statement that no compiler of SQLAlchemy touches.

    Those double the `%`.
    """
    marks = dialect.identifier_preparer
    return ".".join(
        marks.initial_quote + name.replace(marks.escape_quote, marks.escape_quote * 2) + marks.final_quote
        for name in names
    )


_ONLY_READS = "only statements that read rows are let through: SELECT, VALUES, TABLE, WITH"

# SQLite

_SQLITE_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


def _guard_sqlite(connection: sa.Connection, sql: str, params: Any, numbered: str) -> None:  # noqa: ARG001
    driver: Any = connection.connection.driver_connection

    def allow(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_OK if action in _SQLITE_ALLOWED else sqlite3.SQLITE_DENY

    driver.execute("PRAGMA query_only = 1")
    driver.set_authorizer(allow)


# PostgreSQL

_OIDS: Mapping[int, Any] = MappingProxyType(
    {
        16: sa.Boolean(), 17: sa.LargeBinary(), 18: sa.Text(), 19: sa.Text(), 20: sa.BigInteger(),
        21: sa.SmallInteger(), 23: sa.Integer(), 25: sa.Text(), 26: postgresql.OID(),
        114: sa.JSON(), 700: sa.REAL(), 701: sa.Double(), 1042: sa.Text(), 1043: sa.Text(),
        1082: sa.Date(), 1083: sa.Time(), 1114: sa.DateTime(), 1184: sa.DateTime(timezone=True),
        1186: sa.Interval(), 2950: sa.Uuid(), 3802: sa.JSON(),
    }
)  # fmt: skip
_ARRAYS: Mapping[int, int] = MappingProxyType(
    {
        1000: 16, 1001: 17, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1021: 700,
        1022: 701, 1028: 26, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184,
    }
)  # fmt: skip


def _connected_psycopg(connection: Any) -> None:
    from psycopg import DataError  # noqa: PLC0415
    from psycopg.types import datetime  # noqa: PLC0415

    # What Python's dates cannot say is handed on as text, so that the error can name its column.
    def lenient(strict: Any) -> Any:
        class Loader(strict):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        return Loader

    for name in ("Date", "Time", "Timestamp", "Timestamptz"):
        connection.adapters.register_loader(name.lower(), lenient(getattr(datetime, f"{name}Loader")))


def _describe_psycopg(cursor: Any) -> list[types.Carrier | None]:
    def one(column: Any) -> types.Carrier:
        oid = column.type_code
        if oid == 1700:
            return types.decimal(column.precision, column.scale)
        if oid in _ARRAYS:
            return types.list_of(types.carrier_of(_OIDS[_ARRAYS[oid]], "postgresql"))
        return types.carrier_of(_OIDS.get(oid, sa.types.NULLTYPE), "postgresql")

    return [one(column) for column in cursor.description]


def _guard_psycopg(connection: sa.Connection, sql: str, params: Any, numbered: str) -> None:  # noqa: ARG001
    from psycopg.errors import error_from_result  # noqa: PLC0415
    from psycopg.pq import ExecStatus  # noqa: PLC0415
    from psycopg.types.string import TextLoader  # noqa: PLC0415

    driver: Any = connection.connection.driver_connection
    # The server parses it, also as a cursor's, which is how it is then run: by the extended protocol, which
    # takes one statement only.
    asked = driver.pgconn.prepare(b"", numbered.encode())
    if asked.status != ExecStatus.COMMAND_OK:
        raise error_from_result(asked)
    if (
        driver.pgconn.prepare(b"", f"DECLARE c CURSOR FOR {numbered}".encode()).status
        != ExecStatus.COMMAND_OK
    ):
        driver.pgconn.exec_(b"ROLLBACK")
        if driver.pgconn.prepare(b"", f"SELECT 1; {numbered}".encode()).status == ExecStatus.COMMAND_OK:
            raise InvalidQueryError("there is no statement")
        raise ReadOnlyError(_ONLY_READS)
    for info in list(driver.adapters.types):  # what has no Arrow type is the server's own text
        if (info.oid not in _OIDS and info.oid != 1700) or info.oid in (114, 1186, 3802):
            driver.adapters.register_loader(info.oid, TextLoader)
        if info.array_oid and info.array_oid not in _ARRAYS:
            driver.adapters.register_loader(info.array_oid, TextLoader)


# MySQL and MariaDB

_SYNTAX, _COLUMN_TWICE = 1064, 1060

_UNSIGNED, _BINARY_CHARSET = 32, 63
_FIELDS: Mapping[int, types.Carrier] = MappingProxyType(
    {
        5: types.FLOAT64, 7: types.UTC_INSTANT, 10: types.DATE, 11: types.DURATION, 12: types.TIMESTAMP,
        13: types.integer(16, unsigned=True), 16: types.BINARY, 245: types.JSON, 255: types.BINARY,
    }
)  # fmt: skip
_BITS = {1: 8, 2: 16, 3: 32, 8: 64, 9: 32}


def _describe_pymysql(cursor: Any) -> list[types.Carrier | None]:
    def one(field: Any) -> types.Carrier:
        code = field.type_code
        if code == 4:
            raise InvalidQueryError(
                f"column {field.name!r} is a FLOAT, of which the server tells six digits: CAST it AS DOUBLE",
                column=field.name,
            )
        if code in _BITS:
            return types.integer(_BITS[code], unsigned=bool(field.flags & _UNSIGNED))
        if code in (0, 246):
            return types.decimal(field.length - (field.scale > 0), field.scale)
        if code in _FIELDS:
            return _FIELDS[code]
        return types.BINARY if field.charsetnr == _BINARY_CHARSET and code != 6 else types.UTF8

    # PEP 249's description has neither signs nor character sets.
    return [one(field) for field in cursor._result.fields]  # noqa: SLF001


def _guard_pymysql(connection: sa.Connection, sql: str, params: Any, numbered: str) -> None:  # noqa: ARG001
    # The server parses it, without running it, as what stands after FROM: there it takes no COMMIT, SET or
    # CALL, and no INTO OUTFILE. More than one statement it takes nowhere.
    asked = re.sub(r"\$\d+", "?", numbered)
    try:
        _parse(connection, f"SELECT 1 FROM ({asked}\n) AS fsspec_db")  # noqa: S608
    except sa.exc.DBAPIError as error:
        number = error.orig.args[0] if error.orig else None
        if number == _SYNTAX:
            _parse(connection, asked)
            raise ReadOnlyError(_ONLY_READS) from None
        if number != _COLUMN_TWICE:
            raise


def _parse(connection: sa.Connection, sql: str) -> None:
    connection.exec_driver_sql("PREPARE fsspec_db FROM %s", (sql,)).close()


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "sqlite": Dialect(
            family="sqlite",
            drivers={"pysqlite": Driver(guard=_guard_sqlite)},
            declared="SELECT name, type, NULL FROM pragma_table_xinfo(:relation) WHERE :schema <> ''",
            casts=False,  # digits of doubles would be lost
            transactional=True,
            rename="ALTER TABLE {source} RENAME TO {target}",
        ),
        "postgresql": Dialect(
            family="postgresql",
            reading=(
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                # How it writes values as text, and years at the edge of Python's.
                "SET LOCAL TimeZone TO 'UTC'",
                "SET LOCAL IntervalStyle TO 'postgres'",
                "SET LOCAL DateStyle TO 'ISO'",
                "SET LOCAL extra_float_digits TO 1",
            ),
            writing=("SET TRANSACTION READ WRITE", "SET LOCAL IntervalStyle TO 'postgres'"),
            drivers={
                "psycopg": Driver(
                    guard=_guard_psycopg, describe=_describe_psycopg, connected=_connected_psycopg
                )
            },
            declared="""
                SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
                       || CASE WHEN a.attndims > 1 THEN repeat('[]', a.attndims - 1) ELSE '' END,
                       pg_catalog.format_type(t.typbasetype, t.typtypmod), c.relkind IN ('r', 'p')
                FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
                LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typtype = 'd'
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = :schema AND c.relname = :relation
                      AND a.attnum > 0 AND NOT a.attisdropped""",
            transactional=True,
            schemas=True,
            rename="ALTER TABLE {source} RENAME TO {target}",
            moves=(
                "ALTER TABLE {source} RENAME TO {passing}",
                "ALTER TABLE {passed} SET SCHEMA {schema}",
                "ALTER TABLE {moved} RENAME TO {target}",
            ),
        ),
        "mysql": Dialect(
            family="mysql",
            reading=(
                "SET SESSION time_zone = '+00:00'",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ),
            writing=(
                "SET SESSION time_zone = '+00:00'",
                "SET SESSION sql_mode = CONCAT_WS(',', @@sql_mode, 'STRICT_ALL_TABLES')",
                "SET SESSION sql_mode = CONCAT_WS(',', @@sql_mode, 'NO_AUTO_VALUE_ON_ZERO')",
            ),
            drivers={"pymysql": Driver(guard=_guard_pymysql, describe=_describe_pymysql)},
            declared="""
                SELECT column_name, column_type, NULL FROM information_schema.columns
                WHERE table_schema = :schema AND table_name = :relation""",
            casts=False,  # what the driver gives is text or bytes already
            schemas=True,
            rename="RENAME TABLE {source} TO {there}",
            moves=("RENAME TABLE {source} TO {there}",),
            hidden=frozenset({"information_schema", "mysql", "performance_schema", "sys"}),
        ),
    }
)
DIALECTS = MappingProxyType({**DIALECTS, "mariadb": DIALECTS["mysql"]})


def driver_of(dialect: sa.Dialect) -> Driver:
    """How statements of somebody else's are held to reading.

    Raises:
        UnsupportedError: No way is known for that dialect and driver.
    """
    found = of(dialect).drivers.get(dialect.driver)
    if found is None:
        raise UnsupportedError(
            f"nothing is known that holds {dialect.name}+{dialect.driver} to reading, so it has no queries;"
            " fsspec_db_read_only=role in the URL says that the role of the connection can only read"
        )
    return found
