"""Rows into a relation over ADBC: in bulk, or by an `INSERT`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import adbc_driver_manager as adbc
import pyarrow as pa

from fsspec_db.engines.adbc.rows import Rows
from fsspec_db.engines.statements import insert_into, qualified
from fsspec_db.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db.engines.adbc.catalogue import Place
    from fsspec_db.engines.adbc.driver import Driver
    from fsspec_db.engines.precision import Precisions

_PREFIX = "adbc.ingest."


@dataclass(frozen=True)
class Target:
    """A relation that is written in the transaction of a connection.

    Attributes:
        driver: Of the connection.
        connection: In its transaction.
        place: The relation's catalog and schema, as the driver names them.
        schema: The schema, as the tree names it.
        relation: Its name.
    """

    driver: Driver
    connection: adbc.AdbcConnection
    place: Place
    schema: str
    relation: str

    def write(self, reader: pa.RecordBatchReader, precisions: Precisions, upsert: str | None = None) -> int:
        """Writes all rows, in bulk where the driver can; how many they are.

        Args:
            reader: The rows.
            precisions: What the relation's columns keep of longer values.
            upsert: The statement that takes each of them instead.

        Raises:
            SchemaMismatchError: The relation has no such column.
            ValueOutOfRangeError: A value does not fit.
        """
        rows = Rows(reader, self._columns(), precisions, guessed=self.driver.habits.guesses)
        insert = upsert or insert_into(self.driver.dialect, self.schema, self.relation, rows.schema.names)
        target = {f"{_PREFIX}target_table": self.relation, f"{_PREFIX}mode": f"{_PREFIX}mode.append"}
        catalog, schema = self.place
        if schema:
            target[f"{_PREFIX}target_db_schema"] = schema
        elif catalog:
            target[f"{_PREFIX}target_catalog"] = catalog
        batches = rows.batches()
        try:
            # A driver reads on before it hears that its server has no way to write in bulk.
            if (first := next(batches, None)) is not None:
                one = pa.RecordBatchReader.from_batches(rows.schema, [first])
                if upsert or not self._ingested(one, target):
                    self._execute(rows.reader(chain([first], batches)), insert)
                elif (second := next(batches, None)) is not None:
                    self._execute(rows.reader(chain([second], batches)), **target)
        except adbc.Error:
            if rows.failure is not None:
                raise rows.failure from None
            raise
        if not rows.ended:
            raise InternalError("the driver stopped before the rows ended")
        return rows.rows

    def _columns(self) -> pa.Schema:
        """The columns of the relation, as a query shows them."""
        name = qualified(self.driver.dialect, self.schema, self.relation)
        return self.driver.asked(self.connection, f"SELECT * FROM {name} WHERE 1 = 0").schema  # noqa: S608

    def _ingested(self, reader: pa.RecordBatchReader, target: Mapping[str, str]) -> bool:
        try:
            self._execute(reader, **target)
        except adbc.NotSupportedError:
            return False
        except adbc.ProgrammingError as error:
            if "could not unmarshal" in str(error):  # a Flight SQL server older than this message
                return False
            raise
        return True

    def _execute(self, reader: pa.RecordBatchReader, sql: str | None = None, **options: str) -> None:
        with self.driver.statement(self.connection, **options) as statement:
            if sql is not None:
                statement.set_sql_query(sql)
                statement.prepare()
            statement.bind_stream(reader)
            statement.execute_update()
