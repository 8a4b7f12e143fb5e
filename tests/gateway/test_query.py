"""The query endpoint."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.gateway.conftest import Serve


def ask(client: httpx.Client, document: Any, **headers: str) -> httpx.Response:
    return client.post("/-/query", json=document, headers=headers)


def test_a_query_is_an_arrow_stream_by_default(client: httpx.Client):
    response = client.get("/-/query", params={"sql": "select id, name from users order by id"})
    assert response.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert pa.ipc.open_stream(response.content).read_all()["id"].to_pylist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_format_decides(client: httpx.Client, extension: str):
    response = client.get("/-/query", params={"sql": "select 1 as a", "format": extension})
    assert response.status_code == 200
    assert response.headers["content-disposition"] == f'attachment; filename="query.{extension}"'
    read: dict[str, Callable[[bytes], Any]] = {
        "arrow": lambda b: pa.ipc.open_stream(b).read_all().to_pylist(),
        "feather": lambda b: pa.ipc.open_file(b).read_all().to_pylist(),
        "parquet": lambda b: pyarrow.parquet.read_table(io.BytesIO(b)).to_pylist(),
        "csv": lambda b: [{"a": int(b.decode().split()[1])}],
        "jsonl": lambda b: [json.loads(b)],
        "json": json.loads,
    }
    assert read[extension](response.content) == [{"a": 1}]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv; header=present"),
        ("application/json;q=0.5, application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("*/*", "application/vnd.apache.arrow.stream"),
        (
            'application/vnd.apache.arrow.file; codecs="lz4"',
            'application/vnd.apache.arrow.file; codecs="lz4"',
        ),
    ],
)
def test_otherwise_accept_decides(client: httpx.Client, accept: str, media_type: str):
    response = client.get("/-/query?sql=select+1", headers={"accept": accept})
    assert response.headers["content-type"] == media_type


def test_nothing_that_fits_is_406(client: httpx.Client):
    assert client.get("/-/query?sql=select+1", headers={"accept": "image/png"}).status_code == 406


def test_json_binds_parameters_in_order(client: httpx.Client):
    document = {"sql": "select ? as a, ? as b", "params": [1, "x'; drop table users; --"], "format": "json"}
    assert ask(client, document).json() == [{"a": 1, "b": "x'; drop table users; --"}]


def test_json_binds_parameters_by_name(client: httpx.Client):
    document = {"sql": "select name from users where id = :id", "params": {"id": 4}}
    assert ask(client, document, accept="application/json").json() == [{"name": "Zoë"}]


def test_sql_is_a_body_too(client: httpx.Client):
    headers = {"content-type": "application/sql; charset=utf-8"}
    response = client.post("/-/query?format=json", content="select 'é' as a".encode(), headers=headers)
    assert response.json() == [{"a": "é"}]


def test_get_takes_parameters_as_json(client: httpx.Client):
    params = {"sql": "select ? as a", "params": "[7]", "format": "json"}
    assert client.get("/-/query", params=params).json() == [{"a": 7}]


def test_a_limit_that_cuts_is_said(client: httpx.Client):
    document = {"sql": "select id from users order by id", "limit": 2, "format": "json"}
    response = ask(client, document)
    assert response.json() == [{"id": 1}, {"id": 2}]
    assert response.headers["result-truncated"] == "true"


def test_a_limit_that_does_not_cut_is_not_said(client: httpx.Client):
    response = ask(client, {"sql": "select id from users", "limit": 7})
    assert "result-truncated" not in response.headers


def test_a_limit_of_the_client_may_cut_a_long_result(client: httpx.Client):
    response = ask(client, {"sql": "select * from big", "limit": 50_000})
    assert pa.ipc.open_stream(response.content).read_all().num_rows == 50_000


def test_an_empty_result_carries_its_schema(client: httpx.Client):
    response = client.get("/-/query?sql=select+id,name+from+users+where+id<0")
    assert pa.ipc.open_stream(response.content).read_all().column_names == ["id", "name"]


def test_head_runs_what_get_runs(client: httpx.Client):
    response = client.head("/-/query?sql=select+1&format=csv")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "sql",
    [
        "insert into users values (8, 'h', 1)",
        "update users set name = 'x'",
        "delete from users",
        "drop table users",
        "create table t (a)",
        "pragma user_version = 7",
        "attach database ':memory:' as m",
    ],
)
def test_a_statement_that_writes_is_read_only(client: httpx.Client, sql: str):
    response = client.get("/-/query", params={"sql": sql})
    assert response.status_code == 403, response.text
    assert response.json()["type"] in ("/-/problems/read-only", "/-/problems/forbidden")


@pytest.mark.parametrize(
    "sql", ["", "  ", "select", "selec 1", "select * from nowhere", "select 1; select 2", "select ?"]
)
def test_a_bad_statement_is_400(client: httpx.Client, sql: str):
    response = client.get("/-/query", params={"sql": sql})
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-query"), (
        response.text
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"sql": "select 1", "sql": "select 2"}',
        b'{"sql": "select ?", "params": [NaN]}',
        b'{"sql": "select ?", "params": [1e999]}',
        b'{"sql": "\xff"}',
        b'{"sql": "select ?", "params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"sql": "select ?", "params": [' + b"9" * 5000 + b"]}",
    ],
)
def test_malformed_json_is_400(client: httpx.Client, body: bytes):
    response = client.post("/-/query", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-request")


@pytest.mark.parametrize(
    "document",
    [
        {"sql": 1},
        {"sql": "select 1", "params": "x"},
        {"sql": "select 1", "limit": "1"},
        {"sql": "select 1", "limit": True},
        {"sql": "select 1", "limit": 1.5},
        {"sql": "select 1", "limit": -1},
        {"sql": "select 1", "timeout": 0},
        {"sql": "select 1", "timeout": "1"},
        {"sql": "select 1", "database": 1},
        {"sql": "select 1", "format": "xls"},
        {"sql": "select 1", "unknown": 1},
    ],
)
def test_what_does_not_fit_is_400_and_names_the_key(client: httpx.Client, document: dict[str, Any]):
    response = ask(client, document)
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-parameter")
    key = next((key for key in document if key != "sql"), "sql")
    assert repr(key) in response.json()["detail"]


@pytest.mark.parametrize("url", ["limit=x", "timeout=x", "sql=select+2", "unknown=1", "params={"])
def test_url_parameters_are_as_strict(client: httpx.Client, url: str):
    assert client.get(f"/-/query?sql=select+1&{url}").status_code == 400


def test_a_statement_in_two_places_is_400(client: httpx.Client):
    response = client.post("/-/query?sql=select+1", json={"sql": "select 2"})
    assert response.status_code == 400


def test_other_bodies_are_415(client: httpx.Client):
    response = client.post("/-/query", data={"sql": "select 1"})
    assert (response.status_code, response.headers["accept"]) == (415, "application/json, application/sql")


def test_an_enormous_statement_is_413(client: httpx.Client):
    response = client.post("/-/query", content=b"x" * (2 << 20), headers={"content-type": "application/sql"})
    assert response.status_code == 413


def test_other_methods_are_405(client: httpx.Client):
    response = client.put("/-/query", content=b"select 1")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")


def test_an_unknown_database_is_404(client: httpx.Client):
    assert client.get("/-/query?sql=select+1&database=nope").status_code == 404


ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"


def test_a_query_has_a_time_limit(client: httpx.Client):
    response = ask(client, {"sql": ENDLESS, "timeout": 0.2})
    assert (response.status_code, response.json()["type"]) == (504, "/-/problems/query-timeout")


def test_the_gateway_has_a_time_limit_that_nobody_can_raise(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-timeout", "0.2")
    response = httpx.post(f"{server.url}/-/query", json={"sql": ENDLESS, "timeout": 60})
    assert response.status_code == 504


def test_the_row_limit_of_the_gateway_is_said_or_cuts(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-max-rows", "50000")
    few = httpx.get(f"{server.url}/-/query?sql=select+id+from+big&format=csv")
    assert few.headers.get("result-truncated") == "true"
    try:
        many = httpx.get(f"{server.url}/-/query?sql=select+*+from+big&format=csv")
    except httpx.RemoteProtocolError as cut:
        assert "incomplete" in str(cut)  # noqa: PT017
    else:
        assert many.headers.get("result-truncated") == "true"


def test_a_cut_that_could_not_be_said_before_the_body_breaks_off(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-max-rows", "99999")
    # Only what has been read before streams as a result: its types are known.
    assert httpx.get(f"{server.url}/main/big.arrow").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        httpx.get(f"{server.url}/-/query?sql=select+*+from+big&format=csv")


def test_the_byte_limit_of_the_gateway(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-max-bytes", "1KiB")
    response = httpx.get(f"{server.url}/-/query?sql=select+*+from+big")
    assert (response.status_code, response.json()["type"]) == (422, "/-/problems/result-too-large")
    assert httpx.get(f"{server.url}/-/query?sql=select+1").status_code == 200


def test_the_byte_limit_of_the_gateway_cuts_what_has_begun(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-max-bytes", "2MiB")
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        httpx.get(f"{server.url}/-/query?sql=select+*+from+big")


def test_a_value_made_out_of_nothing_is_bounded(client: httpx.Client):
    for made in ("randomblob(90000000)", "printf('%.*c', 90000000, 'x')", "zeroblob(90000000)"):
        response = client.get("/-/query", params={"sql": f"select {made}", "format": "json"})
        assert (response.status_code, response.json()["type"]) == (422, "/-/problems/value-out-of-range")
    assert (
        client.get("/-/query?sql=select+length(randomblob(1000000))+as+n&format=csv").text
        == "n\r\n1000000\r\n"
    )


def test_a_number_that_sqlite_cannot_hold_is_not_rounded(client: httpx.Client):
    query = {"sql": "select ? as v", "params": [9223372036854775809], "format": "json"}
    response = client.post("/-/query", json=query)
    assert (response.status_code, response.json()["type"]) == (422, "/-/problems/value-out-of-range")
    assert client.post("/-/query", json={**query, "params": [0.1]}).json() == [{"v": 0.1}]


def test_nothing_hides_behind_a_nul(client: httpx.Client):
    response = client.get("/-/query?sql=select+1%00;drop+table+users&format=json")
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-query")


@pytest.mark.parametrize("limit", ["1_0", "%205", "-1", "x", "1.5"])
def test_a_limit_is_digits(client: httpx.Client, limit: str):
    response = client.get(f"/-/query?sql=select+1&limit={limit}")
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-parameter")
