"""A drive: a gateway with access `manage` over SQLite, and a look past it at the rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from tests.gateway.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score REAL CHECK (score < 100));
INSERT INTO users VALUES (1, 'ada', 1.5), (2, NULL, 2.5), (3, '', 3.5), (4, 'Zoë', 4.5);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer TEXT NOT NULL, placed TIMESTAMP, due DATE, total DECIMAL(12, 2),
    paid BOOLEAN, scan BLOB
);
INSERT INTO orders VALUES
    (1, 'ada', '2026-01-02 03:04:05.678000', '2026-02-01', '1234567.89', TRUE, x'00FF0A0D'),
    (2, 'bob, "b"', NULL, '1999-12-31', '-0.01', FALSE, x''),
    (3, '日本 語', '1969-12-31 23:59:59', NULL, NULL, NULL, NULL);
CREATE VIEW names AS SELECT name FROM users;
"""
NEW = b"id,name,score\n7,grace,7.5\n8,,8.5\n"
"""A body for `users`."""
NEW_ROWS = [(7, "grace", 7.5), (8, None, 8.5)]
BAD = b"id,name,score\n7,grace,not a number\n"
"""One that is refused."""
FORMATS = ("arrow", "feather", "parquet", "csv", "jsonl", "json")


@dataclass(frozen=True)
class Drive:
    """What clients see, and what is behind it."""

    server: Server
    database: Path

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return self.server.url

    def rows(self, table: str = "users") -> list[tuple[Any, ...]]:
        """What the database says, past the gateway."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            return connection.execute(f'SELECT * FROM "{table}" ORDER BY 1').fetchall()

    def tables(self) -> set[str]:
        """The names of all relations."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            return {
                name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type != 'index'")
            }

    def get(self, path: str) -> bytes:
        """The bytes at a path, which must be there."""
        return httpx.get(self.url + path, headers={"accept-encoding": "identity"}).raise_for_status().content


@contextmanager
def driving(folder: Path, *arguments: str) -> Iterator[Drive]:
    """A drive for the time of a block, with all it needs in a folder of its own."""
    database = folder / "drive.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(TABLES)
    (folder / "spool").mkdir()
    settings = ["--access", "manage", "--access-log", "--spool-dir", str(folder / "spool"), *arguments]
    with serving(folder / "server.log", f"sqlite:///{database}", *settings) as server:
        yield Drive(server, database)
