"""Any database that has an ODBC driver."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

import arrow_odbc
import pyarrow as pa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo, fitted
from fsspec_db.engines.cascades import RULES
from fsspec_db.engines.driven import Driven, kind_of
from fsspec_db.engines.odbc.driver import Driver
from fsspec_db.engines.odbc.result import Column
from fsspec_db.engines.odbc.rows import filled, plain
from fsspec_db.engines.statements import create_table
from fsspec_db.errors import AlreadyExistsError, InvalidParameterError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fsspec_db.database import Access, InsertMode

_REAL = 7
_CHANGES = dict(zip((0, 2, 4), RULES, strict=True))  # SQL_CASCADE, SQL_SET_NULL, SQL_SET_DEFAULT


class ODBC(Driven[arrow_odbc.Connection]):
    """The database behind an ODBC driver.

    Reads and writes go by `arrow-odbc`, the catalogue by `pyodbc`, which has ODBC's functions for it.
    """

    _driver: Driver

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:  # noqa: ARG003
        """Opens `odbc:` and a connection string, percent-encoded.

        Raises:
            InvalidParameterError: There is no such driver or data source.
            DatabaseError: It cannot be connected to.
        """
        if threads is not None:
            raise InvalidParameterError("an ODBC driver reads as it likes: `threads` says nothing")
        return cls(Driver(url))

    def dialect(self) -> str:
        """By the name of the database; ODBC marks parameters by `?`, as PostgreSQL's own dialect does not."""
        return "generic" if self._driver.dialect == "postgresql" else self._driver.dialect

    def list_schemas(self) -> list[SchemaInfo]:
        """Schemas, by the database's own catalogue or by those of relations."""
        habits = self._driver.habits
        if habits.default:
            return [SchemaInfo(habits.default)]
        if habits.schemas:
            with self._driver.catalogue() as connection:
                return [SchemaInfo(row[0]) for row in connection.execute(habits.schemas).fetchall()]
        return [SchemaInfo(name) for name in sorted({_schema(row) for row in self._tables()})]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        """Tables and views, by SQLTables."""
        return self._relations(schema)

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        """One table or view.

        Raises:
            NotFoundError: There is none of that name; it is compared to the letter.
        """
        for info in self._relations(schema, relation):
            if info.name == relation:
                return info
        raise NotFoundError(f"there is no relation {relation!r}")

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        """Columns, by SQLColumns."""
        self.relation_info(schema, relation)
        keys = self._keys(schema, relation)
        return [
            ColumnInfo(
                row[3],
                row[5],
                row[10] != 0,
                # SQLite's driver takes the quotes off, after which a text is no other than an expression.
                None if self._driver.habits.guesses else row[12],
                ordinal,  # the driver counts those of all relations that its pattern lets through
                row[3] in keys,
                row[11] or None,
            )
            for ordinal, row in enumerate(self._columns(schema, relation), 1)
        ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        """Indexes, by SQLStatistics."""
        found: dict[str, list[str]] = defaultdict(list)
        unique: dict[str, bool] = {}
        for row in self._asked("statistics", schema, relation):
            if row[5] is not None and row[8] is not None:
                found[row[5]].append(row[8])
                unique[row[5]] = not row[3]
        return [IndexInfo(name, columns, unique[name]) for name, columns in found.items()]

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        """Primary and foreign keys, by SQLPrimaryKeys and SQLForeignKeys."""
        found = []
        rows = self._asked("primaryKeys", schema, relation)
        if rows:
            found.append(ConstraintInfo(rows[0][5] or f"pk_{relation}", "pk", [row[3] for row in rows]))
        with self._driver.catalogue() as connection:
            cursor = connection.cursor()
            keys = cursor.foreignKeys(foreignTable=relation, foreignSchema=self._filter(schema)).fetchall()
        references: list[list[Any]] = []
        for row in keys:
            if row[8] == 1 or not references:
                references.append([])
            references[-1].append(row)
        for number, parts in enumerate(references):
            first = parts[0]
            table = ".".join(filter(None, (first[1] or self._driver.habits.default, first[2])))
            target = f"{table}({', '.join(row[3] for row in parts)})"
            name = first[11] or f"fk_{relation}_{number}"
            found.append(ConstraintInfo(name, "fk", [row[7] for row in parts], target))
        return found

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs one statement that reads, with values for its `?` by position.

        Raises:
            UnsupportedError: Nothing would keep it from writing: drivers take several statements as one, and
                the first may end a transaction that only reads.
        """
        if not self._driver.vouched:
            raise UnsupportedError(
                "nothing holds a query over ODBC to reading: if its account may not write, "
                "say so in the connection string by read_only=account"
            )
        if isinstance(params, dict):
            raise UnsupportedError("over ODBC values are bound by position")
        return self._driver.run(sql, None if params is None else list(params))

    def read_relation(
        self, schema: str, relation: str, sql: str, params: Sequence[Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs the `SELECT` of the bridge, with the types that the catalogue knows better than the driver."""
        return self._driver.run(sql, params, self._known(schema, relation))

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        """Writes by array-bound `INSERT`, in one transaction.

        Raises:
            ConstraintViolationError: A row breaks a constraint, or replacing would change another table.
            SchemaMismatchError: The relation has no such column.
            UnsupportedError: It is a view, or an upsert is asked for, which there is not.
            ValueOutOfRangeError: A value does not fit, with its column and row.
        """
        if mode == "upsert":
            raise UnsupportedError("over ODBC there is no upsert")
        if self.relation_info(schema, relation).kind != "table":
            raise UnsupportedError("a view cannot be written")
        columns = self._shown(schema, relation)
        name = self._name(schema, relation)
        with self._driver.transaction() as connection:
            if mode == "truncate":
                self._emptied(connection, schema, relation)
            precisions = self._precisions(connection, schema, relation)
            return filled(connection, self._driver.dialect, name, fitted(reader, columns), precisions)

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """Creates a relation with the columns and the rows of `reader`, in one transaction.

        Where the database commits with its DDL, an empty or half a relation may stay after an error.

        Raises:
            AlreadyExistsError: There is one of that name.
            SchemaMismatchError: The dialect has no type for a column.
            ValueOutOfRangeError: A value does not fit.
        """
        if any(info.name == relation for info in self._relations(schema, relation)):
            raise AlreadyExistsError(f"there is a relation {relation!r} already")
        with self._driver.transaction() as connection:
            connection.execute(create_table(self._driver.dialect, schema, relation, reader.schema))
            sent = pa.schema([pa.field(field.name, plain(field.type)) for field in reader.schema])
            name = self._name(schema, relation)
            precisions = self._precisions(connection, schema, relation)
            return filled(connection, self._driver.dialect, name, fitted(reader, sent), precisions)

    def ping(self) -> None:
        """Connects."""
        with self._driver.catalogue():
            return

    def _told(self, sql: str) -> Any:
        with self._driver.catalogue() as connection:
            row = connection.execute(sql).fetchone()
        return None if row is None else row[0]

    def _cascade(self, schema: str, relation: str) -> str | None:
        """A foreign key that changes rows of another table, by SQLForeignKeys where the driver has it."""
        try:
            keys = self._asked("foreignKeys", schema, relation)
        except UnsupportedError:
            return None
        for row in keys:
            if row[10] in _CHANGES and (row[5], row[6]) != (row[1], row[2]):
                return f"{row[11] or f'fk_{row[6]}'} (ON DELETE {_CHANGES[row[10]]})"
        return None

    def _relations(self, schema: str, relation: str | None = None) -> list[RelationInfo]:
        return [
            RelationInfo(row[2], kind_of(row[3]), comment=row[4] or None)
            for row in self._tables(schema, relation)
            if self._in(schema, row)
        ]

    def _filter(self, schema: str) -> str | None:
        """A schema, as the catalogue functions take it."""
        return None if self._driver.habits.default or not schema else schema

    def _in(self, schema: str, row: Any) -> bool:
        return bool(self._driver.habits.default) or _schema(row) == schema

    def _tables(self, schema: str | None = None, relation: str | None = None) -> list[Any]:
        # PostgreSQL's driver looks for a table without a schema in the search path alone.
        within = _pattern(schema) if self._driver.habits.schemas else None
        with self._driver.catalogue() as connection:
            rows = connection.cursor().tables(table=_pattern(relation), schema=within).fetchall()
        return [row for row in rows if "SYSTEM" not in (row[3] or "").upper()]

    def _asked(self, function: str, schema: str, relation: str) -> list[Any]:
        with self._driver.catalogue() as connection:
            rows = getattr(connection.cursor(), function)(relation, schema=self._filter(schema)).fetchall()
        return [row for row in rows if row[2] == relation]

    def _columns(self, schema: str, relation: str) -> list[Any]:
        with self._driver.catalogue() as connection:
            found = connection.cursor().columns(
                table=_pattern(relation), schema=_pattern(self._filter(schema))
            )
            rows = found.fetchall()
        return [row for row in rows if row[2] == relation and (not row[1] or row[1] == schema)]

    def _keys(self, schema: str, relation: str) -> list[str]:
        return [row[3] for row in self._asked("primaryKeys", schema, relation)]

    def _known(self, schema: str, relation: str) -> dict[str, Column]:
        return {
            row[3]: Column(row[5] or "", pa.float32() if row[4] == _REAL else None)
            for row in self._columns(schema, relation)
        }

    def _shown(self, schema: str, relation: str) -> pa.Schema:
        self.relation_info(schema, relation)
        sql = f"SELECT * FROM {self._name(schema, relation)} WHERE 1 = 0"  # noqa: S608
        return self._driver.run(sql, None, self._known(schema, relation)).schema


def _schema(row: Any) -> str:
    return str(row[1] or row[0] or "")


def _pattern(name: str | None) -> str | None:
    """A filter that lets a name through, and others that are then left out.

    A backslash may escape, and PostgreSQL's driver mistakes what UTF-16 has two units for.
    """
    return None if name is None or "\\" in name or max(name, default="") > "\uffff" else name
