"""The most memory that the server takes while ten million rows pass through it, for each engine."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from benchmarks import dataset
from benchmarks.contest import Result, Target
from benchmarks.curl import curl
from benchmarks.programs import gateway
from tests.mariadb import MariaDB
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = "10,000,000 rows"
EVENT = """
CREATE TABLE event (
    id BIGINT PRIMARY KEY, day DATE NOT NULL, source INTEGER NOT NULL, value DOUBLE PRECISION NOT NULL,
    note TEXT
)
"""


def run(_rounds: int) -> list[Result]:
    """Growth of the peak over idle, by the kernel's own high-water mark."""
    body = dataset.DATA / "ten-million.arrow"
    growth = _both("SQLite", dataset.ten_million(), "/main/event.arrow", body, _get, _put)
    with Postgres() as postgres:
        postgres.sql(EVENT)
        growth |= _both("PostgreSQL", postgres.url, "/public/event.arrow", body, _put, _get)
    with MariaDB() as mariadb:
        mariadb.sql("CREATE DATABASE shop")
        mariadb.sql(EVENT, database="shop")
        growth |= _both("MariaDB", mariadb.url, "/shop/event.arrow", body, _put, _get)
    with TemporaryDirectory(dir=dataset.DATA) as folder:
        file = f"{folder}/event.duckdb"
        with duckdb.connect(file) as connection:
            connection.execute(EVENT.replace("PRIMARY KEY", "NOT NULL"))
        url = f"duckdb:///{file}?memory_limit=32MB"
        growth |= _both("DuckDB", url, "/main/event.arrow", body, _put, _get)
    body.unlink()
    result = Result("Peak memory over idle", "MiB", growth, [Target(name, "at most", 64) for name in growth])
    result.notes.append(
        "DuckDB runs in the gateway's process, with `memory_limit=32MB`, which it fills before it writes "
        "to the file; its index of a primary key would be in memory whole, so its table has none."
    )
    return [result]


def _both(
    engine: str, database: Path | str, path: str, body: Path, *ways: Callable[[str, Path], object]
) -> dict[str, list[float]]:
    with gateway(database, access="write") as server:
        url = server.base + path
        curl(url + "?limit=1")  # what is loaded on first use belongs to idle
        return {
            f"{engine}: {way.__name__[1:].upper()}, {ROWS}": [_growth(server.pid, partial(way, url, body))]
            for way in ways
        }


def _get(url: str, body: Path) -> object:
    return curl(url, output=body)


def _put(url: str, body: Path) -> object:
    return curl(url, "--upload-file", body)


def _growth(pid: int, work: Callable[[], object]) -> float:
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # sets the high-water mark to what is used now
    idle = _mebibytes(pid, "VmRSS")
    work()
    return _mebibytes(pid, "VmHWM") - idle


def _mebibytes(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
