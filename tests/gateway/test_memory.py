"""Memory of the gateway is bounded, whatever its clients do."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.gateway.databases import STREAMS
from tests.gateway.serving import head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

MIB = 2**20

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def memory(server: Server, which: str) -> int:
    """Bytes that the server holds (`VmRSS`), or held at most (`VmHWM`)."""
    status = Path("/proc", str(server.process.pid), "status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_stalled_readers_leave_memory_flat(serve: Serve):
    readers, places = 64, 8
    server = serve(STREAMS, "--pool-size", str(places))
    assert httpx.get(f"{server.url}/main/denied.csv").status_code == 403
    idle = memory(server, "VmRSS")
    with ExitStack() as stack:
        for _ in range(readers):
            connection = stack.enter_context(server.connect())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head("GET", "/main/endless.arrow"))
        before, grown = 0, 0
        while grown < places * MIB or grown - before > MIB // 4:
            time.sleep(0.25)
            before, grown = grown, memory(server, "VmRSS") - idle
            assert grown < places * 32 * MIB, "the database is read ahead of its readers"


def test_a_large_body_leaves_memory_flat(serve: Serve, tmp_path: Path):
    def body() -> Iterator[bytes]:
        for _ in range(192):
            yield b"x" * MIB

    server = serve(f"sqlite:///{tmp_path / 'new.db'}", "--access", "manage")
    assert httpx.put(f"{server.url}/main/t.csv", content=b"a\n1\n").status_code == 201
    before = memory(server, "VmHWM")
    # It is refused only after all of it has come.
    digest = {"content-digest": "sha-256=:AAAA:"}
    response = httpx.put(f"{server.url}/main/t.csv", content=body(), headers=digest, timeout=60)
    assert response.json()["type"] == "/-/problems/digest-mismatch"
    assert memory(server, "VmHWM") - before < 64 * MIB
