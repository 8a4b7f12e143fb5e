"""Memory is bounded by chunks and batches, never by the size of a table, in both directions."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROWS = 300_000
WIDTH = 400  # bytes of text a row: 120 MB in all

SCRIPT = """
import json, re, sys
from pathlib import Path
import fsspec_db

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

database, extension, local = sys.argv[1:]
fs = fsspec_db.connect("sqlite:///" + database, access="write")
fs.get_file(f"/main/wide.{extension}?limit=2000", local)
fs.put_file(local, f"/main/copy.{extension}")
before = peak()
fs.get_file(f"/main/wide.{extension}", local)
got = peak()
fs.put_file(local, f"/main/copy.{extension}")
put = peak()
with fs.open(f"/main/wide.{extension}") as file, fs.open(f"/main/copy.{extension}", "wb") as copy:
    while part := file.read(2**20):
        copy.write(part)
opened = peak()
for batch in fs.read_batches("/main/wide.arrow"):
    pass
fs.cp_file("/main/wide.csv", "/main/copy.csv")
rows = fs.query("SELECT count(*) AS n FROM copy").to_pylist()[0]["n"]
grown = {"get": got - before, "put": put - got, "open": opened - put, "rest": peak() - opened}
print(json.dumps({"rows": rows, **grown}))
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "wide.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE copy (id INTEGER PRIMARY KEY, name TEXT)")
        rows = ((row, f"{row:0{WIDTH}}") for row in range(ROWS))
        connection.executemany("INSERT INTO wide VALUES (?, ?)", rows)
        connection.commit()
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("extension", ["arrow", "parquet", "csv", "jsonl"])
def test_a_large_table_comes_and_goes_through_little_memory(
    wide: Path, tmp_path: Path, extension: str
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(wide), extension, str(tmp_path / f"wide.{extension}")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110)
    grown = json.loads(done.stdout)
    assert grown.pop("rows") == ROWS
    assert max(grown.values()) < 64, grown
    assert sum(grown.values()) < 96, grown
