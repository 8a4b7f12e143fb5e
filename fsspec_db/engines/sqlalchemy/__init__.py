"""Any database that SQLAlchemy has a dialect for."""

from __future__ import annotations

import os
import re
import secrets
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote

import sqlalchemy as sa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo, on_cancel
from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.sqlalchemy import dialects, types
from fsspec_db.engines.sqlalchemy.cancelling import Cancel
from fsspec_db.engines.sqlalchemy.ddl import columns_of
from fsspec_db.engines.sqlalchemy.errors import Errors
from fsspec_db.engines.sqlalchemy.placeholders import spelled
from fsspec_db.engines.sqlalchemy.reading import Rows, Selection, discard
from fsspec_db.engines.sqlalchemy.writing import Target, Writer, sqlite_number
from fsspec_db.errors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidParameterError,
    InvalidQueryError,
    NotEmptyError,
    NotFoundError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from fsspec_db.database import Access, InsertMode

# A type that SQLAlchemy does not know is carried as its text.
warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)

_POOL = 8


class SQLAlchemy(AbstractDatabase):
    """A database behind an engine of SQLAlchemy.

    Args:
        url: SQLAlchemy's own.
        access: `read` makes a SQLite file read-only; everything else is held to by transactions.
        pool: The most connections.
        role: Whether the connection's role can only read, says who wrote the URL: then statements are
            run also where nothing is known that holds them to reading.
    """

    concurrent: ClassVar[bool] = True

    def __init__(
        self, url: sa.URL, access: Access = "read", *, pool: int = _POOL, role: bool = False
    ) -> None:
        self._errors = Errors(url)
        self._shown = url.render_as_string(hide_password=True)
        self._role = role
        url = _prepared(url, access)
        try:
            self._engine = sa.create_engine(
                url,
                hide_parameters=True,
                poolclass=sa.QueuePool,
                pool_size=pool,
                max_overflow=0,
                pool_timeout=10,
                pool_pre_ping=True,
            )
        except sa.exc.ArgumentError as error:
            raise InvalidParameterError(self._errors.of(error).detail) from None
        self._dialect = dialects.of(self._engine.dialect)
        self._errors.driver = self._engine.dialect.loaded_dbapi.Error
        if self._engine.dialect.is_async:
            raise InvalidParameterError(f"{url.drivername} is for asyncio: name another driver")
        if self._dialect.family == "sqlite":
            sa.event.listen(self._engine, "connect", _sqlite_connected)
            sa.event.listen(self._engine, "begin", _sqlite_begun)
        driver = self._dialect.drivers.get(self._engine.dialect.driver)
        if driver and (connected := driver.connected):
            sa.event.listen(self._engine, "connect", lambda connection, _: connected(connection))

    @classmethod
    def open(cls, url: str, access: Access, threads: int | None) -> Self:  # noqa: ARG003  (one suffices)
        """Opens `sqlalchemy:DIALECT+DRIVER://…`; connects when it is first used.

        Raises:
            InvalidParameterError: The URL is malformed, or there is no such dialect.
            NotFoundError: There is no such SQLite file.
        """
        try:
            parsed = sa.make_url(url.partition(":")[2])
        except (sa.exc.ArgumentError, ValueError):
            raise InvalidParameterError("what follows sqlalchemy: is no URL of SQLAlchemy") from None
        query = dict(parsed.query)
        role, pool = query.pop("fsspec_db_read_only", None), query.pop("fsspec_db_pool_size", str(_POOL))
        strange = [name for name in query if name.startswith("fsspec_db_")]
        if strange or role not in (None, "role") or not re.fullmatch(r"[1-9]\d{0,3}", str(pool)):
            raise InvalidParameterError(
                "options are fsspec_db_read_only=role and fsspec_db_pool_size=1 … 9999"
            )
        return cls(parsed.set(query=query), access, pool=int(str(pool)), role=role is not None)

    def __repr__(self) -> str:
        return f"<SQLAlchemy {self._shown}>"

    def dialect(self) -> str:
        return self._dialect.family

    # What there is

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._errors.told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _inspector(self) -> Iterator[sa.Inspector]:
        with self._connected() as connection:
            yield sa.inspect(connection)

    def list_schemas(self) -> list[SchemaInfo]:
        with self._inspector() as inspector:
            hidden = self._dialect.hidden
            return [SchemaInfo(name) for name in inspector.get_schema_names() if name not in hidden]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        with self._inspector() as inspector:
            if schema not in inspector.get_schema_names():
                raise NotFoundError(f"there is no schema {schema!r}")
            return [
                RelationInfo(name, kind, comment=_comment(inspector, schema, name))
                for name, kind in sorted(_relations(inspector, schema).items())
            ]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        with self._inspector() as inspector:
            return RelationInfo(
                relation, _kind(inspector, schema, relation), comment=_comment(inspector, schema, relation)
            )

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        with self._inspector() as inspector:
            key = _key(inspector, schema, relation)
            return [
                ColumnInfo(
                    column["name"],
                    column["declared"],
                    column["nullable"],
                    column.get("default"),
                    at,
                    column["name"] in key,
                    column.get("comment"),
                )
                for at, column in enumerate(self._columns(inspector, schema, relation), 1)
            ]

    def _columns(self, inspector: sa.Inspector, schema: str, relation: str) -> list[dict[str, Any]]:
        """The reflected columns; `declared` is a type as the database spells it, `carrier` how it travels."""
        columns: list[dict[str, Any]] = [dict(column) for column in inspector.get_columns(relation, schema)]
        if not columns:
            raise NotFoundError(f"there is no relation {relation!r}")
        spelling: dict[str, Any] = {}
        if self._dialect.declared:
            names = {"schema": schema, "relation": relation}
            connection: Any = inspector.bind
            spelling = {row[0]: row for row in connection.execute(sa.text(self._dialect.declared), names)}
        for column in columns:
            _, declared, base = spelling.get(column["name"], (None, None, None))
            column["declared"] = declared = declared or self._spelled(column["type"])
            column["carrier"] = types.carrier_of(column["type"], self._dialect.family, base or declared)
        return columns

    def _spelled(self, kind: Any) -> str:
        try:
            return str(kind.compile(self._engine.dialect))
        except sa.exc.SQLAlchemyError:
            return "unknown"

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        with self._inspector() as inspector:
            found = _known(inspector.get_indexes, relation, schema)
            return [
                IndexInfo(
                    index["name"] or f"index_{at}",
                    [str(name) for name in index.get("expressions") or index["column_names"]],
                    bool(index["unique"]),
                    (index.get("dialect_options") or {}).get(f"{self._engine.dialect.name}_using"),
                )
                for at, index in enumerate(found, 1)
            ]

    def list_constraints(self, schema: str, relation: str) -> list[ConstraintInfo]:
        with self._inspector() as inspector:
            key = inspector.get_pk_constraint(relation, schema)
            found = [("pk", key, f"pk_{relation}")] if key.get("constrained_columns") else []
            for kind, tell in (
                ("fk", inspector.get_foreign_keys),
                ("unique", inspector.get_unique_constraints),
                ("check", inspector.get_check_constraints),
            ):
                each: Any = _known(tell, relation, schema)
                found += [(kind, one, f"{kind}_{relation}_{at}") for at, one in enumerate(each, 1)]
            return [_constraint(schema, *one) for one in found]

    def view_definition(self, schema: str, view: str) -> str:
        with self._inspector() as inspector:
            if _kind(inspector, schema, view) == "table":
                raise NotFoundError(f"{view!r} is no view")
            return str(inspector.get_view_definition(view, schema) or "")

    def ping(self) -> None:
        with self._connected() as connection:
            connection.execute(sa.select(sa.literal(1)))

    def close(self) -> None:
        self._engine.dispose()

    # Reading

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs a statement of somebody else's, held to reading; its connection is not used again.

        The types of the columns are the driver's where it tells them (psycopg, pymysql). Otherwise the
        first rows decide, before the first byte; a later value that does not fit is an error.
        """
        dialect = self._engine.dialect
        driver = (
            None
            if self._role and dialect.driver not in self._dialect.drivers
            else dialects.driver_of(dialect)
        )
        numbered = spelled(sql, params, self._dialect.family, "numeric_dollar")[0] if params else sql
        sql, bound = self._bound(sql, params)
        rows = self._started(
            spent=True, before=lambda connection: driver and driver.guard(connection, sql, bound, numbered)
        )
        try:
            description = rows.run(sql, bound)
            if not description:
                raise InvalidQueryError("the statement gives no rows")
            names = [column[0] for column in description]
            known: Sequence[types.Carrier | None] = [None] * len(names)
            if driver and driver.describe:
                known = driver.describe(rows.cursor)
            carriers = rows.decide(description, known)
            rows.carry([types.field_of(*pair) for pair in zip(names, carriers, strict=True)], carriers)
        except BaseException:
            rows.close()
            raise
        return rows.reader()

    def read_relation(
        self, schema: str, relation: str, sql: str, params: Sequence[Any] | None = None
    ) -> pa.RecordBatchReader:
        """Reads rows of a relation, in the types of its columns."""
        asked = Selection(sql, params)
        family = self._dialect.family
        with self._inspector() as inspector:
            columns = {column["name"]: column for column in self._columns(inspector, schema, relation)}
        chosen = [columns[name] for name in asked.names]
        carriers = [column["carrier"] for column in chosen]
        limit = asked.limit
        rest, values = asked.rest, list(asked.params)
        if family != "generic" and limit is not None:
            rest += f" LIMIT {limit:d}" + (f" OFFSET {asked.offset:d}" if asked.offset else "")
        text = f"SELECT {self._list(chosen, carriers)} FROM {self._quoted(schema, relation)}"
        text, bound = self._bound(text + rest, values) if values else (text + rest, ())
        rows = self._started(spent=False)
        try:
            if limit != 0:
                description = rows.run(text, bound)
                if family == "generic":
                    rows.cut(asked.offset, limit)
                if types.UNDECLARED in carriers:
                    known = [None if carrier is types.UNDECLARED else carrier for carrier in carriers]
                    carriers = rows.decide(description, known)
            fields = [
                types.field_of(column["name"], carrier, column["declared"], nullable=column["nullable"])
                for column, carrier in zip(chosen, carriers, strict=True)
            ]
            rows.carry(fields, carriers)
        except BaseException:
            rows.close()
            raise
        return rows.reader()

    def _list(self, columns: Sequence[Mapping[str, Any]], carriers: Sequence[types.Carrier]) -> str:
        cast = sa.cast(sa.literal_column("fsspec_db"), sa.Text()).compile(dialect=self._engine.dialect)
        parts = []
        for at, (column, carrier) in enumerate(zip(columns, carriers, strict=True)):
            name = self._quote(column["name"])
            if carrier.as_text and self._dialect.casts:
                # Under its own name it would be what ORDER BY sorts by.
                name = f"{str(cast).replace('fsspec_db', name)} AS fsspec_db_{at}"
            elif self._dialect.family == "mysql" and carrier is types.FLOAT32:
                name = f"{name} + 0e0 AS fsspec_db_{at}"  # its text has six digits
            parts.append(name)
        return ", ".join(parts)

    def _bound(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> tuple[str, Any]:
        if not params:
            return sql, ()
        family, style = self._dialect.family, self._engine.dialect.paramstyle
        text, values = spelled(sql, params, family, style)
        if family == "sqlite":
            values = tuple(map(_sqlite_value, values))
        return text, values

    def _started(self, *, spent: bool, before: Callable[[sa.Connection], object] | None = None) -> Rows:
        """A connection in a read-only transaction, that stops when its reader leaves."""
        with self._errors.told():
            connection = self._engine.connect()
            cancel = self._cancelling(connection)
            try:
                for statement in self._dialect.reading:
                    _run(connection, statement)
                if self._dialect.family == "sqlite":
                    connection.begin()
                if before:
                    before(connection)
            except BaseException:
                cancel.over()
                discard(connection, keep=False)
                raise
        return Rows(connection, self._errors, cancel, spent=spent, unbuffered=self._dialect.family == "mysql")

    def _cancelling(self, connection: sa.Connection) -> Cancel:
        """What stops the statement that `connection` runs; it is told when the reader leaves."""
        driver: Any = connection.connection.driver_connection
        if self._dialect.family == "mysql":
            number = int(driver.thread_id())

            def stop() -> None:
                aside = sa.create_engine(self._engine.url, poolclass=sa.NullPool)
                with aside.connect() as other:
                    other.exec_driver_sql(f"KILL QUERY {number:d}")
        else:
            names = ("cancel_safe", "interrupt", "cancel", "close")
            stop = next(found for name in names if (found := getattr(driver, name, None)))
        cancel = Cancel(stop)
        on_cancel(cancel)
        return cancel

    def _quote(self, name: str) -> str:
        """A name in a statement that no compiler of SQLAlchemy touches: those double the `%`."""
        marks = self._engine.dialect.identifier_preparer
        return (
            marks.initial_quote + name.replace(marks.escape_quote, marks.escape_quote * 2) + marks.final_quote
        )

    def _quoted(self, schema: str, relation: str) -> str:
        return f"{self._quote(schema)}.{self._quote(relation)}"

    # Writing

    @contextmanager
    def _writing(self) -> Iterator[tuple[sa.Connection, Cancel]]:
        """A connection in a transaction that is committed at the end of the block, unless it raises."""
        with self._errors.told(), self._engine.connect() as opened:
            connection = opened.execution_options(fsspec_db_begin="BEGIN IMMEDIATE")
            cancel = self._cancelling(connection)
            try:
                with connection.begin():
                    for statement in self._dialect.writing:
                        _run(connection, statement)
                    yield connection, cancel
                    cancel.check()
            finally:
                cancel.over()

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        return self.insert_stream(schema, relation, table.to_reader(), mode)

    def insert_stream(
        self, schema: str, relation: str, reader: pa.RecordBatchReader, mode: InsertMode = "append"
    ) -> int:
        with self._writing() as (connection, cancel):
            return self._filled(connection, cancel, schema, relation, reader, mode)

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        if not self._dialect.transactional:
            return super().create_relation_from(schema, relation, reader)
        with self._writing() as (connection, cancel):
            self._create(connection, schema, relation, reader.schema)
            return self._filled(connection, cancel, schema, relation, reader, "append")

    def _filled(
        self,
        connection: sa.Connection,
        cancel: Cancel,
        schema: str,
        relation: str,
        reader: pa.RecordBatchReader,
        mode: InsertMode,
    ) -> int:
        inspector = sa.inspect(connection)
        if _kind(inspector, schema, relation) != "table":
            raise ForbiddenError(f"{relation!r} is a view: it has no rows of its own to write")
        columns = self._columns(inspector, schema, relation)
        targets = {column["name"]: Target(column, self._dialect.family) for column in columns}
        table = sa.table(
            _exact(relation), *(sa.column(_exact(name)) for name in targets), schema=_exact(schema)
        )
        key = _key(inspector, schema, relation)
        unique = [index for index in _known(inspector.get_indexes, relation, schema) if index["unique"]]
        writer = Writer(connection, table, targets, key, plain_upsert=not unique, check=cancel.check)
        return writer.write(reader, mode)

    # Structure

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        with self._writing() as (connection, _):
            self._create(connection, schema, relation, arrow_schema)

    def _create(self, connection: sa.Connection, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        if relation in _relations(sa.inspect(connection), schema):
            raise AlreadyExistsError(f"{relation!r} is there already")
        self._named(schema, relation, *arrow_schema.names)
        columns = columns_of(arrow_schema, self._dialect.family)
        table = sa.Table(_exact(relation), sa.MetaData(), *columns, schema=_exact(schema))
        connection.execute(sa.schema.CreateTable(table))

    def drop_relation(self, schema: str, relation: str) -> None:
        with self._writing() as (connection, _):
            kind = _kind(sa.inspect(connection), schema, relation)
            _run(connection, f"DROP {kind.upper()} {self._quoted(schema, relation)}")

    def rename_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        moves = source[0] != target[0]
        statements: Sequence[str | None] = self._dialect.moves if moves else (self._dialect.rename,)
        if not statements or None in statements:
            raise UnsupportedError("relations cannot be renamed there", path=f"/{source[0]}/{source[1]}")
        self._named(*target)
        passing = f"fsspec_db_{secrets.token_hex(8)}"
        names = {
            "source": self._quoted(*source),
            "passing": self._quote(passing),
            "passed": self._quoted(source[0], passing),
            "schema": self._quote(target[0]),
            "moved": self._quoted(target[0], passing),
            "target": self._quote(target[1]),
            "there": self._quoted(*target),
        }
        with self._writing() as (connection, _):
            inspector = sa.inspect(connection)
            _kind(inspector, *source)
            if target[1] in _relations(inspector, target[0]):
                raise AlreadyExistsError(f"{target[1]!r} is there already")
            for statement in statements:
                _run(connection, str(statement).format_map(names))

    def create_schema(self, schema: str) -> None:
        self._schemas()
        self._named(schema)
        with self._writing() as (connection, _):
            if schema in sa.inspect(connection).get_schema_names():
                raise AlreadyExistsError(f"{schema!r} is there already")
            connection.execute(sa.schema.CreateSchema(_exact(schema)))

    def drop_schema(self, schema: str) -> None:
        self._schemas()
        with self._writing() as (connection, _):
            if _relations(sa.inspect(connection), schema):
                raise NotEmptyError(f"{schema!r} has relations")
            connection.execute(sa.schema.DropSchema(_exact(schema)))

    def _named(self, *names: str) -> None:
        """Refuses names that the database would cut."""
        most = self._engine.dialect.max_identifier_length
        for name in names:
            if len(name.encode()) > most:
                raise InvalidParameterError(f"{name!r} is longer than the {most} bytes of a name there")

    def _schemas(self) -> None:
        if not self._dialect.schemas:
            raise UnsupportedError("schemas cannot be created or dropped there")


def _prepared(url: sa.URL, access: Access) -> sa.URL:
    """The URL with the engine's own means for read-only in it."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        path = url.database or ":memory:"
        if path == ":memory:" or "mode=memory" in path or url.query.get("mode") == "memory":
            raise InvalidParameterError(
                "in memory, each connection would have a database of its own: name a file"
            )
        if not path.startswith("file:"):
            if access != "manage" and not os.path.exists(path):  # noqa: PTH110
                raise NotFoundError("there is no such file")
            path = "file:" + quote(os.path.abspath(path))  # noqa: PTH100
        mode = {"read": "ro", "write": "rw", "manage": "rwc"}[access]
        return url.set(database=path).update_query_dict({"mode": mode, "uri": "true"})
    if backend == "duckdb":
        # Its dialect reads the catalogue of PostgreSQL, most of which DuckDB has not.
        raise InvalidParameterError("DuckDB has an engine of its own: duckdb:")
    return url


def _sqlite_connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # otherwise the driver would begin at the first write
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begun(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("fsspec_db_begin", "BEGIN"))


def _sqlite_value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if hasattr(value, "as_tuple"):
        try:
            return sqlite_number(value)
        except ValueError:
            raise InvalidQueryError(f"SQLite has no number {value}") from None
    if isinstance(value, list):
        raise InvalidQueryError("SQLite has no lists")
    return str(value)


def _run(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()


def _exact(name: str) -> Any:
    return sa.sql.quoted_name(name, quote=True)


def _known(tell: Callable[..., Any], relation: str, schema: str) -> Any:
    """What a dialect tells, or nothing where it has no word for it."""
    try:
        return tell(relation, schema)
    except NotImplementedError:
        return []


def _relations(inspector: sa.Inspector, schema: str) -> dict[str, str]:
    found = dict.fromkeys(inspector.get_table_names(schema), "table")
    for kind, method in (("view", "get_view_names"), ("materialized view", "get_materialized_view_names")):
        with suppress(NotImplementedError):
            found.update(dict.fromkeys(getattr(inspector, method)(schema), kind))
    foreign = getattr(inspector, "get_foreign_table_names", None)
    if foreign is not None:
        found.update(dict.fromkeys(foreign(schema), "foreign table"))
    return found


def _kind(inspector: sa.Inspector, schema: str, relation: str) -> str:
    kind = _relations(inspector, schema).get(relation)
    if kind is None:
        raise NotFoundError(f"there is no relation {relation!r}")
    return kind


def _comment(inspector: sa.Inspector, schema: str, relation: str) -> str | None:
    try:
        return inspector.get_table_comment(relation, schema).get("text")
    except (NotImplementedError, sa.exc.NoSuchTableError):  # the latter of views
        return None


def _key(inspector: sa.Inspector, schema: str, relation: str) -> list[str]:
    return list(inspector.get_pk_constraint(relation, schema).get("constrained_columns") or [])


def _constraint(schema: str, kind: str, found: Mapping[str, Any], name: str) -> ConstraintInfo:
    columns = found.get("constrained_columns") or found.get("column_names") or []
    references = None
    if kind == "fk":
        far = ", ".join(found["referred_columns"])
        references = f"{found.get('referred_schema') or schema}.{found['referred_table']}({far})"
    return ConstraintInfo(found.get("name") or name, kind, list(columns), references, found.get("sqltext"))
