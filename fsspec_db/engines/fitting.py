"""Rows as the columns of a relation take them: exactly, or an error that names the column and the row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.errors import SchemaMismatchError, ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDENS = frozenset({("integer", "float"), ("integer", "decimal"), ("date", "timestamp")})
"""Kinds of types whose values stay what they are in another kind."""


class FittedRows:
    """The batches of a reader, with the types of a relation's columns.

    Columns are matched by name, in any order. A value that the column's type cannot hold as it is
    ends the rows with `ValueOutOfRangeError`. Drivers only pass the text of what a stream raises:
    `failure` is the exception itself.

    Args:
        reader: What is to be written.
        target: The columns of the relation; those that the reader lacks are left out.
        path: The path of the relation, for errors.
        exact: Whether types must be those of `target`; not where the database has none.

    Raises:
        SchemaMismatchError: The relation has no such column, or none of such a type.
    """

    def __init__(
        self, reader: pa.RecordBatchReader, target: pa.Schema, path: str, *, exact: bool = True
    ) -> None:
        self._reader = reader
        self._path = path
        self.rows = 0
        self.ended = False
        self.failure: BaseException | None = None
        fields = []
        for field in reader.schema:
            if target.get_field_index(field.name) < 0:
                raise SchemaMismatchError(f"there is no column {field.name!r}", path=path, column=field.name)
            wanted = wire_type(target.field(field.name)) if exact else plain_type(field.type)
            if wanted is None:
                wanted = plain_type(field.type)
            if not _fits(field.type, wanted):
                raise SchemaMismatchError(
                    f"column {field.name!r} is {wanted}, and {field.type} is no such value",
                    path=path,
                    column=field.name,
                )
            fields.append(pa.field(field.name, wanted))
        self.schema = pa.schema(fields)

    def reader(self, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        """Some of the batches, as a driver takes them."""
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once."""
        try:
            for batch in self._reader:
                columns = [
                    self._fitted(column, field)
                    for column, field in zip(batch.columns, self.schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
                self.rows += batch.num_rows
            self.ended = True
        except Exception as error:
            self.failure = error
            raise

    def _fitted(self, column: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return converted(column, field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            for row in range(len(column)):
                try:
                    converted(column.slice(row, 1), field.type)
                except pa.ArrowException as error:
                    raise ValueOutOfRangeError(
                        f"column {field.name!r} is {field.type} and cannot hold {column[row]}",
                        path=self._path,
                        column=field.name,
                        row=self.rows + row + 1,
                    ) from error
            raise


def converted(column: pa.Array, target: pa.DataType) -> pa.Array:
    """`column` in another type.

    Raises:
        pyarrow.ArrowInvalid: A value would not stay what it is.
    """
    if column.type == target:
        return column
    if isinstance(column.type, pa.BaseExtensionType):
        return converted(column.storage, target)
    if isinstance(target, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(target, converted(column, target.storage_type))
    if pa.types.is_dictionary(column.type):
        return converted(column.dictionary_decode(), target)
    if pa.types.is_run_end_encoded(column.type):
        return converted(pc.run_end_decode(column), target)
    out = pc.cast(column, target, safe=True)
    if _kind(column.type) != "text":
        # Arrow's own checks leave gaps: what does not come back was changed.
        if not pc.cast(out, column.type, safe=False).equals(column) and not _same(column, out):
            raise pa.ArrowInvalid(f"{column.type} does not come back from {target}")
    return out


def _same(before: pa.Array, after: pa.Array) -> bool:
    """Equality of numbers where NaN is itself."""
    if not pa.types.is_floating(before.type):
        return False
    back = pc.cast(after, before.type, safe=False)
    same = pc.or_(pc.equal(before, back), pc.and_(pc.is_nan(before), pc.is_nan(back)))
    return bool(pc.all(same, skip_nulls=True, min_count=0).as_py())


def wire_type(field: pa.Field) -> pa.DataType | None:
    """The type in which values of a column are written; `None` if it says nothing about them.

    PostgreSQL's driver reads `numeric` as text, and rounds what it writes: its type modifier says to what.
    """
    if getattr(field.type, "extension_name", "") != "arrow.opaque":
        return plain_type(field.type)
    modifier = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
    if field.type.type_name != "numeric" or modifier < 4:
        return None
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(min(precision, 76), scale)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type without its encoding."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    return kind


def _fits(source: pa.DataType, target: pa.DataType) -> bool:
    if source == target or pa.types.is_null(source):
        return True
    if pa.types.is_nested(source) or pa.types.is_nested(target):
        return _kind(source) == _kind(target) == "list" and _fits(source.value_type, target.value_type)
    kinds = (_kind(source), _kind(target))
    return kinds[0] == kinds[1] or kinds in _WIDENS or (kinds == ("text", "decimal"))


def _kind(kind: pa.DataType) -> str:
    """What values of a type are, however wide."""
    if isinstance(kind, pa.BaseExtensionType):
        return _kind(kind.storage_type)
    kind = plain_type(kind)
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return "list"
    if types.is_timestamp(kind):
        return "instant" if kind.tz else "timestamp"
    for name, holds in (
        ("integer", types.is_integer),
        ("float", types.is_floating),
        ("decimal", types.is_decimal),
        ("date", types.is_date),
        ("time", types.is_time),
        ("duration", types.is_duration),
    ):
        if holds(kind):
            return name
    if types.is_string(kind) or types.is_large_string(kind) or kind == pa.string_view():
        return "text"
    if types.is_fixed_size_binary(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return "binary"
    return "binary" if kind == pa.binary_view() else str(kind)
