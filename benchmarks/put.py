"""A million rows, from the client into SQLite: all rows of a table replaced in one transaction."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter
from typing import TYPE_CHECKING

from adbc_driver_sqlite import dbapi

from benchmarks import dataset
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GATEWAY = "gateway: curl -T lineitem.arrow"
ADBC = "adbc_ingest in process"


def run(rounds: int) -> list[Result]:
    """The gateway decodes and spools what curl sends; `adbc_ingest` has its rows in memory."""
    ours, theirs = dataset.lineitem_copy("put.db"), dataset.lineitem_copy("ingest.db")
    body = dataset.DATA / "lineitem.arrow"
    with gateway(ours, access="write") as server:
        url = server.base + "/main/lineitem.arrow"
        curl(url, output=body)
        result = compete(
            "PUT of 1,000,000 rows",
            "s",
            {GATEWAY: lambda: curl(url, "--upload-file", body).total, ADBC: _ingest(theirs)},
            [Target(GATEWAY, "at most", 1.0, ADBC)],
            rounds=rounds,
        )
    result.notes.append(
        "Both tables have the same definition and journal mode (WAL) and were full before. "
        "`adbc_ingest` knows no decimals: it is given the floats and strings that it reads itself, "
        "so it does not convert."
    )
    return [result]


def _ingest(database: Path) -> Callable[[], float]:
    with closing(dbapi.connect(f"file:{database}")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM lineitem")
        rows = cursor.fetch_arrow_table()

    def once() -> float:
        start = perf_counter()
        with closing(dbapi.connect(f"file:{database}")) as connection:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM lineitem")
                assert cursor.adbc_ingest("lineitem", rows, mode="append") == dataset.ROWS
            connection.commit()
        return perf_counter() - start

    return once
