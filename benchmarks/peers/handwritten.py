"""The fastest thing a user could write today: `adbc_driver_sqlite` batches through pyarrow's IPC writer.

python -m benchmarks.peers.handwritten FILE
"""

from __future__ import annotations

import sys
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pyarrow as pa
from adbc_driver_sqlite import StatementOptions, dbapi
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.peers.serving import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

BATCH_ROWS = 8_192  # the best of 1,024, 8,192, 65,536, 262,144 and 1,048,576


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


class Tables:
    """`GET /main/{table}.arrow`; connections are used again."""

    def __init__(self, file: str) -> None:
        self._uri = f"file:{file}?mode=ro"
        self._idle: SimpleQueue[dbapi.Connection] = SimpleQueue()

    def stream(self, table: str) -> Iterator[bytes]:
        connection = dbapi.connect(self._uri) if self._idle.empty() else self._idle.get()
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_ROWS.value: str(BATCH_ROWS)})
            cursor.execute(f'SELECT * FROM "{table}"')
            batches = cursor.fetch_record_batch()
            pieces = Pieces()
            with pa.ipc.new_stream(pieces, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    yield pieces.take()
            yield pieces.take()
        self._idle.put(connection)

    async def get(self, request: Request) -> StreamingResponse:
        rows = self.stream(request.path_params["table"])
        return StreamingResponse(rows, media_type="application/vnd.apache.arrow.stream")


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/main/{table}.arrow", Tables(sys.argv[1]).get)]))
