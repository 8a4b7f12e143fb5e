"""Rows as a relation's columns hold them: cast where every value is kept, refused where one would be lost.

For engines whose own `INSERT` rounds, truncates or wraps what does not fit. The rules are those of
the bridge: numbers mix with numbers, dates with timestamps that have no zone, texts with texts,
bytes with bytes; dictionaries, runs and extensions are their values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.errors import SchemaMismatchError, ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_types = pa.types


class Fitted:
    """Record batches with the columns of a relation.

    Args:
        reader: Columns by name, in any order.
        types: What each column of the relation takes; those that `reader` lacks stay out.
        passed_over: Columns that `reader` may have and nobody takes.
        check: Called with each column that is handed on, its name and its first row, to raise.

    Attributes:
        names: The columns there are, in the order of `reader`.
        reader: Their rows; it raises where a value would be lost.
        failure: What was raised while they were read.

    Raises:
        SchemaMismatchError: A column that the relation does not have, one given twice, or none.
    """

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        types: pa.Schema,
        passed_over: frozenset[str] = frozenset(),
        check: Callable[[pa.Array, str, int], None] | None = None,
    ) -> None:
        self._source = reader
        self._check = check
        known = set(types.names)
        self.names: list[str] = []
        for name in reader.schema.names:
            if name in self.names:
                raise SchemaMismatchError("a column is there twice", column=name)
            if name in passed_over:
                continue
            if name in known:
                self.names.append(name)
            else:
                raise SchemaMismatchError("the relation has no such column", column=name)
        if not self.names:
            raise SchemaMismatchError("there is no column to write")
        self._schema = pa.schema([types.field(name) for name in self.names])
        self.failure: Exception | None = None
        self.reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        row = 1
        try:
            for batch in self._source:
                columns = [
                    fit(batch.column(field.name), field.type, field.name, row) for field in self._schema
                ]
                if self._check is not None:
                    for name, array in zip(self.names, columns, strict=True):
                        self._check(array, name, row)
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)
                row += batch.num_rows
        except Exception as error:
            self.failure = error
            raise


def fit(array: pa.Array, to: pa.DataType, column: str, first_row: int = 1) -> pa.Array:
    """`array` as `to`, without losing anything.

    Raises:
        SchemaMismatchError: Values of the two types never mix.
        ValueOutOfRangeError: `to` cannot hold a value exactly; it names the first one's row.
    """
    if array.type.equals(to):
        return array
    if isinstance(array, pa.ExtensionArray):
        return fit(array.storage, to, column, first_row)
    if (values := without_dictionaries(array.type)) != array.type:
        return fit(array.cast(values), to, column, first_row)
    if _types.is_run_end_encoded(array.type):
        return fit(pc.run_end_decode(array), to, column, first_row)
    if _types.is_null(array.type):
        return pa.nulls(len(array), to)
    if not mixes(array.type, to):
        raise SchemaMismatchError(f"{array.type} cannot be written to a column of {to}", column=column)
    cast = _exact(array, to)
    if cast is not None:
        return cast
    good, bad = 0, len(array)  # the first `good` values fit, the first `bad` ones do not
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if _exact(array.slice(0, middle), to) is None else (middle, bad)
    value = str(array[good].as_py() if _types.is_nested(array.type) else array[good])
    raise ValueOutOfRangeError(
        f"{to} cannot hold {value:.64} exactly", column=column, row=first_row + good
    )


def mixes(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether a value of one type can be a value of the other."""
    if one.equals(other):
        return True
    if _types.is_nested(one) and _types.is_nested(other):
        inner = [_children(one), _children(other)]
        return (
            _nesting(one) == _nesting(other)
            and [name for name, _ in inner[0]] == [name for name, _ in inner[1]]
            and all(mixes(a, b) for (_, a), (_, b) in zip(*inner, strict=True))
        )
    if _types.is_timestamp(one) and _types.is_timestamp(other):
        return (one.tz is None) == (other.tz is None)
    return _family(one) is not None and _family(one) == _family(other)


def leaves(kind: pa.DataType, changed: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """A type with what is not nested in it changed."""
    if _types.is_struct(kind):
        return pa.struct([field.with_type(leaves(field.type, changed)) for field in kind])
    if _types.is_map(kind):
        return pa.map_(leaves(kind.key_type, changed), leaves(kind.item_type, changed))
    if _types.is_fixed_size_list(kind):
        return pa.list_(leaves(kind.value_type, changed), kind.list_size)
    if _types.is_large_list(kind):
        return pa.large_list(leaves(kind.value_type, changed))
    if _types.is_list(kind):
        return pa.list_(leaves(kind.value_type, changed))
    return changed(kind)


def without_dictionaries(kind: pa.DataType) -> pa.DataType:
    """A type with the values of dictionaries in their place, at any depth."""
    return leaves(kind, lambda leaf: leaf.value_type if _types.is_dictionary(leaf) else leaf)


def _nesting(kind: pa.DataType) -> str:
    if _types.is_map(kind) or _types.is_struct(kind):
        return "map" if _types.is_map(kind) else "struct"
    return "list" if hasattr(kind, "value_type") else "other"


def _children(kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    fields = [kind.field(at) for at in range(kind.num_fields)]
    named = _types.is_struct(kind)  # lists and maps name theirs as their writer likes
    return [(field.name if named else "", field.type) for field in fields]


def _family(kind: pa.DataType) -> str | None:
    for family, members in (
        ("number", (_types.is_integer, _types.is_floating, _types.is_decimal)),
        ("text", (_types.is_string, _types.is_large_string, _types.is_string_view)),
        (
            "bytes",
            (_types.is_binary, _types.is_large_binary, _types.is_binary_view, _types.is_fixed_size_binary),
        ),
        ("date", (_types.is_date, lambda kind: _types.is_timestamp(kind) and kind.tz is None)),
        ("time", (_types.is_time,)),
        ("duration", (_types.is_duration,)),
    ):
        if any(member(kind) for member in members):
            return family
    return None


def _exact(array: pa.Array, to: pa.DataType) -> pa.Array | None:
    """The cast, if it can be undone; pyarrow itself lets some through that cannot."""
    try:
        there = _cast(array, to)
        back = _cast(there, array.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    same = back.equals(array)
    if not same and _types.is_floating(array.type):
        nan = pc.and_(pc.is_nan(array), pc.is_nan(back))
        same = pc.all(pc.or_(pc.equal(array, back), nan)).as_py() is not False
    return there if same else None


def _cast(array: pa.Array, to: pa.DataType) -> pa.Array:
    if _types.is_integer(array.type) and _types.is_decimal(to):
        # Straight, pyarrow asks for room for all integers of the type.
        array = array.cast(pa.decimal256(76, max(to.scale, 0)))
    return array.cast(to)
