"""Requests as curl makes and times them: from before it connects until the last byte."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Transfer:
    """One request: its seconds, and the bytes of the answer's body."""

    total: float
    received: int


def curl(url: str, *options: str | Path, output: str | Path = os.devnull) -> Transfer:
    """Makes one request.

    Raises:
        RuntimeError: The answer was no success, or did not arrive whole.
    """
    command = [
        "curl",
        "--silent",
        "--show-error",
        "--output",
        output,
        "--write-out",
        "%{json}",
        *options,
        url,
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    figures = json.loads(done.stdout)
    if done.returncode != 0 or not 200 <= figures["http_code"] < 300:
        raise RuntimeError(f"curl {url}: exit {done.returncode}, status {figures['http_code']}")
    return Transfer(figures["time_total"], figures["size_download"])
