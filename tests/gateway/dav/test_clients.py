"""Real clients: fsspec's HTTP filesystem on the pages, webdav4 on the protocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import fsspec
import pytest
from webdav4.client import Client, ResourceNotFound
from webdav4.fsspec import WebdavFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.gateway.serving import Server


@pytest.fixture(params=["", "/"], ids=["no slash", "slash"])
def slash(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_fsspec_lists_a_directory(writable: Server, odd_names: list[str], slash: str) -> None:
    fs = fsspec.filesystem("http", skip_instance_cache=True, use_listings_cache=False)
    found = fs.ls(f"{writable.url}/main{slash}", detail=False)
    assert len(found) == 4 * (1 + len(odd_names))
    assert all(url.startswith(f"{writable.url}/main/") for url in found)
    assert f"{writable.url}/main/users/" in found
    assert set(fs.ls(writable.url + slash, detail=False)) == {
        f"{writable.url}/main/",
        f"{writable.url}/.scratch/",
    }


def test_fsspec_globs_and_reads_what_it_finds(writable: Server, odd_names: list[str]) -> None:
    fs = fsspec.filesystem("http", skip_instance_cache=True)
    found = fs.glob(f"{writable.url}/main/*.csv")
    assert len(found) == 1 + len(odd_names)
    for url in found:
        assert fs.cat(url).startswith(b"id")


def test_fsspec_walks_down_and_never_up(writable: Server) -> None:
    fs = fsspec.filesystem("http", skip_instance_cache=True)
    found = fs.find(f"{writable.url}/main/users/")
    assert found
    assert all(url.startswith(f"{writable.url}/main/users/") for url in found)


def test_the_listing_as_json_is_what_the_library_lists(client: httpx.Client) -> None:
    entries = client.get("/main/", headers={"Accept": "application/json"}).json()
    assert {"/main/users", "/main/users.csv", "/main/a%2Fb"} <= {entry["name"] for entry in entries}
    assert {entry["type"] for entry in entries} == {"file", "directory"}
    assert json.dumps(entries)


@pytest.fixture
def webdav4(writable: Server) -> Iterator[Client]:
    client = Client(writable.url)
    with client.http:
        yield client


def test_webdav4_lists_and_describes(webdav4: Client, odd_names: list[str]) -> None:
    listed = webdav4.ls("main", detail=False)
    assert len(listed) == 4 * (1 + len(odd_names))
    assert webdav4.info("main/users")["type"] == "directory"
    assert webdav4.isfile("main/users.csv")
    assert webdav4.exists("main/a%252Fb.csv")
    assert not webdav4.exists("main/nobody.csv")
    assert webdav4.content_length("main/users.csv") == len(webdav4.http.get("/main/users.csv").content)
    assert webdav4.modified("main/users.csv") is not None
    with pytest.raises(ResourceNotFound):
        webdav4.info("main/nobody.csv")


def test_fsspec_over_webdav4_reads(webdav4: Client) -> None:
    fs = WebdavFileSystem(webdav4.base_url, client=webdav4, skip_instance_cache=True)
    assert {unquote(entry["name"]) for entry in fs.ls("main/users")} >= {"main/users/columns"}
    assert fs.info("main/users.csv")["type"] == "file"
    with fs.open("main/users.csv", "rb") as file:
        assert file.read().startswith(b"id")
