"""What ADBC drivers raise, as the errors of this package."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from adbc_driver_manager import AdbcStatusCode

from fsspec_db.engines.adbc.postgresql import NESTED
from fsspec_db.engines.credentials import redacted
from fsspec_db.engines.sqlstate import code_of_sqlstate
from fsspec_db.errors import make_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db.errors import DatabaseError

_NOISE = re.compile(r"^[A-Z_]+: |\s*Query was: .*|\.? SQLSTATE: \w{5}$| Vendor code: \d+$", re.DOTALL)

_STATUSES: Mapping[AdbcStatusCode, str] = MappingProxyType(
    {
        AdbcStatusCode.ALREADY_EXISTS: "already-exists",
        AdbcStatusCode.CANCELLED: "cancelled",
        AdbcStatusCode.INTEGRITY: "constraint-violation",
        AdbcStatusCode.INVALID_ARGUMENT: "invalid-query",
        AdbcStatusCode.INVALID_DATA: "value-out-of-range",
        AdbcStatusCode.INVALID_STATE: "invalid-query",
        AdbcStatusCode.IO: "database-unavailable",
        AdbcStatusCode.NOT_FOUND: "invalid-query",
        AdbcStatusCode.NOT_IMPLEMENTED: "unsupported",
        AdbcStatusCode.TIMEOUT: "query-timeout",
        AdbcStatusCode.UNAUTHENTICATED: "forbidden",
        AdbcStatusCode.UNAUTHORIZED: "forbidden",
        AdbcStatusCode.UNKNOWN: "invalid-query",
    }
)

_TEXTS: tuple[tuple[str, str], ...] = (
    ("readonly database", "read-only"),
    ("Type mismatch in column", "value-out-of-range"),
    ("context canceled", "cancelled"),
    ("would overflow when converting", "value-out-of-range"),
    ("constraint failed", "constraint-violation"),
)
"""What drivers say in words alone."""


def error_of(
    raised: Exception, secrets: frozenset[str], *, guesses: bool = False, interval: str | None = None
) -> DatabaseError:
    """What a driver raised, with a code, and without secrets.

    Args:
        raised: By the driver.
        secrets: What it may quote of its options.
        guesses: Whether it is SQLite's, to which all is `IO`.
        interval: The one column whose values can be too large for Arrow.
    """
    text = redacted(str(raised), secrets)
    sqlstate = getattr(raised, "sqlstate", None)
    if NESTED in text:
        name = text.partition(NESTED)[2].partition('"\n')[0].partition('" SQLSTATE')[0].rstrip('"')
        said = f"column {name!r} has arrays within an array: read it as text"
        return make_error("value-out-of-range", said, sqlstate=sqlstate, column=name)
    if "[Driver Manager]" in text:
        said = f"{text.partition(chr(10))[0]}: pip install adbc-driver-…, or name its file"
        return make_error("invalid-parameter", _NOISE.sub("", said))
    status: Any = getattr(raised, "status_code", None)
    code = code_of_sqlstate(sqlstate) or _STATUSES.get(status, "internal")
    if told := next((meant for words, meant in _TEXTS if words in text.replace("Context", "context")), None):
        code = told
    elif code == "internal" and "Operation not supported" in text:
        code = "unsupported"
    elif guesses and code == "database-unavailable":
        code = "not-found" if "failed to open" in text else "invalid-query"
    column = interval if "would overflow when converting" in text else None
    return make_error(code, _NOISE.sub("", text), column=column, sqlstate=sqlstate)
