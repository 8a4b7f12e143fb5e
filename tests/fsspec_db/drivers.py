"""URLs of databases behind ADBC's and ODBC's drivers, and filesystems over them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from fsspec_db import connect
from tests.odbc import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fsspec_db import Access, DatabaseFileSystem
    from tests.postgres import Postgres


@contextmanager
def opened(url: str, access: Access = "read", **options: Any) -> Iterator[DatabaseFileSystem]:
    with closing(connect(url, access=access, **options)) as fs:
        yield fs


def postgres_url(way: str, server: Postgres, user: str = "postgres", password: str = "") -> str:
    """The URL of a server, by `adbc` or `odbc`. Skips where there is no driver."""
    if way == "adbc":
        pytest.importorskip("adbc_driver_postgresql")
        login = f"{user}:{password}".rstrip(":")
        return f"adbc:postgresql?uri={quote(server.url.replace('postgres@', f'{login}@'), safe='')}"
    needs("PostgreSQL Unicode")
    place = f"Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={server.port};Database=postgres"
    return "odbc:" + quote(f"{place};Uid={user}" + (f";Pwd={password}" if password else ""))


def sqlite_url(way: str, file: Path) -> str:
    """The URL of a file, by `adbc` or `odbc`. Skips where there is no driver."""
    if way == "adbc":
        pytest.importorskip("adbc_driver_sqlite")
        return f"adbc:sqlite?uri={file}"
    needs("SQLite3")
    return f"odbc:Driver=SQLite3;Database={file}"
