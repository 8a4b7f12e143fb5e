"""GET and HEAD on files of the tree."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.gateway.serving import head

if TYPE_CHECKING:
    import httpx

    from tests.gateway.serving import Server


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        ("arrow", "application/vnd.apache.arrow.stream"),
        ("arrows", "application/vnd.apache.arrow.stream"),
        ("feather", "application/vnd.apache.arrow.file"),
        ("parquet", "application/vnd.apache.parquet"),
        ("csv", "text/csv; header=present"),
        ("jsonl", "application/jsonl"),
        ("json", "application/json"),
    ],
)
def test_a_table_is_a_file_in_every_format(client: httpx.Client, extension: str, media_type: str):
    response = client.get(f"/main/users.{extension}")
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.headers["content-disposition"] == f'attachment; filename="users.{extension}"'


@pytest.mark.parametrize("path", ["users.csv", "users.arrow", "users.json?limit=2", "big.csv", "empty.arrow"])
def test_head_says_what_get_says(client: httpx.Client, path: str):
    headed, got = client.head(f"/main/{path}"), client.get(f"/main/{path}")
    assert headed.content == b""
    skipped = {"date", "transfer-encoding"}
    assert {k: v for k, v in headed.headers.items() if k not in skipped} == {
        k: v for k, v in got.headers.items() if k not in skipped
    }


def test_a_large_table_is_sent_in_chunks_and_whole(client: httpx.Client):
    response = client.get("/main/big.arrow")
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    table = pa.ipc.open_stream(response.content).read_all()
    assert table["id"].to_pylist() == list(range(1, 100_001))


def test_shaping_reaches_the_database(client: httpx.Client):
    response = client.get("/main/users.csv", params={"columns": "name,id", "where": "id > 5", "order": "-id"})
    assert response.text.splitlines() == ["name,id", "g,7", "f,6"]


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/main/nothing.csv", 404, "not-found"),
        ("/other/users.csv", 404, "not-found"),
        ("/main/users%3Flimit=1.csv", 404, "not-found"),
        ("/main/users.csv?colums=id", 400, "invalid-parameter"),
        ("/main/users.csv?columns=nope", 400, "invalid-parameter"),
        ("/main/users.csv?order=nope", 400, "invalid-parameter"),
        ("/main/users.csv?where=nope%3C%3E1", 400, "invalid-parameter"),
        ("/main/users.csv?where=randomblob(9)%3E1", 400, "invalid-predicate"),
        ("/main/users.csv?limit=%FF", 400, "invalid-parameter"),
        ("/main/users/columns/nope", 404, "not-found"),
        ("/main/?x=1", 400, "invalid-parameter"),
    ],
)
def test_what_is_not_there_is_a_problem(client: httpx.Client, url: str, status: int, code: str):
    response = client.get(url)
    assert (response.status_code, response.json()["type"]) == (status, f"/-/problems/{code}")
    assert response.headers["content-type"] == "application/problem+json"
    assert client.head(url).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/main/%zz.csv",
        "/main/%%32%46.csv",
        "/main/%ff.csv",
        "/main/%c0%ae%c0%ae/users.csv",
        "/main/../users.csv",
        "/main/%2e%2e/users.csv",
        "/main/%252e%252e/x/../users.csv",
        "/main//users.csv",
        "/main/a%00b.csv",
        "/main/a%5Cb.csv",
    ],
)
def test_paths_outside_the_grammar_are_refused(reader: Server, path: str):
    answer = reader.raw(head("GET", path, "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"/-/problems/invalid-path" in answer


def test_the_path_is_decoded_exactly_once(client: httpx.Client):
    assert client.get("/main/a%252Fb.csv").text.split() == ["id", "1"]
    assert client.get("/main/a%2Fb.csv").status_code == 404


def test_accept_chooses_between_stream_and_file_on_arrow(client: httpx.Client):
    response = client.get("/main/users.arrow", headers={"accept": "application/vnd.apache.arrow.file"})
    assert response.headers["content-type"] == "application/vnd.apache.arrow.file"
    assert pa.ipc.open_file(response.content).read_all().num_rows == 7


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_buffers_are_compressed_when_asked(client: httpx.Client, codec: str):
    accept = f'application/vnd.apache.arrow.stream; codecs="brotli, {codec}"'
    plain = client.get("/main/big.arrow")
    packed = client.get("/main/big.arrow", headers={"accept": accept})
    assert packed.headers["content-type"] == f'application/vnd.apache.arrow.stream; codecs="{codec}"'
    assert len(packed.content) < len(plain.content) / 2
    tables = [pa.ipc.open_stream(r.content).read_all() for r in (packed, plain)]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/main/users.csv", "application/json"),
        ("/main/users.arrow", "text/csv"),
        ("/main/users.parquet", "application/vnd.apache.parquet;q=0, text/csv"),
        ("/main/users.csv", "text/csv;header=absent"),
        ("/main/", "image/png"),
    ],
)
def test_nothing_that_fits_is_406(client: httpx.Client, path: str, accept: str):
    assert client.get(path, headers={"accept": accept}).status_code == 406


@pytest.mark.parametrize("table", ["users", "big"])
def test_text_is_gzipped_when_asked(client: httpx.Client, table: str):
    plain = client.get(f"/main/{table}.csv")
    with client.stream("GET", f"/main/{table}.csv", headers={"accept-encoding": "gzip"}) as response:
        body = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain.content


@pytest.mark.parametrize("table", ["users", "big"])
def test_text_is_compressed_by_zstd_when_asked(client: httpx.Client, table: str):
    plain = client.get(f"/main/{table}.jsonl")
    headers = {"accept-encoding": "gzip;q=0.5, zstd"}
    with client.stream("GET", f"/main/{table}.jsonl", headers=headers) as response:
        body = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "zstd"
    assert pa.CompressedInputStream(io.BytesIO(body), "zstd").read() == plain.content


def test_binary_formats_are_never_coded(client: httpx.Client):
    response = client.get("/main/users.parquet", headers={"accept-encoding": "gzip, zstd"})
    assert "content-encoding" not in response.headers
    assert pyarrow.parquet.read_table(io.BytesIO(response.content)).num_rows == 7


def test_http_1_0_gets_what_has_a_length_and_never_chunks(reader: Server):
    assert b"\r\n\r\nid,name" in reader.raw(b"GET /main/users.csv HTTP/1.0\r\n\r\n")
    assert b"\r\ncontent-length: " in reader.raw(b"GET /main/big.csv HTTP/1.0\r\n\r\n")
    query = b"GET /-/query?sql=SELECT+*+FROM+big HTTP/1.0\r\n\r\n"
    assert reader.raw(query).startswith(b"HTTP/1.1 505 ")


def test_documents_describe_relations(client: httpx.Client):
    ddl = client.get("/main/users.sql")
    assert ddl.headers["content-type"] == "application/sql"
    assert "CREATE TABLE users" in ddl.text
    column = client.get("/main/users/columns/name")
    assert column.headers["content-type"] == "application/json"
    assert column.json()["name"] == "name"
    assert "SELECT name FROM users" in client.get("/main/names/definition.sql").text


def test_listings_are_pages_or_json(client: httpx.Client):
    page = client.get("/main/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    listing = client.get("/main/", headers={"accept": "application/json"})
    names = [entry["name"] for entry in json.loads(listing.content)]
    assert "/main/users.arrow" in names
    assert "/main/a%2Fb" in names
    assert client.get("/main", headers={"accept": "application/json"}).json() == listing.json()


def test_the_service_prefix_is_never_listed(client: httpx.Client):
    names = [entry["name"] for entry in client.get("/", headers={"accept": "application/json"}).json()]
    assert names == ["/main"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/main/"), ("POST", "/main/users"), ("PATCH", "/main/users.csv")]
)
def test_a_method_that_is_not_there_is_405_with_allow(client: httpx.Client, method: str, path: str):
    response = client.request(method, path, content=b"x")
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
