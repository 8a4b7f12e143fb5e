"""The contract of a database written in Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from fsspec_db.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo

Access: TypeAlias = Literal["read", "write", "manage"]
"""`read` rows, `write` rows of relations that exist, `manage`: create, drop and rename them too."""

WriteMode: TypeAlias = Literal["replace", "append", "upsert", "create"]
"""What a written body does with the rows that are there already."""

InsertMode: TypeAlias = Literal["append", "truncate", "upsert"]
"""What `insert` does with the rows that are there: keep them, delete them, or update by primary key."""


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that hands out record batches through the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class AbstractDatabase(ABC):
    """A database, as a filesystem needs it: ten methods, and some that may be overridden.

    Wrap an instance in `AbstractDatabaseFileSystem`: paths, formats, streaming and query
    parameters are then the bridge's work. Names arrive here as `list_schemas` and
    `list_relations` spelled them, never as a path spelled them.

    Raise the builtin exceptions: `FileNotFoundError`, `FileExistsError`, `PermissionError`,
    `NotADirectoryError`, `IsADirectoryError` and `ValueError` keep their meaning on every way
    out, and the very object that was raised is what the caller of the filesystem catches.

    Methods are called from threads of the bridge, one call at a time, unless `concurrent` is true.
    What reads or writes may ask by `on_cancel` to be told when its reader leaves or time is up.
    """

    concurrent: ClassVar[bool] = False
    """True if methods may be called from several threads at once."""

    @abstractmethod
    def dialect(self) -> str:
        """The SQL that `query` understands: `sqlite`, `postgresql`, `mysql`, `duckdb` or `generic`.

        It decides how the statements of the bridge quote names and mark parameters.
        """

    @abstractmethod
    def list_schemas(self) -> list[SchemaInfo]:
        """All schemas, the directories of the root."""

    @abstractmethod
    def list_relations(self, schema: str) -> list[RelationInfo]:
        """The tables and views of a schema. `row_count` only where it is exact.

        Raises:
            FileNotFoundError: There is no such schema.
        """

    @abstractmethod
    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        """The columns of a relation in their order, with types as the database spells them."""

    @abstractmethod
    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        """The indexes of a relation."""

    @abstractmethod
    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        """The constraints of a relation; `kind` is `pk`, `fk`, `unique` or `check`."""

    @abstractmethod
    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        """One relation. An answer under another name counts as not found.

        Raises:
            FileNotFoundError: There is no such relation.
        """

    @abstractmethod
    def view_definition(self, schema: str, view: str) -> str:
        """The SQL text of a view.

        Raises:
            FileNotFoundError: There is no such view.
        """

    @abstractmethod
    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.Table | ArrowStream:
        """Runs one statement that reads.

        The bridge calls it with what the user asked through `query`, and with a `SELECT` of its
        own, in this database's dialect, to read a relation.

        Args:
            sql: One statement.
            params: Values to bind, in order or by name; `None` if there are none. They are
                `None`, `bool`, `int`, `float`, `str`, `bytes`, `datetime.date`, `time`, `datetime`
                (in UTC where it has a zone), `decimal.Decimal`, `uuid.UUID`, or lists of these.

        Returns:
            A table, or anything with `__arrow_c_stream__` (a `pyarrow.RecordBatchReader`, a DuckDB
            result), which is then read batch by batch. A result without rows keeps its schema.
        """

    def read_relation(
        self,
        schema: str,  # noqa: ARG002
        relation: str,  # noqa: ARG002
        sql: str,
        params: Sequence[Any] | None = None,
    ) -> pa.Table | ArrowStream:
        """Runs the `SELECT` of the bridge that reads a relation; by default, as any other query.

        Override it where the types of the relation's columns are known better than those of a query.
        """
        return self.query(sql, params)

    @abstractmethod
    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        """Writes the rows of a table in one transaction: all of them, or none.

        Args:
            schema: The schema of the relation.
            relation: A relation that exists.
            table: Columns by name, in any order.
            mode: `append`, or `truncate` to delete the old rows in the same transaction, or
                `upsert` to update by primary key; raise `NotImplementedError` for what cannot be done.

        Returns:
            How many rows were written.
        """

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        """Writes record batches as they are decoded, in one transaction: all of them, or none.

        The reader raises where the body turns out to be broken or cut: nothing may be committed
        before it has ended. By default the batches become one table for `insert`; override this
        where the table could be larger than memory.

        Returns:
            How many rows were written.
        """
        return self.insert(schema, relation, reader.read_all(), mode)

    def insert_if(
        self,
        schema: str,
        relation: str,
        reader: pa.RecordBatchReader,
        mode: InsertMode,
        version: str,  # noqa: ARG002
    ) -> int:
        """As `insert_stream`, if the data version still is `version` when it commits.

        Asked only after `data_version` was found to be this one. By default it is not looked at again, so
        another writer may get between; override this where the database can keep others out.

        Returns:
            How many rows were written.

        Raises:
            PreconditionFailedError: It is another by now; nothing was written.
        """
        return self.insert_stream(schema, relation, reader, mode)

    def copy_rows(
        self,
        source: tuple[str, str],  # noqa: ARG002
        target: tuple[str, str],  # noqa: ARG002
        sql: str,  # noqa: ARG002
        params: Sequence[Any] | None = None,  # noqa: ARG002
        version: str | None = None,  # noqa: ARG002
    ) -> int | None:
        """Makes the rows of a query all the rows of a relation, in one transaction of the database.

        Only where every value is kept as reading and writing it would keep it; what a write refuses is
        refused. Overriding it saves the way out and back.

        Args:
            source: Schema and name of the relation that `sql` reads; not that of `target`.
            target: Those of a relation that exists.
            sql: The `SELECT` of the bridge.
            params: Values to bind to it.
            version: The data version that `target` must still have when it commits, as for `insert_if`.

        Returns:
            How many rows were written; `None`, with nothing changed, if they are to be read and written.
        """
        return None

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:  # noqa: ARG002
        """Creates an empty table with these columns; a field that is not nullable is `NOT NULL`.

        Raises:
            FileExistsError: The relation is there already.
        """
        raise UnsupportedError("this database cannot create relations", path=f"/{schema}/{relation}")

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """Creates a table from record batches and fills it: whole, or not at all.

        By default a relation is created, filled by `insert_stream` and dropped where that fails;
        override this where the database does both in one transaction.

        Returns:
            How many rows were written.
        """
        self.create_relation(schema, relation, reader.schema)
        try:
            return self.insert_stream(schema, relation, reader)
        except BaseException:
            with suppress(Exception):  # what went wrong first is what the caller hears
                self.drop_relation(schema, relation)
            raise

    def drop_relation(self, schema: str, relation: str) -> None:
        """Drops a table or a view."""
        raise UnsupportedError("this database cannot drop relations", path=f"/{schema}/{relation}")

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:  # noqa: ARG002
        """Renames a relation; each name is a pair of schema and relation.

        Raises:
            FileExistsError: The target is there already.
        """
        raise UnsupportedError("this database cannot rename relations", path="/".join(("", *source)))

    def replace_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:  # noqa: ARG002
        """Renames a relation to the name of another one, which is dropped in the same transaction."""
        raise UnsupportedError("this database cannot replace relations", path="/".join(("", *source)))

    def copy_relation(
        self,
        source: tuple[str, str],
        target: tuple[str, str],  # noqa: ARG002
        *,
        overwrite: bool = False,  # noqa: ARG002
    ) -> None:
        """Makes a relation as another one is, whole or not at all: a table with its rows, a view by its text.

        Where this is refused, the filesystem makes a new table of the rows that it reads; views, and what
        would have to be overwritten, stay refused.

        Args:
            source: Schema and name.
            target: Those of the copy; they are free unless `overwrite`.
            overwrite: What may be there is dropped in the same transaction.
        """
        raise UnsupportedError("this database cannot copy relations", path="/".join(("", *source)))

    def rename_schema(self, source: str, target: str) -> None:  # noqa: ARG002
        """Gives a schema another name.

        Raises:
            FileExistsError: There is a schema of that name.
        """
        raise UnsupportedError("this database cannot rename schemas", path=f"/{source}")

    def create_schema(self, schema: str) -> None:
        """Creates an empty schema."""
        raise UnsupportedError("this database cannot create schemas", path=f"/{schema}")

    def drop_schema(self, schema: str) -> None:
        """Drops a schema without relations."""
        raise UnsupportedError("this database cannot drop schemas", path=f"/{schema}")

    def definition(self, schema: str, relation: str) -> str | None:  # noqa: ARG002
        """The DDL of a relation; `None` lets the bridge write it from the metadata."""
        return None

    def depends_on(self, schema: str, view: str) -> list[tuple[str, str]]:  # noqa: ARG002
        """What a view reads: pairs of schema and relation."""
        return []

    def data_version(self, schema: str, relation: str) -> str | None:  # noqa: ARG002
        """A text that changes whenever the rows may have changed; `None` if that cannot be told.

        One that changes too often costs work, one that changes too late is a lie. Two reads in the same
        shape while it stands must give the same rows, in the same order and batches; what `query` answers
        with must be settled when it returns, though its batches may come later.
        """
        return None

    def state(self) -> str | None:
        """A text that changes whenever relations may have changed, come or gone, or rows that have a version.

        `None` if that cannot be told. Listings that were told are kept as long as it stands.
        """
        return None

    def ping(self) -> None:
        """Proves that the database answers, or raises `ConnectionError`."""
        self.list_schemas()

    def close(self) -> None:  # noqa: B027
        """Gives connections back. Nothing is called afterwards."""
