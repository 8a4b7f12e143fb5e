"""What there is in a database, as its ADBC driver tells, and the connections that ask."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import adbc_driver_manager as adbc
import pyarrow as pa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo
from fsspec_db.engines.adbc.driver import CURRENT_CATALOG
from fsspec_db.engines.driven import Driven, kind_of
from fsspec_db.errors import DatabaseUnavailableError, InvalidParameterError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fsspec_db.engines.adbc.driver import Driver

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


class Catalogue(Driven[adbc.AdbcConnection]):
    """The half of the engine that describes a database, by GetObjects."""

    _driver: Driver

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._idle: list[adbc.AdbcConnection] = []
        self._lock = threading.Lock()

    def list_schemas(self) -> list[SchemaInfo]:
        """Schemas of the current catalog, or catalogs where only these have names."""
        return [SchemaInfo(name, place[0]) for name, place in self._places().items()]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        """Tables and views, by GetObjects."""
        place = self._place(schema)
        tables = self._tables(place, adbc.GetObjectsDepth.TABLES)
        return [RelationInfo(table["table_name"], kind_of(table["table_type"])) for table in tables]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        """One table or view.

        Raises:
            NotFoundError: There is none of that name; it is compared to the letter.
        """
        table = self._table(schema, relation, adbc.GetObjectsDepth.TABLES)
        return RelationInfo(relation, kind_of(table["table_type"]))

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        """Columns, with what GetObjects tells; else with their Arrow type."""
        table = self._table(schema, relation)
        keys = key_of(table)
        if self._driver.dialect == "postgresql":
            # Its driver takes the name for a pattern, and tells neither nullability nor defaults.
            rows = self._driver.run(_COLUMNS, [schema, relation]).read_all().to_pylist()
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

    def _told(self, sql: str) -> Any:
        return self._catalogue(lambda connection: next(self._driver.values(connection, sql), None))

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


def key_of(table: dict[str, Any]) -> list[str]:
    """The columns of the primary key of a table, as GetObjects tells it."""
    for constraint in table["table_constraints"] or []:
        if constraint["constraint_type"] == "PRIMARY KEY":
            return list(constraint["constraint_column_names"])
    return []
