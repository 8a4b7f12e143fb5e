"""Rows in: what may go into which column, and how drivers take it."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from fsspec_db._bridge import fitted
from fsspec_db.engines.sqlalchemy import types
from fsspec_db.errors import SchemaMismatchError, UnsupportedError, ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fsspec_db.database import InsertMode
    from fsspec_db.engines.precision import Precisions

STEP = 1000
"""Rows of one `executemany`."""


class Target:
    """A column that is written.

    Attributes:
        name: Its name.
        carrier: How it is read, and so what it holds.
        kind: Its type as SQLAlchemy reflected it.
    """

    def __init__(self, column: Mapping[str, Any], family: str) -> None:
        self.name: str = column["name"]
        self.kind = column["type"]
        self.carrier: types.Carrier = column["carrier"]
        self.generated = bool(column.get("computed"))
        self._family = family
        self._number = isinstance(self.kind, sa.Numeric)
        digits = (
            getattr(self.kind, "fsp", None) if family == "mysql" else getattr(self.kind, "precision", None)
        )
        if family == "mysql" and isinstance(self.kind, (mysql.DATETIME, mysql.TIME, mysql.TIMESTAMP)):
            digits = digits or 0
        temporal = isinstance(self.kind, (sa.DateTime, sa.Time, postgresql.INTERVAL))
        self._grain = 10 ** (6 - digits) if temporal and isinstance(digits, int) and digits < 6 else 1

    def takes(self, field: pa.Field) -> Any:
        """The type that a body's column is fitted to: this one's, or one whose values pass as they are."""
        kinds = pa.types
        source = field.type
        while True:
            if isinstance(source, pa.BaseExtensionType):
                source = source.storage_type
            elif kinds.is_dictionary(source) or kinds.is_run_end_encoded(source):
                source = source.value_type
            else:
                break
        target = self.carrier.arrow
        text = kinds.is_string(source) or kinds.is_large_string(source) or kinds.is_string_view(source)
        number = kinds.is_integer(source) or kinds.is_decimal(source)
        if self.carrier is types.UNDECLARED or (kinds.is_boolean(source) and kinds.is_integer(target)):
            return source
        if number and self._number and kinds.is_string(target):
            return source
        # An array of several dimensions travels as the server's text.
        spelled = self.carrier.extension == "arrow.uuid" or (
            self._family == "postgresql" and kinds.is_list(target)
        )
        return pa.string() if self.carrier.labels is not None or (text and spelled) else target

    def values(self, array: pa.Array, first_row: int) -> list[Any]:
        """Values as the driver takes them."""
        try:
            values: list[Any] = array.to_pylist()
        except (ValueError, OverflowError):  # a year that Python has not
            values = [self._shown(array, at, first_row + at) for at in range(len(array))]
        convert = self._conversion(array.type)
        if convert is None:
            return values
        out = []
        for at, value in enumerate(values):
            try:
                out.append(None if value is None else convert(value))
            except (ValueError, KeyError, TypeError):
                raise self._unfit(value, first_row + at) from None
        return out

    def _shown(self, array: pa.Array, at: int, row: int) -> Any:
        try:
            return array[at].as_py()
        except (ValueError, OverflowError):
            raise self._unfit(array[at], row) from None

    def _unfit(self, value: Any, row: int) -> ValueOutOfRangeError:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return ValueOutOfRangeError(
            f"column {self.name!r}, row {row}: {shown} cannot be kept as {self.kind!r}",
            column=self.name,
            row=row,
        )

    def _conversion(self, source: pa.DataType) -> Callable[[Any], Any] | None:
        carrier = self.carrier
        if carrier.labels is not None:
            return self._label
        if carrier.extension == "arrow.uuid":
            return _identifier
        if pa.types.is_interval(carrier.arrow):
            return _interval
        if pa.types.is_temporal(source) and self._grain > 1:
            return self._grained
        if self._family == "postgresql" and pa.types.is_floating(source):
            return repr  # some drivers would spell -0.0 as a number, which the server takes for 0
        if self._family == "sqlite":
            return self._for_sqlite(source)
        if self._family == "mysql" and pa.types.is_timestamp(source) and source.tz:
            return _naive
        return None

    def _label(self, value: str) -> str:
        if value not in (self.carrier.labels or ()):
            raise ValueError
        return value

    def _grained(self, value: Any) -> Any:
        micros = value.microseconds if isinstance(value, dt.timedelta) else value.microsecond
        if micros % self._grain:
            raise ValueError
        return _naive(value) if self._family == "mysql" and isinstance(value, dt.datetime) else value

    def _for_sqlite(self, source: pa.DataType) -> Callable[[Any], Any] | None:
        if pa.types.is_decimal(source):
            return sqlite_number
        if pa.types.is_floating(source):
            return _finite
        if pa.types.is_string(source) and self._number:
            return _not_a_number
        return str if pa.types.is_temporal(source) else None


def sqlite_number(value: Any) -> int | float:
    """A decimal in one of the two forms that SQLite has for numbers."""
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return int(value)
    if len(value.normalize().as_tuple().digits) > 15:
        raise ValueError
    return float(value)


def _finite(value: float) -> float:
    if math.isnan(value):
        raise ValueError  # SQLite would store NULL
    return value


def _not_a_number(value: str) -> str:
    """A text that a column of numeric affinity keeps: one that is no number, or comes back the same."""
    try:
        number = float(value)
    except ValueError:
        return value
    if value not in (repr(number), str(int(number)) if math.isfinite(number) and abs(number) < 2**53 else ""):
        raise ValueError
    return value


def _identifier(value: Any) -> Any:
    from uuid import UUID  # noqa: PLC0415

    return UUID(bytes=value) if isinstance(value, bytes) else UUID(value)


def _interval(value: Any) -> str:
    months, days, nanoseconds = value
    if nanoseconds % 1000:
        raise ValueError
    return f"{months} months {days} days {nanoseconds // 1000} microseconds"


def _naive(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.timezone.utc).replace(tzinfo=None) if value.tzinfo else value  # noqa: UP017


class Writer:
    """Writes batches into one relation, in the transaction of a connection.

    Args:
        connection: In its transaction.
        table: The relation, with its columns untyped: values go to the driver as they are.
        targets: Its columns.
        key: Its primary key.
        precisions: What columns keep of longer values.
        plain_upsert: Whether the dialect's own upsert looks at the primary key alone.
        check: Raises where the work is to stop.
    """

    def __init__(
        self,
        connection: sa.Connection,
        table: sa.TableClause,
        targets: Mapping[str, Target],
        key: Sequence[str],
        precisions: Precisions,
        *,
        plain_upsert: bool,
        check: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._table = table
        self._targets = targets
        self._key = list(key)
        self._precisions = precisions
        self._plain_upsert = plain_upsert
        self._check = check

    def write(self, reader: pa.RecordBatchReader, mode: InsertMode) -> int:
        """Writes all rows; how many they are.

        Raises:
            SchemaMismatchError: A column is not there, or cannot hold values of that type.
            ValueOutOfRangeError: A value does not fit.
            UnsupportedError: An upsert without a primary key.
        """
        generated = [name for name, target in self._targets.items() if target.generated]
        known = {field.name: field for field in reader.schema}
        columns = [
            pa.field(name, target.takes(known[name]) if name in known else target.carrier.arrow)
            for name, target in self._targets.items()
            if not target.generated
        ]
        reader = fitted(reader, pa.schema(columns), passed_over=generated)
        names = list(reader.schema.names)
        if mode == "upsert" and not self._key:
            raise UnsupportedError("the relation has no primary key to upsert by")
        missing = [name for name in self._key if name not in names] if mode == "upsert" else []
        if missing:
            raise SchemaMismatchError(
                f"an upsert needs the whole primary key: {missing[0]!r} is missing", column=missing[0]
            )
        if mode == "truncate":
            self._connection.execute(sa.delete(self._table))
        put = self._put(names, mode)
        row = 1
        for rows in self._steps(reader, names):
            self._check()
            put(rows)
            row += len(rows)
        return row - 1

    def _steps(self, reader: pa.RecordBatchReader, names: list[str]) -> Iterator[list[dict[str, Any]]]:
        first = 1
        for batch in reader:
            self._precisions.check(batch, first - 1)
            for start in range(0, batch.num_rows, STEP):
                piece = batch.slice(start, STEP)
                columns = [
                    target.values(piece[name], first)
                    for name, target in ((name, self._targets[name]) for name in names)
                ]
                marks = [f"fsspec_db_{at}" for at in range(len(names))]
                yield [dict(zip(marks, row, strict=True)) for row in zip(*columns, strict=True)] or [
                    {} for _ in range(piece.num_rows)
                ]
                first += piece.num_rows

    def _put(self, names: list[str], mode: InsertMode) -> Callable[[list[dict[str, Any]]], None]:
        binds: dict[str, Any] = {name: sa.bindparam(f"fsspec_db_{at}") for at, name in enumerate(names)}
        insert = self._insert(binds, names if mode == "upsert" else None)
        if insert is not None:
            return lambda rows: self._many(insert, rows)
        plain = sa.insert(self._table).values(binds)
        here = sa.and_(*(self._table.c[name] == binds[name] for name in self._key))
        rest = {name: bind for name, bind in binds.items() if name not in self._key}
        update = sa.update(self._table).where(here).values(rest)
        count = sa.select(sa.func.count()).select_from(self._table).where(here)

        def one_by_one(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                found = self._connection.execute(count, row).scalar_one()
                if found and rest:
                    self._connection.execute(update, row)
                elif not found:
                    self._connection.execute(plain, row)

        return one_by_one

    def _many(self, statement: sa.Executable, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)

    def _insert(self, binds: Mapping[str, Any], upsert: list[str] | None) -> sa.Executable | None:
        """The statement for many rows; `None` where an upsert has none."""
        if upsert is None:
            return sa.insert(self._table).values(binds)
        rest = [name for name in upsert if name not in self._key]
        name = self._connection.dialect.name
        if name in ("postgresql", "sqlite"):
            from sqlalchemy.dialects import sqlite  # noqa: PLC0415

            make: Any = postgresql.insert if name == "postgresql" else sqlite.insert
            insert = make(self._table).values(binds)
            if not rest:
                return insert.on_conflict_do_nothing(index_elements=self._key)  # type: ignore[no-any-return]
            return insert.on_conflict_do_update(  # type: ignore[no-any-return]
                index_elements=self._key, set_={name: insert.excluded[name] for name in rest}
            )
        if name in ("mysql", "mariadb") and self._plain_upsert:
            changed = mysql.insert(self._table).values(binds)
            kept = rest or self._key[:1]
            return changed.on_duplicate_key_update({name: changed.inserted[name] for name in kept})
        return None
