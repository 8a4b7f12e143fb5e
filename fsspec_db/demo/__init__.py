"""The demo database: TPC-H at scale 0.01, made once and kept in the user's cache."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
import subprocess
import sysconfig
import tempfile
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
"""The tables of TPC-H, each after those that it refers to."""

SCALE = 0.01
_LAYOUT = 1  # counted up when schema.sql changes, so that an older file is not mistaken for it


def demo_database(folder: Path | None = None) -> Path:
    """The file of the demo database, made now if it is not there yet.

    It appears whole or not at all, also if several processes make it at once, and an existing one
    is never replaced: what was written to it stays until the file is deleted.

    Args:
        folder: Where it is kept; by default the user's cache folder.

    Raises:
        FileNotFoundError: `tpchgen-cli`, which comes with the extra `demo`, is not installed.
    """
    folder = folder or _cache_folder()
    target = folder / f"tpch-{SCALE}-v{_LAYOUT}.db"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as workplace:
        made = Path(workplace, "demo.db")
        generate(Path(workplace), SCALE)
        load(made, Path(workplace))
        # A link, unlike a rename, never puts a second file under one that somebody has opened.
        with suppress(FileExistsError):
            os.link(made, target)
    return target


def generate(folder: Path, scale: float, tables: tuple[str, ...] = TABLES) -> None:
    """Writes `{table}.csv` of TPC-H at that scale into `folder`.

    Raises:
        FileNotFoundError: `tpchgen-cli` is not installed.
    """
    scripts = sysconfig.get_path("scripts")
    program = shutil.which("tpchgen-cli", path=os.pathsep.join([scripts, os.environ.get("PATH", "")]))
    if program is None:
        raise FileNotFoundError(
            "the demo database is made by tpchgen-cli: pip install 'fsspec-db-gateway[demo]'"
        )
    arguments = ["csv", "--quiet", "--scale-factor", str(scale), "--tables", ",".join(tables)]
    subprocess.run([program, *arguments, "--output-dir", folder], check=True)  # noqa: S603  # our own words


def load(database: Path, folder: Path) -> None:
    """Makes a new database of the eight `{table}.csv` in `folder`."""
    # Nobody sees the file before it is whole, so that nothing has to be undone or made durable early.
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        connection.executescript(files(__name__).joinpath("schema.sql").read_text("utf-8"))
        connection.execute("BEGIN")
        for table in TABLES:
            with folder.joinpath(f"{table}.csv").open(encoding="utf-8", newline="") as lines:
                rows = csv.reader(lines)
                values = ", ".join("?" for _ in next(rows))
                connection.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # noqa: S608  # of TABLES
        connection.execute("COMMIT")
        connection.executescript("ANALYZE; PRAGMA journal_mode = WAL;")


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "fsspec-db-gateway")
