"""PostgreSQL behind the gateway: what a client sees when the server goes, and its system schemas."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.serving import head, read_to_end
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway.conftest import Serve

TABLES = """
CREATE TABLE big AS SELECT i, repeat('x', 400) AS f FROM generate_series(1, 200000) i;
CREATE TABLE t (n int); INSERT INTO t VALUES (-1);
CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
CREATE TRIGGER rests BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.n = 12345) EXECUTE FUNCTION rest();
CREATE ROLE hasty LOGIN; GRANT SELECT ON t TO hasty; ALTER ROLE hasty SET statement_timeout = '200ms';
"""
RESTING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with Postgres() as server:
        server.sql(TABLES)
        yield server


@pytest.mark.parametrize("way", ["stop", "kill"])
@pytest.mark.parametrize("extension", ["arrow", "csv"])
def test_a_server_that_goes_in_mid_read_cuts_the_transfer(
    database: Postgres, serve: Serve, way: str, extension: str
) -> None:
    gateway = serve(database.url)
    with gateway.connect() as connection:
        connection.sendall(head("GET", f"/public/big.{extension}"))
        received = connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 200 ")
        getattr(database, way)()
        received += read_to_end(connection)
    assert b"Transfer-Encoding: chunked".lower() in received[:1000].lower()
    assert not received.endswith(b"0\r\n\r\n")
    response = httpx.get(f"{gateway.url}/public/t.csv")
    assert (response.status_code, response.json()["type"]) == (503, "/-/problems/database-unavailable")
    assert int(response.headers["retry-after"]) > 0
    database.start()
    for _ in range(3):
        assert httpx.get(f"{gateway.url}/public/t.csv").text == "n\r\n-1\r\n"


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_server_that_goes_in_mid_write_keeps_the_old_rows(
    database: Postgres, serve: Serve, way: str
) -> None:
    gateway = serve(database.url, "--access", "write")
    body = "n\n" + "".join(f"{n}\n" for n in range(20_000))
    with ThreadPoolExecutor() as threads:
        writing = threads.submit(httpx.put, f"{gateway.url}/public/t.csv", content=body, timeout=20)
        _until(lambda: database.sql(RESTING).strip() == "1")
        getattr(database, way)()
        response = writing.result(20)
    assert (response.status_code, response.json()["type"]) == (503, "/-/problems/database-unavailable")
    database.start()
    assert httpx.get(f"{gateway.url}/public/t.csv").text == "n\r\n-1\r\n"
    assert httpx.put(f"{gateway.url}/public/t.csv", content="n\n-1\n").status_code == 204


def test_the_limit_of_the_role_is_a_timeout(database: Postgres, serve: Serve) -> None:
    gateway = serve(database.url.replace("postgres@", "hasty@"))
    response = httpx.get(f"{gateway.url}/-/query?sql=SELECT+pg_sleep(30)")
    assert (response.status_code, response.json()["type"]) == (504, "/-/problems/query-timeout")
    assert response.json()["sqlstate"] == "57014"
    assert httpx.get(f"{gateway.url}/public/t.csv").status_code == 200


def test_parameters_go_by_name_or_number(database: Postgres, serve: Serve) -> None:
    gateway = serve(database.url)
    for sql, params in (
        ("SELECT $1 AS a, $2 AS b", [1, "x"]),
        ("SELECT :a AS a, :b AS b", {"b": "x", "a": 1}),
    ):
        query = {"sql": sql, "params": params, "format": "json"}
        assert httpx.post(f"{gateway.url}/-/query", json=query).json() == [{"a": 1, "b": "x"}]
    query = {"sql": "SELECT :a", "params": {"b": 1}}
    assert httpx.post(f"{gateway.url}/-/query", json=query).status_code == 400


def test_system_schemas_are_directories_that_nobody_lists(database: Postgres, serve: Serve) -> None:
    gateway = serve(database.url)
    names = [entry["name"] for entry in httpx.get(gateway.url, headers={"Accept": "application/json"}).json()]
    assert names == ["/public"]
    for schema, relation in (("pg_catalog", "pg_class"), ("information_schema", "tables")):
        for path in (f"/{schema}/", f"/{schema}/{relation}/"):
            assert httpx.get(f"{gateway.url}{path}").status_code == 200
            found = httpx.request("PROPFIND", f"{gateway.url}{path}", headers={"Depth": "1"})
            assert found.status_code == 207
            assert found.text.count("response>") > 4
        assert httpx.get(f"{gateway.url}/{schema}/{relation}.csv?limit=1").status_code == 200
        assert httpx.request("MKCOL", f"{gateway.url}/{schema}/").status_code in {403, 405}
    assert httpx.request("PROPFIND", f"{gateway.url}/pg_nothing/", headers={"Depth": "0"}).status_code == 404


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)
