"""URLs and connections, with the engine's own means for read-only in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fsspec_db.errors import InvalidParameterError, NotFoundError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from fsspec_db.database import Access


def prepared(url: sa.URL, access: Access) -> sa.URL:
    """The URL with the engine's own means for read-only in it."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        path = url.database or ":memory:"
        if path == ":memory:" or "mode=memory" in path or url.query.get("mode") == "memory":
            raise InvalidParameterError(
                "in memory, each connection would have a database of its own: name a file"
            )
        if not path.startswith("file:"):
            if access != "manage" and not os.path.exists(path):  # noqa: PTH110
                raise NotFoundError("there is no such file")
            path = "file:" + quote(os.path.abspath(path))  # noqa: PTH100
        mode = {"read": "ro", "write": "rw", "manage": "rwc"}[access]
        return url.set(database=path).update_query_dict({"mode": mode, "uri": "true"})
    if backend == "duckdb":
        # Its dialect reads the catalogue of PostgreSQL, most of which DuckDB has not.
        raise InvalidParameterError("DuckDB has an engine of its own: duckdb:")
    return url


def sqlite_connected(connection: Any, _record: Any) -> None:
    """Leaves the beginning of transactions to us, and enforces foreign keys."""
    connection.isolation_level = None  # otherwise the driver would begin at the first write
    connection.execute("PRAGMA foreign_keys = ON")


def sqlite_begun(connection: sa.Connection) -> None:
    """Begins a transaction, with the lock that its connection's options say."""
    connection.exec_driver_sql(connection.get_execution_options().get("fsspec_db_begin", "BEGIN"))
