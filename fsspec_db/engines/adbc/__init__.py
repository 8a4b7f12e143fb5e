"""Any database that has an ADBC driver: Flight SQL, Snowflake, BigQuery, PostgreSQL, and others."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import adbc_driver_manager as adbc
import pyarrow as pa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo
from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.adbc.driver import CURRENT_CATALOG, Driver
from fsspec_db.engines.adbc.rows import Rows
from fsspec_db.engines.cascades import cascade_from, lock_for, refusal
from fsspec_db.engines.statements import (
    create_table,
    definition_of,
    holdable,
    insert_into,
    qualified,
    quoted,
    upsert_into,
)
from fsspec_db.errors import (
    AlreadyExistsError,
    DatabaseUnavailableError,
    InternalError,
    InvalidParameterError,
    NotEmptyError,
    NotFoundError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fsspec_db.database import Access, InsertMode
    from fsspec_db.engines.adbc.driver import Result

    T = TypeVar("T")
    Place = tuple[str | None, str | None]

_KINDS = {"PRIMARY KEY": "pk", "FOREIGN KEY": "fk", "UNIQUE": "unique"}
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS data_type, NOT a.attnotnull AS nullable,
    pg_get_expr(d.adbin, d.adrelid) AS "default", a.attnum::int AS ordinal,
    col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""
_PREFIX = "adbc.ingest."


class ADBC(AbstractDatabase):
    """The database behind an ADBC driver.

    Where schemas have names they are the tree's schemas, those of the current catalog; where only
    catalogs have names these are. Every read has a connection of its own.
    """

    concurrent: ClassVar[bool] = True

    def __init__(self, driver: Driver, access: Access) -> None:
        self._driver = driver
        self._reads = access == "read"
        self._idle: list[adbc.AdbcConnection] = []
        self._lock = threading.Lock()

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:
        """Opens `adbc:DRIVER?NAME=VALUE&…`.

        Raises:
            InvalidParameterError: The URL is not of that form, or there is no such driver.
            DatabaseError: The driver cannot connect.
        """
        if threads is not None:
            raise InvalidParameterError("an ADBC driver reads as it likes: `threads` says nothing")
        return cls(Driver(url), access)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._driver.name}>"

    def dialect(self) -> str:
        """As the URL says, or the driver."""
        return self._driver.dialect

    def list_schemas(self) -> list[SchemaInfo]:
        """Schemas of the current catalog, or catalogs where only these have names."""
        return [SchemaInfo(name, place[0]) for name, place in self._places().items()]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        """Tables and views, by GetObjects."""
        place = self._place(schema)
        tables = self._tables(place, adbc.GetObjectsDepth.TABLES)
        return [RelationInfo(table["table_name"], _kind(table)) for table in tables]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        """One of them."""
        table = self._table(schema, relation, adbc.GetObjectsDepth.TABLES)
        return RelationInfo(relation, _kind(table))

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        """Columns, with what GetObjects tells; else with their Arrow type."""
        table = self._table(schema, relation)
        keys = _keys(table)
        if self._driver.dialect == "postgresql":
            # Its driver takes the name for a pattern, and tells neither nullability nor defaults.
            rows = [
                row for batch in self._driver.run(_COLUMNS, [schema, relation]) for row in batch.to_pylist()
            ]
            return [ColumnInfo(**row, primary_key=row["name"] in keys) for row in rows]
        types = self._types(schema, relation)
        return [
            ColumnInfo(
                column["column_name"],
                column["xdbc_type_name"] or str(types.get(column["column_name"], "")),
                column["xdbc_nullable"] != 0 and column["xdbc_is_nullable"] != "NO",
                column["xdbc_column_def"],
                column["ordinal_position"] or ordinal,
                column["column_name"] in keys,
                column["remarks"] or None,
            )
            for ordinal, column in enumerate(table["table_columns"] or [], 1)
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:  # noqa: ARG002
        """None: ADBC tells of no indexes."""
        return []

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        """Constraints, by GetObjects; those without a name get one."""
        found = []
        for number, constraint in enumerate(self._table(schema, relation)["table_constraints"] or []):
            kind = _KINDS.get(constraint["constraint_type"])
            if kind is None:  # of a check there is no more than the name
                continue
            usage = constraint["constraint_column_usage"] or []
            references = None
            if usage:
                first = usage[0]
                place = first["fk_db_schema"] or first["fk_catalog"]
                table = ".".join(filter(None, (place, first["fk_table"])))
                names = ", ".join(filter(None, (column["fk_column_name"] for column in usage)))
                references = f"{table}({names})" if names else table
            name = constraint["constraint_name"] or f"{kind}_{relation}" + (
                f"_{number}" if kind != "pk" else ""
            )
            found.append(ConstraintInfo(name, kind, constraint["constraint_column_names"] or [], references))
        return found

    def view_definition(self, schema: str, view: str) -> str:
        """What the database's own catalogue says, by its dialect."""
        if not self.relation_info(schema, view).kind.endswith("view"):
            raise NotFoundError(f"{view!r} is no view", path=f"/{schema}/{view}")
        sql = definition_of(self._driver.dialect, schema, view)
        rows = self._catalogue(lambda connection: self._rows(connection, sql))
        if not rows or rows[0] is None:
            raise UnsupportedError("the definition of this view is not told", path=f"/{schema}/{view}")
        return str(rows[0])

    def query(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Result:
        """Runs one statement that reads; batches come as the driver makes them.

        Raises:
            UnsupportedError: Nothing would keep the statement from writing.
        """
        if not self._driver.holds_to_reading:
            raise UnsupportedError(
                "this driver cannot be held to reading: if its account may not write, "
                "say so in the URL by read_only=account"
            )
        return self._driver.run(sql, params)

    def read_relation(
        self,
        schema: str,
        relation: str,
        sql: str,
        params: Sequence[Any] | None = None,
    ) -> Result:
        """Runs the `SELECT` of the bridge, which writes nothing: any driver will do."""
        declared = None
        if self._driver.dialect == "postgresql":
            declared = {column.name: column.data_type for column in self.list_columns(schema, relation)}
        return self._driver.run(sql, params, declared)

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        """As `insert_stream`."""
        return self.insert_stream(schema, relation, table.to_reader(), mode)

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        """Writes in bulk, or by `INSERT`, in one transaction."""
        path = f"/{schema}/{relation}"
        place = self._place(schema)
        if self.relation_info(schema, relation).kind != "table":
            raise UnsupportedError("a view cannot be written", path=path)
        upsert = None
        if mode == "upsert":
            keys = _keys(self._table(schema, relation))
            upsert = upsert_into(self._driver.dialect, schema, relation, reader.schema.names, keys)
        with self._driver.transaction(path) as connection:
            rows = self._fit(connection, schema, relation, reader)
            if mode == "truncate":
                self._emptied(connection, schema, relation)
            return self._fill(connection, (schema, relation), place, rows, upsert)

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        """Creates an empty relation."""
        self.create_relation_from(schema, relation, arrow_schema.empty_table().to_reader())

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """Creates a relation with the columns and the rows of `reader`, in one transaction."""
        path = f"/{schema}/{relation}"
        place = self._place(schema)
        if any(table["table_name"] == relation for table in self._tables(place, adbc.GetObjectsDepth.TABLES)):
            raise AlreadyExistsError(f"there is a relation {relation!r} already", path=path)
        with self._driver.transaction(path) as connection:
            dialect = self._driver.dialect
            self._driver.update(connection, create_table(dialect, schema, relation, reader.schema))
            rows = self._fit(connection, schema, relation, reader)
            return self._fill(connection, (schema, relation), place, rows, None)

    def drop_relation(self, schema: str, relation: str) -> None:
        """Drops a table or a view."""
        kind = self.relation_info(schema, relation).kind.upper()
        self._command(f"/{schema}/{relation}", f"DROP {kind} {self._name(schema, relation)}")

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Renames a relation; in PostgreSQL into another schema too."""
        path = "/".join(("", *source))
        kind = self.relation_info(*source).kind.upper()
        names = [
            table["table_name"] for table in self._tables(self._place(target[0]), adbc.GetObjectsDepth.TABLES)
        ]
        if target[1] in names:
            raise AlreadyExistsError(
                f"there is a relation {target[1]!r} already", path="/".join(("", *target))
            )
        dialect, moves = self._driver.dialect, source[0] != target[0]
        if moves and dialect != "postgresql":
            raise UnsupportedError("a relation cannot be moved to another schema here", path=path)
        statements = []
        if moves:
            statements.append(f"ALTER {kind} {self._name(*source)} SET SCHEMA {quoted(dialect, target[0])}")
        if source[1] != target[1]:
            name = self._name(target[0], source[1])
            statements.append(
                f"ALTER {kind} {name} RENAME TO {quoted(dialect, holdable(dialect, target[1]))}"
            )
        self._command(path, *statements)

    def create_schema(self, schema: str) -> None:
        """Creates a schema."""
        if schema in self._places():
            raise AlreadyExistsError(f"there is a schema {schema!r} already", path=f"/{schema}")
        dialect = self._driver.dialect
        self._command(f"/{schema}", f"CREATE SCHEMA {quoted(dialect, holdable(dialect, schema))}")

    def drop_schema(self, schema: str) -> None:
        """Drops a schema without relations."""
        if self.list_relations(schema):
            raise NotEmptyError(f"the schema {schema!r} has relations", path=f"/{schema}")
        self._command(f"/{schema}", f"DROP SCHEMA {quoted(self._driver.dialect, schema)}")

    def ping(self) -> None:
        """Lists the catalogs on a new connection."""
        with self._driver.connection(reading=True) as connection:
            _objects(connection, adbc.GetObjectsDepth.CATALOGS)

    def close(self) -> None:
        """Gives all connections back but those of readers at work."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._driver.close()

    def _name(self, schema: str, relation: str) -> str:
        return qualified(self._driver.dialect, schema, relation)

    def _command(self, path: str, *statements: str) -> None:
        with self._driver.transaction(path) as connection:
            for statement in statements:
                self._driver.update(connection, statement)

    def _emptied(self, connection: adbc.AdbcConnection, schema: str, relation: str) -> None:
        """Deletes all rows, unless that would change rows of another table."""
        name = self._name(schema, relation)
        lock = lock_for(self._driver.dialect, schema, relation)
        for statement in self._rows(connection, lock) if lock else ():
            self._driver.update(connection, statement)
        asked = cascade_from(self._driver.dialect, schema, relation)
        if asked and (found := self._rows(connection, asked)):
            if self._rows(connection, f"SELECT 1 FROM {name} LIMIT 1"):  # noqa: S608
                raise refusal(schema, relation, found[0])
            return  # nothing is there to delete, nor what somebody adds meanwhile
        self._driver.update(connection, f"DELETE FROM {name}")  # noqa: S608

    def _fit(
        self, connection: adbc.AdbcConnection, schema: str, relation: str, reader: pa.RecordBatchReader
    ) -> Rows:
        """The rows of a body, as the relation's columns take them."""
        with self._driver.statement(connection) as statement:
            statement.set_sql_query(f"SELECT * FROM {self._name(schema, relation)} WHERE 1 = 0")  # noqa: S608
            handle, _ = statement.execute_query()
            answer = pa.RecordBatchReader.from_stream(handle)
            target = answer.schema
            answer.close()
        return Rows(reader, target, guessed=self._driver.habits.guesses)

    def _fill(
        self,
        connection: adbc.AdbcConnection,
        names: tuple[str, str],
        place: Place,
        rows: Rows,
        upsert: str | None,
    ) -> int:
        """Writes the rows in bulk, or by an `INSERT` where the driver or the mode wants one."""
        target = {f"{_PREFIX}target_table": names[1], f"{_PREFIX}mode": f"{_PREFIX}mode.append"}
        if place[1]:
            target[f"{_PREFIX}target_db_schema"] = place[1]
        elif place[0]:
            target[f"{_PREFIX}target_catalog"] = place[0]
        insert = upsert or insert_into(self._driver.dialect, *names, rows.schema.names)
        batches = rows.batches()
        try:
            # A driver reads on before it hears that its server has no way to write in bulk.
            if (first := next(batches, None)) is not None:
                one = pa.RecordBatchReader.from_batches(rows.schema, [first])
                if upsert or not self._ingested(connection, target, one):
                    self._execute(connection, rows.reader(chain([first], batches)), insert)
                elif (second := next(batches, None)) is not None:
                    self._execute(connection, rows.reader(chain([second], batches)), **target)
        except adbc.Error:
            if rows.failure is not None:
                raise rows.failure from None
            raise
        if not rows.ended:
            raise InternalError("the driver stopped before the rows ended")
        return rows.rows

    def _ingested(
        self, connection: adbc.AdbcConnection, target: Mapping[str, str], reader: pa.RecordBatchReader
    ) -> bool:
        try:
            self._execute(connection, reader, **target)
        except adbc.NotSupportedError:
            return False
        except adbc.ProgrammingError as error:
            if "could not unmarshal" in str(error):  # a Flight SQL server older than this message
                return False
            raise
        return True

    def _execute(
        self,
        connection: adbc.AdbcConnection,
        reader: pa.RecordBatchReader,
        sql: str | None = None,
        **options: str,
    ) -> None:
        with self._driver.statement(connection, **options) as statement:
            if sql is not None:
                statement.set_sql_query(sql)
                statement.prepare()
            statement.bind_stream(reader)
            statement.execute_update()

    def _types(self, schema: str, relation: str) -> dict[str, pa.DataType]:
        catalog, db_schema = self._place(schema)
        try:
            handle = self._catalogue(lambda c: c.get_table_schema(catalog, db_schema or None, relation))
        except UnsupportedError:
            return {}
        return {field.name: field.type for field in pa.schema(handle)}

    def _places(self) -> dict[str, Place]:
        """Catalog and schema of each name in the tree.

        Raises:
            InvalidParameterError: Two catalogs have a schema of one name.
        """
        rows, current = self._catalogue(
            lambda connection: (_objects(connection, adbc.GetObjectsDepth.DB_SCHEMAS), _current(connection))
        )
        named, plain = [], []
        for row in rows:
            catalog = row["catalog_name"] or None
            schemas = [schema["db_schema_name"] for schema in row["catalog_db_schemas"] or []]
            named += [(catalog, schema) for schema in schemas if schema]
            plain.append((catalog, None))
        chosen = self._driver.catalog or current
        if chosen and any(catalog == chosen for catalog, _ in named):
            named = [place for place in named if place[0] == chosen]
        places: dict[str, Place] = {}
        for place in named or plain:
            name = place[1] or place[0] or ""
            if name in places:
                raise InvalidParameterError(
                    f"several catalogs have a schema {name!r}: choose one by catalog=… in the URL"
                )
            places[name] = place
        return places

    def _place(self, schema: str) -> Place:
        try:
            return self._places()[schema]
        except KeyError:
            raise NotFoundError(f"there is no schema {schema!r}") from None

    def _tables(
        self, place: Place, depth: adbc.GetObjectsDepth, name: str | None = None
    ) -> list[dict[str, Any]]:
        catalog, db_schema = place
        rows = self._catalogue(
            lambda connection: _objects(
                connection,
                depth,
                catalog=_pattern(catalog),
                db_schema=_pattern(db_schema),
                table_name=_pattern(name),
            )
        )
        return [
            table
            for row in rows
            if (row["catalog_name"] or None) == catalog
            for schema in row["catalog_db_schemas"] or []
            if (schema["db_schema_name"] or None) == db_schema
            for table in schema["db_schema_tables"] or []
            if name is None or table["table_name"] == name
        ]

    def _table(
        self, schema: str, relation: str, depth: adbc.GetObjectsDepth = adbc.GetObjectsDepth.ALL
    ) -> dict[str, Any]:
        tables = self._tables(self._place(schema), depth, relation)
        if not tables:
            raise NotFoundError(f"there is no relation {relation!r}")
        return tables[0]

    def _rows(self, connection: adbc.AdbcConnection, sql: str) -> list[Any]:
        """The first column of what a statement of our own answers."""
        with self._driver.statement(connection) as statement:
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            table = pa.RecordBatchReader.from_stream(handle).read_all()
        return list(table.column(0).to_pylist())

    def _catalogue(self, work: Callable[[adbc.AdbcConnection], T]) -> T:
        """Asks on a connection that is kept for this; once more on a new one, should it be dead."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                with self._kept(connection):
                    return work(connection)
            except DatabaseUnavailableError:
                pass
        connection = self._driver.connect(reading=False)
        with self._kept(connection):
            return work(connection)

    @contextmanager
    def _kept(self, connection: adbc.AdbcConnection) -> Iterator[None]:
        try:
            yield
        except adbc.Error as error:
            connection.close()
            raise self._driver.error(error) from None
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)


def _objects(
    connection: adbc.AdbcConnection, depth: adbc.GetObjectsDepth, **names: Any
) -> list[dict[str, Any]]:
    reader = pa.RecordBatchReader.from_stream(connection.get_objects(depth, **names))
    rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return rows


def _current(connection: adbc.AdbcConnection) -> str | None:
    try:
        return connection.get_option(CURRENT_CATALOG) or None
    except adbc.Error:
        return None


def _pattern(name: str | None) -> str | None:
    """A filter that lets a name through, and others that are then left out; it may escape by backslashes."""
    return None if name is None or "\\" in name else name


def _kind(table: dict[str, Any]) -> str:
    kind = (table["table_type"] or "").lower()
    if "view" not in kind:
        return "table"
    return "materialized view" if "materialized" in kind else "view"


def _keys(table: dict[str, Any]) -> list[str]:
    for constraint in table["table_constraints"] or []:
        if constraint["constraint_type"] == "PRIMARY KEY":
            return list(constraint["constraint_column_names"])
    return []
