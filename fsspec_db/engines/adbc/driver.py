"""ADBC drivers: found by name, told to read only by their own means, with their errors typed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

import adbc_driver_manager as adbc
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import AdbcStatusCode
from adbc_driver_manager._reader import AdbcRecordBatchReader

from fsspec_db._bridge import on_cancel
from fsspec_db.engines.adbc.postgresql import NESTED, check_moments, guarded, is_oid
from fsspec_db.engines.adbc.rows import number_of
from fsspec_db.engines.credentials import redacted, secrets_of, spellings
from fsspec_db.engines.sqlstate import code_of_sqlstate
from fsspec_db.errors import (
    DatabaseError,
    InvalidParameterError,
    InvalidQueryError,
    UnsupportedError,
    make_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

READ_ONLY = "adbc.connection.readonly"
CURRENT_CATALOG = "adbc.connection.catalog"

_NOISE = re.compile(r"^[A-Z_]+: |\s*Query was: .*|\.? SQLSTATE: \w{5}$| Vendor code: \d+$", re.DOTALL)

_CODES = {
    AdbcStatusCode.ALREADY_EXISTS: "already-exists",
    AdbcStatusCode.CANCELLED: "cancelled",
    AdbcStatusCode.INTEGRITY: "constraint-violation",
    AdbcStatusCode.INVALID_ARGUMENT: "invalid-query",
    AdbcStatusCode.INVALID_DATA: "value-out-of-range",
    AdbcStatusCode.INVALID_STATE: "invalid-query",
    AdbcStatusCode.IO: "database-unavailable",
    AdbcStatusCode.NOT_FOUND: "invalid-query",
    AdbcStatusCode.NOT_IMPLEMENTED: "unsupported",
    AdbcStatusCode.TIMEOUT: "query-timeout",
    AdbcStatusCode.UNAUTHENTICATED: "forbidden",
    AdbcStatusCode.UNAUTHORIZED: "forbidden",
    AdbcStatusCode.UNKNOWN: "invalid-query",
}


@dataclass(frozen=True)
class Habits:
    """What is known of a driver that it does not tell.

    Attributes:
        reading: What holds the one statement of a connection to reading, where there is no option for it.
        wraps: It puts statements into others, where a comment at their end would hide the rest. What answers
            with no rows it runs as it is: `COPY … TO PROGRAM`, which a transaction that reads allows.
        guesses: Types are guessed from the first rows, so that columns have none.
    """

    reading: Sequence[str] = ()
    wraps: bool = False
    guesses: bool = False


_HABITS: Mapping[str, Habits] = MappingProxyType(
    {
        # `SELECT 1` takes a snapshot, after which no statement can ask for writing; several are refused.
        "postgresql": Habits(reading=("BEGIN", "SET TRANSACTION READ ONLY", "SELECT 1"), wraps=True),
        # Besides `mode=ro`, which says nothing about databases that a statement attaches.
        "sqlite": Habits(reading=("PRAGMA query_only = ON",), guesses=True),
    }
)

_DIALECTS = ("postgresql", "sqlite", "duckdb", "mysql", "mariadb")


class Driver:
    """A driver with the options of a URL, `adbc:DRIVER?NAME=VALUE&…`.

    Attributes:
        name: What the driver calls itself.
        dialect: Of the SQL that its database understands.
        catalog: The catalog whose schemas are shown, where one was chosen.
        holds_to_reading: Whether a statement on a connection for reading cannot write.
        habits: What else is known of it.
    """

    def __init__(self, url: str) -> None:
        driver, options = _options(url)
        self._secrets = _secrets(options)
        dialect = options.pop("dialect", None)
        self.catalog = options.pop("catalog", None)
        vouched = options.pop("read_only", None)
        if vouched not in {None, "account"}:
            raise InvalidParameterError("`read_only` can only be `account`: it may not write")
        self._connection_options = _taken(options, "conn.")
        self._statement_options = _taken(options, "stmt.")
        self._options = {**options, "driver": _found(driver)}
        self._databases: dict[bool, adbc.AdbcDatabase] = {}
        self._lock = threading.Lock()
        self.name = driver
        named = re.search(r"adbc_driver_([a-z]+)", self._options["driver"])
        self.habits = _HABITS.get(named[1] if named else driver, Habits())
        with self.connection(reading=False) as connection:
            said = _info(connection)
            self.name = said.get(100, driver)
            self.dialect = dialect or _dialect(said)
            self._has_option = _accepts(connection, {READ_ONLY: "true"})
            self._has_transactions = _accepts(connection, {"adbc.connection.autocommit": "false"})
        self.holds_to_reading = bool(vouched) or self._has_option or bool(self.habits.reading)

    @contextmanager
    def connection(self, *, reading: bool) -> Iterator[adbc.AdbcConnection]:
        """A connection of the caller's own, closed afterwards.

        Raises:
            DatabaseError: It cannot be had, or what was done with it failed.
        """
        connection = self.connect(reading=reading)
        try:
            yield connection
        except adbc.Error as error:
            raise self.error(error) from None
        finally:
            connection.close()

    def connect(self, *, reading: bool) -> adbc.AdbcConnection:
        """A connection that the caller closes; what it is asked is held to reading if that can be had."""
        try:
            connection = adbc.AdbcConnection(self._database(reading=reading), **self._connection_options)
        except adbc.Error as error:
            raise self.error(error) from None
        try:
            if reading and self._has_option:
                connection.set_options(**{READ_ONLY: "true"})
            elif reading:
                for means in self.habits.reading:
                    if means == "BEGIN":
                        connection.set_autocommit(enabled=False)
                    else:
                        self.update(connection, means)
        except adbc.Error as error:
            connection.close()
            raise self.error(error) from None
        return connection

    @contextmanager
    def transaction(self, path: str) -> Iterator[adbc.AdbcConnection]:
        """A connection in a transaction, which is committed unless something is raised.

        Raises:
            UnsupportedError: The driver has no transactions, so nothing could be taken back.
        """
        if not self._has_transactions:
            raise UnsupportedError("this driver has no transactions, so nothing is written", path=path)
        with self.connection(reading=False) as connection:
            connection.set_autocommit(enabled=False)
            try:
                yield connection
            except BaseException:
                with suppress(adbc.Error):  # what happened before is what is told
                    connection.rollback()
                raise
            connection.commit()

    def update(self, connection: adbc.AdbcConnection, sql: str) -> None:
        """Runs a statement of our own that answers with nothing."""
        with self.statement(connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    @contextmanager
    def statement(self, connection: adbc.AdbcConnection, **options: str) -> Iterator[adbc.AdbcStatement]:
        """A statement that is cancelled when the reader or the writer goes away."""
        running = Running(connection, {**self._statement_options, **options})
        try:
            yield running.statement
        finally:
            running.close()

    def run(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None,
        declared: Mapping[str, str] | None = None,
    ) -> Result:
        """What a statement answers, on a connection of its own for reading.

        Args:
            sql: One statement.
            params: Its values.
            declared: The types of columns as the database spells them.
        """
        connection = self.connect(reading=True)
        running = None
        try:
            running = Running(connection, self._statement_options)
            running.statement.set_sql_query(sql + "\n" if self.habits.wraps else sql)
            if params:
                _bind(running.statement, params)
            if self.habits.wraps and (better := guarded(sql, _answers(running.statement))) != sql:
                running.statement.set_sql_query(better)
                if params:
                    _bind(running.statement, params)
            handle, _ = running.statement.execute_query()
            reader = AdbcRecordBatchReader._import_from_c(handle.address)  # noqa: SLF001
            return Result(self, connection, running, reader, declared or {})
        except BaseException as error:
            if running is not None:
                running.close()
            connection.close()
            if isinstance(error, adbc.Error):
                raise self.error(error) from None
            raise

    def error(self, raised: Exception, interval: str | None = None) -> DatabaseError:
        """What a driver raised, with a code, and without what the options hold of secrets.

        Args:
            raised: By the driver.
            interval: The one column whose values can be too large for Arrow.
        """
        text = redacted(str(raised), self._secrets)
        sqlstate = getattr(raised, "sqlstate", None)
        status = getattr(raised, "status_code", None)
        code = code_of_sqlstate(sqlstate) or (_CODES.get(status, "internal") if status else "internal")
        if "readonly database" in text:
            code = "read-only"
        elif "Type mismatch in column" in text:
            code = "value-out-of-range"
        elif "Context canceled" in text or "context canceled" in text:
            code = "cancelled"
        elif "would overflow when converting" in text:
            return make_error("value-out-of-range", text, column=interval)
        elif NESTED in text:
            name = text.partition(NESTED)[2].partition('"\n')[0].partition('" SQLSTATE')[0].rstrip('"')
            said = f"column {name!r} has arrays within an array: read it as text"
            return make_error("value-out-of-range", said, sqlstate=sqlstate, column=name)
        elif code == "internal" and "Operation not supported" in text:
            code = "unsupported"
        elif "constraint failed" in text:
            code = "constraint-violation"
        elif self.habits.guesses and code == "database-unavailable":  # what SQLite says is always `IO`
            code = "not-found" if "failed to open" in text else "invalid-query"
        if "[Driver Manager]" in text:
            code, text = (
                "invalid-parameter",
                f"{text.partition(chr(10))[0]}: pip install adbc-driver-…, or name its file",
            )
        return make_error(code, _NOISE.sub("", text), sqlstate=sqlstate)

    def close(self) -> None:
        """Gives the databases up; those with a reader still at work go with it."""
        with self._lock:
            databases, self._databases = self._databases, {}
        for database in databases.values():
            try:
                database.close()
            except RuntimeError:  # it has connections
                continue

    def _database(self, *, reading: bool) -> adbc.AdbcDatabase:
        with self._lock:
            if reading not in self._databases:
                options = dict(self._options)
                if self.habits.guesses and (uri := _sqlite_uri(options.get("uri", ""), reading=reading)):
                    options["uri"] = uri
                self._databases[reading] = adbc.AdbcDatabase(**options)
            return self._databases[reading]


class Running:
    """A statement that may be cancelled from another thread for as long as it is open."""

    def __init__(self, connection: adbc.AdbcConnection, options: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self.statement = adbc.AdbcStatement(connection)
        self._open = True
        self._over = threading.Event()
        if options:
            self.statement.set_options(**options)
        on_cancel(self.stop)

    def stop(self) -> None:
        """Cancels until it is closed: what has not begun yet cannot be cancelled, and then begins."""
        for _ in range(600):
            self.cancel()
            if self._over.wait(0.1):
                return

    def cancel(self) -> None:
        """Stops what the statement does, where the driver can."""
        with self._lock:
            if self._open:
                try:
                    self.statement.cancel()
                except adbc.Error:  # it cannot, or there is nothing left to stop
                    return

    def close(self) -> None:
        """Closes it, after what cancels it."""
        self._over.set()
        with self._lock:
            if self._open:
                self._open = False
                self.statement.close()


class Result:
    """Record batches as the driver makes them.

    The connection is given back at the end, after an error, and when the result is dropped before,
    which cancels the statement.
    """

    def __init__(
        self,
        driver: Driver,
        connection: adbc.AdbcConnection,
        running: Running,
        reader: AdbcRecordBatchReader,
        declared: Mapping[str, str],
    ) -> None:
        self._driver = driver
        self._connection = connection
        self._running = running
        self._reader: AdbcRecordBatchReader | None = reader
        schema: pa.Schema = reader.schema
        self._numbers = {
            at: kind for at, field in enumerate(schema) if (kind := number_of(field)) is not None
        }
        self._oids = [at for at, field in enumerate(schema) if is_oid(field)]
        for at, kind in (*self._numbers.items(), *((at, pa.uint32()) for at in self._oids)):
            schema = schema.set(at, schema.field(at).with_type(kind))
        for at, field in enumerate(schema):
            if field.name in declared:
                told = {**(field.metadata or {}), b"fsspec_db.sql_type": declared[field.name].encode()}
                schema = schema.set(at, field.with_metadata(told))
        self.schema = schema

    def read_next_batch(self) -> pa.RecordBatch:
        """The next batch; `StopIteration` at the end."""
        if self._reader is None:
            raise StopIteration
        try:
            batch = self._reader.read_next_batch()
            batch.validate(full=True)
            if self._driver.habits.guesses:
                _doubt(batch)
            batch = self._shown(batch)
        except StopIteration:
            self._end()
            raise
        except (adbc.Error, pa.ArrowException, OSError) as error:
            self._end()
            if isinstance(error, DatabaseError):
                raise
            if isinstance(error, pa.ArrowInvalid):
                found = re.match(r"In column (\d+): ", str(error))
                column = self.schema.names[int(found[1])] if found else None
                raise make_error("value-out-of-range", str(error), column=column) from None
            intervals = [field.name for field in self.schema if pa.types.is_interval(field.type)]
            raise self._driver.error(error, intervals[0] if len(intervals) == 1 else None) from None
        return batch

    def _shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch in the schema, with numbers for the texts of columns that are numbers."""
        columns = list(batch.columns)
        for at, kind in self._numbers.items():
            try:
                columns[at] = pc.cast(columns[at].storage, kind)
            except pa.ArrowInvalid as error:
                raise make_error("value-out-of-range", str(error), column=self.schema.names[at]) from None
        for at in self._oids:
            columns[at] = columns[at].view(pa.uint32())
        if self._driver.habits.wraps:
            for column, name in zip(columns, self.schema.names, strict=True):
                check_moments(column, name)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        return self.read_next_batch()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self.schema, self)
        return reader.__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Stops the statement if it has not ended."""
        if self._reader is not None:
            self._running.cancel()
            self._end()

    __del__ = close

    def _end(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
            self._running.close()
            self._connection.close()


def _options(url: str) -> tuple[str, dict[str, str]]:
    driver, _, rest = url.partition(":")[2].partition("?")
    options = {}
    for pair in filter(None, rest.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidParameterError(f"the option {unquote(name)!r} of an ADBC driver has no value")
        options[unquote(name)] = unquote(value)
    if not driver:
        raise InvalidParameterError("no driver: the form is adbc:DRIVER?uri=…")
    return unquote(driver), options


def _taken(options: dict[str, str], prefix: str) -> dict[str, str]:
    names = [name for name in options if name.startswith(prefix)]
    return {name.removeprefix(prefix): options.pop(name) for name in names}


def _secrets(options: Mapping[str, str]) -> frozenset[str]:
    """Values that must not be shown: of options with such a name, and within URIs."""
    found = secrets_of(options)
    for value in options.values():
        for word in re.findall(r"://[^/?#@:]*:([^/?#]*)@", value):
            found.add(word)
        for word in re.findall(r"(?i)(?:password|token|secret)=([^&;\s]+)", value):
            found.add(word)
    return spellings(found)


def _found(driver: str) -> str:
    """The shared library of a driver that is a Python package; else what the driver manager looks up."""
    package = f"adbc_driver_{driver}"
    if re.fullmatch(r"\w+", driver) and importlib.util.find_spec(package):
        module = importlib.import_module(package)
        path = getattr(module, "driver_path", None) or getattr(module, "_driver_path", None)
        return os.fspath(path()) if path else driver
    return driver


def _info(connection: adbc.AdbcConnection) -> dict[int, str]:
    """What driver and database say about themselves, by ADBC's numbers; nothing where they do not."""
    try:
        rows = pa.RecordBatchReader.from_stream(connection.get_info()).read_all().to_pylist()
    except adbc.NotSupportedError:
        return {}
    return {row["info_name"]: str(row["info_value"]) for row in rows}


def _dialect(said: Mapping[int, str]) -> str:
    vendor = " ".join((said.get(0, ""), said.get(1, ""))).lower()
    return next((name for name in _DIALECTS if name in vendor), "generic")


def _accepts(connection: adbc.AdbcConnection, option: Mapping[str, str]) -> bool:
    try:
        connection.set_options(**option)
    except adbc.Error:
        return False
    return True


def _sqlite_uri(uri: str, *, reading: bool) -> str | None:
    """The URI of a SQLite file that is opened as asked and never made; `None` for one in memory."""
    if not uri or ":memory:" in uri or "mode=" in uri:
        return None
    name = uri if uri.startswith("file:") else "file:" + quote(uri)
    return f"{name}{'&' if '?' in name else '?'}mode={'ro' if reading else 'rw'}"


def _answers(statement: adbc.AdbcStatement) -> pa.Schema:
    schema = pa.schema(statement.execute_schema())
    if not schema.names:
        raise InvalidQueryError("only a statement that answers with rows can be asked")
    return schema


def _bind(statement: adbc.AdbcStatement, params: Sequence[Any] | Mapping[str, Any]) -> None:
    named = isinstance(params, dict)
    bound = params if isinstance(params, dict) else {str(at): value for at, value in enumerate(params)}
    statement.prepare()
    if named:
        statement.set_options(**{adbc.StatementOptions.BIND_BY_NAME.value: "true"})
    types = _types_of_parameters(statement) if None in bound.values() else []
    columns = {
        name: pa.array([value], types[at] if value is None and at < len(types) else None)
        for at, (name, value) in enumerate(bound.items())
    }
    statement.bind(pa.RecordBatch.from_pydict(columns))


def _types_of_parameters(statement: adbc.AdbcStatement) -> Sequence[pa.DataType]:
    """As a driver tells them, in their order: PostgreSQL's takes a NULL without a type for a text."""
    try:
        types: Sequence[pa.DataType] = pa.schema(statement.get_parameter_schema()).types
    except adbc.Error:
        return []
    return types


def _doubt(batch: pa.RecordBatch) -> None:
    """Refuses what SQLite's driver may have changed: see `docs/adbc.md`.

    Where a column mixes storage classes it makes doubles of integers, and text of numbers, in six digits.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_floating(column.type):
            doubtful = pc.and_(
                pc.greater_equal(pc.abs(column), 2.0**53), pc.less_equal(pc.abs(column), 2.0**63)
            )
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            doubtful = pc.match_substring_regex(column, r"^-?\d\.\d{6}e[+-]\d\d$")
        else:
            continue
        if pc.any(doubtful, min_count=0).as_py():
            raise make_error(
                "value-out-of-range",
                f"column {name!r} mixes storage classes, of which this driver would change values",
                column=name,
            )
