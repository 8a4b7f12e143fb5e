"""What there is in a DuckDB database, and the connections that ask."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo
from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.duckdb.errors import told
from fsspec_db.engines.statements import qualified
from fsspec_db.errors import AlreadyExistsError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_KEYWORD = duckdb.token_type.keyword
_PART = re.compile(r'"(?:[^"]|"")*"|[^.]+')
_KINDS = {"PRIMARY KEY": "pk", "FOREIGN KEY": "fk", "UNIQUE": "unique", "CHECK": "check"}


class Catalogue(AbstractDatabase):
    """The half of the engine that describes a database."""

    _root: duckdb.DuckDBPyConnection

    def list_schemas(self) -> list[SchemaInfo]:
        """All but the system's own."""
        found = self._all(
            "SELECT schema_name, comment FROM duckdb_schemas() WHERE database_name = current_database()"
            " AND schema_name NOT IN ('information_schema', 'pg_catalog') ORDER BY schema_name"
        )
        return [SchemaInfo(name, None, comment) for name, comment in found]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        """Tables and views."""
        self._about_schema(schema)
        return [RelationInfo(name, kind, comment=comment) for name, kind, comment in self._relations(schema)]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        """One table or view.

        Raises:
            NotFoundError: There is none of that name; it is compared to the letter.
        """
        for info in self._relations(schema, relation):
            return RelationInfo(info[0], info[1], comment=info[2])
        raise NotFoundError(f"there is no relation {relation!r}")

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        """Columns, of views as well."""
        found = self._all(
            "SELECT column_name, data_type, is_nullable, coalesce(column_default, generation_expression),"
            " column_index, comment FROM duckdb_columns() WHERE database_name = current_database()"
            " AND schema_name = ? AND table_name = ? ORDER BY column_index",
            (schema, relation),
        )
        key = self._key(schema, relation)
        return [
            ColumnInfo(name, kind, nullable, default, at, name in key, comment)
            for name, kind, nullable, default, at, comment in found
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        """Indexes that were created; those of constraints are not among them."""
        found = self._all(
            "SELECT index_name, CAST(expressions AS VARCHAR[]), is_unique FROM duckdb_indexes()"
            " WHERE database_name = current_database() AND schema_name = ? AND table_name = ?"
            " ORDER BY index_name",
            (schema, relation),
        )
        return [
            IndexInfo(name, [_plain(text) for text in columns], unique) for name, columns, unique in found
        ]

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        """Constraints but NOT NULL, which is told of the columns."""
        found = self._all(
            "SELECT constraint_name, constraint_type, constraint_column_names, referenced_table,"
            " referenced_column_names, expression FROM duckdb_constraints()"
            " WHERE database_name = current_database() AND schema_name = ? AND table_name = ?"
            " ORDER BY constraint_index",
            (schema, relation),
        )
        return [
            ConstraintInfo(
                name,
                _KINDS[kind],
                columns,
                f"{table}({', '.join(references)})" if kind == "FOREIGN KEY" else None,
                expression if kind == "CHECK" else None,
            )
            for name, kind, columns, table, references, expression in found
            if kind in _KINDS
        ]

    def view_definition(self, schema: str, view: str) -> str:
        """`CREATE VIEW …`, as DuckDB keeps it."""
        return self._sql_of("view", schema, view)

    def definition(self, schema: str, relation: str) -> str | None:
        """`CREATE TABLE …`, as DuckDB keeps it."""
        return self._sql_of("table", schema, relation)

    def depends_on(self, schema: str, view: str) -> list[tuple[str, str]]:
        """The tables and views that stand in a view's `SELECT`."""
        text = self.view_definition(schema, view)
        words = duckdb.tokenize(text)
        select = next(at + 2 for at, kind in words if kind == _KEYWORD and text[at : at + 3].upper() == "AS ")
        with self._cursor() as cursor:
            names = cursor.get_table_names(text[select:], qualified=True)
        schemas = {info.name.casefold(): info.name for info in self.list_schemas()}
        found = set()
        for name in names:
            *qualifiers, relation = (_plain(part) for part in _PART.findall(name))
            for place in (schemas.get(one.casefold(), one) for one in qualifiers[-1:] or (schema, "main")):
                known = {one.casefold(): one for one, *_ in self._relations(place)}
                if relation.casefold() in known:
                    found.add((place, known[relation.casefold()]))
                    break
        return sorted(found)

    # Connections

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with told():
            return self._root.cursor()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._connection()
        try:
            with told():
                yield cursor
        finally:
            cursor.close()

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            return cursor.execute(sql, values or None).fetchall()

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self._all(sql)[0]

    def _relations(self, schema: str, relation: str | None = None) -> list[tuple[str, str, str | None]]:
        found = self._all(
            "SELECT * FROM (SELECT table_name AS name, 'table' AS kind, comment FROM duckdb_tables()"
            " WHERE database_name = current_database() AND schema_name = $1 UNION ALL"
            " SELECT view_name, 'view', comment FROM duckdb_views()"
            " WHERE database_name = current_database() AND schema_name = $1 AND NOT internal)"
            " WHERE $2 IS NULL OR name = $2 ORDER BY name",
            (schema, relation),
        )
        return [(name, kind, comment) for name, kind, comment in found]

    def _about_schema(self, schema: str) -> None:
        if schema not in {info.name for info in self.list_schemas()}:
            raise NotFoundError(f"there is no schema {schema!r}")

    def _must_be_free(self, place: tuple[str, str]) -> None:
        self._about_schema(place[0])
        if any(place[1].casefold() == name.casefold() for name, *_ in self._relations(place[0])):
            raise AlreadyExistsError("the relation is there already")

    def _key(self, schema: str, relation: str) -> list[str]:
        found = (one.columns for one in self.list_constraints(schema, relation) if one.kind == "pk")
        return next(found, [])

    def _sql_of(self, kind: str, schema: str, relation: str) -> str:
        found = self._all(
            f"SELECT sql FROM duckdb_{kind}s() WHERE database_name = current_database()"  # noqa: S608  # our word
            f" AND schema_name = ? AND {kind}_name = ?",
            (schema, relation),
        )
        if not found:
            raise NotFoundError(f"there is no {kind} {relation!r}")
        return str(found[0][0])

    def _is_kept(self, schema: str, relation: str) -> bool:
        if self.relation_info(schema, relation).kind != "table":
            return False
        with self._cursor() as cursor:
            return not self._generated(cursor, (schema, relation))

    def _generated(self, cursor: duckdb.DuckDBPyConnection, place: tuple[str, str]) -> list[str]:
        found = cursor.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database()"
            " AND schema_name = ? AND table_name = ? AND is_generated",
            place,
        ).fetchall()
        return [name for (name,) in found]


named = partial(qualified, "duckdb")
"""A relation as SQL has it."""


def _plain(name: str) -> str:
    """A name without the quotes that it has where it needs them."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
