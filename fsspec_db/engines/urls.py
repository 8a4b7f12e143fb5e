"""The URLs of databases: what they hold, and what of it may be shown."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

from fsspec_db.engines.credentials import HIDDEN_NAME

_FILE = re.compile(r"((?:sqlite|duckdb):///)(?!/|:memory:)([^?]+)(\?.*)?", re.DOTALL | re.IGNORECASE)
_MEMORY = re.compile(r"(?:sqlite|duckdb)://(?:/?|/:memory:)(?:\?.*)?", re.DOTALL | re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)([^/?#@:]*)(:[^/?#]*)?@")
_OF_SQLALCHEMY = re.compile(r"(?<=://)([^:/]*)(:[^@]*)?@")
"""Where SQLAlchemy finds a password: it may hold anything but `@`."""
_VALUE = re.compile(r"(?<==)[^?&;]+")
_SECRET = re.compile(rf"(?i)(^:|[?&;])[^?&;=:/]*(?:{HIDDEN_NAME})[^?&;=]*=(?:\{{(?:[^}}]|\}}\}})*\}}|[^&;])*")


def absolute(url: str) -> str:
    """`url` as it can be used from any working directory."""
    match = _FILE.fullmatch(url)
    return match[1].lower() + _absolute_file(unquote(match[2])) + (match[3] or "") if match else url


def file_url(scheme: str, path: str) -> str:
    """The URL of a database that is a file."""
    return f"{scheme}:///{_absolute_file(path)}"


def _absolute_file(path: str) -> str:
    return quote(os.path.abspath(path))  # noqa: PTH100  (resolve() follows links)


def is_in_memory(url: str) -> bool:
    """Whether the database exists only as long as it is open."""
    return _MEMORY.fullmatch(url) is not None


def without_credentials(url: str) -> str:
    """`url` without passwords; the user's name stays. URLs within its values are treated alike."""
    scheme, colon, text = url.partition(":")
    if scheme.lower() == "odbc":  # a connection string, which may be quoted whole
        return scheme + colon + quote(_shown(colon + unquote(text)).removeprefix(":"), safe="=;{}")
    if scheme.lower() == "sqlalchemy":
        url = _OF_SQLALCHEMY.sub(r"\1@", url)
    return _VALUE.sub(_inner, _shown(url))


def _shown(text: str) -> str:
    return re.sub(r"([?&;:])[&;]+", r"\1", _SECRET.sub(r"\1", _USERINFO.sub(r"\1@", text))).rstrip("?&;")


def _inner(match: re.Match[str]) -> str:
    value = unquote(match[0])
    shown = without_credentials(value) if "://" in value else value
    return quote(shown, safe="") if shown != value else match[0]
