"""What drivers raise, as the errors of this package, without what they quote of the connection."""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fsspec_db.engines.credentials import redacted, secrets_of, spellings
from fsspec_db.engines.sqlstate import code_of_sqlstate
from fsspec_db.errors import DatabaseError, make_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMBERS: Mapping[int, str] = MappingProxyType(
    {
        number: code
        for code, numbers in {
            "already-exists": (1007, 1050),
            "cancelled": (1317,),
            "constraint-violation": (1048, 1062, 1364, 1451, 1452, 3819, 4025),
            "database-unavailable": (1040, 1045, 1205, 1213, 1698, 2002, 2003, 2006, 2013),
            "forbidden": (1044, 1142, 1143, 1227),
            "not-found": (1049,),
            "query-timeout": (1969, 3024),
            "read-only": (1290, 1792),
        }.items()
        for number in numbers
    }
)
"""By the number of a MySQL or MariaDB error."""

_CLASSES: tuple[tuple[type[Exception], str], ...] = (
    (sa.exc.NoSuchTableError, "not-found"),
    (sa.exc.TimeoutError, "database-unavailable"),
    (sa.exc.IntegrityError, "constraint-violation"),
    (sa.exc.DataError, "value-out-of-range"),
    (sa.exc.NotSupportedError, "unsupported"),
    (sa.exc.InternalError, "invalid-query"),
    (sa.exc.ProgrammingError, "invalid-query"),
    (sa.exc.DBAPIError, "invalid-query"),
    (sa.exc.CompileError, "unsupported"),
)

_SQLITE: Mapping[str, str] = MappingProxyType(
    {
        "SQLITE_AUTH": "read-only", "SQLITE_READONLY": "read-only", "SQLITE_BUSY": "database-unavailable",
        "SQLITE_LOCKED": "database-unavailable", "SQLITE_CANTOPEN": "database-unavailable",
        "SQLITE_NOTADB": "database-unavailable", "SQLITE_INTERRUPT": "cancelled", "SQLITE_FULL": "spool-full",
        "SQLITE_CONSTRAINT": "constraint-violation",
    }
)  # fmt: skip


class Errors:
    """Says of one database's connections what went wrong, and never how to log in to it.

    Attributes:
        driver: What the driver itself raises.
    """

    def __init__(self, url: sa.URL) -> None:
        self.driver: type[Exception] = sa.exc.SQLAlchemyError
        query = {name: str(value) for name, value in url.query.items()}
        self._secrets = spellings({str(url.password or ""), *secrets_of(query)})

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raises what SQLAlchemy or a driver raises within as a `DatabaseError`."""
        try:
            yield
        except DatabaseError:
            raise
        except (sa.exc.SQLAlchemyError, OSError, self.driver) as error:
            # The chain would print what the driver quotes.
            raise self.of(error) from None

    def of(self, error: BaseException) -> DatabaseError:
        """The error of this package that says the same."""
        source: Any = getattr(error, "orig", None) or error
        state = getattr(source, "sqlstate", None) or getattr(source, "pgcode", None)
        state = state if isinstance(state, str) else None
        diagnosis = getattr(source, "diag", None)
        column = getattr(diagnosis, "column_name", None)
        text = str(source)
        number = source.args[0] if source.args and isinstance(source.args[0], int) else None
        if number is not None and len(source.args) > 1:
            text = str(source.args[1])
        code = self._code(error, source, state, number)
        text = redacted(text.strip(), self._secrets)
        return make_error(code, text, column=column, sqlstate=state)

    def _code(self, error: BaseException, source: Any, state: str | None, number: int | None) -> str:
        if (code := code_of_sqlstate(state)) is not None:
            return code
        if number is not None and number in _NUMBERS:
            return _NUMBERS[number]
        name = getattr(source, "sqlite_errorname", None) or ""
        for begin, code in _SQLITE.items():
            if name.startswith(begin):
                return code
        text = str(source)
        if "not authorized" in text or "read-only mode" in text:
            return "read-only"
        if getattr(error, "connection_invalidated", False) or isinstance(source, OSError):
            return "database-unavailable"
        if isinstance(error, sa.exc.OperationalError) and state is None and number is None and not name:
            return "database-unavailable"
        return next((code for kind, code in _CLASSES if isinstance(error, kind)), "internal")
