"""Rows on their way into an ODBC driver."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.engines.statements import quoted
from fsspec_db.errors import UnsupportedError, ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import arrow_odbc

    from fsspec_db.engines.precision import Precisions

_CHUNK = 1024
_BYTES = 16 << 20
"""Of the texts that are sent at once."""
_DAY = 86_400
_FIRST, _LAST = -719_162, 2_932_896
"""Days from 1970 to the first of year 1 and the last of year 9999."""
_WIDER = {
    "uint16": pa.int32(),
    "uint32": pa.int64(),
    "uint64": pa.decimal128(20, 0),
    "null": pa.string(),
}
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def filled(
    connection: arrow_odbc.Connection,
    dialect: str,
    relation: str,
    reader: pa.RecordBatchReader,
    precisions: Precisions,
) -> int:
    """Inserts rows by arrays of values, in the transaction of `connection`; how many they were.

    Args:
        connection: To the database.
        dialect: Of its SQL.
        relation: The quoted name of a table.
        reader: Its rows, in the types that `plain` gives or the table has.
        precisions: What its columns keep of longer values.
    """
    rows = _Rows(reader, dialect, precisions)
    for chunk, parts in groupby(rows, _chunk):
        connection.insert_into_table(pa.RecordBatchReader.from_batches(rows.schema, parts), relation, chunk)
    return rows.count


def plain(kind: pa.DataType) -> pa.DataType:
    """The type in which values are sent: the writer dies of some of the others."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain(kind.value_type)
    if pa.types.is_large_string(kind) or kind == pa.string_view():
        return pa.string()
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view():
        return pa.binary()
    if pa.types.is_timestamp(kind) and kind.unit == "ns":  # databases round to microseconds
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind):
        return pa.time64("us")
    return _WIDER.get(str(kind), kind)


def _sendable(kind: pa.DataType) -> pa.DataType:
    """What `arrow-odbc` sends as it is; it leaves digits out of some decimals, and dies of some dates."""
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return pa.string()
    return pa.int64() if pa.types.is_uint32(kind) else kind


def _chunk(batch: pa.RecordBatch) -> int:
    """How many such rows are sent at once; the writer makes room for the longest in each."""
    width = sum(
        pc.max(pc.binary_length(column)).as_py() or 0
        for column in batch.columns
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type)
    )
    return min(_CHUNK, 1 << max(0, (_BYTES // (width + 1)).bit_length() - 1))


class _Rows:
    """Batches with texts for dates, times, timestamps and decimals.

    Their names are quoted, and `arrow-odbc` takes such as they are; others it quotes or not by rules of
    its own.
    """

    def __init__(self, reader: pa.RecordBatchReader, dialect: str, precisions: Precisions) -> None:
        self._reader = reader
        self._precisions = precisions
        self.count = 0
        self.schema = pa.schema(
            [pa.field(quoted(dialect, field.name), _sendable(field.type)) for field in reader.schema]
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._reader:
            self._precisions.check(batch, self.count)
            columns = [self._sent(*pair) for pair in zip(batch.columns, batch.schema, strict=True)]
            sent = pa.RecordBatch.from_arrays(columns, schema=self.schema)
            for start in range(0, sent.num_rows, _CHUNK):
                yield sent.slice(start, _CHUNK)
            self.count += batch.num_rows

    def _sent(self, column: pa.Array, field: pa.Field) -> pa.Array:
        kind = field.type
        if pa.types.is_string(kind):
            self._refuse(pc.match_substring(column, "\0"), field, "a text with NUL, which drivers end there")
        if not pa.types.is_temporal(kind):
            return pc.cast(column, _sendable(kind))
        if pa.types.is_duration(kind) or pa.types.is_interval(kind):
            raise UnsupportedError(f"over ODBC no {kind} can be written", column=field.name)
        self._check(column, field)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            naive = column.view(pa.timestamp(kind.unit))
            return pc.binary_join_element_wise(pc.cast(naive, pa.string()), "+00:00", "")
        return pc.cast(column, pa.string())

    def _check(self, column: pa.Array, field: pa.Field) -> None:
        """Refuses what has no text of the form that databases read."""
        kind = field.type
        if pa.types.is_date32(kind):
            numbers, least, most = column.view(pa.int32()), _FIRST, _LAST
        else:
            wide = pc.cast(column, pa.time64("us")) if pa.types.is_time32(kind) else column
            unit = "ms" if pa.types.is_date64(kind) else wide.type.unit
            numbers, scale = wide.view(pa.int64()), _UNITS[unit]
            least, most = (0, _DAY) if pa.types.is_time(kind) else (_FIRST * _DAY, (_LAST + 1) * _DAY)
            least, most = least * scale, most * scale - 1
        least, most = max(least, -(2**63)), min(most, 2**63 - 1)
        beyond = pc.or_(pc.less(numbers, least), pc.greater(numbers, most))
        self._refuse(beyond, field, f"a {kind} beyond the years 1 to 9999")

    def _refuse(self, wrong: pa.Array, field: pa.Field, what: str) -> None:
        at = pc.index(wrong, value=True).as_py()
        if at >= 0:
            raise ValueOutOfRangeError(
                f"column {field.name!r} has {what}", column=field.name, row=self.count + at + 1
            )
