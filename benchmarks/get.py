"""A million rows, from SQLite to the client."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa

from benchmarks import dataset, native
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway, peer, timer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATH = "/main/lineitem.arrow"
C_LOOP = "C loop, one thread: step and touch each column"
GATEWAY = f"gateway: curl {PATH}"
HANDWRITTEN = "hand-written handler: adbc_driver_sqlite, pyarrow, Starlette"
LIBRARY = "library: fs.cat_file"


def run(rounds: int) -> list[Result]:
    """Full bodies, warm; the first byte; and the first read after the data changed."""
    with ExitStack() as stack:
        database = dataset.lineitem()
        ours = stack.enter_context(gateway(database)).base + PATH
        theirs = stack.enter_context(peer("handwritten", "sqlite", database)).base + PATH
        library = stack.enter_context(timer(*_python("cat_file"), f"sqlite:///{database}", PATH))
        for url in (ours, theirs):
            _check(url)
        loop = c_loop(database)
        warm = compete(
            "GET of 1,000,000 rows",
            "s",
            {
                C_LOOP: loop,
                GATEWAY: lambda: curl(ours).total,
                HANDWRITTEN: lambda: curl(theirs).total,
                LIBRARY: library,
            },
            [
                Target(GATEWAY, "at most", 0.8, C_LOOP),
                Target(GATEWAY, "at most", 0.55, HANDWRITTEN),
                Target(LIBRARY, "at most", 1.0, GATEWAY),
            ],
            rounds=rounds,
        )
        first = compete(
            "First byte of the body of 1,000,000 rows",
            "ms",
            {
                "gateway": lambda: _first_byte(ours),
                "hand-written handler": lambda: _first_byte(theirs),
            },
            [Target("gateway", "at most", 30)],
            rounds=rounds,
        )
        return [warm, first, _cold(rounds)]


def _cold(rounds: int) -> Result:
    """The types of the columns are remembered for a version of the data: so another process changes it."""
    database = dataset.lineitem_copy("changing.db")
    with gateway(database) as server:
        url = server.base + PATH

        def after_change() -> float:
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute("UPDATE lineitem SET l_comment = l_comment || '.' WHERE rowid = 1")
            return curl(url).total

        return compete(
            "First GET after the data changed",
            "s",
            {C_LOOP: c_loop(database), GATEWAY: after_change},
            [Target(GATEWAY, "at most", 1.2, C_LOOP)],
            rounds=rounds,
        )


def c_loop(database: Path) -> Callable[[], float]:
    """The C loop over `lineitem`, in seconds."""
    program = native.step_program()

    def once() -> float:
        done = subprocess.run([program, database, "lineitem"], check=True, capture_output=True, text=True)
        seconds, rows = done.stdout.split()
        assert int(rows) == dataset.ROWS
        return float(seconds)

    return once


def _python(name: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{name}"]


def _first_byte(url: str) -> float:
    """Milliseconds from before the connection to a byte of the body; headers may come much earlier."""
    address = urlsplit(url)
    start = perf_counter()
    with closing(HTTPConnection(address.netloc)) as connection:
        connection.request("GET", address.path)
        assert connection.getresponse().read(1)
        return (perf_counter() - start) * 1e3


def _check(url: str) -> None:
    with tempfile.NamedTemporaryFile(dir=dataset.DATA) as body:
        curl(url, output=body.name)
        with pa.OSFile(body.name) as source, pa.ipc.open_stream(source) as batches:
            rows = sum(batch.num_rows for batch in batches)
    assert rows == dataset.ROWS, f"{url}: {rows} rows"
