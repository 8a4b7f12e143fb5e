from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from fsspec_db import AbstractDatabaseFileSystem, connect
from tests.fsspec_db.backends import PythonSQLite
from tests.fsspec_db.samples import TABLES, fresh_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def seed() -> ModuleType:
    return fresh_seed()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A SQLite file with two tables and a view."""
    path = tmp_path / "test.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file of the test's own, `made.db`, as SQLite itself opens it."""
    with closing(sqlite3.connect(tmp_path / "made.db", isolation_level=None)) as connection:
        yield connection


@pytest.fixture(params=["python", "sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    """A database in Python, and the native one: both hold to all that is tested with `fs`."""
    return str(request.param)


@pytest.fixture
def opened(engine: str, database: Path) -> Iterator[Callable[..., AbstractDatabaseFileSystem]]:
    """Opens the test database, with some access."""
    filesystems = []

    def open_database(access: str = "manage", **options: Any) -> AbstractDatabaseFileSystem:
        if engine == "sqlite":
            fs: Any = connect(f"sqlite:///{database}", access=access, **options)  # type: ignore[arg-type]
        else:
            fs = AbstractDatabaseFileSystem(PythonSQLite(str(database)), access=access, **options)  # type: ignore[arg-type]
        filesystems.append(fs)
        return fs  # type: ignore[no-any-return]

    yield open_database
    for fs in filesystems:
        fs.close()


@pytest.fixture
def fs(opened: Callable[..., AbstractDatabaseFileSystem]) -> AbstractDatabaseFileSystem:
    return opened()
