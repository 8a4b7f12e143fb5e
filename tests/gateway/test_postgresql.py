"""PostgreSQL behind the gateway: limits of a role, parameters, system schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Serve

TABLES = """
CREATE TABLE t (n int); INSERT INTO t VALUES (-1);
CREATE ROLE hasty LOGIN; GRANT SELECT ON t TO hasty; ALTER ROLE hasty SET statement_timeout = '200ms';
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with Postgres() as server:
        server.sql(TABLES)
        yield server


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
