"""Who writes on a condition overwrites nothing that it has not seen."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.numbered import Asking
from tests.gateway.serving import head, read_to_end
from tests.mariadb import MariaDB
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

HEADER = b"id,name\n"
TABLE = "CREATE TABLE {} (id INTEGER PRIMARY KEY, name VARCHAR(100)); INSERT INTO {} VALUES (1, 'first');"
ROUNDS = 6
LONG = "Wed, 01 Jan 2020 00:00:00 GMT"
LATER = "Fri, 01 Jan 2100 00:00:00 GMT"


class Table:
    """A table `t` that a gateway serves, and what is in it."""

    def __init__(self, server: Server, path: str, run: Callable[[str], None]) -> None:
        self.server = server
        self.path = path
        self.execute = run
        """Runs a statement past the gateway."""

    @property
    def url(self) -> str:
        return f"{self.server.url}{self.path}"

    def rows(self) -> bytes:
        """As CSV without the header; from a client of its own, so that nobody's lease is asked."""
        agent = {"user-agent": "looks", "accept-encoding": "identity"}
        content = httpx.get(f"{self.url}?order=id", headers=agent).content
        return content.replace(b"\r\n", b"\n").removeprefix(HEADER)

    def tag(self) -> str:
        return httpx.head(self.url, headers={"accept-encoding": "identity"}).headers["etag"]

    def write(self, method: str, body: bytes, headers: dict[str, str], query: str = "") -> httpx.Response:
        return httpx.request(method, self.url + query, content=HEADER + body, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.configure(autovacuum="off")
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        server.sql("CREATE DATABASE d")
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def table(request: pytest.FixtureRequest, tmp_path: Path, serve: Serve) -> Table:
    made = "DROP TABLE IF EXISTS {};" + TABLE
    if request.param == "sqlite":
        database = tmp_path / "t.db"

        def run(statement: str) -> None:
            with closing(sqlite3.connect(database, timeout=20)) as connection:
                connection.executescript(statement)

        run(made.replace("{}", "t"))
        return Table(serve(f"sqlite:///{database}", "--access", "manage"), "/main/t.csv", run)
    server: Postgres | MariaDB = request.getfixturevalue(
        "postgres" if request.param == "postgresql" else "mariadb"
    )
    schema = "public" if request.param == "postgresql" else "d"
    server.sql(made.replace("{}", f"{schema}.t"))
    gateway = serve(server.url, "--access", "manage")

    def elsewhere(statement: str) -> None:
        server.sql(re.sub(r" (t|other) ", rf" {schema}.\1 ", statement))

    return Table(gateway, f"/{schema}/t.csv", elsewhere)


def refused(response: httpx.Response) -> bool:
    return response.status_code == 412 and response.json()["type"] == "/-/problems/precondition-failed"


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_condition_that_fails_leaves_everything(table: Table, method: str):
    tag = table.tag()
    before = table.rows()
    for headers in (
        {"if-match": '"other"'},
        {"if-match": f"W/{tag}"},
        {"if-match": "malformed"},
        {"if-none-match": tag},
        {"if-none-match": f"W/{tag}"},
        {"if-none-match": f'"other", {tag}'},
        {"if-none-match": "*"},
        {"if-unmodified-since": LONG},
        {"if-match": tag, "if-none-match": "*"},
        {"if-match": '"other"', "if-unmodified-since": LATER},
    ):
        answer = table.write(method, b"2,second\n", headers)
        assert refused(answer), (headers, answer.status_code, answer.text)
        assert "etag" not in answer.headers
        assert table.rows() == before


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_was_written_elsewhere_fails_no_condition(table: Table, method: str):
    """Versions move when rows of other tables do; the bytes of this one are those that the tag is of."""
    table.execute("DROP TABLE IF EXISTS other ; CREATE TABLE other (id INTEGER);")
    tag = table.tag()
    for number in range(3):
        table.execute(f"INSERT INTO other VALUES ({number});")
        assert refused(table.write(method, b"2,second\n", {"if-none-match": tag}))
        assert refused(table.write(method, b"2,second\n", {"if-match": '"other"'}))
    written = table.write(method, b"2,second\n", {"if-match": tag})
    assert written.status_code in {200, 204}, written.text
    rows = table.rows()
    assert rows.endswith(b"2,second\n")
    assert refused(table.write(method, b"3,third\n", {"if-match": tag}))
    assert table.rows() == rows


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_others_wrote_meanwhile_fails_a_condition(table: Table, method: str):
    tag = table.tag()
    table.execute("UPDATE t SET name = 'secnd' WHERE id = 1;")  # as long as before
    before = table.rows()
    assert refused(table.write(method, b"2,second\n", {"if-match": tag}))
    assert table.rows() == before
    table.execute("UPDATE t SET name = 'first' WHERE id = 1;")


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_condition_that_holds_is_written(table: Table, method: str):
    for number, condition in enumerate(
        ("if-match", "star", "list", "if-none-match", "if-unmodified-since"), 2
    ):
        tag = table.tag()
        headers = {
            "if-match": {"if-match": tag},
            "star": {"if-match": "*"},
            "list": {"if-match": f'"other" , {tag},'},
            "if-none-match": {"if-none-match": '"other"'},
            "if-unmodified-since": {"if-unmodified-since": LATER},
        }[condition]
        answer = table.write(method, b"%d,x\n" % number, headers)
        assert answer.status_code in {200, 204}, (headers, answer.text)
        assert f"{number},x\n".encode() in table.rows()
        assert refused(table.write(method, b"99,x\n", {"if-match": tag})), "the tag of what was there before"


def test_the_tag_of_any_representation_is_one_of_the_state(table: Table):
    """What was read as Parquet can be written as CSV."""
    for ext in ("parquet", "arrow", "jsonl"):
        tag = httpx.head(table.url.replace(".csv", f".{ext}")).headers["etag"]
        answer = table.write("PUT", b"7,%s\n" % ext.encode(), {"if-match": tag})
        if answer.status_code == 412 and "/d/" in table.url:
            return  # without versions a tag is that of the bytes alone
        assert answer.status_code == 204
        assert refused(table.write("PUT", b"8,x\n", {"if-match": tag}))


def test_an_answer_has_no_tag_of_what_was_sent(table: Table):
    """What was sent is not what will be read (RFC 9110, section 9.3.4)."""
    for method in ("PUT", "POST"):
        answer = table.write(method, b"%d,x\n" % len(method), {"if-match": table.tag()})
        assert answer.status_code in {200, 204}
        assert "etag" not in answer.headers
        assert "last-modified" not in answer.headers


def test_a_relation_is_made_only_if_there_is_none(table: Table):
    new = table.url.replace("/t.csv", "/made.csv")
    table.execute("DROP TABLE IF EXISTS made" if "/d/" not in table.url else "DROP TABLE IF EXISTS d.made")
    body = HEADER + b"1,a\n"
    assert httpx.put(new, content=body, headers={"if-match": "*"}).status_code == 412
    assert httpx.put(new, content=body, headers={"if-match": '"x"'}).status_code == 412
    assert httpx.get(new).status_code == 404
    assert httpx.put(new, content=body, headers={"if-none-match": "*"}).status_code == 201
    assert httpx.put(new, content=body, headers={"if-none-match": "*"}).status_code == 412


def test_what_others_write_past_the_gateway_counts(table: Table):
    tag = table.tag()
    table.execute("UPDATE t SET name = 'theirs'")
    assert refused(table.write("PUT", b"1,mine\n", {"if-match": tag}))
    assert table.rows() == b"1,theirs\n"
    assert table.write("PUT", b"1,mine\n", {"if-match": table.tag()}).status_code == 204


def test_of_two_who_have_read_the_same_one_writes(table: Table):
    tag = table.tag()
    assert tag == table.tag()
    answers = [table.write("PUT", b"1,%d\n" % number, {"if-match": tag}).status_code for number in range(2)]
    assert answers == [204, 412]
    assert table.rows() == b"1,0\n"


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_of_those_who_write_at_once_one_does(table: Table, method: str):
    for number in range(2, 2 + ROUNDS):
        tag, before = table.tag(), table.rows()
        asked = [
            Asking(table.write, method, b"%d,%d\n" % (number, who), {"if-match": tag}) for who in range(6)
        ]
        answers = [asking.answer().status_code for asking in asked]
        assert sorted(answers) == [204 if method == "PUT" else 200, *[412] * 5]
        winner = b"%d,%d\n" % (number, answers.index(min(answers)))
        assert table.rows() == (winner if method == "PUT" else before + winner)


def test_of_those_who_write_at_once_in_two_formats_one_does(table: Table):
    bodies = {".csv": HEADER + b"1,%d\n", ".jsonl": b'{"id":1,"name":"%d"}\n'}
    for number in range(ROUNDS):
        tags = {ext: httpx.head(table.url.replace(".csv", ext)).headers["etag"] for ext in bodies}
        asked = [
            Asking(
                httpx.put,
                table.url.replace(".csv", ext),
                content=body % (number * 10 + who),
                headers={"if-match": tags[ext]},
            )
            for who, (ext, body) in enumerate(bodies.items())
            for _ in range(2)
        ]
        assert sorted(asking.answer().status_code for asking in asked) == [204, 412, 412, 412]


def test_of_those_who_send_slowly_one_writes(table: Table):
    """All of their conditions hold when they begin; only one does when its last byte has come."""
    body = HEADER + b"".join(b"%d,%s\n" % (row, b"x" * 90) for row in range(5000))
    tag = table.tag()
    connections = [table.server.connect() for _ in range(4)]
    try:
        for connection in connections:
            fields = (f"Content-Length: {len(body)}", f"If-Match: {tag}", "Connection: close")
            connection.sendall(head("PUT", table.path, *fields) + body[:-100])
        for connection in connections:
            connection.sendall(body[-100:])
        answers = [read_to_end(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    statuses = sorted(int(re.match(rb"HTTP/1.1 (\d+)", answer)[1]) for answer in answers)  # type: ignore[index]
    assert statuses == [204, 412, 412, 412]
    assert table.rows().count(b"\n") == 5000


def test_a_body_that_is_refused_is_not_asked_for(table: Table):
    with table.server.connect() as connection:
        fields = ("Content-Length: 1000000", 'If-Match: "other"', "Expect: 100-continue")
        connection.sendall(head("PUT", table.path, *fields))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 412 ")


def test_a_slow_body_does_not_write_over_what_came_meanwhile(table: Table):
    body = HEADER + b"1,slow\n"
    tag = table.tag()
    with table.server.connect() as connection:
        fields = (f"Content-Length: {len(body)}", f"If-Match: {tag}", "Connection: close")
        connection.sendall(head("PUT", table.path, *fields) + body[:-3])
        assert table.write("PUT", b"1,fast\n", {"if-match": tag}).status_code == 204
        connection.sendall(body[-3:])
        assert read_to_end(connection).startswith(b"HTTP/1.1 412 ")
    assert table.rows() == b"1,fast\n"


def test_counters_that_are_raised_on_condition_lose_none(table: Table):
    """Many who read, add and write, each again until it is let."""
    table.write("PUT", b"1,0\n", {})

    def add() -> httpx.Response:
        while True:
            with httpx.Client(headers={"accept-encoding": "identity"}, timeout=30) as client:
                client.head(table.url)  # a whole GET has no tag where there are no versions
                read = client.get(table.url)
                found = re.search(rb"1,(\d+)", read.content)
                assert found
                tag = read.headers.get("etag") or client.head(table.url).headers["etag"]
                body = HEADER + b"1,%d\n" % (int(found[1]) + 1)
                answer = client.put(table.url, content=body, headers={"if-match": tag})
                if answer.status_code == 204:
                    return answer
                assert refused(answer), answer.text

    for asking in [Asking(add) for _ in range(8)]:
        assert asking.answer(60).status_code == 204
    assert table.rows() == b"1,8\n"
