"""What an SQLSTATE means: the five characters in which databases agree on what went wrong."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Mapping[str, str] = MappingProxyType(
    {
        "08": "database-unavailable",
        "08P01": "invalid-query",  # values are missing
        "0A": "unsupported",
        "22": "value-out-of-range",
        "23": "constraint-violation",
        "25006": "read-only",
        "28": "database-unavailable",
        "2BP01": "not-empty",
        "3D": "database-unavailable",
        "3F000": "not-found",
        "40": "database-unavailable",
        "42": "invalid-query",
        "42501": "forbidden",
        "42P06": "already-exists",
        "42P07": "already-exists",
        "42S01": "already-exists",
        "53": "database-unavailable",
        "55P03": "database-unavailable",
        "57014": "query-timeout",
        "57P": "database-unavailable",
        "HY008": "cancelled",
        "HYC00": "unsupported",
        "HYT": "query-timeout",
        "IM001": "unsupported",
    }
)


def code_of_sqlstate(sqlstate: str | None) -> str | None:
    """The code of the error that an SQLSTATE stands for; `None` where it says nothing in particular."""
    for length in (5, 3, 2):
        if sqlstate and (code := _CODES.get(sqlstate[:length])):
            return code
    return None
