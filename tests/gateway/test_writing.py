"""PUT and POST on data files."""

from __future__ import annotations

import base64
import gzip
import hashlib
import select
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest

from tests.gateway.serving import head, read_to_end, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

CSV = b"id,name,score\n1,new,0.5\n"


def rows(database: Path, table: str = "users") -> list[Any]:
    """What the file says, past the gateway."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def digest(body: bytes, name: str = "sha256") -> str:
    return base64.b64encode(hashlib.new(name, body).digest()).decode()


def test_put_replaces_all_rows(writer: Server, database: Path):
    response = httpx.put(f"{writer.url}/main/users.csv", content=CSV)
    assert (response.status_code, response.headers["rows-written"], response.content) == (204, "1", b"")
    assert rows(database) == [(1, "new", 0.5)]


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_what_was_read_can_be_written_back(writer: Server, database: Path, extension: str):
    before = rows(database)
    url = f"{writer.url}/main/users.{extension}"
    assert httpx.put(url, content=httpx.get(url).content).status_code == 204
    assert rows(database) == before


def test_post_appends(writer: Server, database: Path):
    response = httpx.post(f"{writer.url}/main/users.csv", content=b"id,name,score\n8,h,1\n9,i,2\n")
    assert (response.status_code, response.json(), response.headers["rows-written"]) == (
        200,
        {"rows": 2},
        "2",
    )
    assert [row[0] for row in rows(database)] == list(range(1, 10))


def test_post_upserts_by_primary_key(writer: Server, database: Path):
    response = httpx.post(
        f"{writer.url}/main/users.csv?mode=upsert", content=b"id,name,score\n7,new,1\n8,h,1\n"
    )
    assert response.status_code == 200
    assert rows(database)[-2:] == [(7, "new", 1.0), (8, "h", 1.0)]


@pytest.mark.parametrize("query", ["mode=replace", "mode=", "x=1", "mode=append&mode=append"])
def test_post_refuses_other_parameters(writer: Server, database: Path, query: str):
    before = rows(database)
    response = httpx.post(f"{writer.url}/main/users.csv?{query}", content=CSV)
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/invalid-parameter")
    assert rows(database) == before


def test_put_to_a_new_name_creates_with_manage(writer: Server, database: Path):
    response = httpx.put(f"{writer.url}/main/fresh.csv", content=CSV)
    assert (response.status_code, response.headers["rows-written"]) == (201, "1")
    assert len(rows(database, "fresh")) == 1


def test_put_into_a_missing_schema_is_409(writer: Server):
    response = httpx.put(f"{writer.url}/nowhere/fresh.csv", content=CSV)
    assert (response.status_code, response.json()["type"]) == (409, "/-/problems/parent-missing")


def test_put_to_a_new_name_needs_manage(database: Path, serve: Serve):
    server = serve(f"sqlite:///{database}", "--access", "write")
    response = httpx.put(f"{server.url}/main/fresh.csv", content=CSV)
    assert (response.status_code, response.json()["type"]) == (403, "/-/problems/forbidden")
    assert httpx.put(f"{server.url}/main/users.csv", content=CSV).status_code == 204
    assert httpx.post(f"{server.url}/main/fresh.csv", content=CSV).status_code == 404


def test_post_to_a_missing_relation_is_404(writer: Server):
    assert httpx.post(f"{writer.url}/main/fresh.csv", content=CSV).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_read_access_refuses_before_the_body(reader: Server, method: str):
    with reader.connect() as connection:
        connection.sendall(head(method, "/main/users.csv", "Content-Length: 99", "Expect: 100-continue"))
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in answer
    assert b"/-/problems/read-only" in answer


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Range: bytes 0-1/2", "Content-Length: 2"], 400),
        (["Content-Length: 99999999999999"], 413),
        (["Content-Length: 9", "Content-Encoding: br"], 415),
        (["Content-Length: 9", "Content-Type: application/vnd.apache.parquet"], 415),
        (["Content-Length: 9", "Content-Type: multipart/form-data; boundary=x"], 415),
        (["Content-Length: 9", "Content-Digest: nonsense"], 400),
        (["Content-Length: 9", "If-None-Match: *"], 412),
        (["Content-Length: 9", 'If-Match: "x"'], 412),
    ],
)
def test_the_head_alone_can_refuse_a_body(writer: Server, database: Path, headers: list[str], status: int):
    before = rows(database)
    answer = writer.raw(head("PUT", "/main/users.csv", "Expect: 100-continue", *headers))
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert rows(database) == before


def test_the_body_is_asked_for_when_the_head_is_good(writer: Server, database: Path):
    with writer.connect() as connection:
        length = f"Content-Length: {len(CSV)}"
        connection.sendall(
            head("PUT", "/main/users.csv", length, "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(CSV)
        assert read_to_end(connection).startswith(b"HTTP/1.1 204 ")
    assert len(rows(database)) == 1


def test_if_match_star_on_a_missing_resource_is_412(writer: Server):
    response = httpx.put(f"{writer.url}/main/fresh.csv", content=CSV, headers={"if-match": "*"})
    assert response.status_code == 412


def test_a_name_that_differs_by_case_alone_is_taken(writer: Server, database: Path):
    before = rows(database)
    response = httpx.put(f"{writer.url}/main/Users.csv", content=CSV)
    assert (response.status_code, response.json()["type"]) == (409, "/-/problems/already-exists")
    assert rows(database) == before


def test_if_none_match_star_creates_what_is_missing(writer: Server):
    response = httpx.put(f"{writer.url}/main/fresh.csv", content=CSV, headers={"if-none-match": "*"})
    assert response.status_code == 201


@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize(("algorithm", "python"), [("sha-256", "sha256"), ("sha-512", "sha512")])
def test_digests_are_verified(writer: Server, database: Path, name: str, algorithm: str, python: str):
    before, url = rows(database), f"{writer.url}/main/users.csv"
    wrong = httpx.put(url, content=CSV, headers={name: f"{algorithm}=:{digest(b'other', python)}:"})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "/-/problems/digest-mismatch")
    assert rows(database) == before
    right = httpx.put(url, content=CSV, headers={name: f"md5=:AAAA:, {algorithm}=:{digest(CSV, python)}:"})
    assert right.status_code == 204


def test_gzipped_bodies_are_inflated(writer: Server, database: Path):
    response = httpx.put(
        f"{writer.url}/main/users.csv", content=gzip.compress(CSV), headers={"content-encoding": "gzip"}
    )
    assert response.status_code == 204
    assert rows(database) == [(1, "new", 0.5)]


def test_zstd_bodies_are_inflated(writer: Server, database: Path):
    packed = pa.Codec("zstd").compress(CSV, asbytes=True)
    response = httpx.put(f"{writer.url}/main/users.csv", content=packed, headers={"content-encoding": "zstd"})
    assert response.status_code == 204
    assert rows(database) == [(1, "new", 0.5)]


@pytest.mark.parametrize("extension", ["csv", "jsonl", "arrow"])
@pytest.mark.parametrize("headers", [{}, {"transfer-encoding": "chunked"}])
def test_an_empty_body_changes_nothing(
    writer: Server, database: Path, extension: str, headers: dict[str, str]
):
    before = rows(database)
    response = httpx.put(f"{writer.url}/main/users.{extension}", content=b"", headers=headers)
    assert (response.status_code, response.headers["rows-written"]) == (204, "0")
    assert rows(database) == before
    refused = httpx.post(f"{writer.url}/main/users.{extension}", content=b"", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (400, "/-/problems/malformed-body")
    assert rows(database) == before


@pytest.mark.parametrize("packed", [gzip.compress(CSV)[:-9], b"not gzip at all", gzip.compress(b"")])
def test_a_broken_coding_changes_nothing(writer: Server, database: Path, packed: bytes):
    before = rows(database)
    response = httpx.put(f"{writer.url}/main/users.csv", content=packed, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["type"]) == (400, "/-/problems/malformed-body")
    assert rows(database) == before


def test_a_decompression_bomb_is_stopped_while_inflating(database: Path, serve: Serve):
    server = serve(f"sqlite:///{database}", "--access", "write", "--max-body-bytes", "1MiB")
    bomb = gzip.compress(b"id,name,score\n" + b"1,a,1\n" * 10_000_000)
    assert len(bomb) < 1 << 20
    response = httpx.put(f"{server.url}/main/users.csv", content=bomb, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["type"]) == (413, "/-/problems/body-too-large")


def test_a_body_that_grows_past_the_limit_is_413(database: Path, serve: Serve):
    server = serve(f"sqlite:///{database}", "--access", "write", "--max-body-bytes", "64KiB")
    before = rows(database)
    pieces = (b"8,a,1\n" * 1000 for _ in range(20))
    response = httpx.put(f"{server.url}/main/users.csv", content=pieces)
    assert response.status_code == 413
    assert rows(database) == before


def test_a_large_body_goes_through_a_file_that_is_gone_afterwards(
    database: Path, serve: Serve, tmp_path: Path
):
    spool = tmp_path / "spool"
    spool.mkdir()
    arguments = ("--access", "write", "--spool-dir", str(spool), "--spool-memory-bytes", "64KiB")
    server = serve(f"sqlite:///{database}", *arguments)
    body = httpx.get(f"{server.url}/main/big.arrow").content
    sums = {"content-digest": f"sha-256=:{digest(body)}:"}
    response = httpx.put(f"{server.url}/main/big.arrow", content=body, headers=sums)
    assert (response.status_code, response.headers["rows-written"]) == (204, "100000")
    assert [list(made.iterdir()) for made in spool.iterdir()] == [[]]
    assert httpx.get(f"{server.url}/main/big.arrow").content == body
    assert server.stop() == 0
    assert list(spool.iterdir()) == []


def test_what_a_killed_server_spooled_is_swept(database: Path, serve: Serve, tmp_path: Path):
    spool = tmp_path / "spool"
    stale = spool / "fsspec-db-spool-stale"
    stale.mkdir(parents=True)
    (stale / "body").write_bytes(b"left behind")
    serve(f"sqlite:///{database}", "--spool-dir", str(spool))
    assert list(spool.iterdir()) == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("may not mount")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_507_and_leaves_nothing(database: Path, tiny: Path, serve: Serve):
    server = serve(
        f"sqlite:///{database}", "--access", "write", "--spool-dir", str(tiny), "--spool-memory-bytes", "0"
    )
    body = httpx.get(f"{server.url}/main/big.arrow").content
    before = rows(database, "big")
    for headers in ({}, {"expect": "100-continue"}):
        response = httpx.put(f"{server.url}/main/big.arrow", content=body, headers=headers)
        assert (response.status_code, response.json()["type"]) == (507, "/-/problems/spool-full")
    assert [list(made.iterdir()) for made in tiny.iterdir()] == [[]]
    assert rows(database, "big") == before


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.3, 1.0])
def test_a_server_that_is_killed_leaves_the_old_rows_or_the_new(database: Path, serve: Serve, delay: float):
    with serving(database.with_suffix(".log"), f"sqlite:///{database}", "--access", "write") as server:
        body = httpx.get(f"{server.url}/main/big.csv?limit=90000").content
        with server.connect() as connection:
            connection.sendall(head("PUT", "/main/big.csv", f"Content-Length: {len(body)}") + body)
            select.select([connection], [], [], delay)
            server.process.kill()
            server.process.wait()
            server.process.returncode = 0  # as meant
    assert len(rows(database, "big")) in (90_000, 100_000)
    restarted = serve(f"sqlite:///{database}", "--access", "write")
    assert httpx.put(f"{restarted.url}/main/users.csv", content=CSV).status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"id,name,score\n1,a,1\n1,b,1\n", 409, "constraint-violation"),
        (b"id,name,score\n1,a,1\n2,b,100\n", 409, "constraint-violation"),
        (b"id,nom,score\n1,a,1\n", 422, "schema-mismatch"),
        (b"id,name,score\n1,a,1\nx,b,1\n", 422, "value-out-of-range"),
        (b'id,name,score\n1,"a,1\n', 400, "incomplete-body"),
        (b"id,name,score\n1,a\n", 400, "malformed-body"),
        (b"ARROW1 or so", 400, "incomplete-body"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_bad_body_changes_nothing(
    writer: Server, database: Path, method: str, body: bytes, status: int, code: str
):
    before = rows(database)
    if b"ARROW1" in body:
        response = httpx.request(method, f"{writer.url}/main/users.arrow", content=body)
    else:
        response = httpx.request(method, f"{writer.url}/main/users.csv", content=body)
    assert (response.status_code, response.json()["type"]) == (status, f"/-/problems/{code}"), response.text
    assert rows(database) == before


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet"])
def test_a_corrupt_binary_body_changes_nothing(writer: Server, database: Path, extension: str):
    before = rows(database)
    url = f"{writer.url}/main/users.{extension}"
    body = httpx.get(url).content
    for at in range(0, len(body), max(1, len(body) // 40)):
        broken = body[:at] + bytes(byte ^ 0xFF for byte in body[at : at + 4]) + body[at + 4 :]
        response = httpx.put(url, content=broken)
        if response.status_code == 204:  # a value was hit, and is another valid one
            assert httpx.put(url, content=body).status_code == 204
        else:
            assert response.status_code in (400, 409, 413, 422), response.text
        assert rows(database) == before


def test_an_unknown_transfer_coding_is_refused(writer: Server, database: Path):
    before = rows(database)
    answer = writer.raw(
        head("PUT", "/main/users.csv", "Transfer-Encoding: gzip, chunked", "Connection: close") + b"0\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 501 ", b"HTTP/1.1 400 "))
    assert rows(database) == before


def test_a_locked_file_needs_the_token(writer: Server, database: Path):
    url = f"{writer.url}/main/users.csv"
    info = (
        b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
    )
    token = httpx.request("LOCK", url, content=info).headers["lock-token"]
    refused = httpx.put(url, content=CSV)
    assert refused.status_code == 423
    assert b"lock-token-submitted" in refused.content
    assert httpx.post(f"{writer.url}/main/users.csv", content=CSV).status_code == 423
    assert httpx.put(url, content=CSV, headers={"if": f"({token})"}).status_code == 204
    assert len(rows(database)) == 1


@pytest.mark.parametrize("path", ["/main/users.sql", "/main/users/columns/id", "/main/users/", "/main/", "/"])
def test_only_data_files_are_written(writer: Server, path: str):
    for method in ("PUT", "POST"):
        response = httpx.request(method, writer.url + path, content=CSV)
        assert response.status_code == 405
        assert "allow" in response.headers


def test_curl_may_call_a_body_a_form(writer: Server):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert httpx.post(f"{writer.url}/main/users.csv", content=b"id\n9\n", headers=headers).status_code == 200
