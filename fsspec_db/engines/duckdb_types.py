"""What of DuckDB's types Arrow can say, and what is carried as text or refused instead.

By itself DuckDB hands over some values changed: `TIME WITH TIME ZONE` without its zone, `UHUGEINT`
wrapped, `BIT` in its inner form, long intervals wrapped, infinities as some day of the calendar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_TEXTS = frozenset({"bignum", "bit", "time with time zone", "uhugeint"})
"""Carried as their exact text."""
_MOMENTS = frozenset(
    {"date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz_ns"}
)
_LONGEST = 2_562_046  # whole hours that 64 bits of nanoseconds hold


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


class Carried:
    """A relation with columns that Arrow says exactly, or that raise where it cannot.

    Attributes:
        relation: To be read instead of the one that was given.
        types: DuckDB's types of its columns.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        names, self.types = relation.columns, relation.types
        columns = [_column(at, name, kind) for at, (name, kind) in enumerate(zip(names, self.types, strict=True), 1)]
        plain = all(column == f"#{at}" for at, column in enumerate(columns, 1))
        named = (f"{column} AS {quoted(name)}" for column, name in zip(columns, names, strict=True))
        self.relation = relation if plain else relation.project(", ".join(named))

    def described(self, schema: pa.Schema) -> pa.Schema:
        """`schema`, that of the Arrow stream, with the declared type of what is carried as text."""
        return pa.schema(
            [
                field.with_metadata({"fsspec_db.sql_type": str(kind)}) if kind.id in _TEXTS else field
                for field, kind in zip(schema, self.types, strict=True)
            ]
        )


def column_types(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[DuckDBPyType]:
    """The types that DuckDB makes of Arrow's."""
    empty = cursor.register("fsspec_db schema", schema.empty_table()).table("fsspec_db schema")
    types: list[DuckDBPyType] = empty.types
    cursor.unregister("fsspec_db schema")
    return types


def taken(cursor: duckdb.DuckDBPyConnection, given: pa.Schema, relation: duckdb.DuckDBPyRelation) -> pa.Schema:
    """What the columns of a table take of rows that are given.

    That is what reading them gives, or what is given, where DuckDB makes the column's own type of it.
    """
    carried = Carried(relation)
    reader = carried.relation.limit(0).to_arrow_reader()
    own = dict(zip(given.names, column_types(cursor, given), strict=True))
    fields = []
    for field, kind in zip(reader.schema, carried.types, strict=True):
        to = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if own.get(field.name) == kind and kind.id not in _TEXTS:
            to = given.field(field.name).type
        fields.append(pa.field(field.name, to))
    return pa.schema(fields)


def _column(at: int, name: str, kind: DuckDBPyType) -> str:
    value = f"#{at}"
    if kind.id in _MOMENTS:
        return _unless(f"isinf({value})", f"infinity is no {kind}", name, value)
    if kind.id == "time":
        return _unless(f"{value} = '24:00:00'", "24:00:00 is no time", name, value)
    if kind.id == "interval":
        return _unless(f"abs(date_part('hour', {value})) > {_LONGEST}", "an interval is too long", name, value)
    spelled = _spelled(kind)
    return value if spelled == str(kind) else f"CAST({value} AS {spelled})"


def _unless(condition: str, detail: str, column: str, value: str) -> str:
    said = f"{detail}, in column {quoted(column)}".replace("'", "''")
    return f"if({condition}, error('{said}'), {value})"


def _spelled(kind: DuckDBPyType) -> str:
    """The type that is exported for one: another where Arrow's would not be exact."""
    if kind.id in _TEXTS:
        return "VARCHAR"
    if kind.id == "hugeint":
        return "DECIMAL(38,0)"
    if kind.id in ("list", "array", "map", "struct"):
        children = dict(kind.children)
        if kind.id == "map":
            return f"MAP({_inner(children['key'])}, {_inner(children['value'])})"
        if kind.id == "struct":
            members = ", ".join(f"{quoted(name)} {_inner(child)}" for name, child in children.items())
            changed = any(_inner(child) != str(child) for child in children.values())
            return f"STRUCT({members})" if changed else str(kind)
        return _inner(children["child"]) + (f"[{children['size']}]" if kind.id == "array" else "[]")
    return str(kind)


def _inner(kind: DuckDBPyType) -> str:
    """As `_spelled`; an interval within another value cannot be looked at before it is exported."""
    return "VARCHAR" if kind.id == "interval" else _spelled(kind)
