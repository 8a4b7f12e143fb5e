"""Record batches from the bridge, with its exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db._bridge import BatchStream


def record_batches(stream: BatchStream) -> pa.RecordBatchReader:
    """A reader over `stream`; dropping it stops the query.

    The Arrow C stream interface can only say an error as text; this reader raises the exception.
    """
    reader = pa.RecordBatchReader.from_stream(stream)
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(reader, stream))


def _batches(reader: pa.RecordBatchReader, stream: BatchStream) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (pa.ArrowException, OSError):
        stream.check()
        raise
    finally:
        stream.close()
