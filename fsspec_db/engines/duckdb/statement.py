"""A statement of DuckDB: whether it reads, how it is stopped, and its batches."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from fsspec_db._bridge import on_cancel
from fsspec_db.engines.duckdb.errors import told
from fsspec_db.engines.duckdb.types import batch_as
from fsspec_db.errors import InvalidQueryError, ReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?!ANALYZE)", re.IGNORECASE)


def reading(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement of `sql`, if it reads.

    A transaction that is read-only lets through what is not in the database: it can be ended, and
    files attached, variables set, temporary tables made. A `SELECT` does none of that.

    Raises:
        InvalidQueryError: There is none, or several.
        ReadOnlyError: It is another one.
    """
    statements = cursor.extract_statements(sql)
    if len(statements) != 1:
        raise InvalidQueryError(f"a query is one statement, not {len(statements)}")
    (statement,) = statements
    explained = _EXPLAIN.match(sql)
    if statement.type == duckdb.StatementType.EXPLAIN and explained:
        reading(cursor, sql[explained.end() :])
    elif statement.type == duckdb.StatementType.MULTI:
        raise ReadOnlyError("a PIVOT reads only if it says its values: PIVOT … ON … IN (…)")
    elif statement.type != duckdb.StatementType.SELECT:
        raise ReadOnlyError(f"only what reads can be run here, a SELECT; not {statement.type.name}")
    return statement


@contextmanager
def interruptible(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Stops what runs when the reader leaves; afterwards, once, what is still read."""
    over = threading.Event()

    def stop() -> None:
        cursor.interrupt()
        while not over.wait(0.05):  # DuckDB forgets an interrupt that comes before a statement runs
            cursor.interrupt()

    on_cancel(stop)
    try:
        yield
    finally:
        over.set()


def batches_of(
    cursor: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The batches of `reader` under `schema`; at their end, or when they are dropped, `cursor` is closed."""
    try:
        with told():
            for batch in reader:
                yield batch_as(batch, schema)
    finally:
        cursor.close()
