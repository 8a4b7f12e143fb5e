"""ADBC drivers: connections that can only read, by each driver's own means, and transactions that write."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import adbc_driver_manager as adbc
import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader

from fsspec_db.engines.adbc.errors import error_of
from fsspec_db.engines.adbc.options import Options
from fsspec_db.engines.adbc.postgresql import guarded
from fsspec_db.engines.adbc.result import Result
from fsspec_db.engines.adbc.sqlite import file_uri
from fsspec_db.engines.adbc.statement import Running, answer_of, bind
from fsspec_db.engines.driven import dialect_of
from fsspec_db.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fsspec_db.errors import DatabaseError

READ_ONLY = "adbc.connection.readonly"
CURRENT_CATALOG = "adbc.connection.catalog"


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
        self._options = options = Options(url)
        self._databases: dict[bool, adbc.AdbcDatabase] = {}
        self._lock = threading.Lock()
        self._connecting = 0
        self.catalog = options.catalog
        self.habits = _HABITS.get(options.driver, Habits())
        with self.connection(reading=False) as connection:
            said = _info(connection)
            self.name = said.get(100, options.driver)
            vendor = f"{said.get(0, '')} {said.get(1, '')}"
            self.dialect = dialect_of(options.dialect or vendor)
            self._has_option = _accepts(connection, {READ_ONLY: "true"})
            self._has_transactions = _accepts(connection, {"adbc.connection.autocommit": "false"})
        self.holds_to_reading = options.vouched or self._has_option or bool(self.habits.reading)

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
            with self._lock:
                database = self._database(reading=reading)
                self._connecting += 1
            try:
                connection = adbc.AdbcConnection(database, **self._options.connection)
            finally:
                with self._lock:
                    self._connecting -= 1
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
                        self.execute(connection, means)
        except adbc.Error as error:
            connection.close()
            raise self.error(error) from None
        return connection

    @contextmanager
    def transaction(self) -> Iterator[adbc.AdbcConnection]:
        """A connection in a transaction, which is committed unless something is raised.

        Raises:
            UnsupportedError: The driver has no transactions, so nothing could be taken back.
        """
        if not self._has_transactions:
            raise UnsupportedError("this driver has no transactions, so nothing is written")
        with self.connection(reading=False) as connection:
            connection.set_autocommit(enabled=False)
            try:
                yield connection
            except BaseException:
                with suppress(adbc.Error):  # what happened before is what is told
                    connection.rollback()
                raise
            connection.commit()

    def execute(self, connection: adbc.AdbcConnection, sql: str) -> None:
        """Runs a statement of our own that answers with nothing."""
        with self.statement(connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def asked(self, connection: adbc.AdbcConnection, sql: str) -> pa.Table:
        """What a statement of our own answers, whole."""
        with self.statement(connection) as statement:
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            return pa.RecordBatchReader.from_stream(handle).read_all()

    def values(self, connection: adbc.AdbcConnection, sql: str) -> Iterator[Any]:
        """The values of the first column of what a statement of our own answers."""
        yield from self.asked(connection, sql).column(0).to_pylist()

    @contextmanager
    def statement(self, connection: adbc.AdbcConnection, **options: str) -> Iterator[adbc.AdbcStatement]:
        """A statement that is cancelled when the reader or the writer goes away."""
        running = Running(connection, {**self._options.statement, **options})
        try:
            yield running.statement
        finally:
            running.close()

    def run(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None,
        declared: Mapping[str, str] | None = None,
    ) -> pa.RecordBatchReader:
        """What a statement answers, on a connection of its own for reading.

        Args:
            sql: One statement.
            params: Its values.
            declared: The types of columns as the database spells them.
        """
        connection = self.connect(reading=True)
        running = None
        try:
            running = Running(connection, self._options.statement)
            running.statement.set_sql_query(sql + "\n" if self.habits.wraps else sql)
            if params:
                bind(running.statement, params)
            if self.habits.wraps and (better := guarded(sql, answer_of(running.statement))) != sql:
                running.statement.set_sql_query(better)
                if params:
                    bind(running.statement, params)
            handle, _ = running.statement.execute_query()
            reader = AdbcRecordBatchReader._import_from_c(handle.address)  # noqa: SLF001
            result = Result(self, connection, running, reader, declared or {})
        except BaseException as error:
            if running is not None:
                running.close()
            connection.close()
            if isinstance(error, adbc.Error):
                raise self.error(error) from None
            raise
        return pa.RecordBatchReader.from_batches(result.schema, result)

    def error(self, raised: Exception, interval: str | None = None) -> DatabaseError:
        """As `error_of`, of this driver."""
        return error_of(raised, self._options.secrets, guesses=self.habits.guesses, interval=interval)

    def close(self) -> None:
        """Gives the databases up; those with a reader still at work go with it."""
        with self._lock:
            databases, self._databases = self._databases, {}
            if self._connecting:  # the driver manager counts who has connected, not who is about to
                return
        for database in databases.values():
            try:
                database.close()
            except RuntimeError:  # it has connections
                continue

    def _database(self, *, reading: bool) -> adbc.AdbcDatabase:
        if reading not in self._databases:
            options = dict(self._options.database)
            if self.habits.guesses and (uri := file_uri(options.get("uri", ""), reading=reading)):
                options["uri"] = uri
            self._databases[reading] = adbc.AdbcDatabase(**options)
        return self._databases[reading]


def _info(connection: adbc.AdbcConnection) -> dict[int, str]:
    """What driver and database say about themselves, by ADBC's numbers; nothing where they do not."""
    try:
        rows = pa.RecordBatchReader.from_stream(connection.get_info()).read_all().to_pylist()
    except adbc.NotSupportedError:
        return {}
    return {row["info_name"]: str(row["info_value"]) for row in rows}


def _accepts(connection: adbc.AdbcConnection, option: Mapping[str, str]) -> bool:
    try:
        connection.set_options(**option)
    except adbc.Error:
        return False
    return True
