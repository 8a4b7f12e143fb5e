"""A gateway that is killed leaves what was there before, or what was asked for."""

from __future__ import annotations

import itertools
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest

from tests.gateway.serving import ROOT, Server, serving, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = 60_000
BODY = b"id,name\n7,seven\n8,eight\n"
SCRIPT = """
DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS other; DROP TABLE IF EXISTS new; DROP TABLE IF EXISTS held;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO t VALUES (1, 'one'), (2, 'two');
CREATE TABLE other (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO other VALUES (5, 'five');
"""
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
FILES = {"/.scratch/file": BODY, "/.scratch/second": b"second", "/main/.junk": b"junk", "/main/held.csv": b""}
FOLDERS = ("/.scratch/a/", "/.scratch/a/inner/", "/.scratch/b/")
MEMBERS = {"/.scratch/a/one": b"one", "/.scratch/a/inner/two": b"two", "/.scratch/b/three": b"three"}

State = tuple[dict[str, Any], dict[str, bytes | None]]
"""Tables with what is in them; scratch files with their bytes, collections without."""


@dataclass(frozen=True)
class Change:
    """A request that changes something."""

    method: str
    path: str
    target: str | None = None
    body: bytes = b""
    between: Callable[[State, State], list[State]] = field(default=lambda _old, _new: [])
    """What may be there besides the old and the new state."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" > {self.target}" if self.target else "")

    def ask(self, server: Server) -> httpx.Response | None:
        """The answer; `None` if the gateway died over it."""
        headers = {"Destination": server.url + self.target} if self.target else {}
        with suppress(httpx.TransportError):
            return httpx.request(
                self.method, server.url + self.path, headers=headers, content=self.body, timeout=60
            )
        return None


def rows_first(_old: State, new: State) -> list[State]:
    """The rows are committed, and the file that they came from is still there."""
    return [(new[0], new[1] | {"/.scratch/file": BODY})]


CHANGES = [
    Change("PUT", "/main/t.csv", body=BODY),
    Change("PUT", "/main/new.csv", body=BODY),
    Change("PUT", "/main/held.csv", body=BODY),
    Change("PUT", "/main/new.csv"),
    Change("PUT", "/.scratch/new", body=BODY),
    Change("PUT", "/.scratch/second", body=BODY),
    Change("PUT", "/main/.junk", body=BODY),
    Change("DELETE", "/main/t/"),
    Change("DELETE", "/main/held.csv"),
    Change("DELETE", "/.scratch/file"),
    Change("DELETE", "/.scratch/a/"),
    Change("COPY", "/main/t.csv", "/main/other.csv"),
    Change("COPY", "/main/t.csv", "/main/new.parquet"),
    Change("COPY", "/main/t.csv", "/.scratch/second"),
    Change("COPY", "/main/t/", "/main/new/"),
    Change("COPY", "/main/t/", "/main/other/"),
    Change("COPY", "/.scratch/file", "/main/t.csv"),
    Change("COPY", "/.scratch/file", "/.scratch/second"),
    Change("COPY", "/.scratch/a/", "/.scratch/new/"),
    Change("COPY", "/.scratch/a/", "/.scratch/b/"),
    Change("COPY", "/.scratch/file", "/.scratch/b"),
    Change("MOVE", "/main/t/", "/main/new/"),
    Change("MOVE", "/main/t/", "/main/other/"),
    Change("MOVE", "/.scratch/file", "/main/t.csv", between=rows_first),
    Change("MOVE", "/.scratch/file", "/main/new.csv", between=rows_first),
    Change("MOVE", "/.scratch/file", "/main/held.csv", between=rows_first),
    Change("MOVE", "/.scratch/file", "/.scratch/second"),
    Change("MOVE", "/.scratch/a/", "/.scratch/new/"),
    Change("MOVE", "/.scratch/a/", "/.scratch/b/"),
    Change("MOVE", "/.scratch/file", "/.scratch/b/"),
]


def reset(server: Server, database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(SCRIPT)
    with httpx.Client(base_url=server.url) as client:
        for path in scratch(client):
            client.delete(path)
        for path in FOLDERS:
            client.request("MKCOL", path).raise_for_status()
        for path, body in (FILES | MEMBERS).items():
            client.put(path, content=body).raise_for_status()


def state(server: Server, database: Path) -> State:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [name for (name,) in connection.execute(TABLES)]
        tables = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
    with httpx.Client(base_url=server.url) as client:
        return tables, scratch(client)


def scratch(client: httpx.Client) -> dict[str, bytes | None]:
    """All scratch files that are listed, from the deepest on."""
    found: dict[str, bytes | None] = {}
    listed = [path for path in members(client, "/main/") if not path.endswith("/")] + ["/.scratch/"]
    while listed:
        path = listed.pop()
        if path.endswith("/"):
            found[path] = None
            listed += members(client, path)
        else:
            body = client.get(path).raise_for_status().content
            if not body or "/." in path:  # what has rows is none
                found[path] = body
    del found["/.scratch/"]
    return dict(sorted(found.items(), reverse=True))


def members(client: httpx.Client, path: str) -> list[str]:
    answer = client.request("PROPFIND", path, headers={"Depth": "1"})
    assert answer.status_code == 207, answer.text
    found = map(unquote, re.findall(r"<D:response><D:href>([^<]*)<", answer.text))
    return [href for href in found if href != path]


@contextmanager
def dying(log: Path, armed: Path, number: int, *arguments: str) -> Iterator[Server]:
    """A gateway that is killed before its change of that number."""
    command = [sys.executable, "-m", "tests.gateway.dying", str(armed), str(number), "serve", "--port", "0"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        try:
            yield Server(process, started(process, log), log)
        finally:
            process.kill()


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_killed_before_any_change_on_disk(change: Change, tmp_path: Path) -> None:
    database, armed = tmp_path / "test.db", tmp_path / "armed"
    sqlite3.connect(database).close()
    (tmp_path / "spool").mkdir()
    arguments = (f"sqlite:///{database}", "--access", "manage", "--spool-dir", str(tmp_path / "spool"))
    seen: list[State] = []
    old: State | None = None
    for number in itertools.count(1):
        with dying(tmp_path / "server.log", armed, number, *arguments) as server:
            if number > 1:
                seen.append(state(server, database))
            reset(server, database)
            assert old in (None, state(server, database))
            old = state(server, database)
            armed.touch()
            answer = change.ask(server)
            armed.unlink()
            if answer is not None:
                assert answer.is_success, answer.text
                new = state(server, database)
                assert old != new
                may_be = [old, new, *change.between(old, new)]
                assert [number for number, found in enumerate(seen, 1) if found not in may_be] == []
                return
            assert server.process.wait(30) == -signal.SIGKILL


LARGE_BODY = b"id,name\n" + b"".join(b"%d,new %d\n" % (i, i) for i in range(ROWS))
LARGE = [
    Change("PUT", "/main/t.csv", body=LARGE_BODY),
    Change("PUT", "/main/new.csv", body=LARGE_BODY),
    Change("COPY", "/main/t.csv", "/main/other.csv"),
    Change("COPY", "/main/t/", "/main/new/"),
    Change("MOVE", "/main/t/", "/main/other/"),
    Change("DELETE", "/main/t/"),
]


def fill(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(SCRIPT)
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        for table in ("t", "other"):
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} {numbers} SELECT i, '{table} ' || i FROM n")
        connection.commit()


def summary(database: Path) -> dict[str, Any]:
    """What all tables have, short enough to be compared."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [name for (name,) in connection.execute(TABLES)]
        sums = "count(*), sum(id), min(name), max(name)"
        return {name: connection.execute(f"SELECT {sums} FROM {name}").fetchone() for name in names}


@pytest.mark.parametrize("change", LARGE, ids=str)
def test_killed_during_a_transaction(change: Change, tmp_path: Path) -> None:
    database = tmp_path / "test.db"
    (tmp_path / "spool").mkdir()
    arguments = (f"sqlite:///{database}", "--access", "manage", "--spool-dir", str(tmp_path / "spool"))
    fill(database)
    old = summary(database)
    with serving(tmp_path / "whole.log", *arguments) as server:
        begun = time.monotonic()
        answer = change.ask(server)
        lasted = time.monotonic() - begun
        assert answer is not None
        assert answer.is_success, answer.text
    new = summary(database)
    assert old != new
    for point in range(6):
        fill(database)
        with dying(tmp_path / "killed.log", tmp_path / "never", 0, *arguments) as server:
            asking = Thread(target=change.ask, args=[server])
            asking.start()
            time.sleep(lasted * (point + 0.5) / 6)
            server.process.kill()
            asking.join()
        assert summary(database) in (old, new), f"killed after {point + 0.5} sixths of {lasted:.3f} s"
