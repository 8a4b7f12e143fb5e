"""Databases written in Python."""
# ruff: noqa: ARG002  (the contract names the arguments)

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from fsspec_db import (
    AbstractDatabase,
    ColumnInfo,
    ConstraintInfo,
    IndexInfo,
    RelationInfo,
    SchemaInfo,
    on_cancel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsspec_db import InsertMode

ARROW = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class PythonSQLite(AbstractDatabase):
    """A SQLite file by the standard library; everything that may be overridden is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[tuple[str, Any]] = []
        self.closed = False

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.name)

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with closing(self.connect()) as connection:
            return connection.execute(sql, params).fetchall()

    def dialect(self) -> str:
        return "sqlite"

    def list_schemas(self) -> list[SchemaInfo]:
        return [SchemaInfo("main")]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        if schema != "main":
            raise FileNotFoundError(schema)
        found = self.rows(
            "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name"
        )
        return [RelationInfo(name, kind) for name, kind in found]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        for info in self.list_relations(schema):
            if info.name == relation:
                return info
        raise FileNotFoundError(relation)

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        found = self.rows(f"PRAGMA table_info({quoted(relation)})")
        return [
            ColumnInfo(name, kind, not needed, default, at + 1, bool(key))
            for at, name, kind, needed, default, key in found
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        found = self.rows(f"PRAGMA index_list({quoted(relation)})")
        columns = {row[1]: self.rows(f"PRAGMA index_info({quoted(row[1])})") for row in found}
        return [IndexInfo(row[1], [column[2] for column in columns[row[1]]], bool(row[2])) for row in found]

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        key = [column.name for column in self.list_columns(schema, relation) if column.primary_key]
        return [ConstraintInfo(f"pk_{relation}", "pk", key)] if key else []

    def view_definition(self, schema: str, view: str) -> str:
        found = self.rows("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", (view,))
        if not found:
            raise FileNotFoundError(view)
        return str(found[0][0])

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        self.asked.append((sql, params))
        with closing(self.connect()) as connection:
            connection.execute("PRAGMA query_only = 1")
            on_cancel(connection.interrupt)
            try:
                cursor = connection.execute(sql, bound(params))
                rows = cursor.fetchall()
            except sqlite3.Error as error:
                raise ValueError(str(error)) from error
        if cursor.description is None:
            raise ValueError("the statement has no result")
        names = [column[0] for column in cursor.description]
        types = self.types()
        arrays = [pa.array([row[at] for row in rows], types.get(name)) for at, name in enumerate(names)]
        return pa.Table.from_arrays(arrays, names)

    def types(self) -> dict[str, pa.DataType]:
        return {
            column.name: ARROW[column.data_type]
            for relation in self.list_relations("main")
            for column in self.list_columns("main", relation.name)
            if column.data_type in ARROW
        }

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        names = ", ".join(quoted(name) for name in table.column_names)
        marks = ", ".join("?" for _ in table.column_names)
        verb = "INSERT OR REPLACE" if mode == "upsert" else "INSERT"
        with closing(self.connect()) as connection, connection:
            if mode == "truncate":
                connection.execute(f"DELETE FROM {quoted(relation)}")
            rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
            connection.executemany(f"{verb} INTO {quoted(relation)} ({names}) VALUES ({marks})", rows)
        return int(table.num_rows)

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        kinds = {kind: name for name, kind in ARROW.items()}
        columns = ", ".join(f"{quoted(field.name)} {kinds[field.type]}" for field in arrow_schema)
        self.rows(f"CREATE TABLE {quoted(relation)} ({columns})")

    def drop_relation(self, schema: str, relation: str) -> None:
        self.rows(f"DROP {self.relation_info(schema, relation).kind} {quoted(relation)}")

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        if target[1] in {info.name for info in self.list_relations(target[0])}:
            raise FileExistsError(target[1])
        self.rows(f"ALTER TABLE {quoted(source[1])} RENAME TO {quoted(target[1])}")

    def depends_on(self, schema: str, view: str) -> list[tuple[str, str]]:
        return [("main", "users")]

    def data_version(self, schema: str, relation: str) -> str | None:
        with Path(self.name).open("rb") as file:  # the change counter; these files are in no WAL mode
            file.seek(24)
            return file.read(4).hex()

    def close(self) -> None:
        self.closed = True


class OneTable(AbstractDatabase):
    """As the seed's: one relation, `main.users`, of which every query gives all rows."""

    def __init__(self) -> None:
        self.table = pa.table({"id": [1], "name": ["ada"]})

    def dialect(self) -> str:
        return "sqlite"

    def list_schemas(self) -> list[SchemaInfo]:
        return [SchemaInfo("main")]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        return [RelationInfo("users", "table")]

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        return [ColumnInfo("id", "INTEGER", False, None, 1, True), ColumnInfo("name", "TEXT", True, None, 2)]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        return []

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        return []

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        return self.list_relations(schema)[0]

    def view_definition(self, schema: str, view: str) -> str:
        raise FileNotFoundError(view)

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        return self.table

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        self.table = table if mode == "truncate" else pa.concat_tables([self.table, table])
        return int(table.num_rows)


def bound(params: Sequence[Any] | Mapping[str, Any] | None) -> Any:
    """Parameters as `sqlite3` takes them."""

    def one(value: Any) -> Any:
        return str(value) if isinstance(value, (Decimal, UUID)) else value

    if params is None:
        return ()
    if isinstance(params, dict):
        return {name: one(value) for name, value in params.items()}
    return [one(value) for value in params]
