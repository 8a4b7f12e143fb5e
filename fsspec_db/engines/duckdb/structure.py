"""Relations and schemas of DuckDB made, renamed, copied and dropped, each in one transaction."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from fsspec_db.engines.duckdb.catalogue import Catalogue, named
from fsspec_db.engines.duckdb.errors import told
from fsspec_db.engines.duckdb.statement import interruptible
from fsspec_db.engines.duckdb.types import quoted
from fsspec_db.errors import AlreadyExistsError, NotEmptyError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec_db.engines.duckdb.versions import Versions

_NAME = r'(?:"(?:[^"]|"")*"|[^\s("])+'
_ITS_NAME = re.compile(rf"^(CREATE (?:TABLE|VIEW) ){_NAME}")
_ITS_INDEX = re.compile(rf"^(CREATE (?:UNIQUE )?INDEX ){_NAME} ON {_NAME}")


class Structure(Catalogue):
    """The part of the engine that changes what there is."""

    _versions: Versions

    def drop_relation(self, schema: str, relation: str) -> None:
        """Drops a table or a view.

        Raises:
            NotEmptyError: A foreign key refers to it.
            NotFoundError: There is none of that name.
        """
        kind = self.relation_info(schema, relation).kind
        with self._transaction() as cursor:
            cursor.execute(f"DROP {kind} {named(schema, relation)}")

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Renames a table or a view within its schema.

        Raises:
            AlreadyExistsError: The name is taken.
            NotEmptyError: Something depends on it, a foreign key or an index.
            NotFoundError: There is no such relation.
            UnsupportedError: The target is in another schema, where DuckDB cannot move it.
        """
        self._rename(source, target, overwrite=False)

    def replace_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """As `rename_relation`; what is there is dropped in the same transaction."""
        self._rename(source, target, overwrite=True)

    def _rename(self, source: tuple[str, str], target: tuple[str, str], *, overwrite: bool) -> None:
        kind = self.relation_info(*source).kind
        if source[0] != target[0]:
            raise UnsupportedError("DuckDB cannot move a relation into another schema")
        with self._transaction() as cursor:
            self._make_room(cursor, target, overwrite=overwrite)
            cursor.execute(f"ALTER {kind} {named(*source)} RENAME TO {quoted(target[1])}")

    def copy_relation(
        self, source: tuple[str, str], target: tuple[str, str], *, overwrite: bool = False
    ) -> None:
        """Makes a table by the statement that DuckDB keeps of it, with rows and indexes; a view by its own.

        Raises:
            AlreadyExistsError: The name is taken, or differs from the source's by the case of letters.
            NotEmptyError: A foreign key refers to what would be dropped.
            UnsupportedError: It is a view, and the target is in another schema; or the statement names the
                table that it makes.
        """
        kind = self.relation_info(*source).kind
        if kind == "view" and source[0] != target[0]:
            raise UnsupportedError("in another schema the text of a view may mean other tables")
        if [name.casefold() for name in source] == [name.casefold() for name in target]:
            raise AlreadyExistsError("the relation is there already")
        text = self._sql_of(kind, *source)
        made = _ITS_NAME.match(text)
        if made is None:
            raise UnsupportedError(f"DuckDB does not tell how {source[1]!r} was made")
        with self._transaction() as cursor:
            self._make_room(cursor, target, overwrite=overwrite)
            with told(UnsupportedError):
                cursor.execute(f"{made[1]}{named(*target)}{text[made.end() :]}")
            if kind != "table":
                return
            generated = self._generated(cursor, target)
            names = ", ".join(
                quoted(info.name) for info in self.list_columns(*source) if info.name not in generated
            )
            cursor.execute(
                f"INSERT INTO {named(*target)} ({names}) SELECT {names} FROM {named(*source)}"  # noqa: S608  # quoted, of the catalogue
            )
            for name, statement in self._indexes_of(*source):
                rest = _ITS_INDEX.match(statement)
                if rest is None:
                    raise UnsupportedError(f"DuckDB does not tell how the index {name!r} was made")
                index = quoted(f"{target[1]}_{name}")
                cursor.execute(f"{rest[1]}{index} ON {named(*target)}{statement[rest.end() :]}")

    def _indexes_of(self, schema: str, relation: str) -> list[tuple[str, str]]:
        found = self._all(
            "SELECT index_name, sql FROM duckdb_indexes() WHERE database_name = current_database()"
            " AND schema_name = ? AND table_name = ? AND sql IS NOT NULL ORDER BY index_name",
            (schema, relation),
        )
        return [(name, sql) for name, sql in found]

    def _make_room(
        self, cursor: duckdb.DuckDBPyConnection, place: tuple[str, str], *, overwrite: bool
    ) -> None:
        """Drops what is called so, if it may be."""
        found = self._relations(*place) if overwrite else []
        for name, kind, _ in found:
            cursor.execute(f"DROP {kind} {named(place[0], name)}")
        if not found:
            self._must_be_free(place)

    def create_schema(self, schema: str) -> None:
        """Creates a schema.

        Raises:
            AlreadyExistsError: There is one, but for the case of letters.
            UnsupportedError: It has the name of the file, and DuckDB could not tell the two apart.
        """
        database = self._one("SELECT current_database()")[0]
        if schema.casefold() == database.casefold():
            raise UnsupportedError(f"DuckDB takes the schema {schema!r} for the database of that name")
        if any(info.name.casefold() == schema.casefold() for info in self.list_schemas()):
            raise AlreadyExistsError(f"there is a schema {schema!r}")
        with self._transaction() as cursor:
            cursor.execute(f"CREATE SCHEMA {quoted(schema)}")

    def drop_schema(self, schema: str) -> None:
        """Drops a schema without relations.

        Raises:
            NotEmptyError: It has relations.
            NotFoundError: There is none of that name.
        """
        self._about_schema(schema)
        if self._relations(schema):
            raise NotEmptyError("the schema has relations")
        with self._transaction() as cursor:
            cursor.execute(f"DROP SCHEMA {quoted(schema)}")

    @contextmanager
    def _transaction(self, version: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in a transaction that is committed at the end, and rolled back by an exception.

        With a version it is committed only if nobody else has committed since.
        """
        expected = None if version is None else self._versions.expect(version)
        with self._cursor() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                with interruptible(cursor):
                    yield cursor
                with self._versions.commit(expected):
                    cursor.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):  # a commit that failed has rolled back already
                    cursor.execute("ROLLBACK")
                raise
