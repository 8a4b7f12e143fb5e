"""A million rows from MariaDB, beside connectorx in process."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import dataset
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway, timer
from tests.mariadb import MariaDB

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/shop/lineitem.arrow"
GATEWAY = f"gateway: curl {PATH}"
LIBRARY = "library: fs.cat_file"
CONNECTORX = "connectorx in process, one connection, into Arrow"


def run(rounds: int) -> list[Result]:
    """`DECIMAL(15,2)` comes as decimals from the gateway, and as what connectorx makes of it."""
    with ExitStack() as stack:
        server = stack.enter_context(MariaDB("innodb-buffer-pool-size=1G"))
        url = f"{server.url}/shop"
        server.sql("CREATE DATABASE shop")
        fill(server, url)
        ours = stack.enter_context(gateway(url)).base + PATH
        python = [sys.executable, "-m"]
        query = "SELECT * FROM lineitem"
        result = compete(
            "MariaDB: GET of 1,000,000 rows",
            "s",
            {
                GATEWAY: lambda: curl(ours).total,
                LIBRARY: stack.enter_context(timer(*python, "benchmarks.peers.cat_file", url, PATH)),
                CONNECTORX: stack.enter_context(
                    timer(*python, "benchmarks.peers.connectorx_rows", url, query)
                ),
            },
            [Target(GATEWAY, "at most", 0.6, CONNECTORX), Target(LIBRARY, "at most", 0.6, CONNECTORX)],
            rounds=rounds,
        )
    return [result]


def fill(server: MariaDB, url: str) -> None:
    """One million rows of `lineitem`, as its users would declare it."""
    server.sql(dataset.LINEITEM, database="shop")
    body: Path = dataset.DATA / "mysql.arrow"
    with gateway(dataset.lineitem()) as source, gateway(url, access="write") as target:
        curl(f"{source.base}/main/lineitem.arrow", output=body)
        curl(target.base + PATH, "--upload-file", body)
    body.unlink()
    server.sql("ANALYZE TABLE lineitem", database="shop")
