"""What goes wrong in the middle of a run of ranges is a problem that says so, or the bytes are right."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.numbered import ROW, SIZE, Asking, Tables, eventually, states
from tests.gateway.serving import head
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

PATH = "/main/known.csv"
LAST = {"range": f"bytes=-{ROW * 1000}"}
IDENTITY = {"accept-encoding": "identity", "user-agent": "one"}
ROWS = 200_000
SLOW = "CREATE VIEW slow AS SELECT i, pg_sleep(0.01)::text FROM generate_series(1, 100000) i"
BUSY = "FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() AND query ~ 'slow'"


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


@pytest.fixture
def tiny(tables: Tables) -> Iterator[Path]:
    """A disk of 3 MiB for the spool, which is less than a file."""
    tables.spool.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tables.spool], check=False)
    if mounted.returncode:
        pytest.skip("may not mount")
    yield tables.spool
    subprocess.run(["umount", tables.spool], check=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.configure(autovacuum="off")
        server.sql(SLOW)
        yield server


@pytest.fixture
def table(postgres: Postgres) -> str:
    """The path of a table of the test's own."""
    postgres.sql(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, text text);"
        f"INSERT INTO t SELECT i, repeat('1', 30) FROM generate_series(1, {ROWS}) i"
    )
    return "/public/t.csv"


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status and the code."""
    return response.status_code, response.json()["type"].rpartition("/")[2]


def client_of(server: Server, agent: str = "one") -> httpx.Client:
    headers = {**IDENTITY, "user-agent": agent}
    return httpx.Client(base_url=server.url, headers=headers, timeout=30)


# The spool


@pytest.mark.parametrize("relation", ["known", "unknown"])
def test_a_full_disk_leaves_files_without_a_length(tables: Tables, tiny: Path, serve: Serve, relation: str):
    tables.serve(serve)
    path = f"/main/{relation}.csv"
    with tables.client() as client:
        known = client.head(path)
        assert (known.status_code, known.headers["accept-ranges"]) == (200, "none")
        assert "content-length" not in known.headers
        whole = client.get(path, headers=LAST)
        assert (whole.status_code, len(whole.content), states(whole.content)) == (200, SIZE, {1})
        eventually(lambda: not any(file.stat().st_size for file in tables.files()))
        (tiny / "other").unlink(missing_ok=True)
        small = client.get(f"{path.replace('.csv', '.parquet')}", headers={"range": "bytes=-4"})
        assert small.content.endswith(b"PAR1")


def test_who_follows_gets_the_rest_when_the_disk_is_full(tables: Tables, tiny: Path, serve: Serve):
    assert tiny.exists()
    tables.serve(serve)
    with tables.client("one") as one, tables.client("two") as two:
        asked = [Asking(one.head, PATH), *(Asking(two.get, PATH) for _ in range(3))]
        assert asked[0].answer().status_code == 200
        for asking in asked[1:]:
            whole = asking.answer()
            assert (whole.status_code, len(whole.content), states(whole.content)) == (200, SIZE, {1})


def test_a_disk_with_room_again_has_lengths_again(tables: Tables, tiny: Path, serve: Serve):
    tables.serve(serve)
    (tiny / "other").write_bytes(b"x" * 2_900_000)
    path = "/main/known.csv?columns=id&limit=20000"
    with tables.client() as client:
        assert client.head(f"{PATH}?limit=1").status_code == 200
        (tiny / "other").unlink()
        part = client.get(path.replace("csv", "parquet"), headers={"range": "bytes=-4"})
        assert (part.status_code, part.content) == (206, b"PAR1")


@pytest.mark.parametrize("relation", ["known", "unknown"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_snapshot_whose_file_is_gone(tables: Tables, serve: Serve, relation: str, *, changed: bool):
    """It is made again where the rows are still the same, else whoever reads it is told."""
    tables.serve(serve)
    path = f"/main/{relation}.csv"
    with tables.client() as client, tables.client("two") as other:
        client.head(path)
        _unlink_all(tables)
        if changed:
            tables.become(2)
            assert problem(client.get(path, headers=LAST)) == (409, "snapshot-gone")
            assert states(other.get(path, headers=LAST).content) == {2}
            client.head(path)
        part = client.get(path, headers=LAST)
        assert (part.status_code, states(part.content)) == (206, {2 if changed else 1})
        assert int(client.head(path).headers["content-length"]) == SIZE
        assert states(client.get(path).content) == {2 if changed else 1}


@pytest.mark.parametrize("relation", ["known", "unknown"])
def test_a_snapshot_whose_file_is_gone_while_it_is_read(tables: Tables, serve: Serve, relation: str):
    """Whoever has begun goes on with the same bytes."""
    tables.serve(serve)
    path = f"/main/{relation}.csv"
    with tables.client() as client:
        assert states(client.get(path, headers=LAST).content) == {1}
        _unlink_all(tables)
        tables.become(2)
        part = client.get(path, headers=LAST)
        assert (part.status_code, states(part.content)) == (206, {1})
        assert states(client.get(path).content) == {2}


def _unlink_all(tables: Tables) -> None:
    for file in tables.files():
        if file.stat().st_size:
            file.unlink()


def test_a_snapshot_whose_file_was_cut(tables: Tables, serve: Serve):
    """No answer ends as if it were whole, and none has bytes that never were."""
    tables.serve(serve)
    with tables.client() as client:
        client.head(PATH)
        for file in tables.files():
            if file.stat().st_size == SIZE:
                with file.open("r+b") as cut:
                    cut.truncate(SIZE // 2)
        for headers in ({}, LAST):
            try:
                answer = client.get(PATH, headers=headers)
            except httpx.RemoteProtocolError:
                continue
            if answer.status_code == 200:
                assert (len(answer.content), states(answer.content)) == (SIZE, {1})
            elif answer.status_code == 206:
                assert (len(answer.content), states(answer.content)) == (ROW * 1000, {1})
            else:
                assert problem(answer)[0] in {409, 500, 507}
        assert client.get("/main/unknown.csv").status_code == 200


def test_a_spool_that_is_gone(tables: Tables, serve: Serve):
    tables.serve(serve)
    with tables.client() as client:
        client.head(PATH)
        for folder in tables.spool.iterdir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        tables.become(2)
        for path in ("/main/known.jsonl", "/main/unknown.csv"):
            answer = client.get(path, headers={"range": "bytes=-9"})
            assert answer.status_code in {200, 206} or problem(answer)[0] in {500, 507}, answer.text
        assert states(client.get(PATH).content) == {2}
        assert client.get(f"{PATH}?limit=1").status_code == 200


# The database


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_encoder_that_is_killed_is_a_problem(postgres: Postgres, serve: Serve, method: str):
    server = serve(postgres.url, "--pool-size", "2")
    with client_of(server) as client:
        asking = Asking(client.request, method, "/public/slow.csv", headers={"range": "bytes=0-9"})
        eventually(lambda: postgres.sql(f"SELECT count(*) {BUSY}") != "0\n")
        postgres.sql(f"SELECT pg_terminate_backend(pid) {BUSY}")
        answer = asking.answer()
        assert answer.status_code in {500, 503}, answer.status_code
        if method == "GET":
            assert problem(answer) == (503, "database-unavailable")
            assert answer.headers["retry-after"]
    recovers(server)


def test_all_who_wait_for_a_killed_encoder_are_told(postgres: Postgres, serve: Serve):
    server = serve(postgres.url, "--pool-size", "4")
    with client_of(server) as client:
        asked = [Asking(client.get, "/public/slow.csv", headers={"range": "bytes=0-9"}) for _ in range(4)]
        eventually(lambda: postgres.sql(f"SELECT count(*) {BUSY}") != "0\n")
        postgres.sql(f"SELECT pg_terminate_backend(pid) {BUSY}")

        def ended() -> bool:
            postgres.sql(f"SELECT pg_terminate_backend(pid) {BUSY}")
            return not any(asking.is_alive() for asking in asked)

        eventually(ended)
        assert {problem(asking.answer()) for asking in asked} == {(503, "database-unavailable")}
    recovers(server)


def recovers(server: Server) -> None:
    """The pool has all of its places, and connections that work."""
    with client_of(server, "after") as client:
        eventually(lambda: client.get("/pg_catalog/pg_class.csv?limit=1").status_code == 200)
        asked = [Asking(client.get, "/pg_catalog/pg_class.csv?limit=3") for _ in range(8)]
        assert {asking.answer().status_code for asking in asked} == {200}


def test_a_run_outlives_the_server_of_the_database(postgres: Postgres, serve: Serve, table: str):
    """What is leased is there; what is not, is a problem until the server is back."""
    server = serve(postgres.url)
    with client_of(server) as client:
        tag = client.head(table).headers["etag"]
        first = client.get(table, headers={"range": "bytes=0-99"}).content
        postgres.stop()
        try:
            again = client.get(table, headers={"range": "bytes=0-99"})
            assert (again.status_code, again.headers["etag"], again.content) == (206, tag, first)
            with client_of(server, "two") as other:
                refused = other.get(table, headers={"range": "bytes=0-99"})
                assert problem(refused) == (503, "database-unavailable")
                assert refused.headers["retry-after"]
        finally:
            postgres.start()
        eventually(lambda: client.get(table).status_code == 200)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN more int DEFAULT 7",
        "ALTER TABLE t DROP COLUMN text",
        "ALTER TABLE t ALTER COLUMN text TYPE varchar(50)",
        "DROP TABLE t; CREATE TABLE t (id int, other date); INSERT INTO t VALUES (1, '2020-01-01')",
        "TRUNCATE t",
        "ALTER TABLE t RENAME TO u; DROP TABLE IF EXISTS u",
    ],
)
def test_a_table_that_changes_in_the_middle_of_a_run(
    postgres: Postgres, serve: Serve, table: str, change: str
):
    server = serve(postgres.url, "--snapshot-lease", "60")
    with client_of(server) as client, client_of(server, "two") as other:
        whole = client.get(table).content
        known = client.head(table)
        step = -(-len(whole) // 4)
        run = b""
        for number, start in enumerate(range(0, len(whole), step)):
            if number == 2:
                postgres.sql(change)
            part = client.get(table, headers={"range": f"bytes={start}-{start + step - 1}"})
            assert (part.status_code, part.headers["etag"]) == (206, known.headers["etag"])
            run += part.content
        assert run == whole
        new = other.get(table, headers={"range": "bytes=0-99"})
        if "CREATE" in change or not ("DROP TABLE" in change or "RENAME" in change):
            assert (new.status_code, new.headers["etag"] != known.headers["etag"]) == (206, True)
            assert client.head(table).headers["etag"] == new.headers["etag"]
        else:
            assert problem(new) == (404, "not-found")
            assert client.head(table).status_code == 404


def test_a_table_that_is_dropped_while_its_length_is_made(postgres: Postgres, serve: Serve, table: str):
    """Whoever reads holds its lock, so that it is dropped after."""
    server = serve(postgres.url, "--threads", "1")
    with client_of(server) as client:
        asked = [Asking(client.head, f"{table}?order=-text&limit={ROWS - n}") for n in range(4)]
        dropped = Asking(lambda: void(postgres.sql("DROP TABLE t")))
        for asking in asked:
            assert asking.answer().status_code in {200, 404}
        dropped.join(30)
        assert client.head(table).status_code == 404
    recovers(server)


def void(_: object) -> httpx.Response:
    return httpx.Response(204)


def test_an_evicted_snapshot_is_made_again_or_gone(tables: Tables, serve: Serve):
    """The lease ended, so the store took it."""
    room = ("--snapshot-total-bytes", str(SIZE + SIZE // 2), "--snapshot-lease", "0.01")
    tables.serve(serve, *room)
    with tables.client() as client, tables.client("two") as other:
        tag = client.head(PATH).headers["etag"]
        assert other.head(f"{PATH}?limit=100001").headers["content-length"] == str(SIZE)
        again = client.get(PATH, headers={**LAST, "if-match": tag})
        assert (again.status_code, states(again.content)) == (206, {1})
        assert other.head(f"{PATH}?limit=100002").headers["content-length"] == str(SIZE)
        tables.become(2)
        assert client.get(PATH, headers={**LAST, "if-match": tag}).status_code == 412
        whole = client.get(PATH, headers={**LAST, "if-range": tag})
        assert (whole.status_code, states(whole.content)) == (200, {2})


def test_a_client_that_sends_ranges_and_leaves_holds_nothing(tables: Tables, serve: Serve):
    tables.serve(serve, "--pool-size", "1", "--pool-wait", "2")
    with tables.client() as client:
        client.head(PATH)
        for _ in range(30):
            with tables.server.connect() as connection:
                connection.sendall(head("GET", PATH, "Range: bytes=0-"))
                connection.recv(100)
        assert client.get("/main/unknown.csv").status_code == 200
        assert client.get(PATH, headers=LAST).status_code == 206
