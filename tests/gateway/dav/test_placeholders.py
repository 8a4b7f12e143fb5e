"""Empty files where rows are to come: how file managers begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.dav.drive import LOCKINFO, Drive, problem, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

CSV = b"id,name,score\r\n1,new,0.5\r\n"


@pytest.fixture
def drive(writer: Server) -> Iterator[Drive]:
    with Drive(base_url=writer.url, headers={"accept-encoding": "identity"}) as client:
        yield client


@pytest.fixture(params=["put", "lock"])
def placed(request: pytest.FixtureRequest, drive: Drive) -> Drive:
    if request.param == "put":
        assert drive.put("/main/fresh.csv", content=b"").status_code == 201
    else:
        assert drive.lock("/main/fresh.csv").status_code == 201
    return drive


def test_it_is_an_empty_file(placed: Drive) -> None:
    assert "fresh.csv" in placed.members("/main/")
    assert "fresh/" not in placed.members("/main/")
    read = placed.get("/main/fresh.csv")
    assert (read.status_code, read.content) == (200, b"")
    seen = placed.request("PROPFIND", "/main/fresh.csv", headers={"Depth": "0"}).text
    assert "<D:getcontentlength>0<" in seen
    assert read.headers["etag"] in seen
    assert placed.get("/main/fresh/").status_code == 404


def test_rows_take_its_place(drive: Drive, database: Path) -> None:
    token = drive.token("/main/fresh.csv")
    assert drive.put("/main/fresh.csv", content=CSV).status_code == 423
    tag = drive.head("/main/fresh.csv").headers["etag"]
    made = drive.put("/main/fresh.csv", content=CSV, headers={"If": f"({token})", "If-Match": tag})
    assert made.status_code == 201
    assert rows(database, "fresh") == [(1, "new", 0.5)]
    assert drive.unlock("/main/fresh.csv", token).status_code == 204
    assert drive.get("/main/fresh.csv").content == CSV


def test_a_bad_body_leaves_it(placed: Drive) -> None:
    answer = placed.put("/main/fresh.csv", content=b"\xff\xfe")
    assert answer.status_code in {400, 422, 423}
    assert placed.get("/main/fresh.csv").content == b""


def test_it_can_be_removed(drive: Drive) -> None:
    drive.put("/main/fresh.csv", content=b"")
    assert drive.put("/main/fresh.csv", content=b"").status_code == 204
    assert drive.delete("/main/fresh.csv").status_code == 204
    assert drive.get("/main/fresh.csv").status_code == 404


def test_the_end_of_its_lock_is_its_end(drive: Drive) -> None:
    token = drive.token("/main/fresh.csv")
    assert drive.unlock("/main/fresh.csv", token).status_code == 204
    assert drive.get("/main/fresh.csv").status_code == 404


def test_a_lock_is_given_up_under_any_spelling_of_its_path(drive: Drive) -> None:
    token = drive.token("/main/fresh.csv.sql")
    assert drive.unlock("/main/fresh%252Ecsv.sql", token).status_code == 204
    token = drive.token("/main/fresh%252Ecsv.sql")
    assert drive.unlock("/main/fresh.csv.sql", token).status_code == 204
    assert drive.delete("/main/fresh.csv.sql").status_code == 204


def test_it_stays_for_others_who_share_its_lock(drive: Drive) -> None:
    shared = LOCKINFO.replace("exclusive", "shared")
    one, other = (
        drive.request("LOCK", "/main/new.csv", content=shared).headers["lock-token"] for _ in range(2)
    )
    assert drive.unlock("/main/new.csv", one).status_code == 204
    assert drive.get("/main/new.csv").status_code == 200
    assert drive.unlock("/main/new.csv", other).status_code == 204
    assert drive.get("/main/new.csv").status_code == 404


def test_its_properties_go_with_it(drive: Drive) -> None:
    token = drive.token("/main/new.csv")
    body = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">note</x></prop></set></propertyupdate>'
    drive.request("PROPPATCH", "/main/new.csv", content=body, headers={"If": f"({token})"})
    assert drive.attached("/main/new.csv") == "note"
    assert drive.unlock("/main/new.csv", token).status_code == 204
    drive.put("/main/new.csv", content=b"")
    assert drive.attached("/main/new.csv") is None


def test_one_that_was_put_outlives_its_lock(drive: Drive) -> None:
    drive.put("/main/fresh.csv", content=b"")
    token = drive.token("/main/fresh.csv")
    drive.unlock("/main/fresh.csv", token)
    assert drive.get("/main/fresh.csv").status_code == 200


def test_a_file_that_a_lock_made_stays_where_no_rows_can_be(drive: Drive) -> None:
    token = drive.token("/.scratch/a")
    assert drive.unlock("/.scratch/a", token).status_code == 204
    assert drive.get("/.scratch/a").content == b""


def test_what_is_moved_onto_it_becomes_the_rows(placed: Drive, database: Path) -> None:
    placed.put("/main/fresh.csv.tmp", content=CSV)
    held = placed.request("PROPFIND", "/main/fresh.csv", headers={"Depth": "0"}).text
    token = held.partition("<D:locktoken><D:href>")[2].partition("<")[0]
    condition = {"If": f"</main/fresh.csv> (<{token}>)"} if token else {}
    assert placed.move("/main/fresh.csv.tmp", "/main/fresh.csv", **condition).status_code == 204
    assert rows(database, "fresh") == [(1, "new", 0.5)]


def test_it_has_another_name_as_long_as_it_is_empty(drive: Drive) -> None:
    drive.put("/main/fresh.csv", content=b"")
    assert drive.move("/main/fresh.csv", "/main/other.csv").status_code == 201
    assert drive.get("/main/other.csv").content == b""
    assert drive.get("/main/fresh.csv").status_code == 404


def test_none_is_made_where_rows_cannot_come(serve: Serve, database: Path) -> None:
    with Drive(base_url=serve(f"sqlite:///{database}", "--access", "write").url) as drive:
        assert problem(drive.put("/main/fresh.csv", content=b"")) == (403, "forbidden")
        assert problem(drive.lock("/main/fresh.csv")) == (403, "forbidden")
        assert drive.get("/main/fresh.csv").status_code == 404


def test_none_is_made_without_a_schema(drive: Drive) -> None:
    assert problem(drive.put("/nowhere/fresh.csv", content=b"")) == (409, "parent-missing")
    assert problem(drive.lock("/nowhere/fresh.csv")) == (409, "parent-missing")
    assert problem(drive.lock("/main/fresh/")) == (403, "forbidden")


def test_an_existing_table_stays_as_it_is(drive: Drive, database: Path) -> None:
    before = rows(database)
    answer = drive.put("/main/users.csv", content=b"")
    assert (answer.status_code, answer.headers["rows-written"]) == (204, "0")
    assert rows(database) == before
    assert problem(drive.put("/main/users.csv", content=b"", headers={"If-None-Match": "*"})) == (
        412, "precondition-failed",
    )  # fmt: skip
