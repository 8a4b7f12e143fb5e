"""Many clients at once: every answer is one that is documented, and no lock is lost.

CROWD=200x60 lets 200 of them go on for a minute.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tests.gateway.crowd import crowd, fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Serve

CLIENTS, SECONDS = (int(number) for number in os.environ.get("CROWD", "60x5").split("x"))


def test_a_crowd_that_lists_reads_locks_and_writes(tmp_path: Path, serve: Serve):
    fill(tmp_path / "crowd.db")
    server = serve(f"sqlite:///{tmp_path}/crowd.db", "--access", "write", "--log-level", "warning")
    report = asyncio.run(crowd(server.port, CLIENTS, SECONDS))
    assert not report.wrong[:5]
    for answer in (("PROPFIND", 207), ("GET", 200), ("LOCK", 200), ("PUT", 204), ("UNLOCK", 204)):
        assert report.statuses[answer], answer
    assert report.statuses["UNLOCK", 204] == report.statuses["LOCK", 200]
