"""URLs and connections, with the engine's own means for read-only in them."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa

from fsspec_db.engines.sqlalchemy import dialects
from fsspec_db.errors import InvalidParameterError, NotFoundError

if TYPE_CHECKING:
    from fsspec_db.database import Access
    from fsspec_db.engines.sqlalchemy.errors import Errors

# A type that SQLAlchemy does not know is carried as its text.
warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)


def opened(url: sa.URL, access: Access, pool: int, errors: Errors) -> sa.Engine:
    """An engine whose connections are set up as ours are; `errors` then knows its driver.

    Raises:
        InvalidParameterError: There is no such dialect or driver, or it cannot be used.
        NotFoundError: There is no such SQLite file.
    """
    try:
        engine = sa.create_engine(
            _prepared(url, access),
            hide_parameters=True,
            poolclass=sa.QueuePool,
            pool_size=pool,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
        )
    except sa.exc.ArgumentError as error:
        raise InvalidParameterError(errors.of(error).detail) from None
    errors.driver = engine.dialect.loaded_dbapi.Error
    if engine.dialect.is_async:
        raise InvalidParameterError(f"{url.drivername} is for asyncio: name another driver")
    known = dialects.of(engine.dialect)
    if known.family == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_connected)
        sa.event.listen(engine, "begin", _sqlite_begun)
    driver = known.drivers.get(engine.dialect.driver)
    if driver and (connected := driver.connected):
        sa.event.listen(engine, "connect", lambda connection, _: connected(connection))
    return engine


def _prepared(url: sa.URL, access: Access) -> sa.URL:
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


def _sqlite_connected(connection: Any, _record: Any) -> None:
    """Leaves the beginning of transactions to us, and enforces foreign keys."""
    connection.isolation_level = None  # otherwise the driver would begin at the first write
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begun(connection: sa.Connection) -> None:
    """Begins a transaction, with the lock that its connection's options say."""
    connection.exec_driver_sql(connection.get_execution_options().get("fsspec_db_begin", "BEGIN"))
