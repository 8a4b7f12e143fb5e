"""Every method on every kind of resource, at each access level: the table of the contract, walked."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from tests.gateway.dav.method_table import LEVELS, RESOURCES, SCHEMAS, TABLE, Case, cases
from tests.gateway.serving import serving
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.gateway.serving import Server

BODY = b"id,name\n7,seven\n8,eight\n"
BODY_ROWS = [(7, "seven"), (8, "eight")]
ROWS = [(1, "one"), (2, "two")]
OTHER_ROWS = [(5, "five")]
LOCK = (
    b'<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    b"<locktype><write/></locktype></lockinfo>"
)
UPDATE = (
    b'<?xml version="1.0"?><propertyupdate xmlns="DAV:"><set><prop><color xmlns="urn:x">red</color>'
    b"</prop></set></propertyupdate>"
)

State = dict[str, list[tuple[Any, ...]]]


class Served:
    """A gateway of one level; each case has names of its own in it."""

    schema = "main"
    _numbers = itertools.count()

    def __init__(self, level: str, server: Server) -> None:
        self.level = level
        self.url = server.url
        self.client = httpx.Client(base_url=server.url)

    def close(self) -> None:
        self.client.close()

    def prepare(self) -> dict[str, str]:
        """Makes what cases are about; the names."""
        number = next(self._numbers)
        names = {kind: f"{kind}{number}" for kind in ("old", "other", "new", "empty")}
        names["schema"] = self.make(names)
        if self.level != "read":
            self.client.put(f"/.scratch/{names['old']}.csv", content=BODY).raise_for_status()
            self.client.request("MKCOL", f"/.scratch/{names['old']}/").raise_for_status()
            self.client.put(f"/.scratch/{names['old']}/member", content=b"member").raise_for_status()
        return names

    def make(self, names: dict[str, str]) -> str:
        """Makes the tables; their schema."""
        raise NotImplementedError

    def state(self, names: dict[str, str]) -> State:
        """All tables with their rows, past the gateway."""
        raise NotImplementedError


class ServedSQLite(Served):
    """A schema that is always there, and no other."""

    def __init__(self, level: str, server: Server, file: Path) -> None:
        super().__init__(level, server)
        self._file = file

    def make(self, names: dict[str, str]) -> str:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection, connection:
            for kind, rows in (("old", ROWS), ("other", OTHER_ROWS)):
                connection.execute(f"CREATE TABLE {names[kind]} (id INTEGER PRIMARY KEY, name TEXT)")
                connection.executemany(f"INSERT INTO {names[kind]} VALUES (?, ?)", rows)
        return "main"

    def state(self, names: dict[str, str]) -> State:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            found = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
            mine = {name: kind for kind, name in names.items()}
            return {
                mine.get(name, name): connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
                if name in mine
                else []
                for name in found
            }


class ServedPostgres(Served):
    """A schema for each case, and an empty one."""

    def __init__(self, level: str, server: Server, url: str) -> None:
        super().__init__(level, server)
        self._url = url

    def make(self, names: dict[str, str]) -> str:
        schema = names["old"].replace("old", "schema")
        with psycopg.connect(self._url) as connection:
            connection.execute(f"CREATE SCHEMA {schema}; CREATE SCHEMA {names['empty']}")
            for kind, rows in (("old", ROWS), ("other", OTHER_ROWS)):
                table = f"{schema}.{names[kind]}"
                connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT)")
                with connection.cursor() as cursor:
                    cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", rows)
        return schema

    def state(self, names: dict[str, str]) -> State:
        mine = {name: kind for kind, name in names.items()} | {f"{names['empty']}.{names['old']}": "away"}
        listed = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN (%s, %s, %s)"
        found: State = {}
        with psycopg.connect(self._url) as connection:
            schemas = names["schema"], names["empty"], names["new"]
            for schema, table in connection.execute(listed, schemas).fetchall():
                rows = connection.execute(f"SELECT * FROM {schema}.{table} ORDER BY 1").fetchall()
                kind = mine.get(f"{schema}.{table}") or mine.get(table) or str(table)
                found[kind] = rows
        return found


def after(effect: str, before: State) -> State | None:
    """What tables there are then; `None` if that is not said."""
    match effect.split():
        case ["any"]:
            return None
        case []:
            return before
        case [table, "=", source]:
            return before | {table: BODY_ROWS if source == "body" else before[source]}
        case [table, "+=", "body"]:
            return before | {table: before[table] + BODY_ROWS}
        case ["drop", table]:
            return {name: rows for name, rows in before.items() if name != table}
        case [source, ">", target]:
            rest = {name: rows for name, rows in before.items() if name != source}
            return rest | {target: before[source]}
    raise AssertionError(effect)


def say(served: Served, case: Case, path: str, target: str | None) -> httpx.Response:
    """The request of a case."""
    method, _, variant = case.action.partition("-")
    headers, body = {}, b""
    match method:
        case "PUT":
            body = {"nothing": b"", "garbage": b"\xff\x00,"}.get(variant, BODY)
        case "POST":
            body = BODY
        case "MKCOL":
            body = b"<mkcol/>" if variant else b""
        case "PROPFIND":
            headers["Depth"] = "0"
        case "PROPPATCH":
            body = UPDATE
        case "LOCK":
            body = LOCK
            headers["Depth"] = "0"
        case "UNLOCK":
            headers["Lock-Token"] = "<opaquelocktoken:none>"
        case "COPY" | "MOVE":
            headers["Destination"] = f"{served.url}{target}"
            headers |= {"keep": {"Overwrite": "F"}, "shallow": {"Depth": "0"}}.get(variant, {})
    return served.client.request(method, path, headers=headers, content=body)


def outcome(answer: httpx.Response, expected: str) -> str:
    """What an answer is, in the words of what was expected."""
    if expected == "4xx" and 400 <= answer.status_code < 500:
        return "4xx"
    if " " not in expected:
        return str(answer.status_code)
    kind = answer.headers.get("content-type", "")
    problem = json.loads(answer.text)["type"] if "problem+json" in kind else answer.text
    return f"{answer.status_code} {problem.removeprefix('/-/problems/')}"


def walk(served: Served, case: Case) -> None:
    names = served.prepare()
    places = {name: place.format(**names) for name, place in RESOURCES.items()}
    before = served.state(names)
    answer = say(served, case, places[case.resource], places[case.target] if case.target else None)
    said = outcome(answer, case.expected)
    if "lock-token" in answer.headers:
        token = {"Lock-Token": answer.headers["lock-token"]}
        assert served.client.request("UNLOCK", places[case.resource], headers=token).status_code == 204
    assert said == case.expected, answer.text
    if answer.status_code == 405:
        assert case.action.partition("-")[0] not in answer.headers["allow"].split(", ")
    then = after(case.effect, before)
    if then is not None:
        assert served.state(names) == then


@contextmanager
def at_all_levels(folder: Path, url: str) -> Iterator[dict[str, Server]]:
    with (
        serving(folder / "read.log", url) as read,
        serving(folder / "write.log", url, "--access", "write", "--spool-dir", str(folder)) as write,
        serving(folder / "manage.log", url, "--access", "manage", "--spool-dir", str(folder)) as manage,
    ):
        yield dict(zip(LEVELS, (read, write, manage), strict=True))


def offered(served: Mapping[str, Served]) -> Iterator[Mapping[str, Served]]:
    yield served
    for each in served.values():
        each.close()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Served]]:
    folder = tmp_path_factory.mktemp("table")
    file = folder / "test.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with at_all_levels(folder, f"sqlite:///{file}") as servers:
        yield from offered({level: ServedSQLite(level, server, file) for level, server in servers.items()})


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Served]]:
    folder = tmp_path_factory.mktemp("table")
    with Postgres() as database, at_all_levels(folder, database.url) as servers:
        yield from offered(
            {level: ServedPostgres(level, server, database.url) for level, server in servers.items()}
        )


@pytest.mark.parametrize("case", cases(TABLE), ids=str)
def test_the_table_of_methods(sqlite: Mapping[str, Served], case: Case) -> None:
    walk(sqlite[case.level], case)


@pytest.mark.parametrize("case", cases(SCHEMAS), ids=str)
def test_the_table_of_methods_for_schemas(postgres: Mapping[str, Served], case: Case) -> None:
    walk(postgres[case.level], case)
