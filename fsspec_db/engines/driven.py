"""What the engines over other people's drivers have in common, whichever way the drivers are spoken to."""

from __future__ import annotations

from abc import abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from fsspec_db.database import AbstractDatabase
from fsspec_db.engines.cascades import cascade_from, lock_for, refusal
from fsspec_db.engines.precision import Precisions, precisions_of
from fsspec_db.engines.statements import definition_of, qualified
from fsspec_db.errors import InvalidParameterError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from fsspec_db.database import InsertMode

C = TypeVar("C")
"""A connection of the driver."""

_DIALECTS: Mapping[str, str] = MappingProxyType(
    {"postgres": "postgresql", "sqlite": "sqlite", "duckdb": "duckdb", "mysql": "mysql", "mariadb": "mysql"}
)


class Driver(Protocol[C]):
    """A driver that is connected to a database.

    Attributes:
        name: What it calls itself, or the database.
        dialect: Of the SQL that the database understands.
    """

    name: str
    dialect: str

    def transaction(self) -> AbstractContextManager[C]:
        """A connection in a transaction, which is committed unless something is raised."""

    def execute(self, connection: C, sql: str) -> None:
        """Runs a statement of our own that answers with nothing."""

    def values(self, connection: C, sql: str) -> Iterator[Any]:
        """The values of the first column of what a statement of our own answers."""


class Driven(AbstractDatabase, Generic[C]):
    """A database behind a driver."""

    concurrent: ClassVar[bool] = True

    _driver: Driver[C]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._driver.name}>"

    def view_definition(self, schema: str, view: str) -> str:
        """What the database's own catalogue says, by its dialect.

        Raises:
            NotFoundError: There is no such view.
            UnsupportedError: It says nothing.
        """
        if not self.relation_info(schema, view).kind.endswith("view"):
            raise NotFoundError(f"{view!r} is no view")
        text = self._told(definition_of(self._driver.dialect, schema, view))
        if text is None:
            raise UnsupportedError("the definition of this view is not told")
        return str(text)

    def insert(self, schema: str, relation: str, table: pa.Table, mode: InsertMode = "append") -> int:
        """As `insert_stream`."""
        return self.insert_stream(schema, relation, table.to_reader(), mode)

    def create_relation(self, schema: str, relation: str, arrow_schema: pa.Schema) -> None:
        """As `create_relation_from`, without rows."""
        self.create_relation_from(schema, relation, arrow_schema.empty_table().to_reader())

    def drop_relation(self, schema: str, relation: str) -> None:
        """Drops a table or a view.

        Raises:
            NotFoundError: There is none of that name.
        """
        kind = self.relation_info(schema, relation).kind.upper()
        self._command(f"DROP {kind} {self._name(schema, relation)}")

    @abstractmethod
    def _told(self, sql: str) -> Any:
        """The first value that a statement of our own answers, outside of any transaction."""

    def _cascade(self, schema: str, relation: str) -> str | None:  # noqa: ARG002
        """A foreign key, `NAME (ON DELETE RULE)`, in a database of which no catalogue is known."""
        return None

    def _name(self, schema: str, relation: str) -> str:
        return qualified(self._driver.dialect, schema, relation)

    def _command(self, *statements: str) -> None:
        """Runs statements in one transaction."""
        with self._driver.transaction() as connection:
            for statement in statements:
                self._driver.execute(connection, statement)

    def _emptied(self, connection: C, schema: str, relation: str) -> None:
        """Deletes all rows, and keeps others who would do so out until the transaction ends.

        Raises:
            ConstraintViolationError: That would change rows of another table.
        """
        name, driver = self._name(schema, relation), self._driver
        lock = lock_for(driver.dialect, schema, relation)
        if lock and (statement := next(driver.values(connection, lock), None)):
            driver.execute(connection, statement)
        asked = cascade_from(driver.dialect, schema, relation)
        key = next(driver.values(connection, asked), None) if asked else self._cascade(schema, relation)
        if key is None:
            driver.execute(connection, f"DELETE FROM {name}")  # noqa: S608
        # An empty one has nothing to delete, nor what somebody adds meanwhile.
        elif any(driver.values(connection, f"SELECT 1 FROM {name}" + (" LIMIT 1" if asked else ""))):  # noqa: S608
            raise refusal(schema, relation, key)

    def _precisions(self, connection: C, schema: str, relation: str) -> Precisions:
        """What the columns of a relation keep of longer values."""
        asked = precisions_of(self._driver.dialect, schema, relation)
        return Precisions(self._driver.values(connection, asked) if asked else ())


def dialect_of(name: str) -> str:
    """The dialect of a database by what it, or its driver, calls itself: `generic` where nobody knows it."""
    return next((dialect for word, dialect in _DIALECTS.items() if word in name.lower()), "generic")


def kind_of(told: str | None) -> str:
    """Of which kind a relation is, by the word of a driver's catalogue."""
    kind = (told or "").lower()
    if "view" not in kind:
        return "table"
    return "materialized view" if "mat" in kind else "view"


def vouched(options: MutableMapping[str, str]) -> bool:
    """Takes `read_only` out of the options of a URL: whether the account, as the URL says, may not write.

    Raises:
        InvalidParameterError: It says something else.
    """
    said = options.pop("read_only", None)
    if said not in {None, "account"}:
        raise InvalidParameterError("`read_only` can only be `account`: it may not write")
    return said is not None
