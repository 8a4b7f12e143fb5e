"""Several databases as one tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve


@pytest.fixture
def several(database: Path, made: Path, serve: Serve) -> Iterator[httpx.Client]:
    server = serve(f"one=sqlite:///{database}", f"a/b=sqlite:///{made}", "--access", "manage")
    with httpx.Client(base_url=server.url, headers={"accept": "application/json, */*;q=0.5"}) as client:
        yield client


def test_the_root_lists_the_databases(several: httpx.Client):
    entries = several.get("/").json()
    assert [(entry["name"], entry["kind"]) for entry in entries] == [
        ("/one", "database"),
        ("/a%2Fb", "database"),
        ("/.scratch", "scratch"),
    ]


def test_names_are_paths_of_the_whole_tree(several: httpx.Client):
    assert [entry["name"] for entry in several.get("/one/").json()] == ["/one/main"]
    names = [entry["name"] for entry in several.get("/a%252Fb/main").json()]
    assert "/a%2Fb/main/users.arrow" in names


def test_files_are_read_and_written_below_their_database(several: httpx.Client):
    body = several.get("/a%252Fb/main/users.csv").content
    assert several.put("/one/main/users.csv", content=body).status_code == 204
    assert several.put("/one/main/fresh.csv", content=body).status_code == 201
    assert several.put("/one/nowhere/fresh.csv", content=body).status_code == 409
    assert several.get("/one/main/fresh.csv").content == body


def test_a_query_names_its_database(several: httpx.Client):
    sql = {"sql": "select count(*) as n from users"}
    assert several.post("/-/query", json=sql).status_code == 400
    for name in ("one", "a/b"):
        assert several.post("/-/query", json={**sql, "database": name}).json() == [{"n": 7}]
    assert several.post("/-/query", json={**sql, "database": "two"}).status_code == 404


def test_propfind_of_the_root_lists_the_databases(several: httpx.Client):
    response = several.request("PROPFIND", "/", headers={"depth": "1"})
    assert response.status_code == 207
    assert "<D:href>/one/</D:href>" in response.text
    assert "<D:href>/a%252Fb/</D:href>" in response.text


@pytest.mark.parametrize("path", ["/two/", "/two/main/users.csv"])
def test_other_names_are_404(several: httpx.Client, path: str):
    assert several.get(path).status_code == 404


def test_the_root_is_no_file(several: httpx.Client):
    assert several.put("/", content=b"x").status_code == 405
