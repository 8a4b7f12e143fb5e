"""The compiled floor: paths, formats, engines and streams. Users import `fsspec_db` instead."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Self, TypeAlias, final

__all__ = [
    "CODES",
    "FORMATS",
    "ArrivingBody",
    "BatchStream",
    "ChunkStream",
    "ColumnInfo",
    "ConstraintInfo",
    "DatabaseFs",
    "Doorbell",
    "IndexInfo",
    "Path",
    "RelationInfo",
    "SchemaInfo",
    "decode_name",
    "encode_name",
    "fitted",
    "on_cancel",
    "set_error_factory",
]

_Access: TypeAlias = Literal["read", "write", "manage"]
_WriteMode: TypeAlias = Literal["replace", "append", "upsert", "create"]

FORMATS: Final[Mapping[str, str]]
"""Extension to media type, of every data format."""
CODES: Final[tuple[str, ...]]
"""Every error code the bridge can raise."""

def set_error_factory(
    factory: Callable[[str, str, str | None, str | None, int | None, str | None], Exception],
) -> None:
    """Sets what makes an exception of `(code, detail, path, column, row, sqlstate)`."""

def fitted(reader: Any, columns: Any, *, passed_over: Sequence[str] | None = None) -> Any:
    """The batches of a `pyarrow.RecordBatchReader`, with the columns and types of a relation.

    Columns meet by name, in any order. A type is changed where every value can be had back: numbers
    as other numbers, dates as timestamps without a zone, dictionaries and runs as their values, lists
    and structs within. For methods of an `AbstractDatabase` that write: what goes wrong while the
    rows are read is what the caller of the filesystem hears, whatever the driver makes of it.

    Args:
        reader: What is to be written; it is used up.
        columns: The relation's `pyarrow.Schema`; columns that `reader` lacks are left out.
        passed_over: Columns that `reader` may have and nobody takes, as generated ones.

    Returns:
        A `pyarrow.RecordBatchReader`, in the order of `reader`.

    Raises:
        SchemaMismatchError: The relation has no such column, or none of such a type; the latter is
            raised as the rows are read.
        ValueOutOfRangeError: A value would change; names the column and the row, as the rows are read.
        ConstraintViolationError: A NULL for a column that is not nullable, as the rows are read.
    """

def on_cancel(callback: Callable[[], object]) -> None:
    """Asks to be told when the work that this thread does for a filesystem is to stop.

    For methods of an `AbstractDatabase` that read or write: `callback` is called at most once, from
    another thread, when the reader went away or time is up, also while the batches of a stream are
    pulled. It is forgotten when the work is over, and is then not running. A second call replaces
    the first one's callback; outside of such work nothing happens. What it raises is passed over.
    """

def encode_name(name: str, *, root: bool = False) -> str:
    """The one path segment of an identifier; `root` if the segment stands at the root."""

def decode_name(segment: str) -> str:
    """The identifier of a canonical segment; `ValueError` for anything else."""

@final
class Path:
    """A parsed path. `str(path)` is its canonical spelling."""

    @property
    def kind(
        self,
    ) -> Literal[
        "root", "schema", "relation", "data", "ddl", "facet", "item", "dependency", "definition"
    ]: ...
    @property
    def schema(self) -> str | None: ...
    @property
    def relation(self) -> str | None: ...
    @property
    def extension(self) -> str | None: ...
    @property
    def facet(self) -> str | None: ...
    @property
    def item(self) -> str | None: ...
    @staticmethod
    def parse(path: str) -> Path: ...
    @property
    def parent(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class SchemaInfo:
    def __new__(cls, name: str, catalog: str | None = None, comment: str | None = None) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def catalog(self) -> str | None: ...
    @property
    def comment(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class RelationInfo:
    def __new__(
        cls,
        name: str,
        kind: str,
        row_count: int | None = None,
        size_bytes: int | None = None,
        comment: str | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def row_count(self) -> int | None: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def comment(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class ColumnInfo:
    def __new__(
        cls,
        name: str,
        data_type: str,
        nullable: bool,
        default: str | None,
        ordinal: int,
        primary_key: bool = False,
        comment: str | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def data_type(self) -> str: ...
    @property
    def nullable(self) -> bool: ...
    @property
    def default(self) -> str | None: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def primary_key(self) -> bool: ...
    @property
    def comment(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class IndexInfo:
    def __new__(cls, name: str, columns: Sequence[str], unique: bool, method: str | None = None) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> list[str]: ...
    @property
    def unique(self) -> bool: ...
    @property
    def method(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class ConstraintInfo:
    def __new__(
        cls,
        name: str,
        kind: str,
        columns: Sequence[str],
        references: str | None = None,
        expr: str | None = None,
    ) -> Self: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def columns(self) -> list[str]: ...
    @property
    def references(self) -> str | None: ...
    @property
    def expr(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[Any, ...]: ...

@final
class ChunkStream:
    """Encoded bytes of one read, produced ahead on Rust threads, at most a few chunks.

    Dropping or closing it stops the query and frees its connection. An error before the first
    byte and one after it are raised alike, by the call that reaches it.
    """

    def poll(self, wake: Callable[[], object], bell: Doorbell | None = None) -> bytes | memoryview | None:
        """The next chunk (about 1 MiB), or `b""` at the proven end, or `None` if none is ready:

        when it pays to poll again, `wake` is then called once from another thread, or is among the
        answers of `bell`. Never blocks. A long chunk is a view of the bridge's own memory, not copied.
        """
    def next(self) -> bytes | None:
        """The next chunk, waiting for it without Python's lock; `None` at the proven end."""
    def read_all(self) -> bytes:
        """All chunks as one `bytes`, waiting without Python's lock."""
    def close(self) -> None: ...
    @property
    def complete(self) -> bool:
        """True once the last chunk has been taken: what was taken so far is the whole body."""
    @property
    def truncated(self) -> bool:
        """True if the row limit is known to have cut the result."""
    @property
    def rows(self) -> int:
        """Rows encoded so far."""
    @property
    def version(self) -> str | None:
        """The data version of the very state that is read, once the first chunk was taken.

        Two reads of one version in the same format and shape have the same bytes, whoever makes them
        and on however many threads. `None` where the engine cannot tell, or cannot promise that: of
        views, and of shapes that may read the clock.
        """
    def __enter__(self) -> ChunkStream: ...
    def __exit__(self, *exc: object) -> None: ...

@final
class Doorbell:
    """Tells an event loop which streams can go on, without another thread taking Python's lock.

    `loop.add_reader(bell.fileno(), …)` sees it ring; `answer` must then be called.
    """

    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """A descriptor that is readable while there is something to answer."""
    def answer(self) -> list[Callable[[], object]]:
        """What was given to `ChunkStream.poll` and can go on, each once, for the caller to call."""

@final
class BatchStream:
    """Record batches of one read, for anything that takes an Arrow C stream, once."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def check(self) -> None:
        """Raises, once, the exception behind a failure that the C stream could only say as text."""
    @property
    def truncated(self) -> bool:
        """True if the row limit is known to have cut the result."""
    def close(self) -> None: ...

@final
class ArrivingBody:
    """A file that is written while its bytes arrive, up to `length` of them.

    `DatabaseFs.write` makes rows of what was received, and commits only after `complete`.
    Every method may be called from any thread, and returns at once.
    """

    def __new__(cls, file: str, length: int) -> ArrivingBody: ...
    @property
    def taken(self) -> int:
        """How many bytes from the start have been read."""
    def received(self, size: int) -> None:
        """So many bytes from the start are in the file."""
    def complete(self) -> None:
        """All bytes are in the file, and are those that were sent."""
    def abandon(self) -> None:
        """The rest will not come: a write that waits for it fails and changes nothing."""

@final
class DatabaseFs:
    """The tree over one database. Every method may be called from any thread."""

    @staticmethod
    def open(url: str, *, access: _Access = "read", threads: int | None = None) -> DatabaseFs:
        """Opens a native engine by URL (`sqlite:///file.db`). `threads` bounds a scan's parallelism."""
    @staticmethod
    def wrap(database: Any, *, access: _Access = "write") -> DatabaseFs:
        """A tree over any object that has the methods of `AbstractDatabase`.

        An exception that it raises reaches the caller as that very object. It counts as its `code`
        if it has one of `CODES`, else as the code of the builtin exception that it is.
        """
    @property
    def dialect(self) -> str: ...
    @property
    def access(self) -> _Access: ...
    @property
    def formats(self) -> tuple[str, ...]:
        """Extensions that listings show; readable by name are all."""
    @formats.setter
    def formats(self, formats: Sequence[str]) -> None: ...
    def ls(self, path: str) -> list[dict[str, Any]]:
        """Entries of a directory, or the one entry of a file: `name size type kind …`."""
    def info(self, path: str) -> dict[str, Any]: ...
    def read(
        self,
        path: str,
        shape: str = "",
        *,
        extension: str | None = None,
        codec: Literal["zstd", "lz4"] | None = None,
        timeout: float | None = None,
        spool: str | None = None,
    ) -> ChunkStream:
        """Starts to read any file of the tree and returns at once.

        A malformed path or shape raises here; what the database says raises from the stream.
        `shape` is the raw query string (`columns=…&where=…`). `extension` overrides the path's format.
        Rows of more than one chunk are in the file `spool` too, each chunk before it can be taken; what
        is there already is written over, and what is longer stays.
        """
    def read_several(
        self, path: str, wanted: Sequence[tuple[str, str | None]], *, timeout: float | None = None
    ) -> list[ChunkStream]:
        """As `read`, for several formats of one relation's rows: one read, and a stream for each.

        `wanted` names extensions, each with its `spool`. The slowest reader sets the pace; one that is
        closed is left out from then on.
        """
    def read_batches(self, path: str, shape: str = "", *, timeout: float | None = None) -> BatchStream: ...
    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        extension: str = "arrow",
        codec: Literal["zstd", "lz4"] | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> ChunkStream: ...
    def query_batches(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> BatchStream: ...
    def write(
        self,
        path: str,
        body: bytes | memoryview | str | ArrivingBody,
        mode: _WriteMode = "replace",
        *,
        create: bool = False,
        extension: str | None = None,
        timeout: float | None = None,
        if_version: str | None = None,
    ) -> tuple[int, bool]:
        """Writes a whole body (bytes, or the name of a file) in one transaction; blocks.

        Returns the rows written and whether the relation was created. A missing relation is
        created if `create`, else `FileNotFoundError`. A body of zero bytes is `malformed-body`.
        With `if_version` nothing is written unless that still is the data version when no other
        writer can move it any more: `PreconditionFailedError`. Where there are none, `UnsupportedError`.
        """
    def copy_rows(
        self,
        source: tuple[str, str],
        target: str,
        mode: Literal["replace", "create"] = "replace",
        *,
        create: bool = False,
        timeout: float | None = None,
        if_version: str | None = None,
    ) -> tuple[int, bool] | None:
        """Makes, within the database, the rows of `source`, a path and its shape, all those of `target`.

        `None`, with nothing changed, where the rows must be read and written. `create` and `if_version` as
        for `write`. From a relation to itself there is nothing to do: 0 rows.
        """
    def create_schema(self, schema: str) -> None: ...
    def drop_schema(self, schema: str) -> None: ...
    def rename_schema(self, source: str, target: str) -> None: ...
    def drop_relation(self, schema: str, relation: str) -> None: ...
    def rename_relation(
        self, source: tuple[str, str], target: tuple[str, str], *, overwrite: bool = False
    ) -> None: ...
    def copy_relation(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        *,
        overwrite: bool = False,
        timeout: float | None = None,
    ) -> None: ...
    def data_version(self, path: str) -> str | None:
        """A text that changes whenever the rows of a relation may have changed.

        `None` where nothing can tell, where the rows may change by themselves (views), and for what
        is no relation.
        """
    def ping(self) -> None: ...
    def close(self) -> None: ...
