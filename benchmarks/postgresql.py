"""A million rows from PostgreSQL and into it, beside what its users have today."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import dataset
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway, peer, timer
from tests.postgres import Postgres, binaries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATH = "/public/lineitem.arrow"
GATEWAY = f"gateway: curl {PATH}"
LIBRARY = "library: fs.cat_file"
PSQL = "psql: \\copy lineitem to '/dev/null' (format binary)"
HANDWRITTEN = "hand-written handler: adbc_driver_postgresql, pyarrow, Starlette"
PUT = "gateway: curl -T lineitem.arrow"
PSQL_IN = "psql: \\copy lineitem from … (format binary)"


def run(rounds: int) -> list[Result]:
    """`numeric(15,2)` comes as decimals from the gateway, and as text from the peer's driver."""
    with ExitStack() as stack:
        server = stack.enter_context(Postgres())
        fill(server)
        base = stack.enter_context(gateway(server.url, access="write")).base
        theirs = stack.enter_context(peer("handwritten", "postgresql", server.url)).base + PATH
        program = [sys.executable, "-m", "benchmarks.peers.cat_file", server.url, PATH]
        reading = compete(
            "PostgreSQL: GET of 1,000,000 rows",
            "s",
            {
                GATEWAY: lambda: curl(base + PATH).total,
                LIBRARY: stack.enter_context(timer(*program)),
                PSQL: psql(server, "\\copy lineitem to '/dev/null' (format binary)"),
                HANDWRITTEN: lambda: curl(theirs).total,
            },
            [Target(GATEWAY, "at most", 1.0, PSQL), Target(GATEWAY, "at most", 0.5, HANDWRITTEN)],
            rounds=rounds,
        )
        body, rows = dataset.DATA / "postgresql.arrow", dataset.DATA / "lineitem.binary"
        curl(base + PATH, output=body)
        psql(server, f"\\copy lineitem to '{rows}' (format binary)")()
        server.sql("CREATE TABLE taken (LIKE lineitem)")
        load = psql(server, f"\\copy taken from '{rows}' (format binary)")
        writing = compete(
            "PostgreSQL: PUT of 1,000,000 rows into an empty table",
            "s",
            {
                PUT: emptied(server, lambda: curl(f"{base}/public/taken.arrow", "--upload-file", body).total),
                PSQL_IN: emptied(server, load),
            },
            [Target(PUT, "at most", 1.0, PSQL_IN)],
            rounds=rounds,
        )
        return [reading, writing]


def fill(server: Postgres) -> None:
    """One million rows of `lineitem`, as its users would declare it."""
    server.sql(dataset.LINEITEM)
    with gateway(dataset.lineitem()) as source:
        rows = dataset.DATA / "lineitem.csv"
        curl(f"{source.base}/main/lineitem.csv", output=rows)
    server.sql(f"\\copy lineitem from '{rows}' (format csv, header)\nVACUUM ANALYZE lineitem;")
    rows.unlink()


def psql(server: Postgres, command: str) -> Callable[[], float]:
    """The seconds that psql needs for one command, with its start."""

    def once() -> float:
        start = perf_counter()
        subprocess.run([_psql(), server.url, "-X", "-q", "-c", command], check=True)
        return perf_counter() - start

    return once


def _psql() -> Path:
    folder = binaries()
    assert folder is not None, "PostgreSQL is not installed"
    return folder / "psql"


def emptied(server: Postgres, work: Callable[[], float]) -> Callable[[], float]:
    """`work` on a table that is empty, and checkpointed, before its clock starts."""

    def once() -> float:
        server.sql("TRUNCATE taken; CHECKPOINT;")
        seconds = work()
        assert server.sql("SELECT count(*) FROM taken").strip() == str(dataset.ROWS)
        return seconds

    return once
