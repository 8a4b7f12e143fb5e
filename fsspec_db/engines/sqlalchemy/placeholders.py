"""The marks of parameters in a statement, as a driver wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsspec_db.engines.sqlalchemy import dialects
from fsspec_db.engines.sqlalchemy.writing import sqlite_number
from fsspec_db.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

_NUMBERED = r"\$\d+ | (?<![:\w]):[A-Za-z_]\w*"
_MARK = rf"(?P<mark> \? | {_NUMBERED})"
_TEXT = r"'(?:[^']|'')*'"
_ESCAPED = r"'(?:[^'\\]|''|\\.)*'"
_NAME = r"\"(?:[^\"]|\"\")*\" | `(?:[^`]|``)*`"
_COMMENT = r"/\*.*?\*/"
_STANDARD = rf"{_TEXT} | {_NAME} | --[^\n]* | {_COMMENT} | :: | {_MARK}"
_TOKENS = {
    "mysql": rf"{_ESCAPED} | \"(?:[^\"\\]|\"\"|\\.)*\" | {_NAME} | (?:--(?=\s)|\#)[^\n]*"
    rf" | {_COMMENT} | {_MARK}",
    # `?` is an operator there.
    "postgresql": rf"\b[eE]{_ESCAPED} | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$"
    rf" | {_TEXT} | {_NAME} | --[^\n]* | {_COMMENT} | :: | (?P<mark>{_NUMBERED})",
}
_PATTERNS = {name: re.compile(tokens, re.VERBOSE | re.DOTALL) for name, tokens in _TOKENS.items()}
_PATTERN = re.compile(_STANDARD, re.VERBOSE | re.DOTALL)


def spelled(
    sql: str, params: Sequence[Any] | Mapping[str, Any], family: str, paramstyle: str
) -> tuple[str, tuple[Any, ...] | dict[str, Any]]:
    """`sql` with its marks in a driver's `paramstyle`, and the values as that driver takes them.

    Marks are `?` or `$1` for a sequence (on PostgreSQL, where `?` is an operator, only the latter)
    and `:name` for a mapping. What stands in quotes or in a comment is no mark.

    Raises:
        InvalidQueryError: Marks and values are not as many, or are not of the same names.
    """
    named = isinstance(params, Mapping)
    values: list[Any] = []
    used: set[Any] = set()
    out: list[str] = []
    end = count = 0
    percent = paramstyle in ("format", "pyformat")

    def plain(text: str) -> None:
        out.append(text.replace("%", "%%") if percent else text)

    for token in _PATTERNS.get(family, _PATTERN).finditer(sql):
        mark = token["mark"]
        if mark is None or (mark[0] == ":") != named:
            continue
        plain(sql[end : token.start()])
        end = token.end()
        if mark == "?":
            key: Any = count
            count += 1
        else:
            key = mark[1:] if named else int(mark[1:]) - 1
        try:
            values.append(params[key])
        except (KeyError, IndexError):
            raise InvalidQueryError(f"there is no value for {mark if mark != '?' else count}") from None
        used.add(key)
        out.append(_spelling(paramstyle, len(values)))
    plain(sql[end:])
    if len(used) != len(params):
        raise InvalidQueryError(f"{len(params)} values for {len(used)} parameters of the statement")
    if paramstyle in ("named", "pyformat"):
        return "".join(out), {f"p{at}": value for at, value in enumerate(values, 1)}
    return "".join(out), tuple(values)


def bound_for(
    dialect: sa.Dialect, sql: str, params: Sequence[Any] | Mapping[str, Any] | None
) -> tuple[str, tuple[Any, ...] | dict[str, Any]]:
    """`sql` and its values as the driver of `dialect` takes them.

    Raises:
        InvalidQueryError: Marks and values do not match, or SQLite has no such value.
    """
    if not params:
        return sql, ()
    family = dialects.of(dialect).family
    text, values = spelled(sql, params, family, dialect.paramstyle)
    return text, tuple(map(_sqlite_value, values)) if family == "sqlite" else values


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


def _spelling(paramstyle: str, ordinal: int) -> str:
    return {
        "qmark": "?",
        "format": "%s",
        "numeric": f":{ordinal}",
        "numeric_dollar": f"${ordinal}",
        "named": f":p{ordinal}",
        "pyformat": f"%(p{ordinal})s",
    }[paramstyle]
