"""The most memory that the server takes while ten million rows pass through it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import dataset
from benchmarks.contest import Result, Target
from benchmarks.curl import curl
from benchmarks.programs import gateway

if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = "GET, 10,000,000 rows", "PUT, 10,000,000 rows"


def run(_rounds: int) -> list[Result]:
    """Growth of the peak over idle, by the kernel's own high-water mark."""
    body = dataset.DATA / "ten-million.arrow"
    with gateway(dataset.ten_million(), access="write") as server:
        url = server.base + "/main/event.arrow"
        curl(url + "?limit=1")  # what is loaded on first use belongs to idle
        growth = {
            READ: [_growth(server.pid, lambda: curl(url, output=body))],
            WRITE: [_growth(server.pid, lambda: curl(url, "--upload-file", body))],
        }
    body.unlink()
    targets = [Target(READ, "at most", 64), Target(WRITE, "at most", 64)]
    return [Result("Peak memory over idle", "MiB", growth, targets)]


def _growth(pid: int, work: Callable[[], object]) -> float:
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # sets the high-water mark to what is used now
    idle = _mebibytes(pid, "VmRSS")
    work()
    return _mebibytes(pid, "VmHWM") - idle


def _mebibytes(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
