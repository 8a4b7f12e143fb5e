"""MKCOL and DELETE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.dav.drive import Drive, problem, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server


@pytest.fixture
def drive(writer: Server) -> Iterator[Drive]:
    with Drive(base_url=writer.url) as client:
        yield client


class TestMkcol:
    @pytest.mark.parametrize("path", ["/.scratch/a/", "/.scratch/a", "/.TemporaryItems/", "/main/.Trashes/"])
    def test_makes_a_scratch_collection(self, drive: Drive, path: str) -> None:
        assert drive.mkcol(path).status_code == 201
        assert problem(drive.mkcol(path)) == (405, "method-not-allowed")
        assert drive.put(f"{path.rstrip('/')}/b", content=b"x").status_code == 201
        assert drive.members(f"{path.rstrip('/')}/") == {"b"}
        above, _, name = path.rstrip("/").rpartition("/")
        assert f"{name}/" in drive.members(f"{above}/")

    @pytest.mark.parametrize(
        ("path", "refusal"),
        [
            ("/main/fresh/", (403, "mkcol-relation")),
            ("/nowhere/fresh/", (409, "parent-missing")),
            ("/.scratch/none/a/", (409, "parent-missing")),
            ("/main/users/", (405, "method-not-allowed")),
            ("/main/users/fresh/", (403, "forbidden")),
            ("/main/", (405, "method-not-allowed")),
            ("/main/users/columns/", (403, "forbidden")),
            ("/", (403, "forbidden")),
        ],
    )
    def test_is_refused(self, drive: Drive, path: str, refusal: tuple[int, str]) -> None:
        assert problem(drive.mkcol(path)) == refusal

    def test_takes_no_body(self, drive: Drive) -> None:
        answer = drive.request("MKCOL", "/.scratch/a/", content=b"<a/>")
        assert problem(answer) == (415, "unsupported-media-type")

    def test_creates_a_schema(self, serve: Serve, tmp_path: Path) -> None:
        pytest.importorskip("duckdb")
        with Drive(base_url=serve(f"duckdb:///{tmp_path}/test.db", "--access", "manage").url) as drive:
            assert drive.mkcol("/sales/").status_code == 201
            assert "sales/" in drive.members("/")
            assert drive.put("/sales/t.csv", content=b"id\n1\n").status_code == 201
            assert problem(drive.delete("/sales/")) == (409, "not-empty")
            assert drive.delete("/sales/t/").status_code == 204
            assert drive.delete("/sales/").status_code == 204
            assert "sales/" not in drive.members("/")

    def test_needs_the_token_of_a_lock_on_the_directory(self, drive: Drive) -> None:
        token = drive.token("/.scratch/", Depth="0")
        assert problem(drive.mkcol("/.scratch/a/")) == (423, "lock-token-submitted")
        assert drive.mkcol("/.scratch/a/", If=f"</.scratch/> ({token})").status_code == 201


class TestDelete:
    def test_drops_a_relation_with_what_is_attached_to_it(self, drive: Drive) -> None:
        drive.attach("/main/users/", "note")
        drive.put("/main/users/.DS_Store", content=b"x")
        token = drive.token("/main/users.csv")
        assert problem(drive.delete("/main/users/")) == (423, "lock-token-submitted")
        assert drive.delete("/main/users/", headers={"If": f"({token})"}).status_code == 204
        assert drive.get("/main/users.csv").status_code == 404
        assert drive.put("/main/users.csv", content=b"id\n1\n").status_code == 201
        assert drive.attached("/main/users/") is None
        assert drive.get("/main/users/.DS_Store").status_code == 404

    @pytest.mark.parametrize(
        ("path", "refusal"),
        [
            ("/main/users.csv", (403, "data-file-delete")),
            ("/main/fresh.csv", (403, "data-file-delete")),
            ("/main/fresh/", (404, "not-found")),
            ("/main/users/columns/", (403, "forbidden")),
            ("/main/users/columns/id", (403, "forbidden")),
            ("/main/users.sql", (403, "forbidden")),
            ("/", (403, "forbidden")),
            ("/.scratch/", (403, "forbidden")),
            ("/.scratch/none", (404, "not-found")),
        ],
    )
    def test_is_refused(self, drive: Drive, path: str, refusal: tuple[int, str], database: Path) -> None:
        assert problem(drive.delete(path)) == refusal
        assert len(rows(database)) == 7

    def test_removes_a_collection_with_all_in_it(self, drive: Drive) -> None:
        for path in ("/.scratch/a/", "/.scratch/a/b/"):
            drive.mkcol(path)
            drive.put(f"{path}file", content=b"x")
        token = drive.token("/.scratch/a/b/file")
        assert problem(drive.delete("/.scratch/a/")) == (423, "lock-token-submitted")
        condition = {"If": f"</.scratch/a/b/file> ({token})"}
        assert drive.delete("/.scratch/a/", headers=condition).status_code == 204
        assert drive.members("/.scratch/") == set()
        assert drive.mkcol("/.scratch/a/").status_code == 201
        assert drive.members("/.scratch/a/") == set()

    def test_of_a_part_that_the_path_does_not_name_is_refused(self, writer: Server, drive: Drive) -> None:
        drive.mkcol("/.scratch/a/")
        answer = writer.raw(
            b"DELETE /.scratch/a/#part HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 400")
        assert drive.members("/.scratch/") == {"a/"}

    def test_heeds_conditions(self, drive: Drive) -> None:
        tag = drive.put("/.scratch/a", content=b"x").headers["etag"]
        assert drive.delete("/.scratch/a", headers={"If-Match": '"other"'}).status_code == 412
        assert drive.delete("/.scratch/a", headers={"If": '(["other"])'}).status_code == 412
        assert drive.delete("/.scratch/a", headers={"If": f"([{tag}])"}).status_code == 204

    def test_is_all_or_nothing_by_depth(self, drive: Drive) -> None:
        drive.mkcol("/.scratch/a/")
        answer = drive.request("DELETE", "/.scratch/a/", headers={"Depth": "0"})
        assert problem(answer) == (400, "invalid-request")
        drive.put("/.scratch/a/b", content=b"x")
        assert drive.request("DELETE", "/.scratch/a/b", headers={"Depth": "0"}).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/main/users/"), ("DELETE", "/main/"), ("MKCOL", "/fresh/"), ("MOVE", "/main/users/"),
     ("COPY", "/main/users/"), ("MOVE", "/main/")],
)  # fmt: skip
def test_the_catalogue_is_changed_with_access_manage_only(
    serve: Serve, database: Path, method: str, path: str
) -> None:
    with Drive(base_url=serve(f"sqlite:///{database}", "--access", "write").url) as drive:
        target = "/other/" if path == "/main/" else "/main/other/"
        assert problem(drive.request(method, path, headers={"Destination": target})) == (403, "forbidden")
