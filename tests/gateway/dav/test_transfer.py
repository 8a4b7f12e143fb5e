"""COPY and MOVE: what happens between each two kinds of resources."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tests.gateway.dav.drive import Drive, problem, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

CSV = b"id,name,score\r\n1,new,0.5\r\n"
NEW = [(1, "new", 0.5)]


@pytest.fixture
def drive(writer: Server) -> Iterator[Drive]:
    with Drive(base_url=writer.url, headers={"accept-encoding": "identity"}) as client:
        yield client


class TestScratch:
    def test_files_are_renamed_and_copied(self, drive: Drive) -> None:
        tag = drive.put("/.scratch/a", content=b"x").headers["etag"]
        assert drive.move("/.scratch/a", "/main/b.tmp").status_code == 201
        assert drive.get("/main/b.tmp").headers["etag"] == tag
        assert drive.get("/.scratch/a").status_code == 404
        assert drive.copy("/main/b.tmp", "/.scratch/c").status_code == 201
        assert drive.copy("/main/b.tmp", "/.scratch/c").status_code == 204
        assert drive.get("/.scratch/c").content == drive.get("/main/b.tmp").content == b"x"

    def test_collections_go_with_their_members(self, drive: Drive) -> None:
        drive.mkcol("/.scratch/a/")
        drive.put("/.scratch/a/file", content=b"x")
        drive.attach("/.scratch/a/file", "note")
        assert drive.copy("/.scratch/a/", "/.scratch/b/").status_code == 201
        assert drive.copy("/.scratch/a/", "/.scratch/c/", Depth="0").status_code == 201
        assert drive.members("/.scratch/b/") == {"file"}
        assert drive.members("/.scratch/c/") == set()
        assert drive.attached("/.scratch/b/file") == "note"
        assert drive.move("/.scratch/a", "/.scratch/c").status_code == 204
        assert drive.attached("/.scratch/c/file") == "note"
        assert drive.members("/.scratch/") == {"b/", "c/"}

    def test_what_is_copied_needs_no_room_for_properties(self, serve: Serve, database: Path) -> None:
        server = serve(f"sqlite:///{database}", "--access", "manage")
        with Drive(base_url=server.url) as drive:
            drive.put("/.scratch/first", content=b"x")
            drive.attach("/.scratch/first", "v" * 60_000)
            statuses = {drive.copy("/.scratch/first", f"/.scratch/{n}").status_code for n in range(300)}
            assert statuses == {201}
            assert drive.attached("/.scratch/0") is not None
            assert drive.attached("/.scratch/299") is None

    @pytest.mark.parametrize("path", ["/main/new.csv", "/main/notes.txt", "/main/users/notes.txt"])
    def test_a_collection_stays_where_collections_are(self, drive: Drive, path: str) -> None:
        drive.mkcol("/.scratch/kept/")
        drive.put("/.scratch/kept/file", content=b"x")
        drive.put(path, content=b"" if path.endswith(".csv") else b"text")
        for method in (drive.copy, drive.move):
            assert problem(method("/.scratch/kept/", path)) == (403, "not-copied")
        assert drive.get("/.scratch/kept/file").content == b"x"
        assert drive.delete(path).status_code == 204
        drive.delete("/.scratch/kept/")

    @pytest.mark.parametrize(("name", "levels"), [("d", 40), ("n" * 200, 7)])
    def test_collections_are_not_nested_deeper_than_paths_are(
        self, drive: Drive, name: str, levels: int
    ) -> None:
        for top in ("a", "b"):
            for level in range(levels):
                made = drive.mkcol(f"/.scratch/{top}" + f"/{name}" * level)
                assert made.status_code == 201, made.text
        within = "/.scratch/b" + f"/{name}" * (levels - 1)
        for method in (drive.copy, drive.move):
            assert problem(method("/.scratch/a", f"{within}/c")) == (400, "invalid-path")
        assert drive.copy("/.scratch/a", f"{within}/c", Depth="0").status_code == 201
        assert drive.move("/.scratch/a", "/.scratch/b/c").status_code == 201
        assert drive.delete("/.scratch/b").status_code == 204
        assert drive.delete("/.scratch/a").status_code == 404

    def test_overwrite_f_keeps_what_is_there(self, drive: Drive) -> None:
        for name in ("a", "b"):
            drive.put(f"/.scratch/{name}", content=name.encode())
        for method in (drive.copy, drive.move):
            assert problem(method("/.scratch/a", "/.scratch/b", Overwrite="F")) == (
                412,
                "precondition-failed",
            )
        assert drive.get("/.scratch/b").content == b"b"

    @pytest.mark.parametrize(
        ("target", "refusal"),
        [
            ("/.scratch/a/", (403, "not-copied")),
            ("/.scratch/a/inside/", (403, "not-copied")),
            ("/.scratch/none/b/", (409, "parent-missing")),
            ("/.scratch/", (403, "not-copied")),
            ("/main/fresh/", (403, "not-copied")),
            ("/main/fresh.csv", (403, "not-copied")),
            ("/", (403, "not-copied")),
            ("/-/query", (403, "not-copied")),
            ("http://elsewhere.example/.scratch/b/", (502, "bad-destination")),
            ("/.scratch/b#part", (400, "invalid-request")),
            ("/.scratch/b?x=y", (400, "invalid-request")),
            (".scratch/b", (400, "invalid-request")),
            ("/.scratch/%2e%2e/b", (400, "invalid-path")),
            ("", (400, "invalid-request")),
        ],
    )
    def test_not_everywhere(self, drive: Drive, target: str, refusal: tuple[int, str]) -> None:
        drive.mkcol("/.scratch/a/")
        for method in (drive.copy, drive.move):
            assert problem(method("/.scratch/a/", target)) == refusal
        assert drive.members("/.scratch/") == {"a/"}

    def test_a_destination_is_on_the_host_that_was_asked(self, drive: Drive) -> None:
        drive.put("/.scratch/a", content=b"x")
        whole = str(drive.base_url.join("/.scratch/b"))
        assert drive.copy("/.scratch/a", whole).status_code == 201
        assert drive.copy("/.scratch/a", whole.replace("http:", "https:")).status_code == 204
        assert problem(drive.copy("/.scratch/a", whole.replace("//", "//me@"))) == (502, "bad-destination")

    def test_locks_are_asked_at_both_ends_and_never_move(self, drive: Drive) -> None:
        for name in ("a", "b"):
            drive.put(f"/.scratch/{name}", content=name.encode())
        source, target = drive.token("/.scratch/a"), drive.token("/.scratch/b")
        assert problem(drive.move("/.scratch/a", "/.scratch/b")) == (423, "lock-token-submitted")
        assert drive.copy("/.scratch/a", "/.scratch/b").status_code == 423
        assert drive.move("/.scratch/a", "/.scratch/b", If=f"({source})").status_code == 423
        both = f"</.scratch/a> ({source}) </.scratch/b> ({target})"
        assert drive.move("/.scratch/a", "/.scratch/b", If=both).status_code == 204
        assert drive.put("/.scratch/a", content=b"x").status_code == 201
        assert drive.unlock("/.scratch/b", target).status_code == 204


class TestOntoRows:
    """The atomic save: what was written aside becomes the rows in one transaction."""

    @pytest.mark.parametrize(
        "aside", ["/.scratch/users.csv", "/main/._users.csv", "/main/users.csv.tmp", "/main/4913"]
    )
    def test_a_file_becomes_the_rows(self, drive: Drive, database: Path, aside: str) -> None:
        drive.put(aside, content=CSV)
        answer = drive.move(aside, "/main/users.csv")
        assert (answer.status_code, answer.headers["rows-written"]) == (204, "1")
        assert rows(database) == NEW
        assert drive.get(aside).status_code == 404
        assert drive.get("/main/users.csv").content == CSV

    def test_a_copy_stays(self, drive: Drive, database: Path) -> None:
        drive.put("/.scratch/a", content=CSV)
        assert drive.copy("/.scratch/a", "/main/fresh.csv").status_code == 201
        assert rows(database, "fresh") == NEW
        assert drive.get("/.scratch/a").content == CSV

    @pytest.mark.parametrize("body", [b"", b"nonsense", b"id,nothing\n1,2\n", CSV + b"1,again,1\n"])
    def test_a_body_that_is_refused_changes_nothing(self, drive: Drive, database: Path, body: bytes) -> None:
        before = rows(database)
        drive.put("/main/users.csv.tmp", content=body)
        assert drive.move("/main/users.csv.tmp", "/main/users.csv").status_code in {400, 409, 422}
        assert rows(database) == before
        assert drive.get("/main/users.csv.tmp").content == body

    def test_a_lock_on_the_rows_is_asked_and_stays(self, drive: Drive, database: Path) -> None:
        drive.put("/main/users.csv.tmp", content=CSV)
        token = drive.token("/main/users.arrow")
        assert drive.move("/main/users.csv.tmp", "/main/users.csv").status_code == 423
        assert len(rows(database)) == 7
        condition = f"</main/users.csv> ({token})"
        assert drive.move("/main/users.csv.tmp", "/main/users.csv", If=condition).status_code == 204
        assert drive.unlock("/main/users.csv", token).status_code == 204

    def test_creating_needs_access_manage(self, serve: Serve, database: Path) -> None:
        with Drive(base_url=serve(f"sqlite:///{database}", "--access", "write").url) as drive:
            drive.put("/.scratch/a", content=CSV)
            assert problem(drive.move("/.scratch/a", "/main/fresh.csv")) == (403, "forbidden")
            assert drive.move("/.scratch/a", "/main/users.csv").status_code == 204

    def test_a_listing_has_the_new_state(self, drive: Drive) -> None:
        def seen() -> str:
            return drive.request("PROPFIND", "/main/users.csv", headers={"Depth": "0"}).text

        before = seen()
        drive.put("/.scratch/a", content=CSV)
        drive.move("/.scratch/a", "/main/users.csv")
        assert f"<D:getcontentlength>{len(CSV)}<" in seen()
        assert before != seen()


class TestRows:
    def test_are_copied_between_formats(self, drive: Drive, database: Path) -> None:
        before = rows(database)
        answer = drive.copy("/main/users.csv", "/main/fresh.parquet")
        assert (answer.status_code, answer.headers["rows-written"]) == (201, "7")
        assert [row[0] for row in rows(database, "fresh")] == [row[0] for row in before]
        assert drive.copy("/main/users.arrow", "/main/fresh.csv").status_code == 204
        assert drive.copy("/main/users.csv", "/main/users.arrow").status_code == 204
        assert rows(database) == before

    def test_are_chosen_by_a_shape(self, drive: Drive, database: Path) -> None:
        answer = drive.copy("/main/users.csv?where=id%3C3&columns=id,name", "/main/empty.csv")
        assert answer.status_code == 204, answer.text
        assert rows(database, "empty") == [(1, "ada"), (2, None)]

    def test_that_are_some_do_not_replace_all_of_the_same(self, drive: Drive, database: Path) -> None:
        for target in ("/main/users.csv", "/main/users.parquet"):
            answer = drive.copy("/main/users.csv?limit=3", target)
            assert problem(answer) == (403, "not-copied"), target
        assert len(rows(database)) == 7

    def test_that_do_not_fit_change_nothing(self, drive: Drive, database: Path) -> None:
        assert problem(drive.copy("/main/big.csv", "/main/users.csv")) == (422, "schema-mismatch")
        assert len(rows(database)) == 7

    def test_become_a_file(self, drive: Drive, tmp_path: Path) -> None:
        assert drive.copy("/main/users.parquet", "/.scratch/users.parquet").status_code == 201
        file = tmp_path / "users.parquet"
        file.write_bytes(drive.get("/.scratch/users.parquet").content)
        assert pq.read_table(file).num_rows == 7
        assert drive.copy("/main/users.csv", "/main/backup").status_code == 201
        assert drive.get("/main/backup").content == drive.get("/main/users.csv").content

    def test_are_not_moved(self, drive: Drive, database: Path) -> None:
        for target in ("/main/fresh.csv", "/.scratch/a", "/main/empty.csv"):
            assert problem(drive.move("/main/users.csv", target)) == (403, "not-copied")
        assert len(rows(database)) == 7

    def test_go_from_one_database_to_another(self, serve: Serve, database: Path, made: Path) -> None:
        server = serve(f"one=sqlite:///{database}", f"two=sqlite:///{made}", "--access", "manage")
        with Drive(base_url=server.url) as drive:
            assert (
                drive.copy("/two/main/big.csv", "/one/main/fresh.arrow").headers["rows-written"] == "100000"
            )
            assert drive.copy("/two/main/users.csv", "/one/main/users.csv").status_code == 204
            assert drive.copy("/one/main/users/", "/two/main/users_too/").status_code == 201
            assert problem(drive.move("/two/main/users_too/", "/one/main/back/")) == (403, "not-copied")
            assert drive.get("/two/main/users_too.csv").status_code == 200
            assert drive.get("/one/main/back.csv").status_code == 404
        assert len(rows(database, "fresh")) == 100_000


class TestRelations:
    def test_are_renamed_with_what_is_attached_to_them(self, drive: Drive, database: Path) -> None:
        before = rows(database)
        drive.attach("/main/users/", "of the directory")
        drive.attach("/main/users.csv", "of the file")
        drive.put("/main/users/.DS_Store", content=b"x")
        assert drive.move("/main/users/", "/main/people/").status_code == 201
        assert rows(database, "people") == before
        assert drive.get("/main/users.csv").status_code == 404
        assert drive.attached("/main/people/") == "of the directory"
        assert drive.attached("/main/people.csv") == "of the file"
        assert drive.get("/main/people/.DS_Store").content == b"x"

    def test_are_copied_with_their_rows(self, drive: Drive, database: Path) -> None:
        assert drive.copy("/main/users/", "/main/people/").status_code == 201
        assert rows(database, "people") == rows(database)
        with closing(sqlite3.connect(database)) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO people (id) VALUES (1)")

    def test_replace_others_only_if_that_is_meant(self, drive: Drive, database: Path) -> None:
        before = rows(database)
        for method in (drive.copy, drive.move):
            assert method("/main/users/", "/main/empty/", Overwrite="F").status_code == 412
        assert rows(database, "empty") == []
        assert drive.move("/main/users/", "/main/empty/").status_code == 204
        assert rows(database, "empty") == before
        assert "users/" not in drive.members("/main/")

    def test_are_guarded_by_locks_on_their_files(self, drive: Drive) -> None:
        token = drive.token("/main/users.csv")
        assert drive.move("/main/users/", "/main/people/").status_code == 423
        assert drive.move("/main/users/", "/main/people/", If=f"({token})").status_code == 201
        assert drive.lock("/main/people.csv").status_code == 200

    @pytest.mark.parametrize(
        "target", ["/main/x.csv", "/.scratch/x", "/x/", "/main/users/x", "/main/empty/columns/"]
    )
    def test_are_nothing_else(self, drive: Drive, target: str) -> None:
        for method in (drive.copy, drive.move):
            assert problem(method("/main/users/", target)) == (403, "not-copied")
        assert "users/" in drive.members("/main/")

    def test_a_schema_that_the_engine_cannot_rename(self, drive: Drive) -> None:
        assert problem(drive.move("/main/", "/other/")) == (403, "not-copied")
        assert problem(drive.copy("/main/", "/other/")) == (403, "not-copied")
