"""A WebDAV listing of a schema of one thousand tables, beside folders of one thousand files."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import dataset
from benchmarks.contest import Result, Target, compete
from benchmarks.curl import curl
from benchmarks.programs import gateway, peer, rclone

GATEWAY = "gateway: 1,000 tables, so 4,001 entries"
WSGIDAV = "wsgidav: 1,000 files, so 1,001 entries"
RCLONE = "rclone serve webdav: 1,000 files, so 1,001 entries"


def run(rounds: int) -> list[Result]:
    """PROPFIND with `Depth: 1` and no body: all properties."""
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(dataset.many_tables())).base + "/main/"
        theirs = stack.enter_context(peer("wsgidav_files", dataset.many_files())).base + "/"
        folder = stack.enter_context(rclone(dataset.many_files())).base + "/"
        result = compete(
            "PROPFIND, Depth 1",
            "ms",
            {
                GATEWAY: lambda: _propfind(ours),
                WSGIDAV: lambda: _propfind(theirs),
                RCLONE: lambda: _propfind(folder),
            },
            [Target(GATEWAY, "at most", 0.5, WSGIDAV), Target(GATEWAY, "at most", 1.0, RCLONE)],
            rounds=rounds * 3,
        )
    return [result]


def _propfind(url: str) -> float:
    transfer = curl(url, "--request", "PROPFIND", "--header", "Depth: 1")
    assert transfer.received > 100_000, "the listing is not whole"
    return transfer.total * 1e3
