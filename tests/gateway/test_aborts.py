"""A response that failed never ends cleanly, and a client that leaves stops its query."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from tests.gateway.databases import SECRET, STREAMS
from tests.gateway.serving import head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

ENDLESS = "with recursive n(i) as (select 1 union all select i+1 from n) select max(i) from n"


class Pipe:
    """Where a database of `databases.py` says what happens to it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # Open to both sides, so that it never ends between two that write.
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def said(self, seconds: float) -> bytes:
        """What comes through in time."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        return os.read(self.descriptor, 99) if ready else b""


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    made = Pipe(tmp_path / "pipe")
    yield made
    os.close(made.descriptor)


@pytest.fixture
def streams(serve: Serve, pipe: Pipe) -> Server:
    return serve(STREAMS, "--pool-size", "2", "--pool-wait", "1", env={"TEST_PIPE": str(pipe.path)})


@pytest.mark.parametrize("extension", ["arrow", "csv", "jsonl"])
def test_an_error_after_the_first_byte_cuts_the_connection(streams: Server, extension: str):
    answer = streams.raw(head("GET", f"/main/failing.{extension}"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer) > 100_000
    assert not answer.endswith(b"0\r\n\r\n")
    assert SECRET.encode() not in answer
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        httpx.get(f"{streams.url}/main/failing.{extension}")


def test_an_error_in_a_coded_body_cuts_the_connection(streams: Server):
    answer = streams.raw(head("GET", "/main/failing.csv", "Accept-Encoding: gzip"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")


def test_an_aborted_response_is_one_line_of_the_log_beside_the_fault(streams: Server):
    streams.raw(head("GET", "/main/failing.csv"))
    log = streams.log.read_text()
    assert log.count("response aborted: internal") == 1
    assert "Exception in ASGI application" not in log
    assert log.count(SECRET) == 1


def test_an_error_before_the_first_byte_is_a_problem_without_details(streams: Server):
    response = httpx.get(f"{streams.url}/main/first.csv")
    assert (response.status_code, response.json()["type"]) == (500, "/-/problems/internal")
    assert SECRET not in response.text
    assert "Traceback" not in response.text
    assert response.json()["id"] in streams.log.read_text()


def test_a_builtin_exception_of_a_backend_keeps_its_meaning(streams: Server):
    response = httpx.get(f"{streams.url}/main/denied.csv")
    assert (response.status_code, response.json()["type"]) == (403, "/-/problems/forbidden")


def test_a_client_that_leaves_stops_the_stream_within_a_second(streams: Server, pipe: Pipe):
    with streams.connect() as connection:
        connection.sendall(head("GET", "/main/endless.arrow"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    assert pipe.said(1) == b"stopped"


def test_a_client_that_reads_nothing_and_leaves_stops_the_stream(streams: Server, pipe: Pipe):
    with streams.connect() as connection:
        connection.sendall(head("GET", "/main/endless.arrow"))
        assert pipe.said(1) == b""
    assert pipe.said(1) == b"stopped"


def test_a_stalled_reader_is_given_up_in_time(serve: Serve, pipe: Pipe):
    server = serve(STREAMS, "--stall-timeout", "0.5", env={"TEST_PIPE": str(pipe.path)})
    with server.connect() as connection:
        connection.sendall(head("GET", "/main/endless.arrow"))
        assert pipe.said(10) == b"stopped"


def test_a_query_stops_when_its_client_leaves(made: Path, serve: Serve):
    server = serve(f"sqlite:///{made}", "--query-concurrency", "1", "--pool-wait", "1")
    with server.connect() as connection:
        connection.sendall(head("GET", f"/-/query?sql={quote(ENDLESS)}"))
        # The only place is taken: nobody else gets one until the query stops.
        assert httpx.get(f"{server.url}/-/query?sql=select+1").status_code == 503
    assert httpx.get(f"{server.url}/-/query?sql=select+1").status_code == 200
    assert "499 GET" in server.log.read_text()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_database_stops_computing_when_its_client_leaves(made: Path, serve: Serve):
    def computed() -> float:
        """Seconds of processor time that the server has used."""
        fields = Path("/proc", str(server.process.pid), "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    server = serve(f"sqlite:///{made}")
    before = computed()
    with server.connect() as connection:
        connection.sendall(head("GET", f"/-/query?sql={quote(ENDLESS)}"))
        while computed() - before < 0.5:
            time.sleep(0.05)
    time.sleep(1)  # what the invariant allows
    before = computed()
    time.sleep(0.5)
    assert computed() - before < 0.1


def test_leaving_gives_the_place_back(streams: Server, pipe: Pipe):
    for _ in range(5):
        with streams.connect() as connection:
            connection.sendall(head("GET", "/main/endless.csv"))
            connection.recv(1)
        assert pipe.said(1) == b"stopped"
    assert httpx.get(f"{streams.url}/main/denied.csv").status_code == 403
