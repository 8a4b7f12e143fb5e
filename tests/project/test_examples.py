import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.processes import Processes
from fsspec_db import AbstractDatabaseFileSystem

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")


def test_a_process_finds_itself_by_a_predicate() -> None:
    fs = AbstractDatabaseFileSystem(Processes())
    line = fs.cat_file(f"/main/processes.csv?columns=pid,parent&where=pid={os.getpid()}")
    assert line.split() == [b"pid,parent", f"{os.getpid()},{os.getppid()}".encode()]


def test_no_rows_keep_their_types() -> None:
    fs = AbstractDatabaseFileSystem(Processes())
    assert str(fs.query("SELECT pid, name FROM processes WHERE pid < 0").schema) == "pid: int64\nname: string"


def test_it_is_not_written() -> None:
    fs = AbstractDatabaseFileSystem(Processes())
    with pytest.raises(PermissionError, match="started by the shell"):
        fs.pipe_file(
            "/main/processes.csv", b"pid,parent,name,state,threads,memory\n1,0,a,S,1,0\n", mode="append"
        )


def test_runs_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.processes"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("pid,name,memory\n")
