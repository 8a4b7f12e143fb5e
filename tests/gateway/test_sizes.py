"""Sizes in listings: exact, or absent; and of what is then read."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.numbered import SIZE, Tables, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve

LOCKINFO = (
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
)
FILES = ("/main/known.csv", "/main/unknown.csv")


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Tables whose rows say which state they are of."""
    return Tables(tmp_path)


def sizes(client: httpx.Client, path: str = "/main/", depth: str = "1") -> dict[str, int]:
    """The files whose sizes a listing has."""
    listed = client.request("PROPFIND", path, headers={"depth": depth})
    assert listed.status_code == 207
    found = {}
    for response in listed.text.split("<D:response>")[1:]:
        size = re.search("<D:getcontentlength>([0-9]+)<", response)
        if size is not None:
            href = re.search("<D:href>([^<]*)<", response)
            assert href is not None
            found[href[1]] = int(size[1])
    return found


def test_each_file_is_as_long_as_it_is_listed(tables: Tables, serve: Serve):
    tables.serve(serve)
    with tables.client() as client:
        found = sizes(client)
        assert {found[path] for path in FILES} == {SIZE}
        assert len(found) >= 6
        for path, size in found.items():
            assert len(client.get(path).content) == size


def test_what_is_too_long_has_no_size(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-max-bytes", "1KiB")
    with tables.client() as client:
        assert sizes(client) == {}
        assert sizes(client, "/main/known.csv", "0") == {}


def test_a_relation_is_read_once_for_all_its_files(tables: Tables, serve: Serve):
    tables.serve(serve)
    with tables.client() as client:
        assert len([path for path in sizes(client) if path.startswith("/main/known.")]) > 1
        assert tables.scanned() == len(FILES)


def test_one_file_that_is_too_long_takes_no_size_from_the_others(tables: Tables, serve: Serve):
    tables.serve(serve, "--snapshot-max-bytes", str(SIZE + (1 << 20)))
    with tables.client() as client:
        found = sizes(client)
        assert found["/main/known.csv"] == SIZE
        assert "/main/known.json" not in found
        assert len(client.get("/main/known.json").content) > SIZE


def test_what_is_not_ready_in_time_is_there_next_time(tables: Tables, serve: Serve):
    tables.serve(serve, "--listing-budget", "0.2", gated=True)
    with tables.client() as client:
        assert "/main/known.csv" not in sizes(client)
        tables.let(1000)
        eventually(lambda: sizes(client).keys() >= set(FILES))
        scanned = tables.scanned()
        assert sizes(client).keys() >= set(FILES)
        assert tables.scanned() == scanned


@pytest.mark.parametrize("path", FILES)
def test_what_was_listed_is_what_is_read(tables: Tables, serve: Serve, path: str):
    tables.serve(serve)
    with tables.client() as client, tables.client("another") as other:
        size = sizes(client, path, "0")[path]
        tables.become(123)  # longer in every row
        assert len(client.get(path).content) == size
        assert len(other.get(path).content) > size
        assert int(client.head(path).headers["content-length"]) > size


@pytest.mark.parametrize("path", FILES)
def test_who_has_written_reads_that(tables: Tables, serve: Serve, path: str):
    tables.serve(serve)
    with tables.client() as client:
        size = sizes(client, path, "0")[path]
        assert client.put(path, content=b"id,text\n123,x\n").status_code == 204
        assert len(client.get(path).content) > size
        assert sizes(client, path, "0")[path] > size


def test_a_listing_is_that_of_the_present_state(database: Path, serve: Serve):
    """Listings that were told are kept, as long as nothing has changed, by whomever."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP VIEW names")  # which has no versions
    server = serve(f"sqlite:///{database}", "--access", "manage")
    with httpx.Client(base_url=server.url) as client:

        def listed() -> str:
            first, second = (client.request("PROPFIND", "/main/", headers={"depth": "1"}) for _ in range(2))
            assert first.status_code == second.status_code == 207
            assert first.text == second.text
            return second.text

        def execute(statement: str) -> None:
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(statement)

        def size() -> str:
            listing = listed().partition("/main/users.csv</D:href>")[2]
            found = re.search("<D:getcontentlength>([0-9]+)<", listing)
            assert found is not None
            return found[1]

        assert size() == client.head("/main/users.csv").headers["content-length"]
        execute("UPDATE users SET name = 'a longer name' WHERE id = 1")
        assert size() == client.head("/main/users.csv").headers["content-length"]
        client.put("/main/users.csv", content=b"id,name,score\n1,x,1.5\n").raise_for_status()
        assert size() == client.head("/main/users.csv").headers["content-length"]
        execute("CREATE TABLE another (id INTEGER)")
        assert "/main/another/" in listed()
        assert client.delete("/main/another/").status_code == 204
        assert "/main/another/" not in listed()
        assert client.put("/main/.hidden", content=b"x").status_code == 201
        assert "/main/.hidden" in listed()
        assert client.delete("/main/.hidden").status_code == 204
        assert "/main/.hidden" not in listed()
        granted = client.request("LOCK", "/main/users.csv", content=LOCKINFO)
        token = granted.headers["lock-token"]
        assert token.strip("<>") in listed()
        assert client.request("UNLOCK", "/main/users.csv", headers={"lock-token": token}).status_code == 204
        assert token.strip("<>") not in listed()
        named = '<propfind xmlns="DAV:"><prop><getcontentlength/></prop></propfind>'
        fewer = client.request("PROPFIND", "/main/", headers={"depth": "1"}, content=named).text
        assert "<D:getetag>" not in fewer
        assert "<D:getetag>" in listed()


def test_who_lists_what_is_kept_reads_what_was_listed(database: Path, serve: Serve):
    """Also who has read a range between two listings, when others have written since."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP VIEW names")  # which has no versions
    server = serve(f"sqlite:///{database}")
    with httpx.Client(base_url=server.url, headers={"accept-encoding": "identity"}) as client:
        listed = sizes(client)
        assert sizes(client) == listed
        assert client.get("/main/users.csv", headers={"range": "bytes=0-9"}).status_code == 206
        assert sizes(client) == listed
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE users SET name = 'a longer name'")
        assert len(client.get("/main/users.csv").content) == listed["/main/users.csv"]
        assert sizes(client)["/main/users.csv"] > listed["/main/users.csv"]
