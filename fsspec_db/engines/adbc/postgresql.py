"""What PostgreSQL's driver changes: refused, or asked for as text.

It takes arrays of arrays for flat ones, `oid` for an `int`, lets infinite moments wrap around, and cannot
count the NULLs of composites.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.engines.statements import quoted, text_literal
from fsspec_db.errors import ValueOutOfRangeError

NESTED = "arrays within an array, in column "
"""What PostgreSQL is made to say of what has no type in Arrow."""

_DAYS = (-2_440_588, 2_145_042_905)
_MICROSECONDS = (_DAYS[0] * 86_400_000_000, 2**63 - 1)
"""Moments that PostgreSQL has, counted from 1970."""


def guarded(sql: str, schema: pa.Schema) -> str:
    """A statement that answers as `sql` does, but for columns that would be changed."""
    columns = [f"c{at}" for at in range(len(schema))]
    asked = [_asked(*pair) for pair in zip(columns, schema, strict=True)]
    if asked == columns:
        return sql
    named = ", ".join(
        f"{text} AS {quoted('postgresql', field.name)}" for text, field in zip(asked, schema, strict=True)
    )
    return f"SELECT {named} FROM ({sql}\n) AS asked({', '.join(columns)})\n"  # noqa: S608


def _asked(column: str, field: pa.Field) -> str:
    if pa.types.is_struct(field.type) or (_is_list(field.type) and _is_opaque(field.type.value_type)):
        return f"CAST({column} AS text)"
    if not _is_list(field.type):
        return column
    said = text_literal(NESTED + field.name)
    guard = f"CAST(CASE WHEN array_ndims({column}) > 1 THEN {said} ELSE '1' END AS integer)"
    return f"CASE WHEN {guard} = 1 THEN {column} END"


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind))


def _is_opaque(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


def is_oid(field: pa.Field) -> bool:
    """Whether a column is an `oid`, whose bits the driver shows as an `int32`."""
    return (field.metadata or {}).get(b"POSTGRESQL:type") == b"oid" and field.type == pa.int32()


def check_moments(column: pa.Array, name: str) -> None:
    """Refuses dates and timestamps that PostgreSQL has and Arrow has not.

    Raises:
        ValueOutOfRangeError: There is one, in the column of that name.
    """
    kind = column.type
    if _is_list(kind):
        check_moments(column.flatten(), name)
    elif pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        date = pa.types.is_date32(kind)
        least, most = _DAYS if date else _MICROSECONDS
        numbers = column.view(pa.int32() if date else pa.int64())
        beyond = pc.or_(pc.less(numbers, least), pc.greater(numbers, most))
        if pc.any(beyond, min_count=0).as_py():
            raise ValueOutOfRangeError(
                f"column {name!r} has a {kind} that is infinite or too far", column=name
            )
