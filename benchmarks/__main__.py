"""Runs benchmarks, prints their tables and keeps them in `benchmarks/RESULTS.md`.

python -m benchmarks [--rounds N] [NAME ...]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

NAMES = (
    "get",
    "put",
    "rate",
    "snapshots",
    "propfind",
    "crowd",
    "reference",
    "postgresql",
    "mysql",
    "duckdb",
    "memory",
)
"""Modules of this package, each with a function `run`."""
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Returns 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], help="all unless named", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    names = options.names or list(NAMES)

    results = []
    for name in names:
        for result in import_module(f"benchmarks.{name}").run(options.rounds):
            print(result.markdown(), flush=True)
            results.append(result)
    if names == list(NAMES):
        tables = "\n".join(result.markdown() for result in results)
        RESULTS.write_text(f"# Results\n\n{_machine()}\n\n{tables}", encoding="utf-8")
    return int(any(not t.holds(r.measured(t)) for r in results for t in r.targets))


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    memory_size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("pyarrow", "uvicorn", "adbc-driver-sqlite", "wsgidav")
    return (
        f"{cores} cores, {platform.machine()}, {memory_size:.0f} GiB, {platform.system()}, "
        f"CPython {platform.python_version()}; {', '.join(f'{name} {version(name)}' for name in packages)}. "
        "Clients, servers and peers share the cores; contestants take turns; medians. "
        "Written by `make bench`."
    )


if __name__ == "__main__":
    sys.exit(main())
