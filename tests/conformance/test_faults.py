"""What a client sees when the server of the database goes, and that all is well once it is back."""

from __future__ import annotations

import select
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fsspec_db import DatabaseUnavailableError, QueryTimeoutError, connect
from tests.conformance.harness import TABLES, USERS, Database, Harness, fresh, harnesses
from tests.conformance.test_cancelling import until
from tests.fsspec_db.samples import table_of
from tests.gateway.serving import Server, head, read_to_end, serving
from tests.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "canary"
FILLER = "x" * 800
BIG = (
    f"CREATE TABLE big (i INTEGER, filler VARCHAR(800)); INSERT INTO big VALUES (1, '{FILLER}');"
    + "INSERT INTO big SELECT i, filler FROM big;" * 16
)
"""More than all that lies between a database and a client who does not read can hold."""
BODY = b"id,name\n" + b"".join(b"%d,eve\n" % n for n in range(4, 10_000))
"""To insert it does not end."""
MANY = 100_000
LIMIT = 2
"""Seconds."""


@pytest.fixture(scope="module")
def mortal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database on a server of its own, where every test leaves the rows as they were."""
    harness: type[Harness] = harnesses()[request.param]
    with harness(tmp_path_factory.mktemp(request.param)) as engine, fresh(engine) as database:
        database.execute(TABLES + BIG + engine.rests)
        database.url = engine.guarded(database.url)
        yield database


@pytest.fixture
def gateway(mortal: Database, tmp_path: Path) -> Iterator[Server]:
    """A gateway that logs all it can, and no password."""
    with watched(mortal.url, tmp_path / "log") as server:
        yield server


@contextmanager
def watched(url: str, log: Path, *arguments: str) -> Iterator[Server]:
    options = ("--access", "write", "--log-level", "debug", "--access-log", *arguments)
    with serving(log, url, *options) as server:
        yield server
    assert SECRET in url
    assert SECRET not in log.read_text()


@contextmanager
def away(db: Database, way: str) -> Iterator[None]:
    """The server has gone, for the time of a block."""
    getattr(db.engine.server, way)()
    try:
        yield
    finally:
        db.engine.server.start()


def is_unavailable(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["type"]) == (503, "/-/problems/database-unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert SECRET not in response.text


def has_its_rows(db: Database, gateway: Server) -> None:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        for _ in range(3):
            response = client.get(db.path("users", "arrow"), params={"order": "id"})
            assert response.status_code == 200
            assert table_of(response.content).to_pylist() == USERS


@pytest.mark.parametrize(("way", "extension"), [("kill", "arrow"), ("stop", "csv")])
def test_a_server_that_goes_in_mid_read_cuts_the_transfer(
    mortal: Database, gateway: Server, way: str, extension: str
) -> None:
    with gateway.connect() as connection:
        connection.sendall(head("GET", mortal.path("big", extension)))
        received = connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 200 ")
        with away(mortal, way):
            received += read_to_end(connection)
            assert b"transfer-encoding: chunked" in received[:1000].lower()
            assert not received.endswith(b"0\r\n\r\n")
            if not mortal.quirks.survives:
                end(gateway)
                return
            is_unavailable(httpx.get(f"{gateway.url}{mortal.path('users', 'csv')}"))
            is_unavailable(httpx.get(f"{gateway.url}{mortal.root}/", headers={"accept": "application/json"}))
            is_unavailable(
                httpx.put(f"{gateway.url}{mortal.path('users', 'csv')}", content=b"id,name\n1,a\n")
            )
    has_its_rows(mortal, gateway)


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_server_that_goes_in_mid_write_keeps_the_old_rows(
    mortal: Database, gateway: Server, way: str
) -> None:
    url = f"{gateway.url}{mortal.path('users', 'csv')}"
    requests = [("PUT", ""), ("POST", "")] + [("POST", "?mode=upsert")] * mortal.quirks.upserts
    with ThreadPoolExecutor() as threads:
        for method, query in requests:
            writing = threads.submit(httpx.request, method, url + query, content=BODY, timeout=30)
            until(lambda: mortal.engine.resting(mortal.url), 10)
            with away(mortal, way):
                is_unavailable(writing.result(30))
            assert mortal.count("users") == len(USERS)
            has_its_rows(mortal, gateway)
    body = httpx.get(url.replace(".csv", ".arrow")).content
    assert httpx.put(url.replace(".csv", ".arrow"), content=body).status_code == 204
    has_its_rows(mortal, gateway)


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_server_that_goes_is_a_typed_error_and_is_met_again(mortal: Database, way: str) -> None:
    fs = connect(mortal.url, access="write")
    with ThreadPoolExecutor() as threads:
        reads = 3 if mortal.quirks.survives else 0
        streams = [fs.open_stream(mortal.path("big", "arrow")) for _ in range(reads)]
        assert all(stream.next() for stream in streams)
        with away(mortal, way):
            for stream in streams:
                with pytest.raises(DatabaseUnavailableError):
                    stream.read_all()
                assert not stream.complete
            with pytest.raises(DatabaseUnavailableError):
                fs.cat_file(mortal.path("users", "csv"))
            with pytest.raises(DatabaseUnavailableError):
                fs.ls(mortal.root, refresh=True)
        assert table_of(fs.cat_file(mortal.path("users", "arrow?order=id"))).to_pylist() == USERS
        for mode in ("overwrite", "append"):
            writing = threads.submit(fs.pipe_file, mortal.path("users", "csv"), BODY, mode=mode)
            until(lambda: mortal.engine.resting(mortal.url), 10)
            with away(mortal, way), pytest.raises(DatabaseUnavailableError):
                writing.result(30)
            assert table_of(fs.cat_file(mortal.path("users", "arrow?order=id"))).to_pylist() == USERS
    fs.close()


def test_connections_that_the_server_ended_are_replaced_unseen(mortal: Database, gateway: Server) -> None:
    fs = connect(mortal.url, access="write")
    path = mortal.path("users", "arrow")
    body = fs.cat_file(path)
    acts: list[Callable[[], object]] = [
        lambda: has_its_rows(mortal, gateway),
        lambda: fs.cat_file(path),
        lambda: fs.ls(mortal.root, refresh=True),
        lambda: fs.pipe_file(path, body),
        lambda: fs.query("SELECT 1 AS n") if mortal.quirks.queries else None,
        lambda: httpx.put(f"{gateway.url}{path}", content=body).raise_for_status(),
        lambda: httpx.get(f"{gateway.url}{mortal.root}/").raise_for_status(),
    ]
    with ThreadPoolExecutor(8) as threads:
        for act in acts:
            idle: list[Future[Any]] = [threads.submit(has_its_rows, mortal, gateway) for _ in range(2)]
            idle += [threads.submit(fs.cat_file, path) for _ in range(4)]
            assert all(done.exception(30) is None for done in idle)
            mortal.engine.disconnect(mortal.url)
            act()
    has_its_rows(mortal, gateway)
    fs.close()


@contextmanager
def hanging(db: Database, log: Path) -> Iterator[tuple[Network, str, Server]]:
    """A network to the server that can hang, a URL that leads through it, and a gateway beyond."""
    port = db.engine.server.port
    with Network(port) as network:
        url = db.url.replace(str(port), str(network.port))
        limits = [f"--{what}-timeout={LIMIT}" for what in ("read", "write", "query")]
        with watched(url, log, *limits) as gateway:
            has_its_rows(db, gateway)
            try:
                yield network, url, gateway
            finally:
                network.heal()
            has_its_rows(db, gateway)


def is_late(response: httpx.Response) -> None:
    assert response.status_code == 504
    if response.request.method != "HEAD":
        assert response.json()["type"] == "/-/problems/query-timeout"
    assert response.elapsed.total_seconds() < LIMIT + 3


def test_a_network_that_hangs_is_a_timeout_in_time(mortal: Database, tmp_path: Path) -> None:
    file, folder = mortal.path("users", "csv"), f"{mortal.root}/"
    reads = [("GET", file), ("HEAD", file), ("GET", folder), ("PROPFIND", folder)]
    requests = [*((method, path, b"") for method, path in reads), ("PUT", file, BODY)]
    with hanging(mortal, tmp_path / "log") as (network, url, gateway), ThreadPoolExecutor() as threads:
        fs = connect(url)
        assert fs.cat_file(file)
        network.hang()
        asked = [
            threads.submit(
                httpx.request,
                method,
                f"{gateway.url}{path}",
                headers={"depth": "0"},
                content=content,
                timeout=30,
            )
            for method, path, content in requests
        ]
        start = time.monotonic()
        with pytest.raises(QueryTimeoutError):
            fs.cat_file(file, timeout=LIMIT)
        assert time.monotonic() - start < LIMIT + 2
        for each in asked:
            is_late(each.result(30))
        network.heal()
        assert fs.cat_file(file)
        fs.close()


def test_a_network_that_hangs_in_mid_read_cuts_the_transfer_in_time(mortal: Database, tmp_path: Path) -> None:
    with hanging(mortal, tmp_path / "log") as (network, url, gateway), gateway.connect() as connection:
        fs = connect(url)
        path = mortal.path("big", "arrow")
        stream = fs.open_stream(path, timeout=LIMIT)
        connection.sendall(head("GET", path))
        assert stream.next()
        received = connection.recv(1 << 16)
        network.hang()
        start = time.monotonic()
        with pytest.raises(QueryTimeoutError):
            stream.read_all()
        received += read_to_end(connection)
        assert time.monotonic() - start < LIMIT + 2
        assert received.startswith(b"HTTP/1.1 200 ")
        assert not received.endswith(b"0\r\n\r\n")
        network.heal()
        fs.close()


def test_a_network_that_hangs_in_mid_write_keeps_the_old_rows(mortal: Database, tmp_path: Path) -> None:
    with hanging(mortal, tmp_path / "log") as (network, _, gateway), ThreadPoolExecutor() as threads:
        url = f"{gateway.url}{mortal.path('users', 'csv')}"
        writing = threads.submit(httpx.put, url, content=BODY, timeout=30)
        until(lambda: mortal.engine.resting(mortal.url), LIMIT)
        network.hang()
        if not mortal.quirks.severs:
            with pytest.raises(TimeoutError):
                writing.result(LIMIT + 3)
            network.heal()
            mortal.engine.disconnect(mortal.url)
            assert writing.result(10).json()["type"] == "/-/problems/query-timeout"
            return
        is_late(writing.result(30))


@pytest.mark.parametrize("delay", [0.03, 0.1, 0.4])
def test_a_gateway_that_is_killed_in_mid_write_leaves_the_old_rows_or_the_new(
    db: Database, tmp_path: Path, delay: float
) -> None:
    body = b"id,name\n" + b"".join(b"%d,eve\n" % n for n in range(MANY))
    with killed(db, tmp_path / "log") as gateway, gateway.connect() as connection:
        request = head("PUT", db.path("users", "csv"), f"Content-Length: {len(body)}")
        connection.sendall(request + body)
        answered, _, _ = select.select([connection], [], [], delay)
    assert db.count("users") in ({MANY} if answered else {len(USERS), MANY})
    db.execute("INSERT INTO blank (id) VALUES (1)")
    with serving(tmp_path / "after", db.url, "--access", "write") as gateway:
        put = httpx.put(f"{gateway.url}{db.path('users', 'csv')}", content=b"id,name\n1,ada\n")
        assert put.status_code == 204


def test_a_gateway_that_is_killed_in_mid_read_leaves_nothing_locked(db: Database, tmp_path: Path) -> None:
    db.execute(BIG)
    with killed(db, tmp_path / "log") as gateway, gateway.connect() as connection:
        connection.sendall(head("GET", db.path("big", "arrow")))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    db.execute("DROP TABLE big; DELETE FROM users")
    with serving(tmp_path / "after", db.url) as gateway:
        assert httpx.get(f"{gateway.url}{db.path('users', 'csv')}").content == b"id,name,score\r\n"


@contextmanager
def killed(db: Database, log: Path) -> Iterator[Server]:
    """A gateway that ends by SIGKILL with the block."""
    with serving(log, db.url, "--access", "write") as gateway:
        yield gateway
        end(gateway)


def end(gateway: Server) -> None:
    gateway.process.kill()
    gateway.process.wait()
    gateway.process.returncode = 0  # as meant
