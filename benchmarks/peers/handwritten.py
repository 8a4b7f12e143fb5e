"""The fastest thing a user could write today: a driver's own batches through pyarrow's IPC writer.

python -m benchmarks.peers.handwritten sqlite FILE
python -m benchmarks.peers.handwritten postgresql URI
python -m benchmarks.peers.handwritten duckdb FILE
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.peers.duckdb_ipc import BATCH_ROWS
from benchmarks.peers.serving import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

OPTIONS = {
    "sqlite": {"adbc.sqlite.query.batch_rows": "8192"},  # the best of 2^10, 2^13, 2^16, 2^18 and 2^20
    "postgresql": {},  # the driver's own 16 MiB of rows; 1 MiB and 64 MiB are no faster
}


class Pieces:
    """A file that keeps what the writer writes until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: pa.Buffer) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken

    def flush(self) -> None:
        pass


class Adbc:
    """Rows by an ADBC driver; connections are used again."""

    def __init__(self, driver: str, database: str) -> None:
        self._driver = import_module(f"adbc_driver_{driver}.dbapi")
        self._uri = f"file:{database}?mode=ro" if driver == "sqlite" else database
        self._options = OPTIONS[driver]
        self._idle: SimpleQueue[Any] = SimpleQueue()

    @contextmanager
    def batches(self, query: str) -> Iterator[pa.RecordBatchReader]:
        connection = self._driver.connect(self._uri) if self._idle.empty() else self._idle.get()
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**self._options)
            cursor.execute(query)
            yield cursor.fetch_record_batch()
        self._idle.put(connection)


class DuckDB:
    """Rows by DuckDB's own Arrow stream."""

    def __init__(self, database: str) -> None:
        self._root = duckdb.connect(database, read_only=True)

    @contextmanager
    def batches(self, query: str) -> Iterator[pa.RecordBatchReader]:
        with self._root.cursor() as cursor:
            yield cursor.sql(query).to_arrow_reader(BATCH_ROWS)


class Tables:
    """`GET /{schema}/{table}.arrow`."""

    def __init__(self, driver: str, database: str) -> None:
        self._source = DuckDB(database) if driver == "duckdb" else Adbc(driver, database)

    def stream(self, schema: str, table: str) -> Iterator[bytes]:
        with self._source.batches(f'SELECT * FROM "{schema}"."{table}"') as batches:
            pieces = Pieces()
            with pa.ipc.new_stream(pieces, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    yield pieces.take()
            yield pieces.take()

    async def get(self, request: Request) -> StreamingResponse:
        rows = self.stream(request.path_params["schema"], request.path_params["table"])
        return StreamingResponse(rows, media_type="application/vnd.apache.arrow.stream")


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/{schema}/{table}.arrow", Tables(*sys.argv[1:]).get)]))
