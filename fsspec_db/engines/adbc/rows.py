"""Rows on their way into an ADBC driver: drivers round, and take bytes of one type for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db._bridge import fitted
from fsspec_db.engines.adbc.postgresql import is_oid
from fsspec_db.errors import ValueOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fsspec_db.engines.precision import Precisions


class Rows:
    """The batches of a body, in the types in which a driver takes them.

    Drivers only pass on the text of what a stream raises: `failure` is the exception itself.

    Args:
        body: What is to be written.
        columns: Those of the relation, as a query shows them.
        precisions: What they keep of longer values.
        guessed: Whether their types say nothing.

    Raises:
        SchemaMismatchError: The relation has no such column.
    """

    def __init__(
        self, body: pa.RecordBatchReader, columns: pa.Schema, precisions: Precisions, *, guessed: bool
    ) -> None:
        self._precisions = precisions
        wanted = pa.schema([_wanted(field, body.schema, guessed=guessed) for field in columns])
        numbers = {field.name: field.type for field in wanted if pa.types.is_decimal(field.type)}
        self._reader = fitted(self._parsed(body, numbers), wanted)
        self._oids = [at for at, field in enumerate(self._reader.schema) if is_oid(columns.field(field.name))]
        self.schema: pa.Schema = self._reader.schema
        for at in self._oids:
            self.schema = self.schema.set(at, self.schema.field(at).with_type(pa.int32()))
        self.rows = 0
        self.ended = False
        self.failure: BaseException | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once."""
        try:
            for batch in self._reader:
                self._precisions.check(batch, self.rows)
                yield self._sent(batch) if self._oids else batch
                self.rows += batch.num_rows
            self.ended = True
        except Exception as error:
            self.failure = self.failure or error
            raise

    def _sent(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the bits of each `oid` as the driver takes them."""
        columns = [
            column.view(pa.int32()) if at in self._oids else column for at, column in enumerate(batch.columns)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def reader(self, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        """Some of the batches, as a driver takes them."""
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    def _parsed(self, body: pa.RecordBatchReader, numbers: dict[str, pa.DataType]) -> pa.RecordBatchReader:
        """The body with numbers for the texts that a driver shows `numeric` as."""
        texts = [
            (at, numbers[field.name])
            for at, field in enumerate(body.schema)
            if field.name in numbers and _storage(field.type) == pa.string()
        ]
        if not texts:
            return body
        schema = body.schema
        for at, kind in texts:
            schema = schema.set(at, pa.field(schema.names[at], kind))
        return pa.RecordBatchReader.from_batches(schema, self._numbers(body, schema, dict(texts)))

    def _numbers(
        self, body: pa.RecordBatchReader, schema: pa.Schema, texts: dict[int, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in body:
            columns = list(batch.columns)
            for at, kind in texts.items():
                try:
                    columns[at] = _number(columns[at], kind)
                except pa.ArrowInvalid:
                    self.failure = _refusal(columns[at], kind, schema.names[at], done)
                    raise self.failure from None
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
            done += batch.num_rows


def number_of(field: pa.Field) -> pa.DataType | None:
    """The decimal type of a `numeric` with a precision, which PostgreSQL's driver shows as text."""
    if getattr(field.type, "extension_name", "") != "arrow.opaque" or field.type.type_name != "numeric":
        return None
    modifier = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    if modifier < 4 or precision > 76 or scale > precision:
        return None
    return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)


def _wanted(field: pa.Field, body: pa.Schema, *, guessed: bool) -> pa.Field:
    """A column, in the type in which it is written: a driver rounds to the scale of a `numeric`."""
    at = body.get_field_index(field.name)
    kind = pa.uint32() if is_oid(field) else number_of(field)
    if kind is None and (guessed or getattr(field.type, "extension_name", "") == "arrow.opaque"):
        kind = _plain(body.field(at).type) if at >= 0 else field.type
    return pa.field(field.name, kind or field.type)


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without its encoding."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    return kind


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _number(column: pa.Array, kind: pa.DataType) -> pa.Array:
    texts = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
    return pc.cast(texts, kind, safe=True)


def _refusal(column: pa.Array, kind: pa.DataType, name: str, done: int) -> ValueOutOfRangeError:
    """Which value it was."""
    for at in range(len(column)):
        try:
            _number(column.slice(at, 1), kind)
        except pa.ArrowInvalid:
            said = f"column {name!r} is {kind} and cannot hold {column[at]}"
            return ValueOutOfRangeError(said, column=name, row=done + at + 1)
    return ValueOutOfRangeError(f"column {name!r} is {kind} and cannot hold its values", column=name)
