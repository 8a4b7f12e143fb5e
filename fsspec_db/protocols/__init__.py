"""What fsspec opens by a protocol of its own. `PROTOCOLS` and the entry points say the same."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "db": "fsspec_db.connect.DatabaseFileSystem",
        "db+adbc": "fsspec_db.protocols.drivers.ADBCFileSystem",
        "db+duckdb": "fsspec_db.protocols.files.DuckDBFileSystem",
        "db+mariadb": "fsspec_db.protocols.servers.MySQLFileSystem",
        "db+mysql": "fsspec_db.protocols.servers.MySQLFileSystem",
        "db+odbc": "fsspec_db.protocols.drivers.ODBCFileSystem",
        "db+postgres": "fsspec_db.protocols.servers.PostgreSQLFileSystem",
        "db+postgresql": "fsspec_db.protocols.servers.PostgreSQLFileSystem",
        "db+sqlalchemy": "fsspec_db.protocols.drivers.SQLAlchemyFileSystem",
        "db+sqlite": "fsspec_db.protocols.files.SQLiteFileSystem",
    }
)
"""The class of each protocol, imported when it is asked for."""
