"""Statements of an ADBC connection: cancelled when nobody waits for them, with their values bound."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import adbc_driver_manager as adbc
import pyarrow as pa

from fsspec_db._bridge import on_cancel
from fsspec_db.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


def answer_of(statement: adbc.AdbcStatement) -> pa.Schema:
    """The columns that a statement will answer with.

    Raises:
        InvalidQueryError: There are none.
    """
    schema = pa.schema(statement.execute_schema())
    if not schema.names:
        raise InvalidQueryError("only a statement that answers with rows can be asked")
    return schema


def bind(statement: adbc.AdbcStatement, params: Sequence[Any] | Mapping[str, Any]) -> None:
    """Gives a statement its values, by position or by name."""
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
