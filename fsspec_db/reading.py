"""Rows as bytes, as record batches, and as what a query makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsspec.callbacks import DEFAULT_CALLBACK

from fsspec_db.batches import record_batches
from fsspec_db.listing import ListedFileSystem
from fsspec_db.read_file import ReadFile
from fsspec_db.transfer import download, slice_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from fsspec_db._bridge import ChunkStream

    Codec = Literal["zstd", "lz4"]
    Params = Sequence[Any] | Mapping[str, Any]


class ReadableFileSystem(ListedFileSystem):
    """Files and queries, streamed while the database is still being read."""

    def open_stream(
        self,
        path: str,
        shape: str = "",
        *,
        extension: str | None = None,
        codec: Codec | None = None,
        timeout: float | None = None,
    ) -> ChunkStream:
        """Starts to read a file and returns at once; what the database says comes with the chunks.

        Args:
            path: A path of the tree, without protocol and shape.
            shape: What may stand behind `?`.
            extension: Another format than the path's.
            codec: Compression of Arrow buffers.
            timeout: Seconds until the read is stopped.
        """
        return self.bridge.read(path, shape, extension=extension, codec=codec, timeout=timeout)

    def read_batches(self, path: str, *, timeout: float | None = None) -> pa.RecordBatchReader:
        """The rows of a data path, batch by batch, whatever its extension; dropping it stops the read."""
        return record_batches(self.bridge.read_batches(*self._split(path), timeout=timeout))

    def _read_file(self, path: str, *, seekable: bool = True, timeout: float | None = None) -> ReadFile:
        tree, shape = self._split(path)
        file = ReadFile(self.open_stream(tree, shape, timeout=timeout), path, seekable=seekable)
        try:
            file.start()
        except BaseException:
            file.close()
            raise
        return file

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> bytes:
        """The bytes of a file, or those of a slice: negative numbers count from the end."""
        if start is None and end is None:
            with self.open_stream(*self._split(path), timeout=timeout) as stream:
                return stream.read_all()
        with self._read_file(path, timeout=timeout) as file:
            return slice_of(file, start, end)

    def cat_ranges(
        self,
        paths: list[str],
        starts: int | list[int | None] | None,
        ends: int | list[int | None] | None,
        max_gap: int | None = None,  # noqa: ARG002
        on_error: str = "return",
        timeout: float | None = None,
        **_: Any,
    ) -> list[Any]:
        """Slices of files; those of one path are read in one pass and come from one snapshot."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("paths, starts and ends differ in length")
        wanted: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            wanted.setdefault(self._strip_protocol(path), []).append(index)
        out: list[Any] = [None] * len(paths)
        for path, indexes in wanted.items():
            try:
                with self._read_file(path, timeout=timeout) as file:
                    for index in indexes:
                        out[index] = slice_of(file, starts[index], ends[index])
            except Exception as error:
                if on_error != "return":
                    raise
                for index in indexes:
                    out[index] = error if out[index] is None else out[index]
        return out

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        timeout: float | None = None,
        **_: Any,
    ) -> None:
        """Copies one file to a local path or file object, through bounded memory.

        A local file appears, or changes, only when all of it has arrived.
        """
        if outfile is None and not hasattr(lpath, "write") and self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        with self.open_stream(*self._split(rpath), timeout=timeout) as stream:
            download(stream, lpath if outfile is None else outfile, callback)

    def query(
        self,
        sql: str,
        params: Params | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> pa.Table:
        """Runs one statement that reads, and returns all rows.

        Args:
            sql: One statement, in `dialect`.
            params: Values to bind, in order or by name.
            limit: The most rows to return.
            timeout: Seconds until the query is stopped.

        Raises:
            ValueError: The database refused the statement or its parameters.
            PermissionError: The statement writes.
        """
        return self.query_batches(sql, params, limit=limit, timeout=timeout).read_all()

    def query_batches(
        self,
        sql: str,
        params: Params | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> pa.RecordBatchReader:
        """As `query`, batch by batch; dropping the reader stops the query."""
        return record_batches(self.bridge.query_batches(sql, params, limit=limit, timeout=timeout))

    def open_query(
        self,
        sql: str,
        params: Params | None = None,
        *,
        extension: str = "arrow",
        limit: int | None = None,
        timeout: float | None = None,
    ) -> ReadFile:
        """As `query`, as a file to read: an Arrow stream, or the format of another extension."""
        stream = self.query_stream(sql, params, extension=extension, limit=limit, timeout=timeout)
        file = ReadFile(stream, f"query.{extension}")
        try:
            file.start()
        except BaseException:
            file.close()
            raise
        return file

    def query_stream(
        self,
        sql: str,
        params: Params | None = None,
        *,
        extension: str = "arrow",
        codec: Codec | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> ChunkStream:
        """As `open_stream`, for the result of a statement."""
        return self.bridge.query(sql, params, extension=extension, codec=codec, limit=limit, timeout=timeout)
