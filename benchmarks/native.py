"""The peers in C, compiled on first use and kept under `benchmarks/.data`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.dataset import DATA

_SOURCES = Path(__file__).with_name("c")


def step_program() -> Path:
    """`step`, over the very SQLite that the bridge bundles."""
    amalgamation = _bundled_sqlite()
    library = DATA / f"{amalgamation.parent.name}.o"
    if not library.exists():
        DATA.mkdir(exist_ok=True)
        draft = library.with_suffix(".draft")
        subprocess.run(["cc", "-O2", "-c", "-o", draft, amalgamation / "sqlite3.c"], check=True)
        draft.rename(library)
    return _compiled("step", f"-I{amalgamation}", str(library), "-lm", "-lpthread", "-ldl")


def load_program() -> Path:
    """`load`, the generator of requests."""
    return _compiled("load")


def _compiled(name: str, *arguments: str) -> Path:
    source, program = _SOURCES / f"{name}.c", DATA / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        DATA.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", program, source, *arguments], check=True)
    return program


def _bundled_sqlite() -> Path:
    described = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1"], check=True, capture_output=True
    )
    packages = json.loads(described.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == "libsqlite3-sys")
    return Path(manifest).parent / "sqlite3"
