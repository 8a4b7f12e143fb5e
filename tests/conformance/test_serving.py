"""Databases of all engines at once, each under its name, over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.conformance.harness import TABLES, USERS, Database, Harness, fresh, harnesses
from tests.fsspec_db.samples import table_of
from tests.gateway.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_several_databases_are_served_at_once(started: Callable[[str], Harness], tmp_path: Path) -> None:
    with ExitStack() as stack, ExitStack() as inner:
        served: dict[str, Database] = {}
        for name in harnesses():
            try:
                engine = started(name)
            except pytest.skip.Exception:
                continue
            served[name] = stack.enter_context(fresh(engine))
            served[name].execute(TABLES)
        urls = [f"{name}={db.url}" for name, db in served.items()]
        server = inner.enter_context(serving(tmp_path / "log", *urls, "--access", "write"))
        client = inner.enter_context(httpx.Client(base_url=server.url, timeout=30))
        listed = client.get("/", headers={"accept": "application/json"}).json()
        assert {entry["name"] for entry in listed} == {"/.scratch", *(f"/{name}" for name in served)}
        for name, db in served.items():
            place = f"/{name}{db.root}/users"
            read = client.get(f"{place}.arrow", params={"order": "id"})
            assert table_of(read.content).to_pylist() == USERS
            assert client.post(f"{place}.csv", content=b"id,name\n9,eve\n").json() == {"rows": 1}
            asked = {"sql": "SELECT count(*) AS n FROM users", "database": name}
            answer = client.post("/-/query", json=asked, headers={"accept": "application/json"})
            assert answer.json() == [{"n": 4}] if db.quirks.queries else answer.status_code == 501
        missing = client.post("/-/query", json={"sql": "SELECT 1", "database": "nowhere"})
        assert missing.status_code == 404
        inner.close()
        assert {db.count("users") for db in served.values()} == {4}
