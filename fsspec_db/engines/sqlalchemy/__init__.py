"""Any database that SQLAlchemy has a dialect for."""
# ruff: noqa: D102  (the contract says what they do)

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import sqlalchemy as sa

from fsspec_db.engines.cascades import lock_for, refusal
from fsspec_db.engines.precision import Precisions, precisions_of
from fsspec_db.engines.sqlalchemy import dialects, types
from fsspec_db.engines.sqlalchemy.cancelling import cancelling
from fsspec_db.engines.sqlalchemy.catalogue import (
    Catalogue,
    cascade_of,
    columns_in,
    key_of,
    kind_of,
    known,
    relations,
    texts,
)
from fsspec_db.engines.sqlalchemy.ddl import columns_of
from fsspec_db.engines.sqlalchemy.errors import Errors
from fsspec_db.engines.sqlalchemy.opening import opened
from fsspec_db.engines.sqlalchemy.placeholders import bound_for, spelled
from fsspec_db.engines.sqlalchemy.reading import Rows, discard
from fsspec_db.engines.sqlalchemy.selection import Selection
from fsspec_db.engines.sqlalchemy.writing import Target, Writer
from fsspec_db.errors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidParameterError,
    InvalidQueryError,
    NotEmptyError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from fsspec_db.database import Access, InsertMode
    from fsspec_db.engines.sqlalchemy.cancelling import Cancel

_POOL = 8


class SQLAlchemy(Catalogue):
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
        self._engine = opened(url, access, pool, self._errors)
        self._dialect = dialects.of(self._engine.dialect)

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

    def close(self) -> None:
        """Gives all connections back, those of readers at work when they end."""
        # They return to a pool that nobody has any more.
        sa.event.listen(self._engine.pool, "checkin", lambda _, record: record.invalidate())
        self._engine.dispose()

    # Reading

    def query(
        self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """Runs a statement of somebody else's, held to reading; its connection is not used again.

        The types of the columns are the driver's where it tells them (psycopg, pymysql). Otherwise the
        first rows decide, before the first byte; a later value that does not fit is an error.

        Raises:
            InvalidQueryError: The database does not take the statement, or values do not match its marks.
            ReadOnlyError: The statement is none that only reads.
            UnsupportedError: Nothing is known that would hold it to reading.
            ValueOutOfRangeError: Values of a column have no type in common, or do not fit the one told.
        """
        dialect = self._engine.dialect
        driver = (
            None
            if self._role and dialect.driver not in self._dialect.drivers
            else dialects.driver_of(dialect)
        )
        numbered = spelled(sql, params, self._dialect.family, "numeric_dollar")[0] if params else sql
        sql, bound = bound_for(dialect, sql, params)

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
        """Reads rows of a relation, in the types of its columns, declared ones in `fsspec_db.sql_type`.

        Raises:
            NotFoundError: There is no such relation.
            ValueOutOfRangeError: A value is none of its column's type; also while the rows are read.
        """
        asked = Selection(sql, params)
        with self._inspector() as inspector:
            columns = {column["name"]: column for column in columns_in(inspector, schema, relation)}
        chosen = [columns[name] for name in asked.names]
        carriers = [column["carrier"] for column in chosen]
        dialect = self._engine.dialect
        text = asked.text(self._quoted(schema, relation), chosen, dialect)
        text, bound = bound_for(dialect, text, asked.params)
        rows = self._started(spent=False)
        try:
            if asked.limit != 0:
                description = rows.run(text, bound)
                if self._dialect.family == "generic":
                    rows.cut(asked.offset, asked.limit)
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

    def _started(self, *, spent: bool, before: Callable[[sa.Connection], object] | None = None) -> Rows:
        """A connection in a read-only transaction, that stops when its reader leaves."""
        with self._errors.told():
            connection = self._engine.connect()
            cancel = cancelling(connection)
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

    # Writing

    @contextmanager
    def _writing(self) -> Iterator[tuple[sa.Connection, Cancel]]:
        """A connection in a transaction that is committed at the end of the block, unless it raises."""
        with self._errors.told(), self._engine.connect() as opened:
            connection = opened.execution_options(fsspec_db_begin="BEGIN IMMEDIATE")
            cancel = cancelling(connection)
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
        """Writes in one transaction, 1000 rows a step.

        Raises:
            ConstraintViolationError: A row breaks a constraint, or replacing would change another table.
            ForbiddenError: It is a view.
            SchemaMismatchError: A column is not there, or cannot hold values of that type.
            UnsupportedError: An upsert without a primary key.
            ValueOutOfRangeError: A value does not fit, with its column and row.
        """
        with self._writing() as (connection, cancel):
            return self._filled(connection, cancel, schema, relation, reader, mode)

    def create_relation_from(self, schema: str, relation: str, reader: pa.RecordBatchReader) -> int:
        """In one transaction on PostgreSQL and SQLite; elsewhere dropped again where it cannot be filled."""
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
        for statement in texts(connection, lock) if lock else ():
            _run(connection, statement)
        if mode == "truncate" and (cascade := cascade_of(inspector, schema, relation)):
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                raise refusal(schema, relation, cascade)
            mode = "append"  # nothing is there to delete, nor what somebody adds meanwhile
        key = key_of(inspector, schema, relation)
        unique = [index for index in known(inspector.get_indexes, relation, schema) if index["unique"]]
        asked = precisions_of(self._dialect.family, schema, relation)
        precisions = Precisions(texts(connection, asked) if asked else ())
        writer = Writer(
            connection, table, targets, key, precisions, plain_upsert=not unique, check=cancel.check
        )
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
        self._rename(source, target, overwrite=False)

    def replace_relation(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """As `rename_relation`, where tables are dropped and renamed in a transaction."""
        if not self._dialect.transactional:
            raise UnsupportedError("dropping and renaming are two transactions there")
        self._rename(source, target, overwrite=True)

    def _rename(self, source: tuple[str, str], target: tuple[str, str], *, overwrite: bool) -> None:
        moves = source[0] != target[0]
        statements: Sequence[str | None] = self._dialect.moves if moves else (self._dialect.rename,)
        if not statements or None in statements:
            raise UnsupportedError("relations cannot be renamed there", path=f"/{source[0]}/{source[1]}")
        self._named(*target)
        passing = f"fsspec_db_{secrets.token_hex(8)}"
        names = {
            "source": self._quoted(*source),
            "passing": self._quoted(passing),
            "passed": self._quoted(source[0], passing),
            "schema": self._quoted(target[0]),
            "moved": self._quoted(target[0], passing),
            "target": self._quoted(target[1]),
            "there": self._quoted(*target),
        }
        with self._writing() as (connection, _):
            inspector = sa.inspect(connection)
            kind_of(inspector, *source)
            if target[1] in relations(inspector, target[0]):
                if not overwrite:
                    raise AlreadyExistsError(f"{target[1]!r} is there already")
                kind = kind_of(inspector, *target)
                _run(connection, f"DROP {kind.upper()} {names['there']}")
            for statement in statements:
                _run(connection, str(statement).format_map(names))

    def rename_schema(self, source: str, target: str) -> None:
        """Of PostgreSQL alone."""
        if self._dialect.family != "postgresql":
            raise UnsupportedError("schemas cannot be renamed there")
        self._named(target)
        with self._writing() as (connection, _):
            if target in sa.inspect(connection).get_schema_names():
                raise AlreadyExistsError(f"{target!r} is there already")
            _run(connection, f"ALTER SCHEMA {self._quoted(source)} RENAME TO {self._quoted(target)}")

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

    def _quoted(self, *names: str) -> str:
        return dialects.quoted(self._engine.dialect, *names)

    def _named(self, *names: str) -> None:
        """Refuses names that the database would cut."""
        most = self._engine.dialect.max_identifier_length
        for name in names:
            if len(name.encode()) > most:
                raise InvalidParameterError(f"{name!r} is longer than the {most} bytes of a name there")

    def _schemas(self) -> None:
        if not self._dialect.schemas:
            raise UnsupportedError("schemas cannot be created or dropped there")


def _run(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()


def _exact(name: str) -> Any:
    return sa.sql.quoted_name(name, quote=True)
