"""A directory that davfs2 mounts, with locks, as root."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.clients.drive import BAD, FORMATS, NEW, NEW_ROWS, driving
from tests.clients.mounts import davfs, rclone_serving
from tests.nginx import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.clients.drive import Drive

pytestmark = [pytest.mark.client("mount.davfs"), pytest.mark.usefixtures("fuse", "root")]


@pytest.fixture
def root() -> None:
    """Skips a test for users who may not mount."""
    if os.geteuid() != 0:
        missing("only root mounts with davfs2")


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """A drive that lists all formats: what is not listed, davfs2 does not find."""
    folder = tmp_path / "drive"
    folder.mkdir()
    with driving(folder, "--formats", ",".join(FORMATS)) as one:
        yield one


@pytest.fixture
def mount(drive: Drive, fuse: None, root: None) -> Iterator[Path]:  # noqa: ARG001 - asked first
    with davfs(drive.url) as mounted:
        yield mounted


def run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    """A program, which is given up if the mount hangs."""
    return subprocess.run(command, check=False, capture_output=True, timeout=60)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it does within ten seconds: a file is sent just after its program has closed it."""
    until = time.monotonic() + 10
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_files_have_their_sizes_and_bytes(drive: Drive, mount: Path) -> None:
    names = [f"orders.{extension}" for extension in FORMATS]
    for name in [*names, "names.csv", "users/columns/id"]:
        expected = drive.get(f"/main/{name}")
        assert int(run("stat", "--format=%s", mount / "main" / name).stdout) == len(expected), name
        assert run("cat", mount / "main" / name).stdout == expected, name
    assert (mount / "main" / "users").is_dir()
    assert not (mount / "main" / "nobody.csv").exists()


def test_a_directory_is_listed_with_sizes(drive: Drive, mount: Path, tmp_path: Path) -> None:
    try:
        names = os.listdir(mount / "main")  # noqa: PTH208 - its errors are asked for
    except OSError as error:
        if error.errno != errno.EINVAL or lists_another_server(tmp_path):
            raise
        pytest.skip("this kernel lets davfs2 list no directory, of no server")
    assert {"users.csv", "users.arrow", "orders.parquet", "users"} <= set(names)
    assert f" {len(drive.get('/main/users.csv'))} ".encode() in run("ls", "-l", mount / "main").stdout


def lists_another_server(folder: Path) -> bool:
    """Whether davfs2 lists what rclone serves."""
    served = folder / "served"
    served.mkdir()
    (served / "file").touch()
    with rclone_serving(served) as url, davfs(url) as mounted:
        assert (mounted / "file").exists()
        try:
            return os.listdir(mounted) == ["file"]  # noqa: PTH208 - its errors are asked for
        except OSError:
            return False


@pytest.mark.parametrize("extension", FORMATS)
def test_a_file_is_copied_out_and_in(drive: Drive, mount: Path, tmp_path: Path, extension: str) -> None:
    before = drive.rows("orders")
    file = tmp_path / f"orders.{extension}"
    assert run("cp", mount / "main" / file.name, file).returncode == 0
    assert file.read_bytes() == drive.get(f"/main/{file.name}")
    with (mount / "main" / file.name).open("wb") as kept:
        kept.write(drive.get(f"/main/{file.name}?where=id<3"))
    assert eventually(lambda: drive.rows("orders") == before[:2])
    assert run("cp", file, mount / "main" / file.name).returncode == 0
    assert eventually(lambda: drive.rows("orders") == before)
    assert run("cp", file, mount / "main" / f"fresh.{extension}").returncode == 0
    assert eventually(lambda: "fresh" in drive.tables())
    assert len(drive.rows("fresh")) == len(before)


def test_two_files_are_copied_in_at_once(drive: Drive, mount: Path, tmp_path: Path) -> None:
    users, orders = tmp_path / "users.csv", tmp_path / "orders.csv"
    users.write_bytes(NEW)
    orders.write_bytes(drive.get("/main/orders.csv?where=id<3"))
    expected = drive.rows("orders")[:2]
    assert run("cp", users, orders, mount / "main").returncode == 0
    assert eventually(lambda: drive.rows() == NEW_ROWS)
    assert eventually(lambda: drive.rows("orders") == expected)


@pytest.mark.parametrize("temporary", [".users.csv.swp", "users.csv~", ".goutputstream-X1Y2Z3", "4913"])
def test_an_editor_saves_through_a_name_of_its_own(
    drive: Drive, mount: Path, tmp_path: Path, temporary: str
) -> None:
    before, tables = drive.rows(), drive.tables()
    new = tmp_path / "new.csv"
    new.write_bytes(NEW)
    aside = mount / "main" / temporary
    assert run("cp", new, aside).returncode == 0
    assert aside.read_bytes() == NEW
    assert (drive.rows(), drive.tables()) == (before, tables)
    assert run("mv", aside, mount / "main" / "users.csv").returncode == 0
    assert eventually(lambda: drive.rows() == NEW_ROWS)
    assert not aside.exists()
    assert drive.tables() == tables


def test_removing_a_data_file_is_refused_and_the_table_stays(drive: Drive, mount: Path) -> None:
    before = drive.rows()
    assert run("rm", mount / "main" / "users.csv").returncode != 0
    assert drive.rows() == before
    assert (mount / "main" / "users.csv").read_bytes() == drive.get("/main/users.csv")
    assert '"DELETE /main/users.csv HTTP/1.1" 403' in drive.server.log.read_text()


def test_a_file_that_is_no_table_is_refused_and_the_rows_stay(drive: Drive, mount: Path) -> None:
    before = drive.rows()
    with (mount / "main" / "users.csv").open("wb") as file:
        file.write(BAD)
    assert eventually(lambda: '"PUT /main/users.csv HTTP/1.1" 422' in drive.server.log.read_text())
    assert drive.rows() == before
    with (mount / "main" / "users.csv").open("wb") as file:
        file.write(NEW)
    assert eventually(lambda: drive.rows() == NEW_ROWS)


def test_a_truncated_file_leaves_the_rows(drive: Drive, mount: Path) -> None:
    before = drive.rows()
    assert run("truncate", "--size=0", mount / "main" / "users.csv").returncode == 0
    assert eventually(lambda: '"PUT /main/users.csv HTTP/1.1" 2' in drive.server.log.read_text())
    assert drive.rows() == before


def test_directories_are_schemas_relations_and_scratch(drive: Drive, mount: Path) -> None:
    rows, tables = drive.rows("orders"), drive.tables()
    assert run("mkdir", mount / "main" / "folder").returncode != 0
    assert drive.tables() == tables
    assert run("mv", mount / "main" / "orders", mount / "main" / "sales").returncode == 0
    assert drive.tables() == tables - {"orders"} | {"sales"}
    assert drive.rows("sales") == rows
    assert eventually((mount / "main" / "sales.csv").exists)
    assert (mount / "main" / "sales.csv").read_bytes() == drive.get("/main/sales.csv")
    scratch = mount / ".scratch"
    assert run("mkdir", "-p", scratch / "a" / "b").returncode == 0
    (scratch / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    assert run("mv", scratch / "a", scratch / "c").returncode == 0
    assert (scratch / "c" / "b" / "file").read_bytes() == b"x" * 100_000
    assert run("rm", scratch / "c" / "b" / "file").returncode == 0
    assert run("rmdir", scratch / "c" / "b", scratch / "c").returncode == 0


def test_two_mounts_do_not_write_at_once(drive: Drive, mount: Path) -> None:
    """Who opens a file for writing has it locked until it is sent."""
    with davfs(drive.url, "bob") as other:
        theirs = other / "main" / "users.csv"
        with (mount / "main" / "users.csv").open("r+b") as file:
            with pytest.raises(OSError), theirs.open("r+b"):
                pass
            assert theirs.read_bytes() == drive.get("/main/users.csv")
            file.truncate()
            file.write(NEW)
        assert eventually(lambda: drive.rows() == NEW_ROWS)
        assert eventually(lambda: '"UNLOCK /main/users.csv HTTP/1.1" 204' in drive.server.log.read_text())
        # Until it has asked again it holds the old rows, and the gateway would refuse what comes of them.
        assert eventually(lambda: theirs.read_bytes() == drive.get("/main/users.csv"))
        with theirs.open("ab") as file:
            file.write(b"9,here,9\n")
        assert eventually(lambda: drive.rows() == [*NEW_ROWS, (9, "here", 9.0)])
