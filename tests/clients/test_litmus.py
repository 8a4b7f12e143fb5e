"""The public suite of WebDAV: all of it, where a plain collection is."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.drive import Drive

SUITES = {"basic": 16, "copymove": 13, "props": 30, "locks": 41, "http": 4}
"""Suites, and how many tests of each litmus 0.13 runs."""
_SUMMARY = re.compile(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed")


@pytest.mark.client("litmus")
@pytest.mark.parametrize("suite", SUITES)
def test_every_test_of_the_suite_passes(shared_drive: Drive, suite: str, tmp_path: Path) -> None:
    before = shared_drive.rows(), shared_drive.tables()
    ran = subprocess.run(
        ["litmus", f"{shared_drive.url}/.scratch/"],
        env={**os.environ, "TESTS": suite},
        cwd=tmp_path,  # it leaves logs where it runs
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    [summary] = _SUMMARY.findall(ran.stdout) or [(ran.stdout, ran.stderr)]
    assert summary == (suite, str(SUITES[suite]), str(SUITES[suite]), "0"), ran.stdout
    assert "WARNING" not in ran.stdout
    assert "SKIPPED" not in ran.stdout
    assert ran.returncode == 0
    assert (shared_drive.rows(), shared_drive.tables()) == before
