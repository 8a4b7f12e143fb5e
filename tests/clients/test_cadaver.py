"""cadaver, told what to do by a script."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.clients.drive import NEW, NEW_ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.drive import Drive

pytestmark = pytest.mark.client("cadaver")


class Cadaver(Protocol):
    """Runs commands one after the other; what is printed."""

    def __call__(self, *commands: str) -> str: ...


@pytest.fixture
def cadaver(drive: Drive, tmp_path: Path) -> Cadaver:
    """Begins in the schema, and in a folder that has `new.csv`."""
    (tmp_path / "new.csv").write_bytes(NEW)

    def run(*commands: str) -> str:
        ran = subprocess.run(
            ["cadaver", f"{drive.url}/main/"],
            input="\n".join([*commands, "quit", ""]),
            env={**os.environ, "HOME": str(tmp_path)},
            cwd=tmp_path,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return ran.stdout

    return run


def test_it_lists_and_reads(drive: Drive, cadaver: Cadaver, tmp_path: Path) -> None:
    size = len(drive.get("/main/users.csv"))
    printed = cadaver("ls", "get users.csv", "get orders.parquet", "cat users.sql", "propget users.csv")
    [line] = [line for line in printed.splitlines() if "users.csv " in line and "Downloading" not in line]
    assert str(size) in line.split()
    assert "CREATE TABLE users" in printed
    for name in ("users.csv", "orders.parquet"):
        assert (tmp_path / name).read_bytes() == drive.get(f"/main/{name}")


def test_it_locks_writes_and_unlocks(drive: Drive, cadaver: Cadaver) -> None:
    before = drive.rows()
    printed = cadaver(
        "lock users.csv", "showlocks", "discover users.csv", "put new.csv users.csv", "unlock users.csv"
    )
    assert "failed" not in printed.lower()
    assert "Locking `users.csv': succeeded" in printed
    assert "Unlocking `users.csv': succeeded" in printed
    assert drive.rows() == NEW_ROWS != before


def test_who_has_no_token_writes_nothing(drive: Drive, cadaver: Cadaver) -> None:
    before = drive.rows()
    assert "Locking `users.csv': succeeded" in cadaver("lock users.csv")
    printed = cadaver("put new.csv users.csv", "lock users.csv", "move users people", "propset users.csv a b")
    assert printed.count("423 Locked") >= 3
    assert drive.rows() == before
    assert "users" in drive.tables()
    assert httpx.put(f"{drive.url}/main/users.csv", content=NEW).status_code == 423


def test_it_copies_and_renames_relations(drive: Drive, cadaver: Cadaver) -> None:
    rows = drive.rows("orders")
    printed = cadaver("copy orders kept", "move orders sales", "rmcol kept")
    assert "failed" not in printed.lower()
    assert drive.tables() == {"users", "names", "sales"}
    assert drive.rows("sales") == rows


def test_it_saves_through_a_temporary_file(drive: Drive, cadaver: Cadaver) -> None:
    printed = cadaver("put new.csv .new.csv.part", "ls", "move .new.csv.part users.csv")
    assert "failed" not in printed.lower()
    assert ".new.csv.part" in printed
    assert drive.rows() == NEW_ROWS


def test_scratch_is_a_collection_like_any_other(drive: Drive, cadaver: Cadaver, tmp_path: Path) -> None:
    printed = cadaver(
        "cd /.scratch", "mkcol a", "cd a", "put new.csv one", "copy one two", "propset two color red",
        "move two three", "propget three color", "get three fetched", "delete one", "cd ..", "copy a b",
        "ls b", "rmcol a", "ls",
    )  # fmt: skip
    assert "failed" not in printed.lower()
    assert "red" in printed
    assert (tmp_path / "fetched").read_bytes() == NEW
    assert httpx.get(f"{drive.url}/.scratch/b/three").content == NEW
    assert httpx.get(f"{drive.url}/.scratch/a/").status_code == 404
