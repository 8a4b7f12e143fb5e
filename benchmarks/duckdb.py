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
LIBRARY = "library: fs.cat_file, in fresh memory"
CHUNKS = "library: fs.open_stream, into memory that is kept"
OWN = "DuckDB's Arrow stream into pyarrow's IPC writer, into memory that is kept"
OWN_FRESH = "DuckDB's Arrow stream into pyarrow's IPC writer, in fresh memory"
HANDWRITTEN = "hand-written handler: DuckDB's Arrow stream, pyarrow, Starlette"
MEMORY = 256 << 20
"""Bytes that hold the rows of the table as Arrow."""
NOTE = (
    "173 MB of fresh memory cost as much as DuckDB's scan. pyarrow's own pool gives the memory of one "
    "result to the next, and `fs.cat_file` returns `bytes`, which are always fresh: each is compared with "
    "what does the same. Over loopback the kernel copies all of it twice, which nothing in process does: "
    "the gateway is compared with a handler that sends DuckDB's own stream to the same curl."
)


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
                CHUNKS: stack.enter_context(
                    timer(*python, "benchmarks.peers.kept_memory", url, PATH, str(MEMORY))
                ),
                OWN: stack.enter_context(timer(*python, "benchmarks.peers.duckdb_ipc", file)),
                OWN_FRESH: stack.enter_context(timer(*python, "benchmarks.peers.duckdb_ipc", file, "fresh")),
                HANDWRITTEN: lambda: curl(theirs).total,
            },
            [
                Target(CHUNKS, "at most", 1.2, OWN),
                Target(LIBRARY, "at most", 1.2, OWN_FRESH),
                Target(GATEWAY, "at most", 1.0, HANDWRITTEN),
            ],
            rounds=rounds,
        )
        result.notes.append(NOTE)
    return [result]
