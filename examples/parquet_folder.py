"""A folder of Parquet files as a database: each file is a table, read and written as any other.

    fsspec-db serve parquet:///srv/data --access manage
    curl 'http://127.0.0.1:8080/main/orders.csv?where=total>100&limit=5'

DuckDB answers the SQL, over datasets that read only the columns and row groups that it asks for. A
write makes a new file beside the old one and takes its place, so that a reader sees either.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from fsspec_db import (
    AbstractDatabase,
    ColumnInfo,
    ConstraintInfo,
    IndexInfo,
    RelationInfo,
    SchemaInfo,
    fitted,
    on_cancel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from fsspec_db import Access, InsertMode

CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""No statement reaches a file but through the datasets."""


class ParquetFolder(AbstractDatabase):
    """One schema, `main`; the file `orders.parquet` is the relation `orders`."""

    concurrent: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(folder)
        self.folder = folder
        self._writing = threading.Lock()

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:  # noqa: ARG003
        return cls(Path(unquote(urlsplit(url).path)))

    def dialect(self) -> str:
        return "duckdb"

    # What there is

    def list_schemas(self) -> list[SchemaInfo]:
        return [SchemaInfo("main")]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        return [self.relation_info(schema, file.stem) for file in sorted(self.folder.glob("*.parquet"))]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        rows = pq.read_metadata(self._file(schema, relation)).num_rows
        return RelationInfo(relation, "table", row_count=rows)

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        fields = pq.read_schema(self._file(schema, relation))
        return [
            ColumnInfo(field.name, str(field.type), field.nullable, None, ordinal)
            for ordinal, field in enumerate(fields, 1)
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:  # noqa: ARG002
        return []

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:  # noqa: ARG002
        return []

    def view_definition(self, schema: str, view: str) -> str:  # noqa: ARG002
        raise FileNotFoundError(view)

    def data_version(self, schema: str, relation: str) -> str | None:
        state = self._file(schema, relation).stat()
        return f"{state.st_ino:x}.{state.st_size:x}.{state.st_mtime_ns:x}"

    # Rows

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        connection = duckdb.connect(config=CLOSED)
        on_cancel(connection.interrupt)
        for file in self.folder.glob("*.parquet"):
            connection.register(file.stem, ds.dataset(file))
        try:
            reader = connection.sql(sql, params=params).to_arrow_reader()
        except duckdb.Error as error:
            connection.close()
            raise ValueError(str(error)) from error
        return pa.RecordBatchReader.from_batches(reader.schema, _until_done(connection, reader))

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        return self.insert_stream(schema, relation, table.to_reader(), mode)

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        if mode == "upsert":
            raise NotImplementedError("a Parquet file has no primary key")
        file = self._file(schema, relation)
        columns = pq.read_schema(file)
        rows = fitted(reader, columns)
        if rows.schema.names != columns.names:
            raise ValueError("a file takes all of its columns, in its order")
        with self._writing:  # of two who add rows at once, the second adds to what the first wrote
            old = ds.dataset(file).to_batches() if mode == "append" else ()
            return self._write(file, columns, old, rows)

    # Structure

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        return self._write(self._name(schema, relation), reader.schema, (), reader, place=os.link)

    def drop_relation(self, schema: str, relation: str) -> None:
        self._file(schema, relation).unlink()

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        old = self._file(*source)
        os.link(old, self._name(*target))  # which refuses to replace
        old.unlink()

    def _name(self, schema: str, relation: str) -> Path:
        if schema != "main" or "/" in relation or "\0" in relation or relation.startswith("."):
            raise FileNotFoundError(relation)
        return self.folder / f"{relation}.parquet"

    def _file(self, schema: str, relation: str) -> Path:
        file = self._name(schema, relation)
        if not file.is_file():
            raise FileNotFoundError(relation)
        return file

    def _write(
        self,
        file: Path,
        schema: pa.Schema,
        old: Iterable[pa.RecordBatch],
        new: Iterable[pa.RecordBatch],
        place: Callable[[str, Path], None] = os.replace,
    ) -> int:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as folder:
            draft, written = f"{folder}/draft", 0
            with pq.ParquetWriter(draft, schema) as writer:
                for batch in old:
                    writer.write_batch(batch)
                for batch in new:
                    writer.write_batch(batch)
                    written += batch.num_rows
            place(draft, file)
        return written


def _until_done(
    connection: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader
) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    finally:
        connection.close()
