"""What a statement answers over ADBC, in types that keep its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

import adbc_driver_manager as adbc
import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.engines.adbc.postgresql import check_moments, is_oid
from fsspec_db.engines.adbc.rows import number_of
from fsspec_db.engines.adbc.sqlite import check_guesses
from fsspec_db.errors import DatabaseError, make_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adbc_driver_manager._reader import AdbcRecordBatchReader

    from fsspec_db.engines.adbc.driver import Driver
    from fsspec_db.engines.adbc.statement import Running


class Result:
    """Record batches as the driver makes them.

    The connection is given back at the end, after an error, and when the result is dropped before,
    which cancels the statement.
    """

    def __init__(
        self,
        driver: Driver,
        connection: adbc.AdbcConnection,
        running: Running,
        reader: AdbcRecordBatchReader,
        declared: Mapping[str, str],
    ) -> None:
        self._driver = driver
        self._connection = connection
        self._running = running
        self._reader: AdbcRecordBatchReader | None = reader
        schema: pa.Schema = reader.schema
        self._numbers = {
            at: kind for at, field in enumerate(schema) if (kind := number_of(field)) is not None
        }
        self._oids = [at for at, field in enumerate(schema) if is_oid(field)]
        for at, kind in (*self._numbers.items(), *((at, pa.uint32()) for at in self._oids)):
            schema = schema.set(at, schema.field(at).with_type(kind))
        for at, field in enumerate(schema):
            if field.name in declared:
                told = {**(field.metadata or {}), b"fsspec_db.sql_type": declared[field.name].encode()}
                schema = schema.set(at, field.with_metadata(told))
        self.schema = schema

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._reader is None:
            raise StopIteration
        try:
            batch = self._reader.read_next_batch()
            batch.validate(full=True)
            if self._driver.habits.guesses:
                check_guesses(batch)
            batch = self._shown(batch)
        except StopIteration:
            self._end()
            raise
        except (adbc.Error, pa.ArrowException, OSError) as error:
            self._end()
            if isinstance(error, DatabaseError):
                raise
            if isinstance(error, pa.ArrowInvalid):
                found = re.match(r"In column (\d+): ", str(error))
                column = self.schema.names[int(found[1])] if found else None
                raise make_error("value-out-of-range", str(error), column=column) from None
            intervals = [field.name for field in self.schema if pa.types.is_interval(field.type)]
            raise self._driver.error(error, intervals[0] if len(intervals) == 1 else None) from None
        return batch

    def _shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch in the schema, with numbers for the texts of columns that are numbers."""
        columns = list(batch.columns)
        for at, kind in self._numbers.items():
            try:
                columns[at] = pc.cast(columns[at].storage, kind)
            except pa.ArrowInvalid as error:
                raise make_error("value-out-of-range", str(error), column=self.schema.names[at]) from None
        for at in self._oids:
            columns[at] = columns[at].view(pa.uint32())
        if self._driver.habits.wraps:
            for column, name in zip(columns, self.schema.names, strict=True):
                check_moments(column, name)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def close(self) -> None:
        """Stops the statement if it has not ended."""
        if self._reader is not None:
            self._running.cancel()
            self._end()

    __del__ = close

    def _end(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
            self._running.close()
            self._connection.close()
