"""What of DuckDB's types Arrow can say, and what is carried as text or refused instead.

By itself DuckDB hands over some values changed: `TIME WITH TIME ZONE` without its zone, `UHUGEINT`
wrapped, `BIT` in its inner form, long intervals wrapped, infinities as some day of the calendar.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.engines import statements
from fsspec_db.errors import SchemaMismatchError, ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_TEXTS = frozenset({"bignum", "bit", "time with time zone", "uhugeint", "union"})
"""Carried as their text, which is exact but for a union: it does not say which member it is."""
_RESTORED = frozenset({"BIGNUM", "BIT", "HUGEINT", "TIME WITH TIME ZONE", "UHUGEINT"})
"""What a new table has where the metadata of a field says that it was that."""
_SQL_TYPE = b"fsspec_db.sql_type"
_MOMENTS = {
    **dict.fromkeys(("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), "isinf({})"),
    "timestamp with time zone": "isinf({})",
    "timestamptz_ns": "isinf(CAST({} AS TIMESTAMP_NS))",
}
_LONGEST = 2_562_046  # whole hours that 64 bits of nanoseconds hold


quoted = partial(statements.quoted, "duckdb")
"""A name as SQL has it."""


class Carried:
    """A relation with columns that Arrow says exactly, or that raise where it cannot.

    Attributes:
        relation: To be read instead of the one that was given.
        types: DuckDB's types of its columns.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        names, self.types = relation.columns, relation.types
        columns = [
            _column(at, name, kind) for at, (name, kind) in enumerate(zip(names, self.types, strict=True), 1)
        ]
        plain = all(column == f"#{at}" for at, column in enumerate(columns, 1))
        named = (f"{column} AS {quoted(name)}" for column, name in zip(columns, names, strict=True))
        self.relation = relation if plain else relation.project(", ".join(named))

    def described(self, schema: pa.Schema) -> pa.Schema:
        """What `batch_as` makes of `schema`, that of the Arrow stream: it says the declared types as well."""
        fields = []
        for field, kind in zip(schema, self.types, strict=True):
            said = {**(field.metadata or {}), _SQL_TYPE: str(kind).encode()}
            if str(kind) == "JSON":
                said |= _extension(b"arrow.json")
            elif kind.id == "uuid":
                said |= _extension(b"arrow.uuid")
                field = field.with_type(pa.binary(16))  # noqa: PLW2901
            fields.append(field.with_metadata(said))
        return pa.schema(fields)


def batch_as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of the stream under the schema that describes it."""
    columns = [
        array if array.type == kind else array.cast(kind)
        for array, kind in zip(batch.columns, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _extension(name: bytes) -> dict[bytes, bytes]:
    return {b"ARROW:extension:name": name, b"ARROW:extension:metadata": b""}


def new_types(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[str]:
    """The types of a new table's columns, as SQL has them."""
    for field in schema:
        if pa.types.is_duration(field.type):
            raise SchemaMismatchError("DuckDB has intervals and no durations", column=field.name)
    said = [(field.metadata or {}).get(_SQL_TYPE, b"").decode("utf-8", "replace") for field in schema]
    kinds = _column_types(cursor, _importable(schema))
    return [one if one in _RESTORED else str(kind) for one, kind in zip(said, kinds, strict=True)]


def taken(
    cursor: duckdb.DuckDBPyConnection, given: pa.Schema, relation: duckdb.DuckDBPyRelation
) -> pa.Schema:
    """What the columns of a table take of rows that are given.

    That is what reading them gives, or what is given, where DuckDB makes the column's own type of it.

    Raises:
        SchemaMismatchError: A type that DuckDB does not have; a union or variant, which nothing
            else can be turned into exactly.
    """
    given = _importable(given)
    carried = Carried(relation)
    schema = carried.described(carried.relation.limit(0).to_arrow_reader().schema)
    own = dict(zip(given.names, _column_types(cursor, given), strict=True))
    fields = []
    for field, kind in zip(schema, carried.types, strict=True):
        plain = _without_dictionaries(field.type)
        if str(kind) == "JSON":
            fields.append(pa.field(field.name, pa.string()))  # called JSON, it would not be looked at
            continue
        if own.get(field.name) == kind:
            fields.append(given.field(field.name))
            continue
        if field.name in own and any(word in str(kind) for word in ("UNION(", "VARIANT")):
            raise SchemaMismatchError(f"nothing can be written to a column of {kind}", column=field.name)
        if kind.id == "uuid" and str(own.get(field.name)) == "VARCHAR":
            plain = pa.string()
        elif field.name in own and _without_dictionaries(given.field(field.name).type).equals(plain):
            plain = given.field(field.name).type  # DuckDB looks the values up itself
        fields.append(field if plain.equals(field.type) else pa.field(field.name, plain))
    return pa.schema(fields)


def whole_microseconds(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same rows; it raises at an interval with nanoseconds, which DuckDB would cut off."""
    intervals = [at for at, kind in enumerate(reader.schema.types) if pa.types.is_interval(kind)]

    def batches() -> Iterator[pa.RecordBatch]:
        row = 1
        for batch in reader:
            for at in intervals:
                if (cut := _cut_off(batch.column(at))) >= 0:
                    column = reader.schema.field(at).name
                    raise ValueOutOfRangeError("INTERVAL holds no nanoseconds", column=column, row=row + cut)
            row += batch.num_rows
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, batches()) if intervals else reader


def _cut_off(array: pa.Array) -> int:
    """The first interval that has nanoseconds, or -1."""
    words, size = array.buffers()[1], 2 * len(array)  # months and days, then nanoseconds
    halves = pa.Array.from_buffers(pa.int64(), size, [None, words], offset=2 * array.offset)
    nanoseconds = halves.take(pa.array(range(1, size, 2), pa.int64()))
    cut = pc.not_equal(pc.multiply(pc.divide(nanoseconds, 1000), 1000), nanoseconds)
    found: int = pc.index(pc.and_(cut, array.is_valid()), value=True).as_py()
    return found


def _column_types(cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[DuckDBPyType]:
    """The types that DuckDB makes of Arrow's."""
    empty = cursor.register("fsspec_db schema", schema.empty_table()).table("fsspec_db schema")
    types: list[DuckDBPyType] = empty.types
    cursor.unregister("fsspec_db schema")
    return types


def _importable(schema: pa.Schema) -> pa.Schema:
    """`schema` in types that DuckDB can read, which hold all values of those it cannot."""
    return pa.schema([_importable_field(field) for field in schema])


def _importable_field(field: pa.Field) -> pa.Field:
    def changed(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_float16(kind):
            return pa.float32()
        if pa.types.is_duration(kind):
            return pa.duration("us")
        if pa.types.is_decimal(kind) and (kind.scale < 0 or pa.types.is_decimal256(kind)):
            precision, scale = max(kind.precision - min(kind.scale, 0), kind.scale), max(kind.scale, 0)
            return pa.decimal128(precision, scale) if precision <= 38 else refused(kind)
        if pa.types.is_interval(kind) and pa.types.is_nested(field.type):
            return refused(kind)
        return pa.string() if pa.types.is_null(kind) else kind

    def refused(kind: pa.DataType) -> pa.DataType:
        raise SchemaMismatchError(f"DuckDB has no type for {kind} here", column=field.name)

    return field.with_type(_leaves(field.type, changed))


def _without_dictionaries(kind: pa.DataType) -> pa.DataType:
    """An enum's values are told by their texts."""
    return _leaves(kind, lambda leaf: leaf.value_type if pa.types.is_dictionary(leaf) else leaf)


def _leaves(kind: pa.DataType, changed: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """A type with what is not nested in it changed."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_leaves(field.type, changed)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_leaves(kind.key_type, changed), _leaves(kind.item_type, changed))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_leaves(kind.value_type, changed), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_leaves(kind.value_type, changed))
    if pa.types.is_list(kind):
        return pa.list_(_leaves(kind.value_type, changed))
    return changed(kind)


def _column(at: int, name: str, kind: DuckDBPyType) -> str:
    value = f"#{at}"
    if kind.id in _MOMENTS:
        return _unless(_MOMENTS[kind.id].format(value), f"infinity is no {kind}", name, value)
    if kind.id == "time":
        return _unless(f"{value} = '24:00:00'", "24:00:00 is no time", name, value)
    if kind.id == "interval":
        return _unless(
            f"abs(date_part('hour', {value})) > {_LONGEST}", "an interval is too long", name, value
        )
    if kind.id == "uuid":
        return f"unhex(replace(CAST({value} AS VARCHAR), '-', ''))"
    spelled = _spelled(kind)
    return value if spelled == str(kind) else f"CAST({value} AS {spelled})"


def _unless(condition: str, detail: str, column: str, value: str) -> str:
    said = statements.text_literal(f"{detail}, in column {quoted(column)}")
    return f"if({condition}, error({said}), {value})"


def _spelled(kind: DuckDBPyType) -> str:
    """The type that is exported for one: another where Arrow's would not be exact."""
    if kind.id in _TEXTS:
        return "VARCHAR"
    if kind.id == "hugeint":
        return "DECIMAL(38,0)"
    if kind.id in ("list", "array", "map", "struct"):
        children: dict[str, Any] = dict(kind.children)
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
