"""What a column of PostgreSQL would round or cut without a word: refused before it is sent."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.engines.statements import text_literal
from fsspec_db.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Behind domains and arrays.
_POSTGRESQL = """
WITH RECURSIVE t (name, oid, typmod, dims) AS (
    SELECT a.attname, a.atttypid, a.atttypmod, '' FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {relation} AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT t.name, CASE p.typtype WHEN 'd' THEN p.typbasetype ELSE p.typelem END,
        CASE p.typtypmod WHEN -1 THEN t.typmod ELSE p.typtypmod END,
        CASE p.typtype WHEN 'd' THEN t.dims ELSE '[]' END
    FROM t JOIN pg_catalog.pg_type p ON p.oid = t.oid
    WHERE p.typtype = 'd' OR (p.typcategory = 'A' AND p.typlen = -1 AND p.typelem <> 0))
SELECT p.typname || t.dims || ' ' || CAST(t.typmod AS text) || ' ' || CAST(t.name AS text) AS found
FROM t JOIN pg_catalog.pg_type p ON p.oid = t.oid
WHERE t.oid = 18 OR (t.typmod <> -1 AND t.oid IN ({types}))"""

_TYPES: Mapping[str, int] = MappingProxyType(
    {
        "bit": 1560,
        "bpchar": 1042,
        "interval": 1186,
        "numeric": 1700,
        "time": 1083,
        "timestamp": 1114,
        "timestamptz": 1184,
        "timetz": 1266,
        "varbit": 1562,
        "varchar": 1043,
    }
)
_UNITS: Mapping[str, int] = MappingProxyType({"s": 0, "ms": 3, "us": 6, "ns": 9})
_ALL_DIGITS = 6
_FIELDS: Mapping[int, int] = MappingProxyType({1: 0, 2: 0, 3: 0, 10: 3_600_000_000_000, 11: 60_000_000_000})
"""By the smallest field of an interval as PostgreSQL numbers them (month, year, day, hour, minute): what its
nanoseconds are a multiple of; 0 where it has none."""


def precisions_of(dialect: str, schema: str, relation: str) -> str | None:
    """A `SELECT` of one text for each column with a precision; `None` where databases refuse themselves."""
    if dialect != "postgresql":
        return None
    names = {"schema": schema, "relation": relation}
    literals = {key: _literal(name) for key, name in names.items()}
    return _POSTGRESQL.format(**literals, types=", ".join(map(str, _TYPES.values())))


class Precisions:
    """What columns keep of longer values.

    Args:
        told: The answer to `precisions_of`.
    """

    def __init__(self, told: Iterable[str]) -> None:
        self._columns = {
            name: (kind, int(modifier)) for kind, modifier, name in (text.split(" ", 2) for text in told)
        }

    def check(self, batch: pa.RecordBatch, before: int) -> None:
        """Refuses a batch that has a longer one; there were `before` rows already.

        Raises:
            ValueOutOfRangeError: With column and row.
        """
        for name, (kind, modifier) in self._columns.items():
            at = batch.schema.get_field_index(name)
            if at >= 0 and (row := _first_lost(batch.column(at), kind, modifier)) is not None:
                shown = f"{batch.column(at)[row]!s:.64}"
                raise ValueOutOfRangeError(
                    f"column {name!r}, row {before + row + 1}: the column would not keep {shown} as it is",
                    column=name,
                    row=before + row + 1,
                )


def _first_lost(column: pa.Array, kind: str, modifier: int) -> int | None:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        item = _first_lost(pc.list_flatten(column), kind.removesuffix("[]"), modifier)
        return None if item is None else int(pc.list_parent_indices(column)[item].as_py())
    lost = _lost(column, kind, modifier)
    at = -1 if lost is None else pc.index(lost, value=True).as_py()
    return at if at >= 0 else None


def _lost(column: pa.Array, kind: str, modifier: int) -> pa.Array | None:
    """Which values would be changed, or be refused without a word of their column."""
    arrow = column.type
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or arrow == pa.string_view():
        return _lost_text(column, kind, modifier)
    if pa.types.is_decimal(arrow) and kind == "numeric" and arrow.scale > _scale(modifier):
        return _lost_text(pc.cast(column, pa.string()), kind, modifier)
    if (pa.types.is_time(arrow) or pa.types.is_timestamp(arrow)) and kind.startswith("time"):
        digits = _UNITS[arrow.unit] - modifier
        return _no_multiple(column, 10**digits) if digits > 0 else None
    if pa.types.is_interval(arrow) and kind == "interval":
        return pa.array([value is not None and _cut(value, modifier) for value in column.to_pylist()])
    return None


def _lost_text(column: pa.Array, kind: str, modifier: int) -> pa.Array | None:
    if kind.endswith("[]"):  # the database's text of an array is not looked into
        return None
    if kind in {"bpchar", "varchar"}:
        return pc.greater(pc.utf8_length(column), modifier - 4)
    if kind == "char":  # one byte, whatever it says
        return pc.greater(pc.binary_length(column), 1)
    if kind == "varbit":
        return pc.greater(pc.utf8_length(column), modifier)
    if kind == "bit":
        return pc.not_equal(pc.utf8_length(column), modifier)
    digits = _scale(modifier) if kind == "numeric" else modifier & 0xFFFF
    if kind != "numeric" and digits >= _ALL_DIGITS:
        return None
    behind = rf"\.\d{{{max(digits, 0)}}}\d*[1-9]|[eE]-"
    before = rf"|[1-9]\d{{0,{-digits - 1}}}(\.|$)" if digits < 0 else ""
    return pc.match_substring_regex(column, behind + before)


def _scale(modifier: int) -> int:
    return (((modifier - 4) & 0x7FF) ^ 1024) - 1024


def _no_multiple(column: pa.Array, grain: int) -> pa.Array:
    numbers = column.view(pa.int32() if column.type.bit_width == 32 else pa.int64())
    return pc.not_equal(pc.multiply(pc.divide(numbers, grain), grain), numbers)


def _cut(value: pa.MonthDayNano, modifier: int) -> bool:
    """Whether an interval has fields or digits that its column has not."""
    fields, digits = modifier >> 16, modifier & 0xFFFF
    smallest = next((field for field in (12, 11, 10, 3, 1, 2) if fields & 1 << field), 12)
    grain = _FIELDS.get(smallest, 10 ** (9 - min(digits, _ALL_DIGITS)))
    return bool(
        (value.nanoseconds % grain if grain else value.nanoseconds)
        or (smallest in {1, 2} and value.days)
        or (smallest == 2 and value.months % 12)
    )


def _literal(name: str) -> str:
    """Whatever the session says about backslashes."""
    return "E" + text_literal(name).replace("\\", "\\\\")
