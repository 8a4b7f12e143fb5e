"""Files that are no tables: what editors, file managers and synchronisers write beside them."""

from __future__ import annotations

import gzip
import os
import socket
import sqlite3
import time
from base64 import b64encode
from contextlib import closing
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree.ElementTree import fromstring

import httpx
import pytest

from gateway.scratch import Scratch, default_directory
from gateway.settings import Settings
from tests.gateway.dav.drive import Drive
from tests.gateway.numbered import eventually
from tests.gateway.serving import head, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

TEXT = b"no table at all\n"
MiB = 1 << 20


@pytest.fixture
def drive(writer: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=writer.url, headers={"accept-encoding": "identity"}) as client:
        yield client


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/-/problems/")


def listed(client: httpx.Client, path: str) -> dict[str, dict[str, str | None]]:
    answer = client.request("PROPFIND", path, headers={"Depth": "1"})
    assert answer.status_code == 207, answer.text
    return {
        unquote(response.findtext("{DAV:}href") or ""): {
            prop.tag.removeprefix("{DAV:}"): prop.text for prop in response.findall(".//{DAV:}prop/*")
        }
        for response in fromstring(answer.content)
    }


@pytest.mark.parametrize(
    "path",
    [
        "/.scratch/notes.txt", "/.DS_Store", "/main/._users.csv", "/main/~$users.csv", "/main/users.csv.part",
        "/main/.users.csv.swp", "/main/report.xlsx", "/main/4913", "/main/users/.DS_Store",
        "/main/users/columns/._id", "/main/users/notes.txt", "/readme.txt", "/main/%E6%97%A5%E6%9C%AC.txt",
        "/.scratch/a%3Fb%25%5C%3A.txt",
    ],
)  # fmt: skip
def test_a_file_is_kept_read_listed_and_removed(drive: httpx.Client, path: str) -> None:
    made = drive.put(path, content=TEXT)
    assert made.status_code == 201, made.text
    read = drive.get(path)
    assert (read.status_code, read.content) == (200, TEXT)
    assert read.headers["etag"] == made.headers["etag"]
    assert drive.head(path).headers["content-length"] == str(len(TEXT))
    seen = listed(drive, path.rpartition("/")[0] + "/")[unquote(path)]
    assert seen["getcontentlength"] == str(len(TEXT))
    assert (seen["getetag"], seen["getlastmodified"]) == (read.headers["etag"], read.headers["last-modified"])
    assert drive.put(path, content=TEXT * 2).status_code == 204
    assert drive.get(path).content == TEXT * 2
    assert drive.delete(path).status_code == 204
    assert drive.get(path).status_code == 404
    assert drive.delete(path).status_code == 404


def test_the_tables_are_as_they_were(drive: httpx.Client, database: Path) -> None:
    before = database.read_bytes()
    for path in ("/main/._users.csv", "/main/users.csv.tmp", "/main/users", "/main/big/", "/main/fresh"):
        answer = drive.put(path, content=TEXT)
        assert answer.status_code == (405 if path in {"/main/users", "/main/big/"} else 201), path
    assert database.read_bytes() == before


def test_a_relation_of_such_a_name_wins(drive: httpx.Client, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript('CREATE TABLE "~$x" (id INTEGER); INSERT INTO "~$x" VALUES (1)')
    assert drive.get("/main/~$x.csv").content == b"id\r\n1\r\n"
    assert drive.put("/main/~$x.csv", content=b"id\n2\n").headers["rows-written"] == "1"
    assert problem(drive.put("/main/~$x", content=TEXT)) == (405, "method-not-allowed")


def test_a_file_is_hidden_by_a_relation_that_comes_later(drive: httpx.Client) -> None:
    assert drive.put("/main/fresh", content=TEXT).status_code == 201
    assert drive.put("/main/fresh.csv", content=b"id\n1\n").status_code == 201
    assert drive.get("/main/fresh", headers={"accept": "application/json"}).json()
    assert "/main/fresh" not in listed(drive, "/main/")


def test_a_file_needs_a_directory(drive: httpx.Client) -> None:
    for path in ("/.scratch/none/a.txt", "/nowhere/a.txt", "/nowhere/.DS_Store", "/main/.a/b"):
        assert problem(drive.put(path, content=TEXT)) == (409, "parent-missing")


@pytest.mark.parametrize(
    "path", ["/.scratch/%2e%2e/a", "/.scratch//a", "/.scratch/%00", "/.scratch/" + "x" * 300]
)
def test_a_path_that_no_file_can_have(drive: httpx.Client, path: str) -> None:
    url = httpx.URL(str(drive.base_url).rstrip("/"), raw_path=path.encode())
    assert problem(drive.put(url, content=TEXT)) == (400, "invalid-path")


@pytest.mark.parametrize("path", ["/.scratch", "/main", "/main/users"])
def test_a_path_longer_than_any_file_has(drive: httpx.Client, path: str) -> None:
    path += f"/{'x' * 240}" * 20
    assert drive.get(path).status_code == 404
    assert drive.request("PROPFIND", path, headers={"Depth": "1"}).status_code == 404
    assert drive.put(path, content=TEXT).status_code in {400, 404, 409}
    assert drive.delete(path).status_code == 404


def test_a_table_may_have_a_name_that_no_file_has(drive: httpx.Client) -> None:
    for name in ("x" * 250, "日" * 90):
        relation = f"/main/{name}"
        assert drive.put(f"{relation}.csv", content=b"id\n1\n").status_code == 201
        copied = drive.request("COPY", f"{relation}.csv", headers={"Destination": f"/main/{'y' * 250}.csv"})
        assert copied.status_code == 201, copied.text
        assert drive.put("/.scratch/rows", content=b"id\n2\n").status_code == 201
        headers = {"Destination": f"/main/{'y' * 250}.csv"}
        assert drive.request("MOVE", "/.scratch/rows", headers=headers).status_code == 204
        assert drive.get("/.scratch/rows").status_code == 404
        for made in (relation, f"/main/{'y' * 250}"):
            assert drive.delete(f"{made}/").status_code == 204


@pytest.mark.parametrize("accepted", ["text/plain", "image/*", "application/octet-stream"])
def test_a_file_is_read_whatever_is_accepted(drive: httpx.Client, accepted: str) -> None:
    for path, content in (("/main/notes.txt", TEXT), ("/main/unwritten.csv", b"")):
        drive.put(path, content=content)
        answer = drive.get(path, headers={"Accept": accepted})
        assert (answer.status_code, answer.content) == (200, content)
        drive.delete(path)
    assert drive.get("/main/users.csv", headers={"Accept": "image/*"}).status_code == 406


def test_nothing_has_a_digest_too(drive: httpx.Client) -> None:
    digest = {"Content-Digest": f"sha-256=:{b64encode(sha256(b'x').digest()).decode()}:"}
    for path in ("/.scratch/nothing", "/main/unwritten.csv", "/main/users.csv"):
        assert problem(drive.put(path, content=b"", headers=digest)) == (400, "digest-mismatch")
    digest = {"Content-Digest": f"sha-256=:{b64encode(sha256(b'').digest()).decode()}:"}
    assert drive.put("/.scratch/nothing", content=b"", headers=digest).status_code == 201


def test_a_file_is_no_directory(drive: httpx.Client) -> None:
    drive.put("/.scratch/a", content=TEXT)
    for method in ("GET", "HEAD", "DELETE", "PROPFIND"):
        assert (
            drive.request(
                method, "/.scratch/a/", headers={"Depth": "0"} if method == "PROPFIND" else {}
            ).status_code
            == 404
        )
    drive.delete("/.scratch/a")


def test_nothing_is_kept_where_the_gateway_reads(client: httpx.Client) -> None:
    assert client.put("/.scratch/a.txt", content=TEXT).status_code in {400, 403}
    assert "/.scratch" not in [
        entry["name"] for entry in client.get("/", headers={"accept": "application/json"}).json()
    ]


def test_the_root_lists_the_scratch_collection(drive: httpx.Client) -> None:
    assert "/.scratch/" in listed(drive, "/")
    assert listed(drive, "/.scratch/").keys() == {"/.scratch/"}
    drive.put("/.scratch/a.txt", content=TEXT)
    page = drive.get("/.scratch/", headers={"accept": "text/html"})
    assert 'href="a.txt"' in page.text
    assert drive.get("/.scratch").status_code == 200


def test_a_file_is_no_page_of_the_site(drive: httpx.Client) -> None:
    drive.put("/.scratch/a.html", content=b"<script>alert(1)</script>")
    headers = drive.get("/.scratch/a.html").headers
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"


class TestBodies:
    @pytest.mark.parametrize("size", [0, 10, 20 * MiB])
    def test_of_any_size(self, drive: httpx.Client, size: int) -> None:
        body = os.urandom(size)
        assert drive.put("/.scratch/a.bin", content=body).status_code == 201
        assert drive.get("/.scratch/a.bin").content == body

    def test_that_are_cut_change_nothing(self, drive: httpx.Client, writer: Server) -> None:
        drive.put("/.scratch/a.txt", content=TEXT)
        for framing in (("Content-Length: 100",), ("Transfer-Encoding: chunked",)):
            body = b"some" if "Content" in framing[0] else b"4\r\nsome\r\n"
            with writer.connect() as connection:
                connection.sendall(head("PUT", "/.scratch/a.txt", *framing) + body)
        expected = "X-Expected-Entity-Length: 100", "Transfer-Encoding: chunked", "Connection: close"
        answer = writer.raw(head("PUT", "/.scratch/a.txt", *expected) + b"4\r\nsome\r\n0\r\n\r\n")
        assert b"incomplete-body" in answer
        assert drive.get("/.scratch/a.txt").content == TEXT

    def test_are_inflated(self, drive: httpx.Client) -> None:
        made = drive.put("/.scratch/a.txt", content=gzip.compress(TEXT), headers={"content-encoding": "gzip"})
        assert "etag" not in made.headers
        assert drive.get("/.scratch/a.txt").content == TEXT

    def test_are_read_in_ranges(self, drive: httpx.Client) -> None:
        drive.put("/.scratch/a.txt", content=TEXT)
        part = drive.get("/.scratch/a.txt", headers={"range": "bytes=3-7"})
        assert (part.status_code, part.content) == (206, TEXT[3:8])
        parts = drive.get("/.scratch/a.txt", headers={"range": "bytes=0-1,-2"})
        assert parts.headers["content-type"].startswith("multipart/byteranges")
        assert problem(drive.get("/.scratch/a.txt", headers={"range": "bytes=99-"})) == (
            416, "range-not-satisfiable",
        )  # fmt: skip

    def test_that_are_read_are_not_those_that_are_written_meanwhile(
        self, drive: httpx.Client, writer: Server
    ) -> None:
        drive.put("/.scratch/a.bin", content=b"a" * 32 * MiB)
        with drive.stream("GET", "/.scratch/a.bin") as answer:
            chunks = answer.iter_bytes()
            first = next(chunks)
            httpx.put(f"{writer.url}/.scratch/a.bin", content=b"b" * 32 * MiB)
            assert set(first + b"".join(chunks)) == {ord("a")}


class TestConditions:
    def test_hold_or_not(self, drive: httpx.Client) -> None:
        tag = drive.put("/.scratch/a.txt", content=TEXT).headers["etag"]
        path = "/.scratch/a.txt"
        assert drive.get(path, headers={"if-none-match": tag}).status_code == 304
        assert drive.put(path, content=b"x", headers={"if-none-match": "*"}).status_code == 412
        assert drive.put(path, content=b"x", headers={"if-match": '"other"'}).status_code == 412
        assert drive.get(path, headers={"if-match": '"other"'}).status_code == 412
        assert drive.put(path, content=b"x", headers={"if-match": tag}).status_code == 204
        assert drive.put("/.scratch/b.txt", content=b"x", headers={"if-match": "*"}).status_code == 412

    def test_on_dates_are_never_true_of_two_states(self, drive: httpx.Client) -> None:
        dates = []
        for size in range(3):
            drive.put("/.scratch/a.txt", content=b"x" * size)
            dates.append(listed(drive, "/.scratch/")["/.scratch/a.txt"]["getlastmodified"] or "")
        assert len(set(dates)) == 3
        assert sorted(dates, key=parsedate_to_datetime) == dates
        for stale in dates[:2]:
            assert drive.get("/.scratch/a.txt", headers={"if-modified-since": stale}).status_code == 200


class TestRoom:
    @pytest.fixture
    def narrow(self, database: Path, serve: Serve) -> Iterator[httpx.Client]:
        server = serve(f"sqlite:///{database}", "--access", "manage", "--scratch-quota", "1MiB")
        with httpx.Client(base_url=server.url) as client:
            yield client

    def test_there_is_a_quota(self, narrow: httpx.Client) -> None:
        body = b"x" * (600 << 10)
        assert narrow.put("/.scratch/a", content=body).status_code == 201
        assert problem(narrow.put("/.scratch/b", content=body)) == (507, "scratch-full")
        assert problem(narrow.put("/.scratch/b", content=iter([body]))) == (507, "scratch-full")
        target = {"Destination": "/.scratch/b"}
        assert problem(narrow.request("COPY", "/.scratch/a", headers=target)) == (507, "scratch-full")
        assert narrow.put("/.scratch/a", content=body + b"x").status_code == 204
        assert narrow.get("/.scratch/b").status_code == 404
        narrow.delete("/.scratch/a")
        assert narrow.put("/.scratch/b", content=body).status_code == 201

    def test_it_is_asked_before_the_body(self, narrow: httpx.Client) -> None:
        length = {"Content-Length": str(2 * MiB), "Expect": "100-continue"}
        lines = [f"{name}: {value}" for name, value in length.items()]
        with socket.create_connection((narrow.base_url.host, narrow.base_url.port or 80)) as connection:
            connection.sendall(head("PUT", "/.scratch/a", *lines))
            assert connection.recv(1024).startswith(b"HTTP/1.1 507")

    def test_a_body_of_unknown_length_is_bounded(self, narrow: httpx.Client) -> None:
        pieces = (b"x" * (256 << 10) for _ in range(8))
        assert problem(narrow.put("/.scratch/a", content=pieces)) == (507, "scratch-full")

    def test_many_small_files_are_bounded_too(self, narrow: httpx.Client) -> None:
        statuses = {narrow.put(f"/.scratch/{n}", content=b"").status_code for n in range(300)}
        assert statuses == {201, 507}

    def test_a_collection_tells_its_quota(self, narrow: httpx.Client) -> None:
        narrow.put("/.scratch/a", content=b"x" * 10_000)
        body = '<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>'
        answer = narrow.request("PROPFIND", "/.scratch/", headers={"Depth": "0"}, content=body)
        [response] = fromstring(answer.content)
        used = int(response.findtext(".//{DAV:}quota-used-bytes") or "")
        assert 10_000 <= used < 30_000
        assert int(response.findtext(".//{DAV:}quota-available-bytes") or "") == MiB - used
        assert "quota" not in narrow.request("PROPFIND", "/.scratch/", headers={"Depth": "0"}).text


class TestAge:
    def test_what_nobody_uses_is_swept_at_start(self, database: Path, tmp_path: Path) -> None:
        arguments = f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(tmp_path / "kept")
        with serving(tmp_path / "first.log", *arguments) as server:
            for name in ("old", "new"):
                assert httpx.put(f"{server.url}/.scratch/{name}", content=TEXT).status_code == 201
        long_ago = time.time() - 2 * 86400
        [old] = (tmp_path / "kept").rglob("old")
        os.utime(old, (long_ago, long_ago))
        with serving(tmp_path / "second.log", *arguments) as server:
            deadline = time.monotonic() + 10
            while old.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert httpx.get(f"{server.url}/.scratch/old").status_code == 404
            assert httpx.get(f"{server.url}/.scratch/new").content == TEXT

    def test_what_is_read_is_used(self, database: Path, tmp_path: Path) -> None:
        arguments = f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(tmp_path / "kept")
        with serving(tmp_path / "server.log", *arguments) as server:
            httpx.put(f"{server.url}/.scratch/a", content=TEXT)
            [file] = (tmp_path / "kept").rglob("a")
            os.utime(file, (0, file.stat().st_mtime))
            assert httpx.get(f"{server.url}/.scratch/a").content == TEXT
            assert file.stat().st_atime > time.time() - 60


def test_what_was_attached_goes_with_what_is_swept(database: Path, serve: Serve, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    server = serve(
        f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(kept), "--scratch-age", "10"
    )
    with Drive(base_url=server.url) as drive:
        paths = "/.scratch/a b.txt", "/main/users/~$x"
        for path in paths:
            assert drive.put(path, content=TEXT).status_code == 201
            drive.attach(path, "kept")
            assert drive.attached(path) == "kept"
        files = [file for file in kept.rglob("*") if file.is_file() and file.name != ".turn"]
        for file in files:
            os.utime(file, (1, 1))
        eventually(lambda: not any(file.exists() for file in files))  # to ask for one is to use it
        time.sleep(0.5)  # what was attached goes after it
        for path in paths:
            assert drive.put(path, content=TEXT).status_code == 201
            assert drive.attached(path) is None


def test_two_processes_share_a_directory(database: Path, serve: Serve, tmp_path: Path) -> None:
    arguments = f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(tmp_path / "kept")
    one, other = serve(*arguments), serve(*arguments)
    assert httpx.put(f"{one.url}/.scratch/a", content=TEXT).status_code == 201
    assert httpx.get(f"{other.url}/.scratch/a").content == TEXT
    assert httpx.delete(f"{other.url}/.scratch/a").status_code == 204
    assert httpx.get(f"{one.url}/.scratch/a").status_code == 404


def test_the_directory_is_nobody_elses(database: Path, serve: Serve, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    server = serve(f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(kept))
    httpx.put(f"{server.url}/.scratch/a", content=TEXT)
    assert kept.stat().st_mode & 0o777 == 0o700


class TestSomebodyElsesDirectory:
    """Below /tmp anybody may make a directory of the name that a gateway will look for."""

    @pytest.fixture(params=["a link", "another user's"])
    def made(self, request: pytest.FixtureRequest, database: Path, tmp_path: Path) -> Path:
        """A file in what was made, in the place of one in the root of the tree."""
        place = default_directory(Settings({"": f"sqlite:///{database}"}, spool_dir=str(tmp_path)))
        elsewhere = tmp_path / "elsewhere"
        file = elsewhere / "anonymous" / "notes.txt"
        file.parent.mkdir(parents=True)
        (elsewhere / ".begun").mkdir()
        file.write_bytes(TEXT)
        os.utime(file, (1, 1))
        if request.param == "a link":
            place.symlink_to(elsewhere)
            return file
        if os.geteuid() != 0:
            pytest.skip("only root gives directories away")
        os.chown(elsewhere, 65534, -1)
        elsewhere.rename(place)
        return place / "anonymous" / "notes.txt"

    def test_it_is_left_alone(self, made: Path, database: Path, serve: Serve, tmp_path: Path) -> None:
        server = serve(f"sqlite:///{database}", "--access", "manage", "--spool-dir", str(tmp_path))
        assert httpx.get(f"{server.url}/notes.txt").status_code == 404
        assert httpx.delete(f"{server.url}/notes.txt").status_code == 404
        for path in ("/.scratch/a", "/notes.txt", "/main/fresh.csv"):
            assert problem(httpx.put(f"{server.url}{path}", content=b"")) == (507, "scratch-full")
        made_a_table = httpx.put(f"{server.url}/main/fresh.csv", content=b"id\n1\n")
        assert made_a_table.status_code == 201
        assert made.read_bytes() == TEXT
        assert [file.name for file in made.parent.iterdir()] == ["notes.txt"]

    def test_nothing_in_it_is_swept(self, made: Path) -> None:
        scratch = Scratch(made.parents[1] if "elsewhere" not in made.parts else self.link(made), MiB, 60)
        scratch.finish()
        scratch.sweep()
        assert scratch.folders() == []
        assert made.read_bytes() == TEXT

    @staticmethod
    def link(made: Path) -> Path:
        [link] = (path for path in made.parents[2].iterdir() if path.is_symlink())
        return link


def test_a_directory_of_other_files_is_not_taken(database: Path, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "thesis.txt"
    file.write_bytes(TEXT)
    os.utime(file, (1, 1))
    Scratch(tmp_path / "mine", MiB, 60).sweep()
    assert file.read_bytes() == TEXT
    server = serve(f"sqlite:///{database}", "--access", "write", "--scratch-dir", str(tmp_path / "mine"))
    assert problem(httpx.put(f"{server.url}/.scratch/a", content=TEXT)) == (507, "scratch-full")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_directory_is_made_when_there_is_a_file(database: Path, serve: Serve, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    server = serve(f"sqlite:///{database}", "--access", "manage", "--scratch-dir", str(kept))
    moved = httpx.request("MOVE", f"{server.url}/main/users/", headers={"Destination": "/main/people/"})
    assert moved.status_code == 201
    assert httpx.delete(f"{server.url}/main/people/").status_code == 204
    assert not kept.exists()
    assert httpx.put(f"{server.url}/.scratch/a", content=TEXT).status_code == 201
