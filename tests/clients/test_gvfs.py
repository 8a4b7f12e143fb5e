"""gvfs, by `gio`, in a session bus of its own: what the file manager of GNOME does."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.clients.drive import BAD, NEW, NEW_ROWS
from tests.nginx import missing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.drive import Drive

pytestmark = pytest.mark.client("gio", "dbus-run-session")

DAEMONS = ("/usr/libexec/gvfsd-dav", "/usr/lib/gvfs/gvfsd-dav")
"""Where distributions put it."""


class Gio(Protocol):
    """Runs lines of a shell in which `$drive` is the mounted drive; what it prints."""

    def __call__(self, *lines: str, fails: bool = False) -> str: ...


@pytest.fixture
def gio(drive: Drive, tmp_path: Path) -> Gio:
    """Begins in a folder that has `new.csv` and `bad.csv`. The mount ends with the session."""
    if not any(map(os.path.exists, DAEMONS)):
        missing("gvfs has no WebDAV here: gvfs-backends is not installed")
    for folder in ("home", "run"):
        (tmp_path / folder).mkdir(mode=0o700)
    (tmp_path / "new.csv").write_bytes(NEW)
    (tmp_path / "bad.csv").write_bytes(BAD)

    def run(*lines: str, fails: bool = False) -> str:
        mounting = ["set -eu", 'gio mount "$drive"', "trap 'gio mount --unmount \"$drive\"' EXIT"]
        ran = subprocess.run(
            ["dbus-run-session", "--", "bash", "-c", "\n".join([*mounting, *lines])],
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "HOME": str(tmp_path / "home"),
                "XDG_RUNTIME_DIR": str(tmp_path / "run"),
                "GVFS_DISABLE_FUSE": "1",
                "GIO_USE_VOLUME_MONITOR": "unix",
                "drive": f"dav://127.0.0.1:{drive.server.port}/",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.returncode != 0) == fails, ran.stderr
        return ran.stdout

    return run


def test_it_lists_with_sizes_and_reads(drive: Drive, gio: Gio, tmp_path: Path) -> None:
    names = ("users.csv", "orders.arrow", "names.parquet")
    listed = gio(
        'gio list --long --hidden "$drive/main"', *(f'gio copy "$drive/main/{name}" {name}' for name in names)
    )
    sizes = {line.split("\t")[0]: line.split("\t")[1] for line in listed.splitlines()}
    for name in names:
        assert (tmp_path / name).read_bytes() == drive.get(f"/main/{name}")
        assert sizes[name] == str((tmp_path / name).stat().st_size)


def test_a_file_dropped_onto_a_table_becomes_its_rows(drive: Drive, gio: Gio) -> None:
    gio('gio copy new.csv "$drive/main/users.csv"')
    assert drive.rows() == NEW_ROWS


def test_a_file_dropped_beside_the_tables_becomes_one(drive: Drive, gio: Gio) -> None:
    gio('gio copy new.csv "$drive/main/fresh.csv"')
    assert len(drive.rows("fresh")) == 2


def test_an_editor_saves(drive: Drive, gio: Gio) -> None:
    gio('gio save "$drive/main/users.csv" <new.csv')
    assert drive.rows() == NEW_ROWS


def test_a_bad_file_is_refused_and_the_rows_stay(drive: Drive, gio: Gio) -> None:
    before = drive.rows()
    gio('gio copy bad.csv "$drive/main/users.csv"', fails=True)
    assert drive.rows() == before


def test_removing_a_data_file_is_refused_and_the_rows_stay(drive: Drive, gio: Gio) -> None:
    before = drive.rows()
    gio('gio remove "$drive/main/users.csv"', fails=True)
    assert drive.rows() == before


def test_relations_are_copied_renamed_and_folders_are_none(drive: Drive, gio: Gio) -> None:
    rows = drive.rows("orders")
    gio('gio rename "$drive/main/orders" sales')
    assert drive.rows("sales") == rows
    gio('gio mkdir "$drive/main/folder"', fails=True)
    assert drive.tables() == {"users", "names", "sales"}


def test_scratch_is_a_folder_like_any_other(drive: Drive, gio: Gio) -> None:
    printed = gio(
        'gio mkdir "$drive/.scratch/a"',
        'gio copy new.csv "$drive/.scratch/a/one"',
        'gio move "$drive/.scratch/a/one" "$drive/.scratch/a/two"',
        'gio cat "$drive/.scratch/a/two"',
        'gio remove "$drive/.scratch/a/two"',
        'gio remove "$drive/.scratch/a"',
    )
    assert printed.encode() == NEW
    assert drive.tables() == {"users", "orders", "names"}
