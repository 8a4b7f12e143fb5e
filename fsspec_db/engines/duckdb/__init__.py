"""DuckDB, by its own Python package: files and databases in memory."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb
import pyarrow as pa

from fsspec_db._bridge import fitted
from fsspec_db.engines.duckdb.catalogue import named
from fsspec_db.engines.duckdb.errors import told
from fsspec_db.engines.duckdb.statement import batches_of, interruptible, reading
from fsspec_db.engines.duckdb.structure import Structure
from fsspec_db.engines.duckdb.types import Carried, new_types, quoted, taken, whole_microseconds
from fsspec_db.engines.duckdb.versions import Unchanging, Versions
from fsspec_db.errors import (
    DatabaseUnavailableError,
    InvalidParameterError,
    InvalidPredicateError,
    InvalidQueryError,
    NotFoundError,
    SchemaMismatchError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fsspec_db.database import Access, InsertMode

_OPENING = threading.Lock()  # a database that is open twice is one, and is set up once

OPTIONS = ("max_temp_directory_size", "memory_limit", "temp_directory", "threads")
"""What a URL may set: DuckDB's own settings, by their names."""

SETTINGS: Mapping[str, str] = {
    # Nothing but the database itself: no file, no network, no extension that is not built in.
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    # A name in SQL is never a variable of this process.
    "python_enable_replacements": "false",
}
_REPLACED: set[tuple[str, str, str]] = set()  # file, schema, relation; no other process writes a file
_BATCH = 8_192  # rows: nearly as fast as more of them, in half the memory
_INCOMING = "fsspec_db incoming rows"
_STAGED = "fsspec_db staged rows"


class DuckDB(Structure):
    """A DuckDB database; every call has a connection of its own within this process.

    The process that has a file open to write locks all others out; any number may read it.

    Args:
        file: The name of the file; `None` for a database in memory.
        access: `read` opens the file read-only; with `manage` one that is missing is made.
        settings: Of `OPTIONS`.

    Raises:
        NotFoundError: There is no such file.
        DatabaseUnavailableError: The file is locked, or is no database.
    """

    concurrent: ClassVar[bool] = True

    def __init__(
        self, file: str | None, access: Access = "read", settings: Mapping[str, str] | None = None
    ) -> None:
        if file is not None and access != "manage" and not Path(file).exists():
            raise NotFoundError(f"there is no database file {file!r}")
        config: dict[str, Any] = {**SETTINGS, **(settings or {})}
        self._place = f"{id(self)}" if file is None else str(Path(file).resolve())
        self._versions = Versions.of(self._place, file)
        self._kept: tuple[str, dict[tuple[str, str], bool]] = ("", {})
        with _OPENING, told(InvalidParameterError):
            # A database in memory begins empty, so nobody could read one that is read-only.
            if file is not None and access == "read":
                self._open_to_read(file, config)
            else:
                self._root = duckdb.connect(file or ":memory:", config=config)
            if not self._one("SELECT current_setting('lock_configuration')")[0]:
                self._root.execute("SET GLOBAL TimeZone = 'UTC'")
                self._root.execute("SET GLOBAL lock_configuration = true")

    def _open_to_read(self, file: str, config: dict[str, Any]) -> None:
        try:
            self._root = duckdb.connect(file, read_only=True, config=config)
            self._versions = Unchanging(file)
        except duckdb.ConnectionException:
            # This process has it open to write already; what is read is read-only by its transactions.
            self._root = duckdb.connect(file, config=config)

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:
        """Opens `duckdb:///file.duckdb` (four slashes: absolute), or `duckdb://`, in memory.

        Raises:
            InvalidParameterError: The URL is malformed, or has an option that is none of `OPTIONS`.
        """
        parts = urlsplit(url)
        if parts.netloc or parts.fragment:
            raise InvalidParameterError("a DuckDB URL is duckdb:///file, or duckdb:// for memory")
        settings = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(settings.keys() - set(OPTIONS)):
            raise InvalidParameterError(f"no option {unknown[0]!r}; there are {', '.join(OPTIONS)}")
        if threads is not None:
            settings["threads"] = str(threads)
        file = unquote(parts.path.removeprefix("/"))
        return cls(None if file in ("", ":memory:") else file, access, settings)

    def dialect(self) -> str:
        """DuckDB's."""
        return "duckdb"

    def close(self) -> None:
        """Lets the file go, once the streams that are still read have ended."""
        self._root.close()

    def ping(self) -> None:
        """Begins a transaction and ends it."""
        self._all("SELECT 1")

    def data_version(self, schema: str, relation: str) -> str | None:
        """Of tables whose columns are all kept: what is computed when it is read may be random."""
        version = self._versions.now()
        if self._kept[0] != version:
            self._kept = (version, {})
        tables = self._kept[1]
        if (schema, relation) not in tables:
            tables[schema, relation] = self._is_kept(schema, relation)
        return version if tables[schema, relation] else None

    def state(self) -> str | None:
        """The version of the file."""
        return self._versions.now()

    # Rows

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """Streams one `SELECT`, or `EXPLAIN` of one, from a read-only transaction that ends with it.

        Raises:
            ReadOnlyError: Any other statement; what a `SELECT` could write, DuckDB refuses by itself.
        """
        cursor = self._connection()
        try:
            with told(InvalidQueryError):
                statement = reading(cursor, sql)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                with interruptible(cursor):
                    carried = Carried(cursor.sql(statement, params=params))
                    reader = carried.relation.to_arrow_reader(_BATCH)
        except BaseException:
            cursor.close()
            raise
        schema = carried.described(reader.schema)
        return pa.RecordBatchReader.from_batches(schema, batches_of(cursor, reader, schema))

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        """As `insert_stream`."""
        return self.insert_stream(schema, relation, table.to_reader(), mode)

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        """Writes in one transaction; DuckDB keeps what does not fit into its memory limit in the file.

        Generated columns in the rows are passed over. How many rows were read from `reader`.

        Raises:
            ConstraintViolationError: A row breaks a constraint, or is referred to and would be replaced.
            SchemaMismatchError: A column is not there or takes no such type, or an upsert has no key.
            UnsupportedError: It is a view.
            ValueOutOfRangeError: A value does not fit, with its column and row.
        """
        return self._write((schema, relation), reader, mode)

    def insert_if(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode, version: str
    ) -> int:
        """As `insert_stream`, if the version still is this one when it commits.

        Raises:
            PreconditionFailedError: It is not.
        """
        return self._write((schema, relation), reader, mode, version)

    def _write(
        self,
        place: tuple[str, str],
        reader: pa.RecordBatchReader,
        mode: InsertMode,
        version: str | None = None,
    ) -> int:
        if self.relation_info(*place).kind != "table":
            raise UnsupportedError("a view cannot be written")
        alone = self._alone(*place) if mode == "truncate" else nullcontext()
        with alone, self._transaction(version) as cursor:
            if mode == "truncate":
                cursor.execute(f"DELETE FROM {named(*place)}")  # noqa: S608  # quoted, of the catalogue
            return self._insert(cursor, place, reader, upsert=mode == "upsert")

    def copy_rows(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        sql: str,
        params: Sequence[Any] | None = None,
        version: str | None = None,
    ) -> int | None:
        """Between tables, and columns of equal types; DuckDB does all of it."""
        if {self.relation_info(*place).kind for place in (source, target)} != {"table"}:
            return None
        with self._alone(*target), self._transaction(version) as cursor:
            generated = self._generated(cursor, target)
            own = cursor.sql(f"SELECT * FROM {named(*target)}")  # noqa: S608  # quoted, of the catalogue
            kinds = dict(zip(own.columns, own.types, strict=True))
            with told(InvalidPredicateError):
                rows = cursor.sql(f"SELECT * FROM ({sql}) LIMIT 0", params=params)  # noqa: S608  # the bridge's
            columns = [
                pair for pair in zip(rows.columns, rows.types, strict=True) if pair[0] not in generated
            ]
            if not columns or any(kinds.get(name) != kind for name, kind in columns):
                return None
            names = ", ".join(quoted(name) for name, _ in columns)
            cursor.execute(f"DELETE FROM {named(*target)}")  # noqa: S608
            into = f"INSERT INTO {named(*target)} ({names}) SELECT {names} FROM ({sql})"  # noqa: S608
            found = cursor.execute(into, params).fetchone()
            return int(found[0]) if found else 0

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        """Creates a table of the types that DuckDB gives to Arrow's, or that a field's metadata says.

        Raises:
            AlreadyExistsError: There is such a relation, but for the case of letters.
            NotFoundError: There is no such schema.
            SchemaMismatchError: DuckDB has no such type.
        """
        with self._transaction() as cursor:
            self._create(cursor, (schema, relation), arrow_schema)

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """As `create_relation` and `insert_stream`, in one transaction."""
        with self._transaction() as cursor:
            self._create(cursor, (schema, relation), reader.schema)
            return self._insert(cursor, (schema, relation), reader)

    # Inside

    @contextmanager
    def _alone(self, schema: str, relation: str) -> Iterator[None]:
        """Of two who replace rows at once one is refused: DuckDB does so itself only if both delete some."""
        key = (self._place, schema, relation)
        with _OPENING:
            if key in _REPLACED:
                raise DatabaseUnavailableError(f"the rows of {relation!r} are being replaced")
            _REPLACED.add(key)
        try:
            yield
        finally:
            with _OPENING:
                _REPLACED.remove(key)

    def _create(
        self, cursor: duckdb.DuckDBPyConnection, place: tuple[str, str], arrow_schema: pa.Schema
    ) -> None:
        self._must_be_free(place)
        types = new_types(cursor, arrow_schema)
        columns = (
            f"{quoted(field.name)} {kind}" + ("" if field.nullable else " NOT NULL")
            for field, kind in zip(arrow_schema, types, strict=True)
        )
        with told(SchemaMismatchError):
            cursor.execute(f"CREATE TABLE {named(*place)} ({', '.join(columns)})")

    def _insert(
        self,
        cursor: duckdb.DuckDBPyConnection,
        place: tuple[str, str],
        reader: pa.RecordBatchReader,
        *,
        upsert: bool = False,
    ) -> int:
        generated = self._generated(cursor, place)
        but = f"EXCLUDE ({', '.join(map(quoted, generated))})" if generated else ""
        relation = cursor.sql(f"SELECT * {but} FROM {named(*place)}")  # noqa: S608  # quoted, of the catalogue
        columns = taken(cursor, reader.schema, relation)
        rows = fitted(whole_microseconds(reader), columns, passed_over=generated)
        names = ", ".join(map(quoted, rows.schema.names))
        into = f"INSERT INTO {named(*place)} ({names}) SELECT {names} FROM"
        cursor.register(_INCOMING, rows)
        if upsert:
            found = self._upsert(cursor, place, rows.schema.names, into)
        else:
            found = cursor.execute(f"{into} {quoted(_INCOMING)}").fetchone()
        cursor.unregister(_INCOMING)
        return int(found[0]) if found else 0

    def _upsert(
        self, cursor: duckdb.DuckDBPyConnection, place: tuple[str, str], names: list[str], into: str
    ) -> tuple[Any, ...] | None:
        """Inserts or updates; of rows with the same key the last one counts, which DuckDB leaves open."""
        key = self._key(*place)
        if not key:
            raise SchemaMismatchError(f"{place[1]!r} has no primary key to upsert by")
        for name in key:
            if name not in names:
                raise SchemaMismatchError("the body lacks a column of the primary key", column=name)
        found = cursor.execute(f"CREATE TEMP TABLE {quoted(_STAGED)} AS FROM {quoted(_INCOMING)}").fetchone()
        by = ", ".join(map(quoted, key))
        changed = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names if name not in key)
        cursor.execute(
            f"{into} temp.{quoted(_STAGED)}"
            f" QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY rowid DESC) = 1"
            f" ON CONFLICT ({by}) DO {f'UPDATE SET {changed}' if changed else 'NOTHING'}"
        )
        return found
