"""Any database that SQLAlchemy has a dialect for."""
# ruff: noqa: D102  (the contract says what they do)

from __future__ import annotations

import re
import secrets
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import sqlalchemy as sa

from fsspec_db._bridge import ColumnInfo, ConstraintInfo, IndexInfo, RelationInfo, SchemaInfo, on_cancel
from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.cascades import lock_for, refusal
from fsspec_db.engines.sqlalchemy import dialects, types
from fsspec_db.engines.sqlalchemy.cancelling import Cancel, severing
from fsspec_db.engines.sqlalchemy.catalogue import (
    cascade_of,
    columns_in,
    comment_of,
    constraint_of,
    key_of,
    kind_of,
    known,
    relations,
)
from fsspec_db.engines.sqlalchemy.ddl import columns_of
from fsspec_db.engines.sqlalchemy.errors import Errors
from fsspec_db.engines.sqlalchemy.opening import prepared, sqlite_begun, sqlite_connected
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
        url = prepared(url, access)
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
            sa.event.listen(self._engine, "connect", sqlite_connected)
            sa.event.listen(self._engine, "begin", sqlite_begun)
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
                RelationInfo(name, kind, comment=comment_of(inspector, schema, name))
                for name, kind in sorted(relations(inspector, schema).items())
            ]

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        with self._inspector() as inspector:
            return RelationInfo(
                relation,
                kind_of(inspector, schema, relation),
                comment=comment_of(inspector, schema, relation),
            )

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        with self._inspector() as inspector:
            key = key_of(inspector, schema, relation)
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
                for at, column in enumerate(columns_in(inspector, schema, relation), 1)
            ]

    def list_indexes(self, schema: str, relation: str) -> list[IndexInfo]:
        with self._inspector() as inspector:
            found = known(inspector.get_indexes, relation, schema)
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
                each: Any = known(tell, relation, schema)
                found += [(kind, one, f"{kind}_{relation}_{at}") for at, one in enumerate(each, 1)]
            return [constraint_of(schema, *one) for one in found]

    def view_definition(self, schema: str, view: str) -> str:
        with self._inspector() as inspector:
            if kind_of(inspector, schema, view) == "table":
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

        def held(connection: sa.Connection) -> None:
            if driver:
                driver.guard(connection, sql, bound, numbered)

        rows = self._started(spent=True, before=held)
        try:
            description = rows.run(sql, bound)
            if not description:
                raise InvalidQueryError("the statement gives no rows")  # noqa: TRY301
            names = [column[0] for column in description]
            told: Sequence[types.Carrier | None] = [None] * len(names)
            if driver and driver.describe:
                told = driver.describe(rows.cursor)
            carriers = rows.decide(description, told)
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
            columns = {column["name"]: column for column in columns_in(inspector, schema, relation)}
        chosen = [columns[name] for name in asked.names]
        carriers = [column["carrier"] for column in chosen]
        limit = asked.limit
        rest, values = asked.rest, list(asked.params)
        if family != "generic" and limit is not None:
            rest += f" LIMIT {limit:d}" + (f" OFFSET {asked.offset:d}" if asked.offset else "")
        text = f"SELECT {self._list(chosen, carriers)} FROM {self._quoted(schema, relation)}"  # noqa: S608
        text, bound = self._bound(text + rest, values) if values else (text + rest, ())
        rows = self._started(spent=False)
        try:
            if limit != 0:
                description = rows.run(text, bound)
                if family == "generic":
                    rows.cut(asked.offset, limit)
                if types.UNDECLARED in carriers:
                    told = [None if carrier is types.UNDECLARED else carrier for carrier in carriers]
                    carriers = rows.decide(description, told)
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
        cancel = Cancel(stop, severing(driver))
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
        if kind_of(inspector, schema, relation) != "table":
            raise ForbiddenError(f"{relation!r} is a view: it has no rows of its own to write")
        columns = columns_in(inspector, schema, relation)
        targets = {column["name"]: Target(column, self._dialect.family) for column in columns}
        table = sa.table(
            _exact(relation), *(sa.column(_exact(name)) for name in targets), schema=_exact(schema)
        )
        lock = lock_for(self._dialect.family, schema, relation) if mode == "truncate" else None
        if lock and (statement := _first(connection, lock)):
            _run(connection, statement)
        if mode == "truncate" and (cascade := cascade_of(inspector, schema, relation)):
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                raise refusal(schema, relation, cascade)
            mode = "append"  # nothing is there to delete, nor what somebody adds meanwhile
        key = key_of(inspector, schema, relation)
        unique = [index for index in known(inspector.get_indexes, relation, schema) if index["unique"]]
        writer = Writer(connection, table, targets, key, plain_upsert=not unique, check=cancel.check)
        return writer.write(reader, mode)

    # Structure

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        with self._writing() as (connection, _):
            self._create(connection, schema, relation, arrow_schema)

    def _create(self, connection: sa.Connection, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        if relation in relations(sa.inspect(connection), schema):
            raise AlreadyExistsError(f"{relation!r} is there already")
        self._named(schema, relation, *arrow_schema.names)
        columns = columns_of(arrow_schema, self._dialect.family)
        table = sa.Table(_exact(relation), sa.MetaData(), *columns, schema=_exact(schema))
        connection.execute(sa.schema.CreateTable(table))

    def drop_relation(self, schema: str, relation: str) -> None:
        with self._writing() as (connection, _):
            kind = kind_of(sa.inspect(connection), schema, relation)
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
            kind_of(inspector, *source)
            if target[1] in relations(inspector, target[0]):
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
            if relations(sa.inspect(connection), schema):
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


def _first(connection: sa.Connection, statement: str) -> Any:
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).scalar()


def _exact(name: str) -> Any:
    return sa.sql.quoted_name(name, quote=True)
