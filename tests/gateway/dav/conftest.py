from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.serving import Server, serving
from tests.redis_server import RedisProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_NAMES = [
    "a/b", "a.csv", "100%", "..", "CON", "-", "日本 語", '"; drop table x; --', "it's `quoted` \"twice\"",
    "https_log", "<a href='x'>&amp;", "a\\b?c#d*e:f|g", ".hidden", "end. ", "\x01\x1f", "#", "percent%41",
]  # fmt: skip


@pytest.fixture(scope="session")
def odd_names() -> list[str]:
    """Relations of the served database, besides `users`."""
    return ODD_NAMES


@pytest.fixture(scope="session")
def writable(tmp_path_factory: pytest.TempPathFactory, odd_names: list[str]) -> Iterator[Server]:
    """One server with access `write`."""
    folder = tmp_path_factory.mktemp("dav")
    with closing(sqlite3.connect(folder / "test.db")) as connection:
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        for name in odd_names:
            quoted = name.replace('"', '""')
            connection.execute(f'CREATE TABLE "{quoted}" (id INTEGER)')
        connection.commit()
    with serving(folder / "server.log", f"sqlite:///{folder}/test.db", "--access", "write") as server:
        yield server


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of a test."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisProcess]:
    """One Redis; who uses it empties it first."""
    with RedisProcess() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    """Each kind of `lock_store` in turn, empty."""
    if request.param == "memory":
        return "memory"
    server: RedisProcess = request.getfixturevalue("redis")
    server.empty()
    return server.url


@pytest.fixture
def dav(writable: Server) -> Iterator[httpx.Client]:
    """A client of `writable`; the locks that a test leaves are given up."""
    with httpx.Client(base_url=writable.url) as client:
        yield client
        for path, depth in (("/", "0"), ("/main/", "1")):
            found = client.request("PROPFIND", path, headers={"Depth": depth}).text
            for token, root in re.findall(
                r"<D:locktoken><D:href>(.*?)</D:href>.*?<D:lockroot><D:href>(.*?)</D:href>", found
            ):
                client.request("UNLOCK", root, headers={"Lock-Token": f"<{token}>"})


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a database of 1,000 relations."""
    folder = tmp_path_factory.mktemp("many")
    with closing(sqlite3.connect(folder / "test.db")) as connection:
        tables = "".join(f"CREATE TABLE t{i} (id INTEGER);" for i in range(1000))
        connection.executescript(f"BEGIN; {tables} COMMIT")
    with (
        serving(folder / "server.log", f"sqlite:///{folder}/test.db") as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client
