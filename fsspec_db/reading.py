"""Rows as bytes, as record batches, and as what a query makes of them."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsspec.callbacks import DEFAULT_CALLBACK

from fsspec_db.batches import record_batches
from fsspec_db.listing import ListedFileSystem
from fsspec_db.read_file import ReadFile
from fsspec_db.snapshots import SNAPSHOT_BYTES, Snapshots
from fsspec_db.transfer import download, slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from fsspec_db._bridge import ChunkStream, DatabaseFs
    from fsspec_db.snapshots import Snapshot

    Codec = Literal["zstd", "lz4"]
    Params = Sequence[Any] | Mapping[str, Any]


class ReadableFileSystem(ListedFileSystem):
    """Files and queries, streamed while the database is still being read.

    What was read to its end is kept, and read again from there while the data version of its rows stands.

    Args:
        connect: Opens the database.
        formats: Which formats listings show.
        snapshot_bytes: The most bytes that are kept, of all files together; 0 keeps nothing.
    """

    def __init__(
        self,
        connect: Callable[[], DatabaseFs],
        formats: Sequence[str],
        *,
        snapshot_bytes: int = SNAPSHOT_BYTES,
        **storage_options: Any,
    ) -> None:
        self._snapshot_bytes = snapshot_bytes
        super().__init__(connect, formats, **storage_options)

    def _connect(self) -> None:
        super()._connect()
        self._snapshots = Snapshots(self._snapshot_bytes)

    def close(self) -> None:
        """Gives the connections back and forgets what was kept; every later call fails."""
        if self._pid == os.getpid():
            self._snapshots.close()
        super().close()

    def open_stream(
        self,
        path: str,
        shape: str = "",
        *,
        extension: str | None = None,
        codec: Codec | None = None,
        timeout: float | None = None,
        spool: str | None = None,
    ) -> ChunkStream:
        """Starts to read a file and returns at once; what the database says comes with the chunks.

        Args:
            path: A path of the tree, without protocol and shape.
            shape: What may stand behind `?`.
            extension: Another format than the path's.
            codec: Compression of Arrow buffers.
            timeout: Seconds until the read is stopped.
            spool: The name of a file that is to have the rows of a data path as well, if they are more
                than one chunk: each chunk is there before it can be taken. A file that is there
                already is written over, and keeps what it has behind that.
        """
        return self.bridge.read(path, shape, extension=extension, codec=codec, timeout=timeout, spool=spool)

    def open_streams(
        self, path: str, wanted: Sequence[tuple[str, str | None]], *, timeout: float | None = None
    ) -> list[ChunkStream]:
        """As `open_stream`, for several formats of one relation at once: the database is read once.

        All have the rows of one state, and the bytes that each would have alone.

        Args:
            path: A relation, or one of its data files, whose own format does not matter.
            wanted: Extensions, each with its `spool`.
            timeout: Seconds until the read is stopped.

        Returns:
            A stream for each, in that order. All have to be read at once, or closed: the slowest sets
            the pace.
        """
        return self.bridge.read_several(path, wanted, timeout=timeout)

    def read_batches(self, path: str, *, timeout: float | None = None) -> pa.RecordBatchReader:
        """The rows of a data path, batch by batch, whatever its extension; dropping it stops the read."""
        return record_batches(self.bridge.read_batches(*self._split(path), timeout=timeout))

    def info(
        self, path: str, *, size: bool = False, timeout: float | None = None, **options: Any
    ) -> dict[str, Any]:
        """As a listing's.

        Args:
            path: Any path; a data path may have a shape.
            size: Whether a file's size is to be told where that takes reading all of it.
            timeout: Seconds until that read is stopped.
            **options: Not used.
        """
        entry = super().info(path, **options)
        if size and entry["size"] is None and entry["type"] == "file":
            tree, shape = self._split(path)
            kept = self._current(tree, shape)
            if kept is None or kept.size is None:
                stream = self.open_stream(tree, shape, timeout=timeout)
                with ReadFile(stream, path, keep=self._keep(tree, shape)) as file:
                    entry["size"] = file.count(self._snapshots.limit)
            else:
                entry["size"] = kept.size
        return entry

    def size(self, path: str) -> int | None:
        """The exact size of a file in bytes, which may take reading all of it; to open it is free then."""
        found: int | None = self.info(path, size=True)["size"]
        return found

    def _current(self, tree: str, shape: str) -> Snapshot | None:
        """What is kept of a file, if its rows still stand."""
        self.bridge  # noqa: B018  (what a forked process inherits is forgotten there)
        kept = self._snapshots.get((tree, shape))
        return kept if kept is not None and kept.version == self.data_version(tree) else None

    def _keep(self, tree: str, shape: str) -> Callable[[Snapshot], None]:
        return partial(self._snapshots.put, (tree, shape))

    def _read_file(self, path: str, *, seekable: bool = True, timeout: float | None = None) -> ReadFile:
        tree, shape = self._split(path)
        kept = self._current(tree, shape) if seekable else None
        if kept is not None and kept.spool is not None:
            return ReadFile(kept, path)
        stream = self.open_stream(tree, shape, timeout=timeout)
        keep = self._keep(tree, shape) if seekable and kept is None else None
        file = ReadFile(stream, path, seekable=seekable, keep=keep)
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
        if start is not None or end is not None:
            sliced: bytes = self.cat_ranges([path], start, end, on_error="raise", timeout=timeout)[0]
            return sliced
        tree, shape = self._split(path)
        kept = self._current(tree, shape)
        if kept is not None and kept.spool is not None:
            with ReadFile(kept, path) as file:
                return file.read()
        with self.open_stream(tree, shape, timeout=timeout) as stream:
            return stream.read_all()

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
        """Slices of files; those of one path are read in one pass and come from one snapshot.

        Where there is a data version, the second pass through the same rows goes on to the end of a file
        that can be kept, so that there is no third.
        """
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
                    version = file.version
                    again = version is not None and self._snapshots.again(self._split(path), version)
                    with suppress(Exception):  # what was asked for has been read
                        file.read_on(self._snapshots.limit if again else 0)
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
