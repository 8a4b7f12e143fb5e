"""What a statement answers over ODBC, in types that keep its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import arrow_odbc
import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from fsspec_db.engines.odbc.driver import Driver
    from fsspec_db.engines.odbc.postgresql import Told


@dataclass(frozen=True)
class Column:
    """What the catalogue knows of a column.

    Attributes:
        declared: Its type, as the database spells it.
        type: A better one than the driver's, where there is one.
    """

    declared: str
    type: pa.DataType | None = None


class Result:
    """Record batches, with a buffer of a bounded size for what the driver fetches next.

    The connection is given back at the end, after an error, and when the result is dropped; what
    is being fetched then is waited for.
    """

    def __init__(
        self,
        driver: Driver,
        connection: arrow_odbc.Connection,
        sql: str,
        params: Sequence[str | None] | None,
        known: Mapping[str, Column],
        told: Told | None,
        bounds: tuple[int, int],
        over: threading.Event,
    ) -> None:
        self._over = over
        self._driver = driver
        self._connection: arrow_odbc.Connection | None = connection
        self._shown: list[pa.Field] = []
        self._known = known
        self._told = told
        self._reader: arrow_odbc.BatchReader | None = connection.read_arrow_batches(
            sql,
            batch_size=8192,
            parameters=params,
            max_bytes_per_batch=bounds[1],
            max_text_size=bounds[0],
            max_binary_size=bounds[0],
            falliable_allocations=True,
            map_schema=self._fetched,
        )
        self.schema = pa.schema(self._shown)
        long = [field.name for field in self._shown if field.type in {pa.string(), pa.binary()}]
        self._long = long[0] if len(long) == 1 else None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._reader is None:
            raise StopIteration
        try:
            batch = next(self._reader)
            columns = [self._exact(*pair) for pair in zip(batch.columns, self.schema, strict=True)]
            return pa.RecordBatch.from_arrays(columns, schema=self.schema)
        except arrow_odbc.Error as error:
            self.close()
            raise self._driver.error(error, self._long) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Gives the connection back."""
        self._over.set()
        self._reader = None
        self._connection = None

    __del__ = close

    def _fetched(self, described: pa.Schema) -> pa.Schema:
        """The types to fetch: a driver that describes a number wrongly would have it cut off."""
        fetched, guesses = [], self._driver.habits.guesses
        for at, field in enumerate(described):
            kind = fetch = field.type
            doubted = guesses and not pa.types.is_floating(kind) and kind != pa.binary()
            if pa.types.is_float32(kind):  # also what is described by decimal digits
                kind = fetch = pa.float64()
            elif pa.types.is_fixed_size_binary(kind):  # the reader dies of one that is shorter
                kind = fetch = pa.binary()
            elif doubted or pa.types.is_decimal(kind) or pa.types.is_temporal(kind):  # or of no date
                fetch = pa.string()
            if guesses and pa.types.is_timestamp(kind):
                kind = pa.timestamp("us")
            fetched.append(pa.field(field.name, fetch))
            name, better = field.name, None
            if self._told is not None:
                name, better = self._told.names[at], self._told.types[at]
            column = self._known.get(name)
            shown = pa.field(name, better or (column and column.type) or kind)
            if column is not None:
                shown = shown.with_metadata({"fsspec_db.sql_type": column.declared})
            self._shown.append(shown)
        return pa.schema(fetched)

    def _exact(self, column: pa.Array, field: pa.Field) -> pa.Array:
        """What was fetched, as what is shown."""
        if (
            self._driver.habits.guesses
            and pa.types.is_floating(field.type)
            and column.null_count < len(column)
        ):
            said = f"column {field.name!r}: this driver rounds numbers to 15 digits; use sqlite:"
            raise ValueOutOfRangeError(said, column=field.name)
        if column.type == field.type:
            return column
        try:
            if pa.types.is_temporal(field.type):
                return _moment(column, field.type)
            # A text of digits becomes the nearest float32, which is the one that it was made from.
            return pc.cast(column, field.type, safe=not pa.types.is_float32(field.type))
        except pa.ArrowInvalid as error:
            raise ValueOutOfRangeError(
                f"column {field.name!r} is told to be {field.type} and has other values: read it as text",
                column=field.name,
            ) from error


def _moment(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Dates, times and timestamps from their texts, without a zone or in UTC."""
    texts = pc.replace_substring_regex(texts, r"\+00(:00)?$", "")
    if pa.types.is_date(kind):
        return pc.cast(texts, kind)
    if pa.types.is_time(kind):
        day = pc.binary_join_element_wise("1970-01-01", texts, " ")
        return pc.cast(pc.cast(day, pa.timestamp(kind.unit)), kind)
    plain = pc.cast(texts, pa.timestamp(kind.unit))
    return plain if kind.tz is None else pc.assume_timezone(plain, "UTC").cast(kind)
