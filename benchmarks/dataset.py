"""The databases that are measured, made once under `benchmarks/.data`."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from fsspec_db import connect
from fsspec_db.demo import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).with_name(".data")
ROWS = 1_000_000

LINEITEM = """
CREATE TABLE lineitem (
    l_orderkey INTEGER NOT NULL, l_partkey INTEGER NOT NULL, l_suppkey INTEGER NOT NULL,
    l_linenumber INTEGER NOT NULL, l_quantity DECIMAL(15, 2) NOT NULL,
    l_extendedprice DECIMAL(15, 2) NOT NULL, l_discount DECIMAL(15, 2) NOT NULL,
    l_tax DECIMAL(15, 2) NOT NULL, l_returnflag CHAR(1) NOT NULL,
    l_linestatus CHAR(1) NOT NULL, l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL,
    l_receiptdate DATE NOT NULL, l_shipinstruct CHAR(25) NOT NULL, l_shipmode CHAR(10) NOT NULL,
    l_comment VARCHAR(44) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber)
)
"""


def lineitem() -> Path:
    """One million rows of TPC-H's `lineitem`, 16 columns."""
    with _made("lineitem.db") as (path, connection):
        if connection is not None:
            with tempfile.TemporaryDirectory(dir=DATA) as folder:
                generate(Path(folder), 0.1667, ("lineitem",))
                with Path(folder, "lineitem.csv").open(encoding="utf-8", newline="") as lines:
                    rows = csv.reader(lines)
                    next(rows)
                    connection.execute(LINEITEM)
                    values = ", ".join("?" * 16)
                    connection.executemany(f"INSERT INTO lineitem VALUES ({values})", islice(rows, ROWS))
    return path


def duckdb_lineitem() -> Path:
    """The same rows, as a DuckDB file."""
    target = DATA / "lineitem.duckdb"
    if not target.exists():
        draft = Path(f"{target}.draft")
        draft.unlink(missing_ok=True)
        with closing(connect(f"sqlite:///{lineitem()}")) as source, duckdb.connect(draft) as connection:
            connection.execute(LINEITEM)
            rows = source.read_batches("/main/lineitem.arrow")  # noqa: F841  (DuckDB reads it by its name)
            connection.execute("INSERT INTO lineitem SELECT * FROM rows")
        draft.replace(target)
    return target


def lineitem_copy(name: str) -> Path:
    """A copy of `lineitem`, to be written to."""
    target = DATA / name
    for leftover in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
        leftover.unlink(missing_ok=True)
    shutil.copyfile(lineitem(), target)
    return target


def small() -> Path:
    """Seven rows of three columns."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    with _made("small.db") as (path, connection):
        if connection is not None:
            connection.execute(
                "CREATE TABLE day (id INTEGER PRIMARY KEY, name TEXT NOT NULL, hours REAL NOT NULL)"
            )
            connection.executemany("INSERT INTO day VALUES (?, ?, 7.5)", enumerate(days, 1))
    return path


def many_tables() -> Path:
    """One thousand tables of one row."""
    with _made("tables.db") as (path, connection):
        if connection is not None:
            for number in range(1000):
                connection.execute(f"CREATE TABLE t{number:04} (id INTEGER PRIMARY KEY, name TEXT)")
                connection.execute(f"INSERT INTO t{number:04} VALUES (1, 'one')")
    return path


def many_files() -> Path:
    """A folder of one thousand small files."""
    folder = DATA / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        folder.joinpath(f"t{number:04}.csv").write_text("id,name\n1,one\n")
    return folder


def ten_million() -> Path:
    """Ten million rows of five columns, about half a gigabyte."""
    with _made("ten-million.db") as (path, connection):
        if connection is not None:
            connection.execute(
                "CREATE TABLE event (id INTEGER PRIMARY KEY, day DATE NOT NULL, source INTEGER NOT NULL,"
                " value REAL NOT NULL, note TEXT)"
            )
            connection.execute("""
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000)
                INSERT INTO event SELECT i, date('2000-01-01', (i % 9000) || ' days'), i * 7919 % 10007,
                    i / 7.0, CASE WHEN i % 5 THEN 'note ' || i END FROM n
            """)
    return path


@contextmanager
def _made(name: str) -> Iterator[tuple[Path, sqlite3.Connection | None]]:
    """The database's file and, if it is not there yet, a transaction to fill it in."""
    target = DATA / name
    if target.exists():
        yield target, None
        return
    DATA.mkdir(exist_ok=True)
    draft = Path(f"{target}.draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        yield target, connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    draft.replace(target)
