"""Record batches from the bridge, with its exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db._bridge import BatchStream


def record_batches(stream: BatchStream) -> pa.RecordBatchReader:
    """A reader over `stream`; dropping it stops the query.

    The Arrow C stream interface can only say an error as text; this reader raises the exception.
    """
    try:
        reader = pa.RecordBatchReader.from_stream(stream)
    except Exception as error:  # noqa: BLE001  (whatever pyarrow made of the text)
        _raise(stream, error)
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(reader, stream))


def _batches(reader: pa.RecordBatchReader, stream: BatchStream) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except Exception as error:  # noqa: BLE001
        _raise(stream, error)
    finally:
        reader.close()
        stream.close()


def _raise(stream: BatchStream, error: Exception) -> NoReturn:
    cause = stream.error()
    if cause is None:
        raise error
    raise cause from None
