"""One small tree of errors: a stable code, a sentence, and what the case knows.

Every class is the fitting builtin exception as well, so that code which knows nothing of
databases handles it: `except FileNotFoundError` catches a `NotFoundError`.
"""

from __future__ import annotations

import errno
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from fsspec_db import _bridge

if TYPE_CHECKING:
    from collections.abc import Mapping


class DatabaseError(Exception):
    """Anything that went wrong in a database or on the way to it.

    Attributes:
        code: The stable name of this kind of failure.
        detail: A sentence for people; also `str(error)`.
        path: The path that it is about.
        column: The column that it is about.
        row: The row of the body or of the result, counted from 1.
        sqlstate: What the engine said, in its own code.
    """

    code: ClassVar[str] = "internal"
    number: ClassVar[int] = errno.EIO
    """The `errno` of the classes that are an `OSError`."""

    def __init__(
        self,
        detail: str = "",
        *,
        path: str | None = None,
        column: str | None = None,
        row: int | None = None,
        sqlstate: str | None = None,
    ) -> None:
        if isinstance(self, OSError):
            OSError.__init__(self, self.number, detail, path)
        else:
            super().__init__(detail)
        self.detail = detail
        self.path = path
        self.column = column
        self.row = row
        self.sqlstate = sqlstate

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.path, self.column, self.row, self.sqlstate)


class InvalidPathError(DatabaseError, ValueError):
    """The path is not in the grammar."""

    code = "invalid-path"


class NotFoundError(DatabaseError, FileNotFoundError):
    """No such schema, relation, item or column."""

    code = "not-found"
    number = errno.ENOENT


class AlreadyExistsError(DatabaseError, FileExistsError):
    """The relation to create is there already."""

    code = "already-exists"
    number = errno.EEXIST


class FileAsDirectoryError(DatabaseError, NotADirectoryError):
    """A file was used as a directory."""

    code = "not-a-directory"
    number = errno.ENOTDIR


class DirectoryAsFileError(DatabaseError, IsADirectoryError):
    """A directory was used as a file."""

    code = "is-a-directory"
    number = errno.EISDIR


class ReadOnlyError(DatabaseError, PermissionError):
    """The database or the filesystem does not accept writes."""

    code = "read-only"
    number = errno.EROFS


class ForbiddenError(DatabaseError, PermissionError):
    """The engine, the backend or the access level denies it."""

    code = "forbidden"
    number = errno.EACCES


class InvalidPredicateError(DatabaseError, ValueError):
    """`where` is outside the allow-list, or does not parse."""

    code = "invalid-predicate"


class InvalidParameterError(DatabaseError, ValueError):
    """An unknown or malformed shaping parameter or option."""

    code = "invalid-parameter"


class InvalidQueryError(DatabaseError, ValueError):
    """The database refused the text of a query, or its parameters."""

    code = "invalid-query"


class MalformedBodyError(DatabaseError, ValueError):
    """A body that is not in its format."""

    code = "malformed-body"


class IncompleteBodyError(DatabaseError, ValueError):
    """A body that ended before its end."""

    code = "incomplete-body"


class SchemaMismatchError(DatabaseError, ValueError):
    """Columns that the relation does not have, or types that cannot be carried."""

    code = "schema-mismatch"


class ValueOutOfRangeError(DatabaseError, ValueError):
    """A value that the column cannot hold exactly."""

    code = "value-out-of-range"


class ConstraintViolationError(DatabaseError, ValueError):
    """A constraint of the database was violated."""

    code = "constraint-violation"


class PreconditionFailedError(DatabaseError, OSError):
    """The state that a write was meant for is not the present one any more."""

    code = "precondition-failed"
    number = errno.ESTALE


class NotEmptyError(DatabaseError, OSError):
    """A schema that still has relations."""

    code = "not-empty"
    number = errno.ENOTEMPTY


class UnsupportedError(DatabaseError, NotImplementedError):
    """The engine or the format cannot do this."""

    code = "unsupported"


class DatabaseUnavailableError(DatabaseError, ConnectionError):
    """The database cannot be reached, or is locked by somebody else."""

    code = "database-unavailable"
    number = errno.ENOTCONN


class QueryTimeoutError(DatabaseError, TimeoutError):
    """The time limit of a statement passed."""

    code = "query-timeout"
    number = errno.ETIMEDOUT


class BodyTooLargeError(DatabaseError, OSError):
    """More bytes than allowed."""

    code = "body-too-large"
    number = errno.EFBIG


class SpoolFullError(DatabaseError, OSError):
    """No room left where bodies are spooled."""

    code = "spool-full"
    number = errno.ENOSPC


class OperationCancelledError(DatabaseError, OSError):
    """The reader went away before the end."""

    code = "cancelled"
    number = errno.ECANCELED


class InternalError(DatabaseError, RuntimeError):
    """A fault of this program."""

    code = "internal"


ERRORS: Mapping[str, type[DatabaseError]] = MappingProxyType(
    {
        error.code: error
        for error in (
            InvalidPathError,
            NotFoundError,
            AlreadyExistsError,
            FileAsDirectoryError,
            DirectoryAsFileError,
            ReadOnlyError,
            ForbiddenError,
            InvalidPredicateError,
            InvalidParameterError,
            InvalidQueryError,
            MalformedBodyError,
            IncompleteBodyError,
            SchemaMismatchError,
            ValueOutOfRangeError,
            ConstraintViolationError,
            PreconditionFailedError,
            NotEmptyError,
            UnsupportedError,
            DatabaseUnavailableError,
            QueryTimeoutError,
            BodyTooLargeError,
            SpoolFullError,
            OperationCancelledError,
            InternalError,
        )
    }
)
"""The class of every code."""

_BUILTIN: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "not-found"),
    (FileExistsError, "already-exists"),
    (NotADirectoryError, "not-a-directory"),
    (IsADirectoryError, "is-a-directory"),
    (PermissionError, "forbidden"),
    (ConnectionError, "database-unavailable"),
    (TimeoutError, "query-timeout"),
    (NotImplementedError, "unsupported"),
    (ValueError, "invalid-parameter"),
)


def code_of(error: BaseException) -> str:
    """The code of any exception; what a Python backend raised by itself has the nearest one."""
    if isinstance(error, DatabaseError):
        return error.code
    for builtin, code in _BUILTIN:
        if isinstance(error, builtin):
            return code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "spool-full"
    return "internal"


def make_error(
    code: str,
    detail: str,
    path: str | None = None,
    column: str | None = None,
    row: int | None = None,
    sqlstate: str | None = None,
) -> DatabaseError:
    """The exception of a code; one that is not known here is an `InternalError`."""
    return ERRORS.get(code, InternalError)(detail, path=path, column=column, row=row, sqlstate=sqlstate)


def _rebuild(
    error: type[DatabaseError],
    detail: str,
    path: str | None,
    column: str | None,
    row: int | None,
    sqlstate: str | None,
) -> DatabaseError:
    return error(detail, path=path, column=column, row=row, sqlstate=sqlstate)


_bridge.set_error_factory(make_error)
