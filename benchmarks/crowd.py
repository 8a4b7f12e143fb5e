"""Two hundred clients who list, read, lock and write for a minute."""

from __future__ import annotations

import asyncio
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks import dataset
from benchmarks.contest import Result
from benchmarks.programs import gateway
from tests.gateway.crowd import crowd, fill

if TYPE_CHECKING:
    from tests.gateway.crowd import Report

CLIENTS, SECONDS = 200, 60


def run(_: int) -> list[Result]:
    """On one worker, with its own settings; fails if an answer is wrong or a lock is lost."""
    database = dataset.DATA / "crowd.db"
    database.unlink(missing_ok=True)
    fill(database)
    with gateway(database, access="write") as server:
        report = asyncio.run(crowd(int(server.port), CLIENTS, SECONDS))
    if report.wrong:
        raise RuntimeError("\n".join(report.wrong[:10]))
    title = f"{CLIENTS} clients for {SECONDS} s: PROPFIND of 20 tables, GET and PUT of 100 rows under LOCK"
    return [Result(title, "ms", _milliseconds(report), notes=[_notes(report)])]


def _milliseconds(report: Report) -> dict[str, list[float]]:
    return {
        method: [second * 1e3 for second in seconds] for method, seconds in sorted(report.seconds.items())
    }


def _notes(report: Report) -> str:
    slowest = ", ".join(
        f"{method} {quantiles(values, n=100)[98]:,.0f} ms" for method, values in _milliseconds(report).items()
    )
    answers = ", ".join(
        f"{method} {status} {count:,} times" for (method, status), count in sorted(report.statuses.items())
    )
    return f"p99: {slowest}. Answers: {answers}. No lock was lost; rounds are requests."
