"""ODBC drivers: what each must be told to stream and to keep values, and its errors, typed."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import arrow_odbc
import pyarrow as pa
import pyodbc

from fsspec_db._bridge import on_cancel
from fsspec_db.engines.credentials import redacted, secrets_of, spellings
from fsspec_db.engines.driven import dialect_of, vouched
from fsspec_db.engines.odbc.postgresql import told
from fsspec_db.engines.odbc.result import Result
from fsspec_db.engines.sqlstate import code_of_sqlstate
from fsspec_db.errors import DatabaseError, InvalidParameterError, UnsupportedError, make_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fsspec_db.engines.odbc.result import Column

MAX_TEXT = 65_536
"""Bytes of a value whose column has no limit of its own; longer ones are an error."""

_PAIR = re.compile(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*);?")
_BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class Habits:
    """What is known of a database behind ODBC.

    Attributes:
        settings: For the connection string; what the user's own says comes first and wins.
        read: What begins a transaction that only reads. Several statements, sent as one, may end it.
        process: Tells what `kill` wants to know.
        kill: Stops the statement of another connection.
        schemas: Lists them; otherwise those are known that have relations.
        default: The one schema of a database without schemas.
        guesses: Types are those of the first row, and what does not fit is cut or left out.
    """

    settings: str = ""
    read: Sequence[str] = ()
    process: str | None = None
    kill: str | None = None
    schemas: str | None = None
    default: str = ""
    guesses: bool = False


_HABITS: Mapping[str, Habits] = MappingProxyType(
    {
        "postgresql": Habits(
            settings="UseDeclareFetch=1;Fetch=4096;BoolsAsChar=0;ByteaAsLongVarBinary=1;NumericAs=-1;"
            "MaxLongVarcharSize={text};ConnSettings={{SET TIME ZONE 'UTC'}};",
            read=("SET TRANSACTION READ ONLY",),
            process="SELECT pg_backend_pid()",
            kill="SELECT pg_cancel_backend({process})",
            schemas="SELECT nspname FROM pg_namespace"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
        ),
        "sqlite": Habits(
            settings="NoCreat=1;", read=("PRAGMA query_only = ON",), default="main", guesses=True
        ),
    }
)


class Driver:
    """A connection string, and what stands behind it.

    Attributes:
        name: Of the database management system, as the driver says.
        dialect: Of the SQL that it understands.
        vouched: Whether the account may not write, as the connection string says.
        habits: What else is known of the database.
    """

    def __init__(self, url: str) -> None:
        given = dict(_pairs(unquote(url.partition(":")[2])))
        self.vouched = vouched(given)
        limit = given.pop("max_text_size", str(MAX_TEXT))
        if not limit.isdigit() or not 0 < int(limit) <= 1 << 30:
            raise InvalidParameterError("`max_text_size` is a number of bytes")
        if not given:
            raise InvalidParameterError("no connection string: the form is odbc:DSN=… or odbc:Driver=…;…")
        self._limit = int(limit)
        secrets = secrets_of(given)
        plain = {value[1:-1].replace("}}", "}") for value in secrets if value.startswith("{")}
        self._secrets = spellings(secrets | plain)
        self._string = "".join(f"{name}={value};" for name, value in given.items())
        if "sqlite" in given.get("driver", "").lower():
            self._string += _HABITS["sqlite"].settings
        with self.catalogue() as connection:
            self.name = str(connection.getinfo(pyodbc.SQL_DBMS_NAME))
        self.dialect = dialect_of(self.name)
        self.habits = _HABITS.get(self.dialect, Habits())
        self._string += self.habits.settings.format(text=limit)

    @contextmanager
    def catalogue(self) -> Iterator[pyodbc.Connection]:
        """A connection for the catalogue functions."""
        try:
            connection = pyodbc.connect(self._string, autocommit=True, readonly=True)
            try:
                yield connection
            finally:
                connection.close()
        except pyodbc.Error as error:
            raise self.error(error) from None

    @contextmanager
    def transaction(self) -> Iterator[arrow_odbc.Connection]:
        """A connection in a transaction, which is committed unless something is raised."""
        try:
            connection = arrow_odbc.connect(self._string, autocommit=False)
            try:
                yield connection
            except BaseException:
                with suppress(arrow_odbc.Error):  # what happened before is what is told
                    connection.rollback()
                raise
            connection.commit()
        except arrow_odbc.Error as error:
            raise self.error(error) from None

    def run(
        self, sql: str, params: Sequence[Any] | None, known: Mapping[str, Column] | None = None
    ) -> pa.RecordBatchReader:
        """What a statement answers, in a transaction of its own for reading.

        Args:
            sql: One statement.
            params: Values for its `?`, which are sent as texts.
            known: What the catalogue knows of columns, by their names.
        """
        over = threading.Event()
        texts = None if params is None else [_spelled(value) for value in params]
        better = None
        if self.dialect == "postgresql":
            with self.catalogue() as describing:
                better = told(describing, sql.rstrip().removesuffix(";"), texts or ())
        try:
            connection = arrow_odbc.connect(self._string, autocommit=False)
            # First of all: PostgreSQL's driver does not keep it in a transaction that has begun.
            for statement in self.habits.read:
                connection.execute(statement)
            self._stoppable(connection, over)
            result = Result(
                self,
                connection,
                better.sql if better else sql,
                texts,
                known or {},
                better,
                (self._limit, max(_BATCH_BYTES, len(better.names) * (self._limit + 64) if better else 0)),
                over,
            )
        except arrow_odbc.Error as error:
            over.set()
            raise self.error(error) from None
        return pa.RecordBatchReader.from_batches(result.schema, result)

    def execute(self, connection: arrow_odbc.Connection, sql: str) -> None:
        """Runs a statement of our own that answers with nothing."""
        connection.execute(sql)

    def values(self, connection: arrow_odbc.Connection, sql: str) -> Iterator[Any]:
        """The values of the first column of what a statement of our own answers, one at a time."""
        for batch in connection.read_arrow_batches(sql, batch_size=1, fetch_concurrently=False):
            yield from batch.column(0).to_pylist()

    def error(self, raised: Exception, long: str | None = None) -> DatabaseError:
        """What a driver raised, with a code, and without what the connection string holds of secrets.

        Args:
            raised: By `arrow-odbc` or by `pyodbc`.
            long: The one column whose values can be too long.
        """
        text = redacted(str(raised), self._secrets)
        if isinstance(raised, pyodbc.Error):
            said = sorted(map(str, raised.args), key=len)  # a state of five characters, and the text
            sqlstate: str | None = said[0]
            text = redacted(said[-1], self._secrets)
        else:
            found = re.search(r"State: (\w{5}), Native error: -?\d+, Message: (.*)", text, re.DOTALL)
            sqlstate, text = (found[1], found[2]) if found else (None, text)
        code = code_of_sqlstate(sqlstate) or "invalid-query"
        if "too large to be written into the allocated buffer" in text:
            code = "value-out-of-range"
            text = f"a value is longer than its column or {self._limit} bytes: raise max_text_size=…"
            return make_error(code, f"column {long!r}: {text}" if long else text, column=long)
        if "is not supported for insertion" in text:
            code = "unsupported"
        elif "constraint failed" in text:
            code = "constraint-violation"
        elif "readonly database" in text:
            code = "read-only"
        elif sqlstate in {"IM002", "IM003", "01000"}:
            code = "invalid-parameter"
        elif "connect failed (14)" in text:  # SQLite's number for a file that cannot be opened
            code = "not-found"
        return make_error(code, text.partition("\nError while")[0].rstrip("; \n"), sqlstate=sqlstate)

    def _stoppable(self, connection: arrow_odbc.Connection, over: threading.Event) -> None:
        """Lets the statement that comes next be stopped, from a connection besides, until it is over."""
        habits = self.habits
        if habits.process is None or habits.kill is None:
            return
        (answer,) = connection.read_arrow_batches(habits.process, fetch_concurrently=False)
        kill = habits.kill.format(process=int(answer.column(0)[0].as_py()))

        def stop() -> None:
            # What has not begun yet cannot be stopped, and then begins.
            with suppress(DatabaseError), self.catalogue() as besides:
                for _ in range(600):
                    besides.execute(kill)
                    if over.wait(0.1):
                        return

        on_cancel(stop)


def _pairs(string: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(string.rstrip("; ")):
        found = _PAIR.match(string, at)
        if found is None:
            raise InvalidParameterError("the connection string is not of the form NAME=VALUE;…")
        yield found[1].lower(), found[2]
        at = found.end()


def _spelled(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, list)):
        raise UnsupportedError("over ODBC a parameter cannot be binary or a list")
    if isinstance(value, bool):
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)
