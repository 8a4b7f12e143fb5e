"""The reference library, in the same table as the C loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import dataset
from benchmarks.contest import Result, compete
from benchmarks.get import C_LOOP, LIBRARY, PATH, c_loop
from benchmarks.programs import timer

VERSION = "0.3.2"
REFERENCE = f"reference library: fsspec-db {VERSION}, cat_file"


def run(rounds: int) -> list[Result]:
    """Few rounds, because it takes long."""
    database = dataset.lineitem()
    program = Path(__file__).with_name("peers") / "reference.py"
    ours: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.peers.cat_file",
        f"sqlite:///{database}",
        PATH,
    ]
    with timer(_environment(), program, database, PATH) as reference, timer(*ours) as library:
        result = compete(
            "The reference library, 1,000,000 rows",
            "s",
            {C_LOOP: c_loop(database), LIBRARY: library, REFERENCE: reference},
            rounds=min(rounds, 2),
            warm=False,
        )
    return [result]


def _environment() -> Path:
    folder = dataset.DATA / f"fsspec-db-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"fsspec-db=={VERSION}"], check=True)
        folder.joinpath("ready").touch()
    return python
