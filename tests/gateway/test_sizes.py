"""Sizes in listings: exact, or absent; and of what is then read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.gateway.numbered import SIZE, Tables, eventually

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.gateway.conftest import Serve

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
