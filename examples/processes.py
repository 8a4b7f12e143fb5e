"""The processes of this machine as a table: a backend over something that is no database.

    fsspec-db serve python:examples.processes:Processes
    curl -s 'http://127.0.0.1:8080/main/processes.csv?columns=pid,name,memory&order=-memory&limit=5'

SQL is answered by handing the rows to SQLite in memory, which works for any source of small tables.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fsspec_db import (
    AbstractDatabase,
    AbstractDatabaseFileSystem,
    ColumnInfo,
    ConstraintInfo,
    IndexInfo,
    InsertMode,
    RelationInfo,
    SchemaInfo,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COLUMNS = {
    "pid": ("INTEGER", pa.int64()),
    "parent": ("INTEGER", pa.int64()),
    "name": ("TEXT", pa.string()),
    "state": ("TEXT", pa.string()),
    "threads": ("INTEGER", pa.int64()),
    "memory": ("INTEGER", pa.int64()),  # bytes, resident
}


class Processes(AbstractDatabase):
    """One schema, `main`, with one table, `processes`. It cannot be written."""

    def dialect(self) -> str:
        return "sqlite"

    def list_schemas(self) -> list[SchemaInfo]:
        return [SchemaInfo("main")]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        if schema != "main":
            raise FileNotFoundError(schema)
        return [RelationInfo("processes", "table", comment="what runs at the moment of asking")]

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        self.relation_info(schema, relation)
        return [
            ColumnInfo(name, declared, False, None, ordinal, name == "pid")
            for ordinal, (name, (declared, _)) in enumerate(COLUMNS.items(), 1)
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        self.relation_info(schema, relation)
        return []

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        self.relation_info(schema, relation)
        return [ConstraintInfo("pk_processes", "pk", ["pid"])]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        found = self.list_relations(schema)[0]
        if relation != found.name:
            raise FileNotFoundError(relation)
        return found

    def view_definition(self, schema: str, view: str) -> str:  # noqa: ARG002
        raise FileNotFoundError(view)

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        columns = ", ".join(f"{name} {declared} NOT NULL" for name, (declared, _) in COLUMNS.items())
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(f"CREATE TABLE processes ({columns})")
            connection.executemany(
                f"INSERT INTO processes VALUES ({', '.join('?' * len(COLUMNS))})", running()
            )
            connection.execute("PRAGMA query_only = ON")
            try:
                cursor = connection.execute(sql, params or ())
            except sqlite3.Error as error:
                raise ValueError(str(error)) from error
            names = [name for name, *_ in cursor.description or ()]
            rows = cursor.fetchall()
        # Known columns keep their type even if there are no rows; of others the values tell.
        values = list(zip(*rows, strict=True)) or [()] * len(names)
        types = [COLUMNS[name][1] if name in COLUMNS else None for name in names]
        arrays = [pa.array(column, declared) for column, declared in zip(values, types, strict=True)]
        return pa.table(arrays, names=names)

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:  # noqa: ARG002
        raise PermissionError("processes are started by the shell")


def running() -> Iterator[tuple[Any, ...]]:
    """One row for each process, in the order of `COLUMNS`."""
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            head, _, tail = folder.joinpath("stat").read_text("utf-8", "replace").rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        fields = tail.split()
        name = head.partition(" (")[2]
        yield int(folder.name), int(fields[1]), name, fields[0], int(fields[17]), int(fields[21]) * page


if __name__ == "__main__":
    fs = AbstractDatabaseFileSystem(Processes())
    print(fs.cat_file("/main/processes.csv?columns=pid,name,memory&order=-memory&limit=5").decode())
