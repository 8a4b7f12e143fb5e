"""The types of SQLAlchemy as Arrow types, and values of drivers in them: exactly, or not at all."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from fsspec_db.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Convert = Callable[[Any], Any]

UTC = "UTC"


@dataclass(frozen=True)
class Carrier:
    """How the values of one column travel.

    Attributes:
        arrow: Their Arrow type.
        kinds: The Python types that Arrow takes as they are; anything else goes through `convert`.
        convert: Makes such a value of another, or raises `ValueError`: nothing is rounded or guessed.
        check: Whether a value of such a type fits after all.
        as_text: Whether the column is selected as the text that the database itself makes of it.
        extension: The name of an Arrow extension type.
        labels: The labels of an enumeration.
    """

    arrow: pa.DataType
    kinds: frozenset[type]
    convert: Convert
    check: Callable[[Any], bool] | None = None
    as_text: bool = False
    extension: str | None = None
    labels: tuple[str, ...] | None = None

    def array(self, values: Sequence[Any], column: str, first_row: int) -> pa.Array:
        """The values as an array.

        Raises:
            ValueOutOfRangeError: One of them is none of this type; `row` counts from 1.
        """
        if not self.kinds.issuperset(map(type, values)) or (
            self.check is not None and not all(value is None or self.check(value) for value in values)
        ):
            values = [
                None if value is None else self._converted(value, column, first_row + at)
                for at, value in enumerate(values)
            ]
        try:
            return self._built(values)
        except (pa.ArrowException, ValueError, OverflowError, TypeError):
            for at, value in enumerate(values):
                try:
                    self._built([value])
                except (pa.ArrowException, ValueError, OverflowError, TypeError):
                    raise self._unfit(value, column, first_row + at) from None
            raise

    def _built(self, values: Sequence[Any]) -> pa.Array:
        if self.labels is None:
            return pa.array(values, self.arrow)
        indices = pa.array(values, pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.labels, pa.string()))

    def _converted(self, value: Any, column: str, row: int) -> Any:
        if type(value) in self.kinds and (self.check is None or self.check(value)):
            return value
        try:
            return self.convert(value)
        except (ValueError, TypeError, InvalidOperation, ArithmeticError, KeyError):
            raise self._unfit(value, column, row) from None

    def _unfit(self, value: Any, column: str, row: int) -> ValueOutOfRangeError:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        kind = "one of its labels" if self.labels is not None else str(self.arrow)
        return ValueOutOfRangeError(
            f"column {column!r}, row {row}: {shown} cannot be carried as {kind}: CAST it in a query",
            column=column,
            row=row,
        )


def _carrier(arrow: pa.DataType, *kinds: type, convert: Convert, **rest: Any) -> Carrier:
    return Carrier(arrow, frozenset((*kinds, type(None))), convert, **rest)


def _bool(value: Any) -> bool:
    if value in (0, 1) and isinstance(value, int):
        return bool(value)
    raise ValueError


def _integer(value: Any) -> int:
    if isinstance(value, (int, float, Decimal)) and value == int(value):
        return int(value)
    raise ValueError


def _float(value: Any) -> float:
    if isinstance(value, (int, Decimal)) and float(value) == value:
        return float(value)
    raise ValueError


def _decimal(value: Any) -> Decimal:
    if isinstance(value, float):
        # A double stands for the decimal of at most 15 digits whose nearest double it is.
        found = Decimal(f"{value:.15g}")
        if float(found) != value:
            raise ValueError
        return found
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", value):
        raise ValueError
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (str, int, UUID)) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise ValueError


def _date(value: Any) -> dt.date:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return dt.date.fromisoformat(value)
    if type(value) is dt.datetime and value.timetz() == dt.time():
        return value.date()  # Oracle's DATE
    raise ValueError


def _time(value: Any) -> dt.time:
    if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", value):
        return dt.time.fromisoformat(_six_digits(value))
    if isinstance(value, dt.timedelta) and dt.timedelta() <= value < dt.timedelta(days=1):
        return (dt.datetime(1, 1, 1) + value).time()  # noqa: DTZ001
    raise ValueError


def _timestamp(value: Any) -> dt.datetime:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?", value):
        return dt.datetime.fromisoformat(_six_digits(value))
    raise ValueError


def _six_digits(value: str) -> str:
    whole, point, fraction = value.partition(".")
    return whole + point + fraction.ljust(6, "0") if point else whole


def _uuid(value: Any) -> bytes:
    return value.bytes if isinstance(value, UUID) else UUID(value).bytes


_PART = re.compile(r"([+-]?\d+) (year|mon|month|day)s? ?")
_CLOCK = re.compile(r"([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?")


def _month_day_nano(value: Any) -> pa.MonthDayNano:
    """Of the text that PostgreSQL writes: `1 year 2 mons -3 days -04:05:06.789`."""
    months = days = micros = at = 0
    while part := _PART.match(value, at):
        count, unit, at = int(part[1]), part[2], part.end()
        months += count * {"year": 12, "day": 0}.get(unit, 1)
        days += count if unit == "day" else 0
    if clock := _CLOCK.match(value, at):
        at = clock.end()
        micros = (int(clock[2]) * 60 + int(clock[3])) * 60_000_000 + int(clock[4]) * 1_000_000
        micros += int((clock[5] or "").ljust(6, "0"))
        micros *= -1 if clock[1] == "-" else 1
    if at != len(value) or not value:
        raise ValueError
    return pa.MonthDayNano([months, days, micros * 1000])


def _impossible(value: Any) -> Any:
    raise ValueError(value)


def _naive(value: Any) -> bool:
    return value.tzinfo is None


def _aware(value: Any) -> bool:
    return value.tzinfo is not None


BOOL = _carrier(pa.bool_(), bool, convert=_bool)
FLOAT32 = _carrier(pa.float32(), float, convert=_float)
FLOAT64 = _carrier(pa.float64(), float, convert=_float)
UNDECLARED = _carrier(pa.string(), str, convert=_text)
"""A column of SQLite that may hold anything: its first values decide."""
UTF8 = _carrier(pa.string(), str, convert=_text)
TEXT = _carrier(pa.string(), str, convert=_text, as_text=True)
JSON = _carrier(pa.string(), str, convert=_text, as_text=True, extension="arrow.json")
BINARY = _carrier(pa.binary(), bytes, convert=_bytes)
DATE = _carrier(pa.date32(), dt.date, convert=_date)
TIME = _carrier(pa.time64("us"), dt.time, convert=_time, check=_naive)
TIMESTAMP = _carrier(pa.timestamp("us"), dt.datetime, convert=_timestamp, check=_naive)
INSTANT = _carrier(pa.timestamp("us", UTC), dt.datetime, convert=_impossible, check=_aware)
UTC_INSTANT = _carrier(pa.timestamp("us", UTC), dt.datetime, convert=_impossible)
DURATION = _carrier(pa.duration("us"), dt.timedelta, convert=_impossible)
CALENDAR = _carrier(pa.month_day_nano_interval(), convert=_month_day_nano, as_text=True)
IDENTIFIER = _carrier(pa.binary(16), convert=_uuid, extension="arrow.uuid")


def integer(bits: int, *, unsigned: bool = False) -> Carrier:
    """Integers of a width."""
    kind = getattr(pa, f"{'u' if unsigned else ''}int{bits}")()
    return _carrier(kind, int, convert=_integer)


def decimal(precision: int | None, scale: int | None, otherwise: Carrier = UTF8) -> Carrier:
    """Exact decimals; without digits that Arrow can say, the exact text."""
    scale = scale or 0
    if not precision or not 0 <= scale <= precision or precision > 76:
        return otherwise
    arrow = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    return _carrier(arrow, Decimal, convert=_decimal)


def enumeration(labels: Iterable[str]) -> Carrier:
    """Values that are one of some labels."""
    known = tuple(labels)
    index = {label: at for at, label in enumerate(known)}
    return _carrier(pa.dictionary(pa.int32(), pa.string()), convert=index.__getitem__, labels=known)


def list_of(item: Carrier) -> Carrier:
    """Lists of one dimension; of items that are carried as they come, else the database's text."""
    if item.as_text or item.extension or item.labels is not None:
        return TEXT

    def items(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError
        return list(item.array(value, "", 1).to_pylist())

    # Lists always pass through `convert`: Arrow itself would round what stands within them.
    return _carrier(pa.list_(item.arrow), convert=items)


_BINARY = (
    sa.LargeBinary,
    sa.BINARY,
    sa.VARBINARY,
    mysql.TINYBLOB,
    mysql.MEDIUMBLOB,
    mysql.LONGBLOB,
    mysql.BIT,
)
_GEOMETRY = ("geometry", "point", "linestring", "polygon", "multi", "geomcollection")


def carrier_of(kind: Any, family: str, declared: str = "") -> Carrier:  # noqa: PLR0912  (a table)
    """How a column of that SQLAlchemy type is carried.

    Args:
        kind: A type as it was reflected.
        family: What the bridge calls the dialect: `sqlite`, `postgresql`, `mysql`, `generic`.
        declared: The type as the database itself spells it, of a domain its base, where that is known.
    """
    if isinstance(kind, postgresql.DOMAIN):
        return carrier_of(kind.data_type, family, declared)
    if isinstance(kind, sa.Enum):
        return enumeration(kind.enums) if kind.enums else TEXT
    if isinstance(kind, _BINARY):
        return BINARY
    if isinstance(kind, mysql.YEAR):
        return integer(16, unsigned=True)
    if isinstance(kind, sa.Boolean):
        return BOOL
    if isinstance(kind, sa.Integer):
        return _integer_of(kind, family)
    if isinstance(kind, postgresql.OID):
        return integer(32, unsigned=True)
    if isinstance(kind, sa.Uuid):
        return IDENTIFIER
    if isinstance(kind, (postgresql.INTERVAL, sa.Interval)):
        return CALENDAR if family == "postgresql" else DURATION
    if isinstance(kind, sa.Date):
        return DATE
    if isinstance(kind, sa.Time):
        if family == "mysql":
            return DURATION
        return TEXT if getattr(kind, "timezone", False) else TIME
    if isinstance(kind, sa.DateTime):
        if isinstance(kind, mysql.TIMESTAMP):
            return UTC_INSTANT
        return INSTANT if kind.timezone or "with time zone" in declared.lower() else TIMESTAMP
    if isinstance(kind, sa.Float):
        return _float_of(kind, family)
    if isinstance(kind, sa.Numeric):
        precision, scale = kind.precision, kind.scale
        if precision is None and (
            digits := re.fullmatch(r"(?:numeric|decimal)\((\d+),(\d+)\)", declared, re.IGNORECASE)
        ):
            precision, scale = int(digits[1]), int(digits[2])  # of a domain
        return decimal(precision, scale, TEXT if family == "postgresql" else UTF8)
    if isinstance(kind, sa.JSON):
        return JSON
    if isinstance(kind, sa.ARRAY):
        flat = (kind.dimensions or 1) == 1 and "[][]" not in declared
        return list_of(carrier_of(kind.item_type, family)) if flat else TEXT
    if isinstance(kind, sa.String):
        return UTF8
    if family == "mysql" and declared.lower().startswith(_GEOMETRY):
        return BINARY
    if family == "sqlite":
        return UNDECLARED
    return TEXT


def _integer_of(kind: Any, family: str) -> Carrier:
    if family in ("sqlite", "generic"):
        return integer(64)  # SQLite holds any there, and others call wide numbers INTEGER too
    sizes = ((mysql.TINYINT, 8), (sa.SmallInteger, 16), (sa.BigInteger, 64))
    bits = next((bits for width, bits in sizes if isinstance(kind, width)), 32)
    return integer(bits, unsigned=bool(getattr(kind, "unsigned", False)))


def _float_of(kind: Any, family: str) -> Carrier:
    name = type(kind).__name__
    single = {"postgresql": ("REAL",), "mysql": ("FLOAT",)}
    return FLOAT32 if name in single.get(family, ()) and (kind.precision or 0) <= 24 else FLOAT64


def field_of(name: str, carrier: Carrier, declared: str | None = None, *, nullable: bool = True) -> pa.Field:
    """The Arrow field of a column, with what its type cannot say as metadata."""
    metadata = {}
    if declared:
        metadata["fsspec_db.sql_type"] = declared
    if carrier.extension:
        metadata["ARROW:extension:name"] = carrier.extension
    return pa.field(name, carrier.arrow, nullable, metadata or None)
