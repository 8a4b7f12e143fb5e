"""Any database that has an ADBC driver: Flight SQL, Snowflake, BigQuery, PostgreSQL, and others."""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from fsspec_db.engines.adbc.catalogue import Catalogue, key_of
from fsspec_db.engines.adbc.driver import Driver
from fsspec_db.engines.adbc.writing import Target
from fsspec_db.engines.statements import create_table, holdable, quoted, upsert_into
from fsspec_db.errors import AlreadyExistsError, InvalidParameterError, NotEmptyError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from fsspec_db.database import Access, InsertMode


class ADBC(Catalogue):
    """The database behind an ADBC driver.

    Where schemas have names they are the tree's schemas, those of the current catalog; where only
    catalogs have names these are. Every read has a connection of its own.
    """

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:  # noqa: ARG003
        """Opens `adbc:DRIVER?NAME=VALUE&…`.

        Raises:
            InvalidParameterError: The URL is not of that form, or there is no such driver.
            DatabaseError: The driver cannot connect.
        """
        if threads is not None:
            raise InvalidParameterError("an ADBC driver reads as it likes: `threads` says nothing")
        return cls(Driver(url))

    def dialect(self) -> str:
        """As the URL says, or the driver."""
        return self._driver.dialect

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs one statement that reads; batches come as the driver makes them.

        Its connection is given back when the reader has ended or is dropped, which cancels the statement.

        Raises:
            InvalidQueryError: The database does not take the statement.
            ReadOnlyError: The statement would write.
            UnsupportedError: Nothing would keep the statement from writing.
        """
        if not self._driver.holds_to_reading:
            raise UnsupportedError(
                "this driver cannot be held to reading: if its account may not write, "
                "say so in the URL by read_only=account"
            )
        return self._driver.run(sql, params)

    def read_relation(
        self, schema: str, relation: str, sql: str, params: Sequence[Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs the `SELECT` of the bridge, which writes nothing: any driver will do.

        Columns of PostgreSQL have their declared type as the metadata `fsspec_db.sql_type`.
        """
        declared = None
        if self._driver.dialect == "postgresql":
            declared = {column.name: column.data_type for column in self.list_columns(schema, relation)}
        return self._driver.run(sql, params, declared)

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        """Writes in bulk, or by `INSERT`, in one transaction.

        Raises:
            ConstraintViolationError: Replacing would change rows of another table.
            SchemaMismatchError: The relation has no such column.
            UnsupportedError: It is a view, or an upsert has no key; or the driver has no transactions.
            ValueOutOfRangeError: A value does not fit.
        """
        place = self._place(schema)
        if self.relation_info(schema, relation).kind != "table":
            raise UnsupportedError("a view cannot be written")
        upsert = None
        if mode == "upsert":
            key = key_of(self._table(schema, relation))
            upsert = upsert_into(self._driver.dialect, schema, relation, reader.schema.names, key)
        with self._driver.transaction() as connection:
            if mode == "truncate":
                self._emptied(connection, schema, relation)
            precisions = self._precisions(connection, schema, relation)
            return Target(self._driver, connection, place, schema, relation).write(reader, precisions, upsert)

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """Creates a relation with the columns and the rows of `reader`, in one transaction.

        Where the database commits with its DDL, an empty or half a relation may stay after an error.

        Raises:
            AlreadyExistsError: There is one of that name.
            SchemaMismatchError: The dialect has no type for a column.
            UnsupportedError: The driver has no transactions.
            ValueOutOfRangeError: A value does not fit.
        """
        place = self._place(schema)
        self._must_be_free(schema, relation)
        with self._driver.transaction() as connection:
            statement = create_table(self._driver.dialect, schema, relation, reader.schema)
            self._driver.execute(connection, statement)
            precisions = self._precisions(connection, schema, relation)
            return Target(self._driver, connection, place, schema, relation).write(reader, precisions)

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Renames a relation; in PostgreSQL into another schema too.

        Raises:
            AlreadyExistsError: The name is taken.
            UnsupportedError: The target is in another schema, and the database is not PostgreSQL.
        """
        self._must_be_free(*target)
        self._command(*self._renaming(source, target))

    def replace_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """As `rename_relation`, of PostgreSQL and SQLite; what is there is dropped with it."""
        if self._driver.dialect not in ("postgresql", "sqlite"):
            raise UnsupportedError("dropping and renaming may be two transactions here")
        kind = self.relation_info(*target).kind.upper()
        self._command(f"DROP {kind} {self._name(*target)}", *self._renaming(source, target))

    def _renaming(self, source: tuple[str, str], target: tuple[str, str]) -> list[str]:
        kind = self.relation_info(*source).kind.upper()
        dialect, moves = self._driver.dialect, source[0] != target[0]
        if moves and dialect != "postgresql":
            raise UnsupportedError("a relation cannot be moved to another schema here")
        statements = []
        name = source[1]
        if moves:
            # On the way it has a name that is free in both schemas.
            name = f"fsspec_db_{token_hex(8)}"
            statements.append(f"ALTER {kind} {self._name(*source)} RENAME TO {quoted(dialect, name)}")
            place = self._name(source[0], name)
            statements.append(f"ALTER {kind} {place} SET SCHEMA {quoted(dialect, target[0])}")
        if name != target[1]:
            place = self._name(target[0], name)
            new = quoted(dialect, holdable(dialect, target[1]))
            statements.append(f"ALTER {kind} {place} RENAME TO {new}")
        return statements

    def rename_schema(self, source: str, target: str) -> None:
        """Renames a schema of PostgreSQL.

        Raises:
            AlreadyExistsError: There is one of that name.
            InvalidParameterError: PostgreSQL would cut the name.
        """
        dialect = self._driver.dialect
        if dialect != "postgresql":
            raise UnsupportedError("schemas cannot be renamed here")
        if target in self._places():
            raise AlreadyExistsError(f"there is a schema {target!r} already")
        new = quoted(dialect, holdable(dialect, target))
        self._command(f"ALTER SCHEMA {quoted(dialect, source)} RENAME TO {new}")

    def create_schema(self, schema: str) -> None:
        """Creates a schema.

        Raises:
            AlreadyExistsError: There is one of that name.
            InvalidParameterError: PostgreSQL would cut the name.
        """
        if schema in self._places():
            raise AlreadyExistsError(f"there is a schema {schema!r} already")
        dialect = self._driver.dialect
        self._command(f"CREATE SCHEMA {quoted(dialect, holdable(dialect, schema))}")

    def drop_schema(self, schema: str) -> None:
        """Drops a schema without relations.

        Raises:
            NotEmptyError: It has relations.
            NotFoundError: There is none of that name.
        """
        if self.list_relations(schema):
            raise NotEmptyError(f"the schema {schema!r} has relations")
        self._command(f"DROP SCHEMA {quoted(self._driver.dialect, schema)}")

    def _must_be_free(self, schema: str, relation: str) -> None:
        if any(info.name == relation for info in self.list_relations(schema)):
            raise AlreadyExistsError(f"there is a relation {relation!r} already")
