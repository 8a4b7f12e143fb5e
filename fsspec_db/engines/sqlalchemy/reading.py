"""Rows out: one statement on one connection, batch by batch."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from fsspec_db.engines.sqlalchemy import types
from fsspec_db.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from fsspec_db.engines.sqlalchemy.cancelling import Cancel
    from fsspec_db.engines.sqlalchemy.errors import Errors

STEP = 512
"""Rows that are asked of a driver at once."""
BATCH = 1 << 20
"""Bytes of a batch, about."""
SAMPLE = 8192
"""Rows by which the types of a result are decided whose driver does not tell them."""


class Rows:
    """The batches of a statement, which give its connection back at their end, or when they are dropped.

    Args:
        connection: In its transaction; from now on of this object.
        errors: How its failures are told.
        cancel: Stops what the connection does.
        spent: Whether the connection is not to be used again.
        unbuffered: Whether the server sends all rows, asked or not.
    """

    def __init__(
        self, connection: sa.Connection, errors: Errors, cancel: Cancel, *, spent: bool, unbuffered: bool
    ) -> None:
        self._connection: sa.Connection | None = connection
        self._errors = errors
        self._cancel = cancel
        self._spent = spent
        self._unbuffered = unbuffered
        self._result: sa.CursorResult[Any] | None = None
        self._row = 1
        self._ahead: list[Any] = []
        self._left: int | None = None
        self.schema = pa.schema([])
        self._carriers: list[types.Carrier] = []

    def run(self, sql: str, params: Any) -> list[Any]:
        """Runs the statement; what the driver says of the result's columns."""
        self._cancel.check()
        connection: Any = self._connection
        options = {"stream_results": True, "max_row_buffer": STEP, "no_parameters": not params}
        with self._errors.told():
            result = connection.exec_driver_sql(sql, params or None, execution_options=options)
        if not result.returns_rows:
            return []
        self._result = result
        return list(result.cursor.description)

    @property
    def cursor(self) -> Any:
        """The driver's own cursor."""
        return None if self._result is None else self._result.cursor

    def carry(self, fields: Sequence[pa.Field], carriers: Sequence[types.Carrier]) -> None:
        """Says how the columns are carried."""
        self.schema = pa.schema(fields)
        self._carriers = list(carriers)

    def cut(self, offset: int, limit: int | None) -> None:
        """Passes over rows, and ends after some: for databases that have other words for that."""
        while offset > 0:
            found = self._fetch(min(STEP, offset))
            if not found:
                break
            offset -= len(found)
        self._left = limit

    def decide(
        self, description: Sequence[Any], known: Sequence[types.Carrier | None]
    ) -> list[types.Carrier]:
        """Carriers of all columns; those that are not known by the first rows, which are kept."""
        if None in known:
            weight = 0
            while len(self._ahead) < SAMPLE and weight < 4 * BATCH:
                found = self._fetch(STEP)
                if not found:
                    break
                weight += sum(len(cell) for row in found for cell in row if isinstance(cell, (str, bytes)))
                self._ahead += found
        columns = list(zip(*self._ahead, strict=True)) or [()] * len(description)
        return [
            carrier or decided(column, about, at)
            for at, (carrier, column, about) in enumerate(zip(known, columns, description, strict=True))
        ]

    def __iter__(self) -> Rows:
        return self

    def __next__(self) -> pa.RecordBatch:
        pieces: list[pa.RecordBatch] = []
        weight = 0
        try:
            while weight < BATCH and (found := self._take()):
                piece = self._batch(found)
                weight += piece.nbytes
                pieces.append(piece)
                self._row += len(found)
        except BaseException:
            self.close()
            raise
        if not pieces:
            self._finish(whole=self._left is None)
            raise StopIteration
        return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)

    def _take(self) -> list[Any]:
        found, self._ahead = self._ahead[:STEP], self._ahead[STEP:]
        if self._left is not None:
            found = found or (self._fetch(min(STEP, self._left)) if self._left else [])
            self._left -= len(found)
            return found
        return found or self._fetch(STEP)

    def _fetch(self, rows: int) -> list[Any]:
        if self._result is None:
            return []
        self._cancel.check()
        with self._errors.told():
            return list(self._result.fetchmany(rows))

    def _batch(self, rows: list[Any]) -> pa.RecordBatch:
        columns = zip(*rows, strict=True)
        arrays = [
            carrier.array(column, field.name, self._row)
            for field, carrier, column in zip(self.schema, self._carriers, columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _finish(self, *, whole: bool) -> None:
        connection, self._connection = self._connection, None
        result, self._result = self._result, None
        if connection is None:
            return
        cursor = None
        if result is not None:
            cursor = result.cursor
            if not whole and self._unbuffered:
                # Otherwise the driver would read what is left of the result before it closed it.
                self._cancel.once()
            with suppress(Exception):
                result.close()
        self._cancel.over()
        discard(connection, keep=whole and not self._spent)
        if cursor is not None:
            with suppress(Exception):  # one that could not be closed while its statement was being stopped
                cursor.close()

    def close(self) -> None:
        """Stops the statement where it runs, and gives the connection back. May be called again."""
        self._finish(whole=False)

    def __del__(self) -> None:
        self.close()

    def reader(self) -> pa.RecordBatchReader:
        """This, as Arrow's own reader."""
        return pa.RecordBatchReader.from_batches(self.schema, self)


def discard(connection: sa.Connection, *, keep: bool) -> None:
    """Ends a connection's work; it goes back to the pool if it is to be kept."""
    with suppress(Exception):
        if not keep:
            connection.invalidate()
    with suppress(Exception):
        connection.close()


_SIMPLE: dict[type, types.Carrier] = {
    bool: types.BOOL,
    float: types.FLOAT64,
    str: types.UTF8,
    bytes: types.BINARY,
    bytearray: types.BINARY,
    memoryview: types.BINARY,
    dt.date: types.DATE,
    dt.time: types.TIME,
    dt.timedelta: types.DURATION,
    UUID: types.IDENTIFIER,
}


def decided(values: Sequence[Any], description: Sequence[Any], at: int) -> types.Carrier:
    """The carrier of a column that no driver told the type of, by some of its values.

    Raises:
        ValueOutOfRangeError: They have no type in common that holds them exactly.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return types.UTF8
    if kinds == {int}:
        return types.integer(64, unsigned=max(value for value in values if value is not None) > 2**63 - 1)
    if kinds == {int, float}:
        return types.FLOAT64
    if kinds == {Decimal}:
        precision, scale = description[4], description[5]
        return types.decimal(precision, scale) if isinstance(precision, int) else types.UTF8
    if kinds == {dt.datetime}:
        zones = {value.tzinfo is None for value in values if value is not None}
        if len(zones) == 1:
            return types.TIMESTAMP if True in zones else types.INSTANT
    if len(kinds) == 1 and (found := _SIMPLE.get(next(iter(kinds)))):
        return found
    if kinds <= {int, float, str, Decimal}:
        return types.UTF8
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueOutOfRangeError(
        f"column {description[0]!r} has values of type {names}: CAST it in the statement",
        column=description[0],
        row=at,
    )
