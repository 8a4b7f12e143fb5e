"""The SQL that engines in Python write themselves, by dialect. Names are quoted, values are bound."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from fsspec_db.errors import InvalidParameterError, SchemaMismatchError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STANDARD: Mapping[str, str] = MappingProxyType(
    {
        "bool": "BOOLEAN",
        "int8": "SMALLINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "uint8": "SMALLINT",
        "uint16": "INTEGER",
        "uint32": "BIGINT",
        "uint64": "DECIMAL(20, 0)",
        "halffloat": "REAL",
        "float": "REAL",
        "double": "DOUBLE PRECISION",
        "decimal": "DECIMAL({precision}, {scale})",
        "string": "VARCHAR",
        "binary": "BLOB",
        "date32[day]": "DATE",
        "date64[ms]": "DATE",
        "time": "TIME",
        "timestamp": "TIMESTAMP",
        "timestamp, UTC": "TIMESTAMP WITH TIME ZONE",
        "null": "VARCHAR",
    }
)

TYPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "generic": _STANDARD,
        "duckdb": {**_STANDARD, "arrow.uuid": "UUID", "arrow.json": "JSON"},
        "mysql": {
            **_STANDARD,
            "string": "LONGTEXT",
            "binary": "LONGBLOB",
            "null": "LONGTEXT",
            "time": "TIME(6)",
        },
        "postgresql": {
            **_STANDARD,
            "string": "TEXT",
            "null": "TEXT",
            "binary": "BYTEA",
            "month_day_nano_interval": "INTERVAL",
            "arrow.uuid": "UUID",
            "arrow.json": "JSON",
        },
        # Only names that give the column the affinity which keeps its values.
        "sqlite": {
            **_STANDARD,
            **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"), "INTEGER"),
            **dict.fromkeys(("halffloat", "float", "double"), "REAL"),
            "string": "TEXT",
            "null": "TEXT",
            "arrow.uuid": "BLOB",
            "arrow.json": "TEXT",
        },
    }
)
"""How each dialect spells the type of an Arrow column."""


def holdable(dialect: str, name: str) -> str:
    """`name`, which a database is to keep.

    Raises:
        InvalidParameterError: The database would cut it short, and keep it under another name.
    """
    if dialect == "postgresql" and len(name.encode()) > 63:
        raise InvalidParameterError(f"the name {name!r} is longer than 63 bytes")
    return name


def quoted(dialect: str, name: str) -> str:
    """`name` as an identifier."""
    quote = "`" if dialect == "mysql" else '"'
    return quote + name.replace(quote, quote * 2) + quote


def qualified(dialect: str, schema: str, relation: str) -> str:
    """A relation's name with its schema, where it has one."""
    names = [name for name in (schema, relation) if name]
    return ".".join(quoted(dialect, name) for name in names)


def insert_into(dialect: str, schema: str, relation: str, columns: Sequence[str]) -> str:
    """An `INSERT` of one row, with a placeholder for each column."""
    names = ", ".join(quoted(dialect, column) for column in columns)
    marks = ", ".join(f"${i + 1}" if dialect == "postgresql" else "?" for i in range(len(columns)))
    return f"INSERT INTO {qualified(dialect, schema, relation)} ({names}) VALUES ({marks})"  # noqa: S608


def upsert_into(dialect: str, schema: str, relation: str, columns: Sequence[str], keys: Sequence[str]) -> str:
    """An `INSERT` that updates the row of the same primary key.

    Raises:
        UnsupportedError: The dialect has no such statement, or the relation no key.
        SchemaMismatchError: A column of the key is missing.
    """
    path = f"/{schema}/{relation}"
    if dialect not in {"duckdb", "postgresql", "sqlite"}:
        raise UnsupportedError(f"no upsert is known in the SQL of {dialect!r}", path=path)
    if not keys:
        raise UnsupportedError("an upsert needs a primary key, and none is known", path=path)
    for key in keys:
        if key not in columns:
            raise SchemaMismatchError(f"the key column {key!r} is missing", path=path, column=key)
    names = [quoted(dialect, column) for column in columns if column not in keys]
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    target = ", ".join(quoted(dialect, key) for key in keys)
    insert = insert_into(dialect, schema, relation, columns)
    return f"{insert} ON CONFLICT ({target}) DO " + (f"UPDATE SET {sets}" if sets else "NOTHING")


def create_table(dialect: str, schema: str, relation: str, arrow_schema: pa.Schema) -> str:
    """A `CREATE TABLE` with these columns; one that is not nullable is `NOT NULL`.

    Raises:
        SchemaMismatchError: The dialect has no type for a column.
    """
    columns = []
    for field in arrow_schema:
        kind = column_type(dialect, field.type)
        if kind is None:
            raise SchemaMismatchError(
                f"column {field.name!r}: {dialect} has no type for {field.type}", column=field.name
            )
        columns.append(
            f"{quoted(dialect, holdable(dialect, field.name))} {kind}"
            + ("" if field.nullable else " NOT NULL")
        )
    return f"CREATE TABLE {qualified(dialect, schema, holdable(dialect, relation))} ({', '.join(columns)})"


def definition_of(dialect: str, schema: str, view: str) -> str:
    """A `SELECT` of the text of a view, as the database's own catalogue has it."""
    name = text_literal(view)
    if dialect == "postgresql":
        relation = text_literal(qualified(dialect, schema, view))
        return f"SELECT pg_get_viewdef({relation}::regclass, true)"
    if dialect == "sqlite":
        catalogue = qualified(dialect, schema, "sqlite_master")
        return f"SELECT sql FROM {catalogue} WHERE type = 'view' AND name = {name}"  # noqa: S608
    where = f"table_schema = {text_literal(schema)} AND table_name = {name}"
    return f"SELECT view_definition FROM information_schema.views WHERE {where}"  # noqa: S608


def text_literal(value: str) -> str:
    """`value` as a literal."""
    return "'" + value.replace("'", "''") + "'"


def column_type(dialect: str, kind: pa.DataType) -> str | None:
    """How a dialect spells the type of an Arrow column; `None` where it has none that keeps the values."""
    types = TYPES.get(dialect, _STANDARD)
    if isinstance(kind, pa.BaseExtensionType):
        return types.get(kind.extension_name) or column_type(dialect, kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return column_type(dialect, kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = column_type(dialect, kind.value_type)
        return f"{item}[]" if item and dialect in {"duckdb", "postgresql"} else None
    if pa.types.is_decimal(kind):
        if dialect == "sqlite":  # its numbers are doubles
            return "TEXT"
        return types["decimal"].format(precision=kind.precision, scale=kind.scale)
    if pa.types.is_timestamp(kind):
        return types["timestamp, UTC" if kind.tz else "timestamp"]
    if pa.types.is_time(kind):
        return types["time"]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return types["string"]
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return types["binary"]
    return types["binary"] if kind == pa.binary_view() else types.get(str(kind))
