"""Bytes that are encoded once: whole, in ranges, and in the making, beside nginx with a file of them."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from benchmarks import dataset, native
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway
from tests.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "lineitem.arrow"
CONNECTIONS, SECONDS = 8, 3
GATEWAY = "gateway"
NGINX = "nginx: sendfile of the same bytes"
SPOOLING, STREAMING = "first GET, while it is spooled", "GET without a snapshot"


def run(rounds: int) -> list[Result]:
    """A million rows, and 4 KiB of them."""
    folder = dataset.DATA / "snapshot"
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(dataset.lineitem())).base + "/main"
        theirs = stack.enter_context(Nginx(folder, "keepalive_requests 100000000;")).url
        curl(f"{ours}/{FILE}", output=folder / FILE)
        curl(f"{ours}/{FILE}", "--head")
        whole = compete(
            "GET of a snapshot of 1,000,000 rows",
            "s",
            {
                GATEWAY: lambda: curl(f"{ours}/{FILE}").total,
                NGINX: lambda: curl(f"{theirs}/{FILE}").total,
            },
            [Target(GATEWAY, "at most", 1 / 0.8, NGINX)],
            rounds=rounds,
        )
        ranges = compete(
            f"Requests per second, 4 KiB of a snapshot, {CONNECTIONS} connections",
            "1/s",
            {GATEWAY: _load(ours), NGINX: _load(theirs)},
            [Target(GATEWAY, "at least", 0.25, NGINX)],
            rounds=rounds,
        )
        return [whole, ranges, _first(rounds)]


def _load(base: str) -> Callable[[], float]:
    port, _, folder = base.rpartition(":")[2].partition("/")
    path = f"/{folder}/{FILE}" if folder else f"/{FILE}"

    def once() -> float:
        program, load = str(native.load_program()), (str(CONNECTIONS), str(SECONDS))
        command = [program, port, path, *load, "1000000-1004095"]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return once


def _first(rounds: int) -> Result:
    """Another process changes the data before each, so that no snapshot is of the new version.

    It does so more often than data change that are read so, and states that went by are not to fill
    the disk: nobody keeps them.
    """
    database = dataset.lineitem_copy("spooled.db")
    with gateway(database, "--snapshot-lease", "0.1") as server:
        url = f"{server.base}/main/{FILE}"

        def changed() -> None:
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute("UPDATE lineitem SET l_quantity = 51 - l_quantity WHERE rowid = 1")
            curl(f"{server.base}/main/{FILE}?limit=1")

        def spooling() -> float:
            changed()
            with closing(HTTPConnection("127.0.0.1", int(server.port))) as size:
                size.request("HEAD", f"/main/{FILE}")
                seconds = curl(url).total
                assert size.getresponse().status == 200
            return seconds

        def streaming() -> float:
            changed()
            return curl(url).total

        return compete(
            "First GET of 1,000,000 rows after they changed",
            "s",
            {SPOOLING: spooling, STREAMING: streaming},
            [Target(SPOOLING, "at most", 1.1, STREAMING)],
            rounds=rounds,
        )
