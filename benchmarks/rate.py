"""Many small reads: what a request costs when the data costs nothing."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import dataset, native
from benchmarks.contest import Result, Target, compete
from benchmarks.programs import gateway, peer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.programs import Server

CONNECTIONS, SECONDS = 8, 3
GATEWAY = "gateway"
HANDWRITTEN = "hand-written handler"


def run(rounds: int) -> list[Result]:
    """Requests per second for a table of seven rows, one worker each."""
    with ExitStack() as stack:
        ours = stack.enter_context(gateway(dataset.small()))
        theirs = stack.enter_context(peer("handwritten", "sqlite", dataset.small()))
        result = compete(
            f"Requests per second, a table of 7 rows, {CONNECTIONS} connections",
            "1/s",
            {GATEWAY: _load(ours), HANDWRITTEN: _load(theirs)},
            [Target(GATEWAY, "at least", 5.0, HANDWRITTEN)],
            rounds=rounds,
        )
    return [result]


def _load(server: Server) -> Callable[[], float]:
    program = native.load_program()

    def once() -> float:
        command: list[str | Path] = [program, server.port, "/main/day.arrow", str(CONNECTIONS), str(SECONDS)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return once
