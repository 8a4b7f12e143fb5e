"""The command, the process and the protocol around the app."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.databases import STREAMS
from tests.gateway.serving import ROOT, head, read_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "fsspec-db")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["serve", "nothing://x"], "nothing"),
        (["serve", "sqlite:///nowhere/at/all.db"], "all.db"),
        (["serve", "python:tests.gateway.databases:nothing"], "nothing"),
        (["serve", "sqlite://", "--host", "0.0.0.0"], "--insecure"),
        (["serve", "sqlite://", "--port", "x"], "port"),
        (["serve", "sqlite://", "--config", "/nowhere.toml"], "nowhere"),
        (["serve", "sqlite://", "sqlite://"], "NAME="),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(arguments: list[str], word: str):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert word in done.stderr


def test_a_password_is_not_shown_when_a_database_cannot_be_opened():
    done = run("serve", "postgresql://user:hunter2@localhost/db")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_a_taken_port_is_said(reader: Server):
    done = run("serve", "sqlite://", "--port", str(reader.port))
    assert done.returncode == 2
    assert str(reader.port) in done.stderr


def test_standard_output_is_one_line(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}")
    httpx.get(f"{server.url}/main/users.csv")
    httpx.get(f"{server.url}/nothing")
    assert server.stop() == 0
    assert server.process.stdout is not None
    assert server.process.stdout.read() == b""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_running_transfer_finish(made: Path, serve: Serve, signum: int):
    server = serve(f"sqlite:///{made}")
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        connection.sendall(head("GET", "/main/big.csv", "Connection: close"))
        begin = connection.recv(1)
        server.process.send_signal(signum)
        body = begin + read_to_end(connection)
    assert body.endswith(b"0\r\n\r\n")
    assert server.process.wait(10) == 0


def test_the_time_to_finish_is_bounded(serve: Serve):
    server = serve(STREAMS, "--grace", "1")
    with server.connect() as connection:
        connection.sendall(head("GET", "/main/endless.csv"))
        assert connection.recv(1) == b"H"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert not read_to_end(connection).endswith(b"0\r\n\r\n")


def test_readiness_fails_while_draining(serve: Serve):
    server = serve(STREAMS)
    with server.connect() as transfer, server.connect() as prober:
        transfer.sendall(head("GET", "/main/endless.csv"))
        assert transfer.recv(1) == b"H"
        # This request is under way when the signal comes, so its connection is still served.
        request = head("GET", "/-/health/ready")
        prober.sendall(request[:-2])
        server.process.send_signal(signal.SIGTERM)
        answered = threading.Event()

        def probe() -> None:
            assert b"200 OK" not in read_to_end(prober)
            answered.set()

        thread = threading.Thread(target=probe)
        thread.start()
        assert answered.wait(15)
        thread.join()
        transfer.close()
    assert server.process.wait(10) == 0


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "127.1.2.3", "[::1]:80", "localhost."]
)
def test_loopback_names_are_served(reader: Server, host: str):
    request = f"GET /-/health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert reader.raw(request.encode()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"],
)
def test_other_names_are_not(reader: Server, host: str):
    request = f"GET /main/users.csv HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert reader.raw(request.encode()).startswith(b"HTTP/1.1 421 ")


def test_two_hosts_or_none_are_refused(reader: Server):
    two = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert reader.raw(two).startswith(b"HTTP/1.1 4")
    assert reader.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_more_names_can_be_allowed(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--allowed-hosts", "db.example,other.example")
    for host, status in (("db.example:80", 200), ("other.example", 200), ("evil.example", 421)):
        response = httpx.get(f"{server.url}/main/users.csv", headers={"host": host})
        assert response.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/main/users.csv"), ("POST", "/-/query"), ("DELETE", "/main/users.csv"), ("LOCK", "/")],
)
def test_other_sites_cannot_change_anything(writer: Server, method: str, path: str, headers: dict[str, str]):
    response = httpx.request(method, writer.url + path, content=b"id\n1\n", headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "/-/problems/cross-origin")


def test_pages_of_the_gateway_can(writer: Server):
    headers = {"origin": writer.url, "sec-fetch-site": "same-origin", "content-type": "application/json"}
    response = httpx.post(f"{writer.url}/-/query", json={"sql": "select 1"}, headers=headers)
    assert response.status_code == 200


def test_no_response_invites_other_origins_or_names_the_server(reader: Server):
    for path in ("/", "/main/users.csv", "/-/openapi.json", "/nothing"):
        headers = httpx.get(reader.url + path, headers={"origin": "http://evil.example"}).headers
        assert not [name for name in headers if name.startswith("access-control-")]
        assert "server" not in headers


def test_half_a_head_is_not_waited_for(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--header-timeout", "0.5")
    for begin in (b"", b"GET /main/users.csv HTTP/1.1\r\nHost: loc"):
        with server.connect() as connection:
            connection.sendall(begin)
            assert read_to_end(connection) == b""
    assert httpx.get(f"{server.url}/main/users.csv").status_code == 200


def test_options_may_ask_about_the_server(reader: Server):
    answer = reader.raw(head("OPTIONS", "*", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ndav: 1" in answer


@pytest.mark.parametrize(
    "request_",
    [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xff", b"GET /\xff HTTP/1.1\r\n\r\n"],
)
def test_nonsense_is_refused_and_the_process_lives(reader: Server, request_: bytes):
    answer = reader.raw(request_ + b"\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 2")
    assert httpx.get(f"{reader.url}/-/health/live").status_code == 200


def test_the_demo_is_served_without_a_url(serve: Serve, tmp_path: Path):
    server = serve(env={"XDG_CACHE_HOME": str(tmp_path)})
    assert httpx.get(f"{server.url}/main/region.csv").text.count("\n") == 6


def test_a_head_that_does_not_end_is_refused_before_it_is_gathered(reader: Server):
    line = b"x: " + b"y" * 8000 + b"\r\n"
    with reader.connect() as connection:
        connection.sendall(b"GET /main/users.csv HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(4000):
                connection.sendall(line)
        with contextlib.suppress(ConnectionError):
            assert b" 431 " in read_to_end(connection)
    assert httpx.get(f"{reader.url}/main/users.csv").status_code == 200


def test_a_head_of_ordinary_length_may_come_in_pieces(reader: Server):
    with reader.connect() as connection:
        for _ in range(3):
            for piece in (
                b"GET /main/users.csv HTTP/1.1\r\n",
                b"Host: localhost\r\n",
                b"x: " + b"y" * 40_000,
                b"\r\n\r\n",
            ):
                connection.sendall(piece)
            answer = b""
            while not answer.endswith(b"7,g,7.5\r\n"):
                answer += connection.recv(1 << 16) or pytest.fail("the connection was closed")
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_seed_is_served(serve: Serve):
    server = serve("python:tests.fsspec_db.seed_backend:MemoryDatabase", "--access", "write")
    assert httpx.get(f"{server.url}/main/users.csv").text == "id,name\r\n1,ada\r\n"
    body = httpx.get(f"{server.url}/main/users.arrow").content
    assert httpx.post(f"{server.url}/main/users.arrow", content=body).json() == {"rows": 1}
    assert httpx.get(f"{server.url}/main/users.jsonl").text.count("ada") == 2
    assert httpx.put(f"{server.url}/main/users.csv", content="id,name\n7,eve\n").status_code == 204
    assert httpx.get(f"{server.url}/main/users.csv").text == "id,name\r\n7,eve\r\n"
