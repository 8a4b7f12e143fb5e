"""DuckDB's errors as ours.

A statement raises classes of the package, a stream that is being read an `OSError`; both begin
with the kind of error in words.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from fsspec_db.errors import (
    ConstraintViolationError,
    DatabaseError,
    DatabaseUnavailableError,
    ForbiddenError,
    InternalError,
    InvalidQueryError,
    NotEmptyError,
    OperationCancelledError,
    ReadOnlyError,
    SpoolFullError,
    UnsupportedError,
    ValueOutOfRangeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS: tuple[tuple[str, type[DatabaseError]], ...] = (
    (r"INTERRUPT Error", OperationCancelledError),
    (r"Constraint Error", ConstraintViolationError),
    (r"TransactionContext Error: Cannot write", ReadOnlyError),
    (r"TransactionContext Error: (?=.*[Cc]onflict)", DatabaseUnavailableError),
    (r"Permission Error", ForbiddenError),
    (r"(?:Conversion|Out of Range) Error", ValueOutOfRangeError),
    (r"Invalid Input Error: (?=infinity|24:00:00|an interval is too long)", ValueOutOfRangeError),
    (r"Dependency Error|Catalog Error: Could not drop the table", NotEmptyError),
    (r".*(?:No space left on device|failed to offload data block)", SpoolFullError),
    (r"(?:IO|Connection|Out of Memory|Serialization) Error", DatabaseUnavailableError),
    (r"(?:FATAL|INTERNAL) Error", InternalError),
    (r"Not implemented Error", UnsupportedError),
)
_COLUMN = re.compile(r'in column "((?:[^"]|"")+)"|source column (\S+?)\b|constraint failed: [^.\s]+\.(\S+)')


@contextmanager
def told(otherwise: type[DatabaseError] = InvalidQueryError) -> Iterator[None]:
    """Raises one of our errors for one of DuckDB's; `otherwise` for a statement that it does not take."""
    try:
        yield
    except duckdb.Error as error:
        raise _ours(str(error), otherwise) from error
    except OSError as error:
        if isinstance(error, DatabaseError):
            raise
        raise _ours(str(error), otherwise) from error
    except pa.ArrowException as error:
        raise _ours(str(error), otherwise) from error


def _ours(text: str, otherwise: type[DatabaseError]) -> DatabaseError:
    # What follows the first sentences is the statement, with a caret below it.
    detail = re.split(r"\n\s*\n", text, maxsplit=1)[0].strip()
    kind = next((kind for pattern, kind in _KINDS if re.match(pattern, text, re.DOTALL)), otherwise)
    if "set lock on file" in text:
        detail = (
            "another process has the database file open, and DuckDB lets one process write or several read"
        )
    if "different configuration" in text:
        detail = "this process has the database file open with another access or other options"
        kind = DatabaseUnavailableError
    if "Connection already closed" in text or "has already been closed" in text:
        detail, kind = "the database was closed", DatabaseUnavailableError
    column = _COLUMN.search(detail)
    name = next((group for group in column.groups() if group), None) if column else None
    return kind(detail, column=name.replace('""', '"') if name else None)
