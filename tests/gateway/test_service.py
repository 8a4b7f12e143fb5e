"""Health and description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from gateway.codes import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve


def test_live(client: httpx.Client):
    response = client.get("/-/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


def test_ready_asks_every_database(client: httpx.Client):
    response = client.get("/-/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "databases": {"/": "ready"}})


def test_a_database_that_is_gone_is_503_until_it_is_back(serve: Serve, tmp_path: Path):
    gone = tmp_path / "gone"
    gone.touch()
    server = serve("python:tests.gateway.databases:gone", env={"TEST_GONE": str(gone)})
    response = httpx.get(f"{server.url}/-/health/ready")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    response = httpx.get(f"{server.url}/main/denied.csv")
    assert (response.status_code, response.json()["type"]) == (503, "/-/problems/database-unavailable")
    assert "retry-after" in response.headers
    assert httpx.get(f"{server.url}/-/health/live").status_code == 200
    gone.unlink()
    assert httpx.get(f"{server.url}/main/denied.csv").status_code == 403
    assert httpx.get(f"{server.url}/-/health/ready").json()["status"] == "ready"


def test_openapi_lists_every_code(client: httpx.Client):
    document = client.get("/-/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"] == [
        f"/-/problems/{code}" for code in TABLE
    ]


def test_openapi_names_the_database_where_there_are_several(made: Path, serve: Serve):
    server = serve(f"a=sqlite:///{made}", f"b=sqlite:///{made}")
    paths = httpx.get(f"{server.url}/-/openapi.json").json()["paths"]
    assert "/{database}/{schema}/{relation}.arrow" in paths
    assert httpx.get(f"{server.url}/a/main/users.arrow").status_code == 200


def test_the_description_is_a_page_of_its_own(client: httpx.Client):
    page = client.get("/-/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org", "")


def test_service_addresses_are_only_read(client: httpx.Client):
    response = client.post("/-/health/live")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


def test_there_is_nothing_else(client: httpx.Client):
    for path in ("/-", "/-/", "/-/nothing", "/-/problems/", "/-/query/x"):
        assert client.get(path).status_code == 404
