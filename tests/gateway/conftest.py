from __future__ import annotations

import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.gateway.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score REAL CHECK (score < 100));
INSERT INTO users VALUES (1, 'ada', 1.5), (2, NULL, 2.5), (3, '', 3.5), (4, 'Zoë', 4.5),
                         (5, 'e', 5.5), (6, 'f', 6.5), (7, 'g', 7.5);
CREATE VIEW names AS SELECT name FROM users;
CREATE TABLE big (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO big SELECT i, printf('%064d', i) FROM n;
CREATE TABLE empty (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE "a/b" (id INTEGER);
INSERT INTO "a/b" VALUES (1);
"""


class Serve(Protocol):
    """Starts a server that lives as long as the test."""

    def __call__(self, *arguments: str, env: dict[str, str] | None = None) -> Server: ...


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database that tests copy."""
    path = tmp_path_factory.mktemp("made") / "made.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


@pytest.fixture
def database(made: Path, tmp_path: Path) -> Path:
    """A database of the test's own."""
    return Path(shutil.copy(made, tmp_path / "test.db"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers."""
    with ExitStack() as stack:

        def start(*arguments: str, env: dict[str, str] | None = None) -> Server:
            log = tmp_path / f"server-{len(list(tmp_path.iterdir()))}.log"
            return stack.enter_context(serving(log, *arguments, env=env))

        yield start


@pytest.fixture(scope="session")
def reader(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with access `read`, for all tests that change nothing."""
    log = tmp_path_factory.mktemp("reader") / "server.log"
    with serving(log, f"sqlite:///{made}") as server:
        yield server


@pytest.fixture
def client(reader: Server) -> Iterator[httpx.Client]:
    """A client of `reader` that asks for no compression."""
    with httpx.Client(base_url=reader.url, headers={"accept-encoding": "identity"}) as made_client:
        yield made_client


@pytest.fixture
def writer(database: Path, serve: Serve) -> Server:
    """A server with access `manage` over `database`."""
    return serve(f"sqlite:///{database}", "--access", "manage")
