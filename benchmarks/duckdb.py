"""A million rows from a DuckDB file, beside DuckDB's own Arrow stream."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from benchmarks import dataset
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway, peer, timer

PATH = "/main/lineitem.arrow"
GATEWAY = f"gateway: curl {PATH}"
LIBRARY = "library: fs.cat_file"
OWN = "DuckDB's Arrow stream into pyarrow's IPC writer, in memory"
HANDWRITTEN = "hand-written handler: DuckDB's Arrow stream, pyarrow, Starlette"


def run(rounds: int) -> list[Result]:
    """All in the types that DuckDB gives."""
    file = dataset.duckdb_lineitem()
    url = f"duckdb:///{file}"
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(url)).base + PATH
        theirs = stack.enter_context(peer("handwritten", "duckdb", file)).base + PATH
        python = [sys.executable, "-m"]
        result = compete(
            "DuckDB: GET of 1,000,000 rows",
            "s",
            {
                GATEWAY: lambda: curl(ours).total,
                LIBRARY: stack.enter_context(timer(*python, "benchmarks.peers.cat_file", url, PATH)),
                OWN: stack.enter_context(timer(*python, "benchmarks.peers.duckdb_ipc", file)),
                HANDWRITTEN: lambda: curl(theirs).total,
            },
            [
                Target(GATEWAY, "at most", 1.2, OWN),
                Target(LIBRARY, "at most", 1.2, OWN),
                Target(GATEWAY, "at most", 1.0, HANDWRITTEN),
            ],
            rounds=rounds,
        )
    return [result]
