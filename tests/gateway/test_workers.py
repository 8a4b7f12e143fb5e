"""Several processes behind one address, and several gateways that share their locks."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.databases import STREAMS
from tests.gateway.serving import ROOT, Server, head, read_to_end, started
from tests.gateway.test_server import run
from tests.redis_server import RedisProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway.conftest import Serve

LOCK = (
    '<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    "<locktype><write/></locktype></lockinfo>"
)
PROPERTY = (
    '<?xml version="1.0"?><propertyupdate xmlns="DAV:"><set>'
    '<prop><x:note xmlns:x="urn:x">kept</x:note></prop></set></propertyupdate>'
)


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with RedisProcess("s3cret-4711") as server:
        yield server


def workers(server: Server) -> list[int]:
    """The processes that serve, by the number of each."""
    main = server.process.pid
    children = Path("/proc", str(main), "task", str(main), "children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path("/proc", child, "cmdline").read_bytes()]


def soon(holds: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def get(server: Server, path: str = "/main/users.csv") -> int:
    """By a connection of its own."""
    return httpx.get(server.url + path).status_code


def lock(server: Server, path: str = "/main/users.csv") -> httpx.Response:
    return httpx.request("LOCK", server.url + path, content=LOCK)


def accepts(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return False
    return True


def test_several_processes_serve_one_address_and_say_so_in_one_line(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--workers", "3")
    assert len(workers(server)) == 3
    assert [get(server) for _ in range(20)] == [200] * 20
    assert server.stop() == 0
    assert server.process.stdout is not None
    assert server.process.stdout.read() == b""


def test_a_worker_that_dies_is_replaced_and_this_is_logged(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--workers", "2")
    victim, other = workers(server)
    os.kill(victim, signal.SIGKILL)
    soon(lambda: len(workers(server)) == 2 and victim not in workers(server))
    assert other in workers(server)
    assert f"worker {victim} has ended: by signal 9; another takes its place" in server.log.read_text()
    assert [get(server) for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_them_all(made: Path, serve: Serve, signum: int):
    server = serve(f"sqlite:///{made}", "--workers", "2")
    bodies = []
    connections = [server.connect() for _ in range(6)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        connection.sendall(head("GET", "/main/big.csv", "Connection: close"))
        bodies.append(connection.recv(1))
    server.process.send_signal(signum)
    for worker in workers(server):  # as a terminal or an init system does
        os.kill(worker, signum)
    soon(lambda: not accepts(server))
    for connection, begin in zip(connections, bodies, strict=True):
        assert (begin + read_to_end(connection)).endswith(b"0\r\n\r\n")
        connection.close()
    assert server.process.wait(10) == 0


def test_a_second_signal_ends_them(serve: Serve):
    server = serve(STREAMS, "--workers", "2", "--grace", "60")
    with server.connect() as connection:
        connection.sendall(head("GET", "/main/endless.csv"))
        assert connection.recv(1) == b"H"
        server.process.send_signal(signal.SIGTERM)
        soon(lambda: not accepts(server))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert not read_to_end(connection).endswith(b"0\r\n\r\n")


def test_workers_do_not_outlive_the_process_that_started_them(made: Path, tmp_path: Path):
    command = [sys.executable, "-m", "gateway.cli", "serve", "--port", "0", "--workers", "2"]
    log = tmp_path / "server.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [*command, f"sqlite:///{made}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr
        ) as process,
    ):
        server = Server(process, started(process, log), log)
        left = workers(server)
        assert len(left) == 2
        process.kill()
        soon(lambda: not any(map(_runs, left)))


def _runs(process: int) -> bool:
    try:
        return Path("/proc", str(process), "stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["sqlite:///x.db", "--access", "write", "--workers", "2"], "--lock-store redis://"),
        (["sqlite://", "--workers", "2"], "memory"),
        (["sqlite:///:memory:", "--workers", "2"], "memory"),
        (["sqlite:///nowhere/at/all.db", "--workers", "2"], "all.db"),
        (["sqlite://", "--workers", "0"], "workers must be at least 1"),
        (["sqlite://", "--lock-store", "http://s3cret-4711@x"], "lock_store must be 'memory' or a URL"),
        (["sqlite://", "--lock-store", "redis://:s3cret-4711@x:nothing/"], "lock_store is not an address"),
        (["sqlite://", "--lock-store", "redis://:s3cret-4711@x/?nothing=1"], "lock_store is not an address"),
    ],
)
def test_what_cannot_be_shared_is_said_in_one_line(arguments: list[str], word: str):
    done = run("serve", "--port", "0", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert word in done.stderr
    assert "4711" not in done.stderr


def test_workers_share_locks_and_properties(database: Path, redis: RedisProcess, serve: Serve):
    server = serve(
        f"sqlite:///{database}",
        "--access",
        "write",
        "--workers",
        "3",
        env={"FSSPEC_DB_LOCK_STORE": redis.url},
    )
    granted = lock(server)
    assert granted.status_code == 200
    note = httpx.request("PROPPATCH", f"{server.url}/main/big.csv", content=PROPERTY)
    assert note.status_code == 207
    for _ in range(10):  # each by a connection of its own
        assert lock(server).status_code == 423
        assert httpx.put(f"{server.url}/main/users.csv", content="id\n1\n").status_code == 423
        listed = httpx.request("PROPFIND", f"{server.url}/main/", headers={"depth": "1"}).text
        assert listed.count(granted.headers["lock-token"].strip("<>")) >= 3  # the relation and its files
        assert listed.count("kept") == 1
    token = granted.headers["lock-token"]
    done = httpx.put(f"{server.url}/main/users.csv", content="id\n1\n", headers={"if": f"({token})"})
    assert done.status_code == 204
    unlocked = httpx.request("UNLOCK", f"{server.url}/main/users.csv", headers={"lock-token": token})
    assert unlocked.status_code == 204
    assert httpx.put(f"{server.url}/main/users.csv", content="id\n2\n").status_code == 204


def test_one_gateway_locks_nothing_that_another_is_writing(database: Path, redis: RedisProcess, serve: Serve):
    here, there = (
        serve(f"sqlite:///{database}", "--access", "write", "--lock-store", redis.url) for _ in range(2)
    )
    with ThreadPoolExecutor() as threads, closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # which the transaction of the write waits for
        writing = threads.submit(httpx.put, f"{here.url}/main/users.csv", content="id\n1\n")
        soon(lambda: redis.command("ZCARD", "{fsspec-db}:marks") == b":1\r\n", within=4)
        refused = lock(there, "/main/users.arrow")
        assert (refused.status_code, "no-conflicting-lock" in refused.text) == (423, True)
        other.execute("ROLLBACK")
        assert writing.result().status_code == 204
    assert lock(there, "/main/users.arrow").status_code == 200


def test_without_redis_nothing_is_written_and_reads_go_on(database: Path, redis: RedisProcess, serve: Serve):
    server = serve(f"sqlite:///{database}", "--access", "write", "--lock-store", redis.url)
    before = httpx.get(f"{server.url}/main/users.csv").text
    redis.stop()
    for method, content in (
        ("PUT", "id\n9\n"),
        ("POST", "id\n9\n"),
        ("LOCK", LOCK),
        ("PROPPATCH", PROPERTY),
    ):
        refused = httpx.request(method, f"{server.url}/main/users.csv", content=content)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2"), method
        assert refused.json()["type"] == "/-/problems/lock-store-unavailable"
    assert httpx.get(f"{server.url}/main/users.csv").text == before
    redis.start()
    assert httpx.put(f"{server.url}/main/users.csv", content="id\n9\n").status_code == 204
    said = server.log.read_text()
    assert said.count("the lock store does not answer") == 1
    assert said.count("the lock store answers again") == 1
    assert "4711" not in said


@pytest.mark.parametrize(
    ("method", "headers"), [("DELETE", {}), ("MOVE", {"destination": "/main/people/"})], ids=str
)
def test_a_change_that_is_made_is_said_though_redis_goes_away_meanwhile(
    database: Path, redis: RedisProcess, serve: Serve, method: str, headers: dict[str, str]
):
    server = serve(f"sqlite:///{database}", "--access", "manage", "--lock-store", redis.url)
    with ThreadPoolExecutor() as threads, closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # which the change waits for
        url = f"{server.url}/main/users/"
        changing = threads.submit(httpx.request, method, url, headers=headers, timeout=30)
        soon(lambda: redis.command("ZCARD", "{fsspec-db}:marks") != b":0\r\n", within=4)
        redis.stop()
        other.execute("ROLLBACK")
        assert changing.result().status_code in (201, 204)
    assert httpx.get(f"{server.url}/main/users.csv").status_code == 404


def test_a_wrong_password_is_no_store_and_is_not_told(database: Path, redis: RedisProcess, serve: Serve):
    url = redis.url.replace("s3cret", "wrong")
    server = serve(f"sqlite:///{database}", "--access", "write", "--lock-store", url)
    refused = httpx.put(f"{server.url}/main/users.csv", content="id\n9\n")
    assert refused.status_code == 503
    assert "4711" not in refused.text + server.log.read_text()


def test_who_only_reads_needs_no_locks(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--lock-store", "redis://127.0.0.1:9/0")
    answer = httpx.request("PROPFIND", f"{server.url}/main/", headers={"depth": "1"})
    assert answer.status_code == 207
