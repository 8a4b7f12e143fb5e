"""The OpenAPI document says what the service does: each code is in it, and no answer is missing."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from gateway.codes import TABLE
from gateway.openapi import document, operations
from gateway.problems import type_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.gateway.conftest import Serve

LOG_ONLY = {"cancelled"}
NOT_IN_SQLITE = {(method, "/{schema}/") for method in ("DELETE", "MKCOL", "MOVE")}

UNHEARD_OF = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
XML = {
    "PROPFIND": b'<propfind xmlns="DAV:"><allprop/></propfind>',
    "PROPPATCH": b'<propertyupdate xmlns="DAV:"><set><prop><a/></prop></set></propertyupdate>',
    "LOCK": b'<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope>'
    b"<locktype><write/></locktype></lockinfo>",
}


@dataclass(frozen=True)
class Call:
    """A request, to be changed in one place at a time."""

    method: str
    path: str
    names: Mapping[str, str]
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def url(self) -> str:
        path = self.path
        for name, value in self.names.items():
            path = path.replace(f"{{{name}}}", value)
        return f"{path}?{self.query}" if self.query else path


@pytest.mark.parametrize("several", [False, True])
def test_every_code_is_in_an_operation_with_its_status(*, several: bool) -> None:
    described = document(several=several)
    found: dict[str, set[int]] = {}
    for _, operation in all_operations(described):
        for status, response in operation["responses"].items():
            for code in codes(described, response):
                found.setdefault(code, set()).add(int(status))
    inside = "507 (property-store-full)"  # of each property in a 207
    assert inside in json.dumps(described)
    found["property-store-full"] = {507}
    assert found == {code: {TABLE[code].status} for code in TABLE if code not in LOG_ONLY}


def test_references_lead_somewhere() -> None:
    described = document(several=False)

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (v for k, v in value.items() if k == "$ref")
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from references(member)

    for reference in set(references(described)):
        found: Any = described
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


@pytest.mark.parametrize(
    ("access", "database"),
    [
        ("read", "sqlite:///{}"),
        ("write", "sqlite:///{}"),
        ("manage", "sqlite:///{}"),
        ("manage", "python:tests.gateway.databases:streams"),
    ],
)
def test_no_answer_is_missing(serve: Serve, database: str, access: str, made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "walked.db"
    copy.write_bytes(made.read_bytes())
    server = serve(database.format(copy), "--access", access, "--max-body-bytes", "64KiB")
    missing: set[tuple[str, str, int, str]] = set()
    succeeded: set[tuple[str, str]] = set()
    with httpx.Client(base_url=server.url, headers={"accept-encoding": "identity"}) as client:
        described = client.get("/-/openapi.json").json()
        client.put("/.scratch/spare.txt", content=b"some")
        for path, item in described["paths"].items():
            for method, operation in operations(item):
                for call in walk(client, path, method, operation):
                    answer = ask(client, call)
                    if answer.is_success:
                        succeeded.add((method, path))
                    if not is_described(described, operation, answer):
                        missing.add(
                            (method, call.url, answer.status_code, str(call.headers) + answer.text[:200])
                        )
    assert not missing, "\n".join(map(str, sorted(missing)))
    if access == "manage" and "sqlite" in database:
        expected = {
            (method, path)
            for path, item in described["paths"].items()
            for method, operation in operations(item)
            if any(status.startswith("2") for status in operation["responses"])
        }
        assert succeeded == expected - NOT_IN_SQLITE


def all_operations(described: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return itertools.chain.from_iterable(map(operations, described["paths"].values()))


def resolved(described: Mapping[str, Any], response: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in response:
        return response
    found: Mapping[str, Any] = described["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return found


def codes(described: Mapping[str, Any], response: Mapping[str, Any]) -> set[str]:
    problem = resolved(described, response).get("content", {}).get("application/problem+json")
    return (
        {kind.removeprefix(type_prefix) for kind in problem["schema"]["properties"]["type"]["enum"]}
        if problem
        else set()
    )


def is_described(described: Mapping[str, Any], operation: Mapping[str, Any], answer: httpx.Response) -> bool:
    """Whether the status, the media type and the code of a problem are declared."""
    response = operation["responses"].get(str(answer.status_code))
    if response is None:
        return False
    media_type = answer.headers.get("content-type", "").split(";")[0]
    declared = {name.split(";")[0] for name in resolved(described, response).get("content", {})}
    if media_type and media_type not in declared and "*/*" not in declared:
        return False
    if media_type != "application/problem+json" or not answer.content:
        return True
    return answer.json()["type"].removeprefix(type_prefix) in codes(described, response)


def walk(client: httpx.Client, path: str, method: str, operation: Mapping[str, Any]) -> Iterator[Call]:
    """The right requests of an operation, and each with one thing wrong."""
    for names in right_names(path, method):
        call = Call(method, path, names, right_query(path, method), right_headers(method, path))
        if "requestBody" in operation:
            call = replace(call, body=right_body(client, call))
        yield call
        yield from (
            replace(call, names={**names, **wrong})
            for wrong in wrong_names(names, path, gone=method in {"DELETE", "MOVE"})
        )
        yield from (replace(call, query=query) for query in wrong_queries(operation))
        yield from (replace(call, headers={**call.headers, **wrong}) for wrong in WRONG_HEADERS)
        if "requestBody" in operation:
            yield from (replace(call, body=body) for body in wrong_bodies(call))
            yield replace(call, headers={**call.headers, "content-type": "application/json"})
        if "requestBody" in operation and path == "/-/query":
            sql = {"content-type": "application/sql"}
            yield from (
                replace(call, headers=sql, body=body) for body in (b"select 1 a", b"drop table users")
            )
        if method in {"PUT", "POST"} and "{relation}" in path:
            yield replace(call, names={**names, "relation": f"new-{path[-3:]}"})
        if method in {"COPY", "DELETE", "MOVE"} and "{relation}." in path:
            placeholder = replace(call, names={**names, "relation": "held"})
            lock = client.request("LOCK", placeholder.url, content=XML["LOCK"], headers={"Depth": "0"})
            headers = {"if": f"({lock.headers.get('lock-token', '<DAV:no-lock>')})"}
            headers["destination"] = f"/main/elsewhere.{path.rpartition('.')[2]}"
            yield replace(placeholder, headers=headers)
        if method == "UNLOCK":
            lock = client.request("LOCK", call.url, content=XML["LOCK"], headers={"Depth": "0"})
            yield replace(call, headers={"lock-token": lock.headers.get("lock-token", "<>")})


WRONG_HEADERS: tuple[dict[str, str], ...] = (
    {"accept": "image/png"},
    {"accept": "text/plain"},
    {"accept": "application/json"},
    {"accept": "application/vnd.apache.arrow.file"},
    {"host": "evil.example"},
    {"origin": "http://evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"if-match": '"tag"'},
    {"if-none-match": "*"},
    {"if": "nonsense"},
    {"if": f"(<{UNHEARD_OF}>)"},
    {"if": "(Not <DAV:no-lock>)"},
    {"depth": "0"},
    {"depth": "1"},
    {"depth": "infinity"},
    {"depth": "nonsense"},
    {"destination": "http://elsewhere.example/main/x.csv"},
    {"destination": "/nothing/x.csv"},
    {"destination": "/main/users.csv"},
    {"destination": "nonsense"},
    {"overwrite": "F"},
    {"overwrite": "nonsense"},
    {"lock-token": f"<{UNHEARD_OF}>"},
    {"content-type": "image/png"},
    {"content-encoding": "br"},
    {"content-encoding": "gzip"},
    {"content-digest": "nonsense"},
    {"content-digest": f"sha-256=:{'A' * 43}=:"},
    {"content-range": "bytes 0-1/2"},
)


def right_names(path: str, method: str) -> list[dict[str, str]]:
    if "{code}" in path:
        return [{"code": "not-found"}]
    if "{name}" in path:
        return [{"name": "fresh" if method == "MKCOL" else "spare.txt"}]
    if method in {"DELETE", "MOVE"} and path.endswith("{relation}/"):
        return [{"schema": "main", "relation": "spare"}]
    relation = "names" if "definition" in path else "users"
    items = {"columns": "id", "indexes": "users_name", "constraints": "primary"}
    if "{item}" in path:
        return [{"schema": "main", "relation": relation, "facet": f, "item": i} for f, i in items.items()]
    return [{"schema": "main", "relation": relation, "facet": "columns"}]


def wrong_names(names: Mapping[str, str], path: str, *, gone: bool) -> Iterator[dict[str, str]]:
    for name in names:
        values = ["nothing", "%ff", "%zz", "a%2500", "users.csv"]
        if f"{{{name}}}." not in path:  # what begins with a dot is a file that is no table
            values.append("%2e%2e")
        yield from ({name: value} for value in values)
    if not gone:
        yield {"relation": "names", "facet": "depends_on", "item": "main.users"}
        yield {"relation": "names"}
    yield from ({"relation": name} for name in ("failing", "first", "denied"))


def right_query(path: str, method: str) -> str:
    if path == "/-/query":
        return "sql=select+1+as+a" if method == "GET" else ""
    return "mode=upsert" if method == "POST" else ""


def wrong_queries(operation: Mapping[str, Any]) -> Iterator[str]:
    values = {
        "columns": ("id", "nothing", ""),
        "where": ("id>1", "nothing=1", "id>1;drop table users", "abs(id)>1", "id/0>1", "id='x'", "(" * 999),
        "order": ("-id", "nothing"),
        "limit": ("0", "-1", "x", str(1 << 70)),
        "offset": ("1", "-1"),
        "mode": ("append", "upsert", "nonsense"),
        "sql": ("select", "drop table users", "select 1;select 2", "select ?", "select * from nothing", ""),
        "params": ("[1]", "{}", "[", "[1e999]"),
        "database": ("nothing",),
        "timeout": ("1", "-1", "x", "1e-9"),
        "format": ("csv", "nonsense"),
    }
    named = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    base = "sql=select+1+as+a&" if "sql" in named else ""
    for name in named:
        yield from (f"{base if name != 'sql' else ''}{name}={quote(value)}" for value in values[name])
    yield f"{base}unheard-of=1"
    yield f"{base}%ff=%ff"


def right_headers(method: str, path: str) -> dict[str, str]:
    if method in {"COPY", "MOVE"}:
        ends = {"/{schema}/": "/other/", "{relation}/": "/main/other/", "{name}": "/.scratch/other"}
        target = next((to for end, to in ends.items() if path.endswith(end)), f"/main/other{path[-4:]}")
        return {"destination": target}
    if method == "UNLOCK":
        return {"lock-token": f"<{UNHEARD_OF}>"}
    return {"depth": "0"} if method in {"PROPFIND", "LOCK"} else {}


def right_body(client: httpx.Client, call: Call) -> bytes:
    if call.method in XML:
        return XML[call.method]
    if call.path == "/-/query":
        return b'{"sql": "select 1 as a"}'
    rows = client.get(replace(call, query="").url)
    return rows.content if rows.status_code == 200 else b""


def wrong_bodies(call: Call) -> Iterator[bytes]:
    yield from (b"", b"nonsense", call.body[:-9], b"\x00" * 70_000, b"\xff\xfe")
    if call.path.endswith(".csv"):
        yield from (
            b"id,nothing\n1,2\n",
            b"id,name,score\nx,y,z\n",
            b"id,name,score\n1,a,1000\n",
            b"id\n1\n1\n",
        )
    if call.path == "/-/query":
        said = ("{}", '{"sql": 1}', '{"sql": "select 1", "more": 1}', '{"sql": "delete from users"}', "[]")
        yield from (text.encode() for text in said)


def ask(client: httpx.Client, call: Call) -> httpx.Response:
    """The answer, of which an endless body is left unread."""
    url = httpx.URL(str(client.base_url).rstrip("/"), raw_path=call.url.encode())
    headers = {**call.headers}
    if call.method in {"DELETE", "MOVE", "COPY", "MKCOL"}:
        # What the last one made is taken away, what it took is put back.
        if call.path.endswith(("{relation}/", "{relation}.csv")):
            client.delete("/main/other/")
        if call.names.get("relation") == "spare":
            client.put("/main/spare.csv", content=b"id\n1\n")
    if "name" in call.names:
        client.delete("/.scratch/fresh")
        client.put("/.scratch/spare.txt", content=b"some")
    if call.path == "/-/query" and call.method == "POST":
        headers = {"content-type": "application/json"} | headers
    request = client.build_request(call.method, url, headers=headers, content=call.body)
    answer = client.send(request, stream=True)
    try:
        answer.read()
    except httpx.RemoteProtocolError:
        assert answer.status_code == 200
        answer = httpx.Response(200, headers={"content-type": answer.headers["content-type"]})
    finally:
        answer.close()
    if "lock-token" in answer.headers:
        client.request("UNLOCK", url, headers={"lock-token": answer.headers["lock-token"]})
        if answer.status_code == 201 and "{name}" not in call.path:  # of a name that was free
            client.delete(url)
    return answer
