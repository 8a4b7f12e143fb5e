"""Files have a length and a tag, which stand as long as their rows do, whichever gateway is asked."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.serving import head, serving
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

SHAPED = "/main/users.csv?where=id%3E2&order=-id&limit=2"
FILES = [
    *(f"/main/{name}.{ext}" for name in ("users", "big") for ext in ("arrow", "parquet", "csv")),
    *(f"/main/users.{ext}" for ext in ("arrows", "feather", "jsonl", "json")),
    *("/main/empty.csv", "/main/empty.jsonl", "/main/names.csv", "/main/a%252Fb.csv"),
    *("/main/users.sql", "/main/users/columns/id", SHAPED, "/main/big.arrow?order=-id"),
]
CODINGS = ["identity", "gzip", "zstd"]
IDENTITY = {"accept-encoding": "identity"}

ROWS = 150_000
TABLES = f"""
CREATE TABLE t (id int PRIMARY KEY, text text);
INSERT INTO t SELECT i, repeat(i::text, 8) FROM generate_series(1, {ROWS}) i;
CREATE TABLE small (id int); INSERT INTO small VALUES (1), (2);
"""
SHARED = [
    *(f"/public/t.{ext}" for ext in ("arrow", "feather", "parquet", "csv", "jsonl")),
    *("/public/small.csv", "/public/t.csv?order=-id", "/public/t.csv?where=id%3E7&columns=text"),
]


def of(response: httpx.Response) -> dict[str, str]:
    """The headers that say something of the file."""
    return {name: value for name, value in response.headers.items() if name != "date"}


@pytest.fixture(scope="module")
def reader(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Apart from that of other tests, which look at what there is no snapshot of."""
    with serving(tmp_path_factory.mktemp("reader") / "log", f"sqlite:///{made}") as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.configure(autovacuum="off")  # it is a transaction as well, and moves the version
        server.sql(TABLES)
        yield server


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", FILES)
def test_head_says_what_get_says(client: httpx.Client, path: str, coding: str):
    headers = {"accept-encoding": coding}
    first = client.head(path, headers=headers)
    assert first.status_code == 200
    assert first.headers["accept-ranges"] == ("none" if "content-encoding" in first.headers else "bytes")
    assert first.headers["etag"].startswith('"')
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["vary"] == "Accept, Accept-Encoding"
    assert {"last-modified", "content-type", "content-disposition"} <= first.headers.keys()
    with client.stream("GET", path, headers=headers) as second:
        content = b"".join(second.iter_raw())
        assert of(second) == of(first)
    assert len(content) == int(first.headers["content-length"])
    assert of(client.head(path, headers=headers)) == of(first)


def test_a_streamed_get_has_the_tag_of_its_rows_already(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}")
    streamed = httpx.get(f"{server.url}/main/big.csv", headers=IDENTITY)
    assert streamed.headers["accept-ranges"] == "none"
    assert "content-length" not in streamed.headers
    known = httpx.head(f"{server.url}/main/big.csv", headers=IDENTITY)
    assert int(known.headers["content-length"]) == len(streamed.content)
    for name in ("etag", "last-modified"):
        assert known.headers[name] == streamed.headers[name]


def test_each_representation_has_a_tag_of_its_own(client: httpx.Client):
    base = "/main/big"
    asked: list[tuple[str, dict[str, str]]] = [
        *((f"{base}.{ext}", {}) for ext in ("arrow", "feather", "parquet", "csv", "jsonl", "json")),
        *((f"{base}.csv", {"accept-encoding": coding}) for coding in ("gzip", "zstd")),
        *(
            (f"{base}.arrow", {"accept": f'application/vnd.apache.arrow.stream; codecs="{codec}"'})
            for codec in ("zstd", "lz4")
        ),
        *(
            (f"{base}.csv?{shape}", {})
            for shape in ("limit=5", "limit=6", "offset=5", "order=-id", "columns=id", "where=id%3E5")
        ),
        ("/main/users.csv", {}),
    ]
    tags = {client.head(path, headers=headers).headers["etag"] for path, headers in asked}
    assert len(tags) == len(asked)


def test_a_file_asked_for_by_accept_is_not_the_stream(client: httpx.Client):
    stream = client.head("/main/users.arrow")
    file = client.head("/main/users.arrow", headers={"accept": "application/vnd.apache.arrow.file"})
    assert stream.headers["content-type"] != file.headers["content-type"]
    assert stream.headers["etag"] != file.headers["etag"]


def test_a_tag_stands_until_the_rows_change(writer: Server, database: Path):
    with httpx.Client(base_url=writer.url, headers=IDENTITY) as client:

        def tag(path: str = "/main/users.csv") -> str:
            return client.head(path).headers["etag"]

        seen = [tag()]
        assert client.get("/main/users.csv").headers["etag"] == seen[0]
        assert tag() == seen[0]
        assert client.post("/main/users.csv", content=b"id,name,score\n8,h,8\n").status_code == 200
        seen.append(tag())
        with closing(sqlite3.connect(database)) as other, other:
            other.execute("UPDATE users SET name = 'x' WHERE id = 8")
        seen.append(tag())
        assert client.put("/main/users.csv", content=b"id,name,score\n1,a,1\n").status_code == 204
        seen.append(tag())
        with closing(sqlite3.connect(database)) as other, other:
            other.execute("ALTER TABLE users ADD COLUMN more TEXT")
        seen.append(tag())
        assert len(set(seen)) == len(seen)
        assert client.get("/main/users.csv").headers["etag"] == seen[-1]


def test_the_date_moves_when_the_rows_do(writer: Server, database: Path):
    """Within a second too: who revalidates by the date alone must not be told that nothing changed."""
    with httpx.Client(base_url=writer.url, headers=IDENTITY) as client:
        for row in range(20, 26):
            known = client.head("/main/users.csv").headers
            date = known.get("last-modified", "none")  # none while it would be that of the state before
            with closing(sqlite3.connect(database)) as other, other:
                other.execute("INSERT INTO users VALUES (?, 'x', 1)", (row,))
            response = client.get("/main/users.csv", headers={"if-modified-since": date})
            assert response.status_code == 200, "the change is in the second of the date"


def test_a_document_changes_its_tag_with_its_text(writer: Server, database: Path):
    before = httpx.head(f"{writer.url}/main/users.sql").headers["etag"]
    assert httpx.get(f"{writer.url}/main/users.sql", headers={"if-none-match": before}).status_code == 304
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("ALTER TABLE users ADD COLUMN more TEXT")
    after = httpx.get(f"{writer.url}/main/users.sql", headers={"if-none-match": before})
    assert (after.status_code, b"more" in after.content) == (200, True)
    assert after.headers["etag"] != before


@pytest.mark.parametrize("path", ["/main/users.sql", "/main/users/columns/id", SHAPED, "/main/big.parquet"])
def test_parts_make_the_whole(client: httpx.Client, path: str):
    whole = client.get(path).content
    size = int(client.head(path).headers["content-length"])
    step = -(-size // 5)
    parts = []
    for start in range(0, size, step):
        part = client.get(path, headers={"range": f"bytes={start}-{start + step - 1}"})
        last = min(start + step, size) - 1
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {start}-{last}/{size}")
        parts.append(part.content)
    assert b"".join(parts) == whole


@pytest.mark.parametrize("condition", [None, "if-range", "if-match"])
def test_ranges_are_of_what_is_not_coded(client: httpx.Client, condition: str | None):
    """Hardly anyone who accepts a coding could decode a part."""
    path = "/main/big.csv"
    whole, known = client.get(path).content, client.head(path)
    asked = {"accept-encoding": "gzip, deflate"}
    if condition is not None:
        asked[condition] = known.headers["etag"]
    pieces = []
    for start in range(0, len(whole), 1_000_000):
        part = client.get(path, headers={**asked, "range": f"bytes={start}-{start + 999_999}"})
        assert (part.status_code, part.headers["etag"]) == (206, known.headers["etag"])
        assert "content-encoding" not in part.headers
        pieces.append(part.content)
    assert b"".join(pieces) == whole


def test_the_tag_of_what_is_coded_gets_no_part_of_another(client: httpx.Client):
    """Not of what is not coded; of the coded bytes it may."""
    path, coded = "/main/big.csv", {"accept-encoding": "gzip"}
    with client.stream("GET", path, headers=coded) as whole:
        content, tag = b"".join(whole.iter_raw()), whole.headers["etag"]
    asked = {**coded, "range": "bytes=1000-1999", "if-range": tag}
    with client.stream("GET", path, headers=asked) as part:
        received = b"".join(part.iter_raw())
        assert (part.headers["etag"], part.headers["content-encoding"]) == (tag, "gzip")
        assert received == (content if part.status_code == 200 else content[1000:2000])
    assert gzip.decompress(content) == client.get(path).content


def test_http_1_0_has_a_length_instead_of_chunks(reader: Server):
    for path in ("/main/big.csv", "/main/big.json?limit=90000"):
        answer = reader.raw(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        fields, _, body = answer.partition(b"\r\n\r\n")
        assert fields.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding" not in fields.lower()
        assert f"content-length: {len(body)}\r\n".encode() in fields.lower()
        assert len(body) > 1_000_000


def test_a_head_is_followed_by_the_next_answer(reader: Server):
    """No byte of a body slips in behind a HEAD, or behind a 304."""
    with reader.connect() as connection:
        connection.sendall(
            head("HEAD", "/main/big.csv")
            + head("GET", "/main/users.csv", "If-None-Match: *")
            + head("GET", "/main/users.csv", "Range: bytes=0-1", "Connection: close")
        )
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"304", b"206"]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b"", b"", b"id"]


def test_gateways_agree_whatever_their_threads(postgres: Postgres, serve: Serve):
    servers = [serve(postgres.url, "--threads", threads) for threads in ("1", "2", "4")]
    servers.append(serve(postgres.url, "--pool-size", "1"))
    for path in SHARED:
        for coding in CODINGS:
            headers = {"accept-encoding": coding}
            found = set()
            for server in servers:
                known = httpx.head(f"{server.url}{path}", headers=headers)
                with httpx.stream("GET", f"{server.url}{path}", headers=headers) as whole:
                    content = b"".join(whole.iter_raw())
                assert known.headers["content-length"] == str(len(content))
                found.add((known.headers["etag"], hash(content)))
            assert len(found) == 1, (path, coding)
    path = SHARED[2]
    before = {httpx.head(f"{server.url}{path}").headers["etag"] for server in servers}
    postgres.sql("UPDATE t SET text = 'new' WHERE id = 1")
    after = {httpx.head(f"{server.url}{path}").headers["etag"] for server in servers}
    assert (len(before), len(after), before & after) == (1, 1, set())


@pytest.mark.parametrize("condition", [None, "if-range", "if-match"])
def test_a_range_run_goes_on_at_another_gateway(postgres: Postgres, serve: Serve, condition: str | None):
    first = serve(postgres.url)
    path = "/public/t.parquet"
    with httpx.Client(base_url=first.url) as client:
        known = client.head(path)
        size, tag = int(known.headers["content-length"]), known.headers["etag"]
        headers = {} if condition is None else {condition: tag}
        step = -(-size // 6)
        run = b""
        for start in range(0, size, step):
            if len(run) // step == 3:
                first.process.kill()
                first.process.wait()
                first.process.returncode = 0  # as meant
                serve(postgres.url, "--port", str(first.port), "--threads", "1")
            asked = {"range": f"bytes={start}-{start + step - 1}", **headers}
            response = client.get(path, headers=asked)
            assert (response.status_code, response.headers["etag"]) == (206, tag)
            run += response.content
        assert run == client.get(path).content


def test_a_range_run_that_cannot_go_on_says_so(postgres: Postgres, serve: Serve):
    first = serve(postgres.url)
    path = "/public/t.csv"
    with httpx.Client(base_url=first.url, headers=IDENTITY) as client:
        tag = client.head(path).headers["etag"]
        assert client.get(path, headers={"range": "bytes=0-9"}).status_code == 206
        first.process.kill()
        first.process.wait()
        first.process.returncode = 0  # as meant
        postgres.sql("UPDATE t SET text = 'newer' WHERE id = 2")
        serve(postgres.url, "--port", str(first.port))
        asked = {"range": "bytes=10-19"}
        refused = client.get(path, headers={**asked, "if-match": tag})
        assert (refused.status_code, refused.json()["type"]) == (412, "/-/problems/precondition-failed")
        whole = client.get(path, headers={**asked, "if-range": tag})
        assert (whole.status_code, whole.headers["etag"] != tag) == (200, True)
        assert len(whole.content) > 1_000_000
