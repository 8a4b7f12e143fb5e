"""One table of codes, all of them explained."""

from __future__ import annotations

import asyncio
import errno
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import fsspec_db
from gateway.app import Gateway
from gateway.codes import TABLE
from gateway.problems import Problem, from_backend, render
from gateway.settings import Settings
from tests.gateway.databases import SECRET

if TYPE_CHECKING:
    from pathlib import Path


def test_every_code_of_the_bridge_has_a_meaning():
    assert set(fsspec_db.ERRORS) <= set(TABLE)


@pytest.mark.parametrize("code", sorted(fsspec_db.ERRORS))
def test_every_error_of_the_library_becomes_its_problem(code: str):
    error = fsspec_db.make_error(code, "what happened", path="/main/x", column="c", row=3, sqlstate="23505")
    problem = from_backend(error)
    assert problem.code == code
    if code == "internal":
        assert "what happened" not in problem.detail
    else:
        assert problem.detail == "what happened"
        assert problem.members == {"path": "/main/x", "column": "c", "row": 3, "sqlstate": "23505"}
    assert ("retry-after" in problem.headers) == (problem.status == 503)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError("x"), "not-found"),
        (PermissionError("x"), "forbidden"),
        (ConnectionError("x"), "database-unavailable"),
        (TimeoutError("x"), "query-timeout"),
        (ValueError("x"), "invalid-parameter"),
        (OSError(errno.ENOSPC, "x"), "spool-full"),
        (RuntimeError("x"), "internal"),
        (Problem("locked", "x"), "locked"),
    ],
)
def test_exceptions_of_backends_have_a_meaning(error: Exception, code: str):
    assert from_backend(error).code == code


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_has_a_page(client: httpx.Client, code: str):
    page = client.get(f"/-/problems/{code}", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert TABLE[code].title in page.text.replace("&#x27;", "'")
    said = client.get(f"/-/problems/{code}", headers={"accept": "application/json"}).json()
    assert (said["code"], said["status"]) == (code, TABLE[code].status)
    assert TABLE[code].explanation in client.get(f"/-/problems/{code}", headers={"accept": "text/plain"}).text


def test_an_unknown_code_has_no_page(client: httpx.Client):
    assert client.get("/-/problems/nope").status_code == 404


def test_the_document_is_rfc_9457(client: httpx.Client):
    response = client.get("/main/nothing.csv")
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == "/-/problems/not-found"
    assert document["status"] == 404
    assert document["title"] == TABLE["not-found"].title
    assert document["instance"] == "/main/nothing.csv"
    assert document["path"] == "/main/nothing.csv"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (b"", b"application/problem+json"),
        (b"*/*", b"application/problem+json"),
        (b"text/html, */*;q=0.8", b"application/problem+json"),
        (b"application/vnd.apache.arrow.stream", b"application/problem+json"),
        (b"text/plain", b"text/plain; charset=utf-8"),
        (b"text/csv", b"text/plain; charset=utf-8"),
        (b"text/*;q=0.1", b"text/plain; charset=utf-8"),
    ],
)
def test_text_is_for_clients_that_accept_only_text(accept: bytes, media_type: bytes):
    headers, _ = render(Problem("not-found", "x"), "/x", accept)
    assert dict(headers)[b"content-type"] == media_type


def test_a_fault_of_the_gateway_is_an_id_and_no_details(
    made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(_path: str) -> Any:
        raise ZeroDivisionError(SECRET)

    async def get(app: Gateway) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/main/users.csv")

    with closing(Gateway({"": fsspec_db.connect(f"sqlite:///{made}")}, Settings())) as app:
        monkeypatch.setattr(app.tree, "resolve", fail)
        response = asyncio.run(get(app))
    assert (response.status_code, response.json()["type"]) == (500, "/-/problems/internal")
    assert SECRET not in response.text
    assert response.json()["id"] in caplog.text
