"""rclone, as it copies folders into and out of the tree."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.clients.drive import BAD, FORMATS, NEW, NEW_ROWS
from tests.clients.mounts import rclone_mount

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.drive import Drive

pytestmark = pytest.mark.client("rclone")

RETRIES = ("--retries", "1", "--low-level-retries", "1")


class Rclone(Protocol):
    """Runs a command; what it prints."""

    def __call__(self, *arguments: str, fails: bool = False) -> str: ...


@pytest.fixture
def rclone(drive: Drive, tmp_path: Path) -> Rclone:
    """Has the drive as the remote `:webdav:`."""

    def run(*arguments: str, fails: bool = False) -> str:
        remote = ["--webdav-url", f"{drive.url}/", "--webdav-vendor", "other"]
        config = ["--config", str(tmp_path / "rclone.conf"), *RETRIES]
        ran = subprocess.run(
            ["rclone", *arguments, *remote, *config], check=False, capture_output=True, text=True, timeout=60
        )
        assert (ran.returncode != 0) == fails, ran.stderr
        return ran.stderr if fails else ran.stdout

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is copied from and to."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_every_file_is_listed_with_its_size(drive: Drive, rclone: Rclone) -> None:
    lines = (line.split(maxsplit=1) for line in rclone("ls", ":webdav:").splitlines())
    listed = {name: int(size) for size, name in lines}
    assert {"main/users.csv", "main/orders.parquet", "main/users/columns/id"} <= listed.keys()
    assert not [name for name in listed if name.startswith("-")]
    for name, size in listed.items():
        assert size == len(drive.get(f"/{name}")), name


@pytest.mark.parametrize("extension", FORMATS)
def test_a_file_is_copied_out_and_in(drive: Drive, rclone: Rclone, folder: Path, extension: str) -> None:
    before = drive.rows("orders")
    file = folder / f"orders.{extension}"
    rclone("copyto", f":webdav:main/{file.name}", str(file))
    assert file.read_bytes() == drive.get(f"/main/{file.name}")
    httpx.post(f"{drive.url}/main/orders.csv", content=b"id,customer\n9,eve\n").raise_for_status()
    rclone("copyto", str(file), f":webdav:main/{file.name}", "--ignore-times")
    assert drive.rows("orders") == before
    rclone("copyto", str(file), f":webdav:main/fresh.{extension}")
    assert len(drive.rows("fresh")) == len(before)


def test_a_schema_is_copied_out_and_compared(drive: Drive, rclone: Rclone, folder: Path) -> None:
    rclone("copy", ":webdav:main", str(folder))
    for name in ("users.csv", "orders.arrow", "names.parquet"):
        assert (folder / name).read_bytes() == drive.get(f"/main/{name}")
    rclone("check", ":webdav:main", str(folder), "--download")
    httpx.put(f"{drive.url}/main/users.csv", content=NEW).raise_for_status()
    assert "users.csv" in rclone("check", ":webdav:main", str(folder), "--download", fails=True)


def test_a_sync_out_follows_the_tables(drive: Drive, rclone: Rclone, folder: Path) -> None:
    (folder / "gone.csv").write_text("id\n")
    sync = ("sync", ":webdav:main", str(folder), "--include", "/*.csv")
    rclone(*sync)
    assert {file.name for file in folder.iterdir()} == {"users.csv", "orders.csv", "names.csv"}
    httpx.put(f"{drive.url}/main/users.csv", content=NEW).raise_for_status()
    rclone(*sync)
    assert (folder / "users.csv").read_bytes() == drive.get("/main/users.csv")


def test_a_sync_in_writes_what_differs_and_drops_nothing(drive: Drive, rclone: Rclone, folder: Path) -> None:
    sync = ("sync", str(folder), ":webdav:main", "--include", "/*.csv")
    orders, names = drive.rows("orders"), drive.rows("names")
    rclone("copy", ":webdav:main", str(folder), "--include", "/*s.csv")
    (folder / "names.csv").unlink()  # a view has no rows of its own
    (folder / "users.csv").write_bytes(NEW.replace(b"\n", b"\r\n"))
    (folder / "fresh.csv").write_bytes(b"a,b\r\n1,x\r\n")
    # What is only in the tree rclone deletes there, which no data file lets be done to it.
    assert "sizes differ" not in rclone(*sync, fails=True)
    assert drive.rows() == NEW_ROWS
    assert drive.rows("orders") == orders
    assert len(drive.rows("fresh")) == 1
    assert drive.rows("names") != names
    assert drive.tables() == {"users", "orders", "names", "fresh"}
    (folder / "orders.csv").unlink()
    rclone(*sync, fails=True)
    assert drive.rows("orders") == orders


def test_a_file_in_another_spelling_is_written_and_said_to_differ(
    drive: Drive, rclone: Rclone, folder: Path
) -> None:
    """Rows come back in the gateway's form, so their size tells rclone nothing."""
    assert drive.get("/main/users.csv").count(b"\r\n") == 5
    (folder / "users.csv").write_bytes(NEW)
    assert "sizes differ" in rclone("copy", str(folder), ":webdav:main", fails=True)
    assert drive.rows() == NEW_ROWS
    (folder / "users.csv").write_bytes(NEW.replace(b"grace", b"hopper"))
    rclone("copy", str(folder), ":webdav:main", "--ignore-size", "--ignore-times")
    assert drive.rows()[0] == (7, "hopper", 7.5)


@pytest.mark.parametrize("name", ["users.csv", "users.arrow", "users.parquet"])
def test_a_bad_file_is_refused_and_the_table_stays(
    drive: Drive, rclone: Rclone, folder: Path, name: str
) -> None:
    before = drive.rows()
    (folder / name).write_bytes(BAD)
    rclone("copy", str(folder), ":webdav:main", fails=True)
    assert drive.rows() == before
    log = drive.server.log.read_text()
    assert f'"PUT /main/{name} HTTP/1.1" 4' in log
    assert f'"DELETE /main/{name} HTTP/1.1" 403' in log, (
        "rclone has stopped to delete what it failed to write"
    )


def test_scratch_is_a_remote_like_any_other(drive: Drive, rclone: Rclone, folder: Path) -> None:
    deep = folder / "a" / "b c" / "ü"
    deep.mkdir(parents=True)
    (deep / "data.bin").write_bytes(os.urandom(300_000))
    (folder / "users.csv").write_bytes(BAD)  # no table here
    (folder / "empty").touch()
    before = drive.tables()
    rclone("sync", str(folder), ":webdav:.scratch/copy")
    rclone("check", str(folder), ":webdav:.scratch/copy", "--download")
    rclone("moveto", ":webdav:.scratch/copy/a", ":webdav:.scratch/copy/moved")
    assert rclone("cat", ":webdav:.scratch/copy/moved/b c/ü/data.bin", "--count", "0") == ""
    (folder / "a").rename(folder / "moved")
    rclone("check", str(folder), ":webdav:.scratch/copy", "--download")
    rclone("purge", ":webdav:.scratch/copy")
    assert "copy" not in rclone("lsf", ":webdav:.scratch")
    assert drive.tables() == before


@pytest.mark.usefixtures("fuse")
def test_a_mount_lists_with_sizes_and_reads(drive: Drive, tmp_path: Path) -> None:
    with rclone_mount(drive, tmp_path / "mount") as mount:
        for name in ("users.csv", "orders.arrow", "orders.parquet", "names.csv"):
            expected = drive.get(f"/main/{name}")
            assert name in {file.name for file in (mount / "main").iterdir()}
            assert (mount / "main" / name).stat().st_size == len(expected)
            assert (mount / "main" / name).read_bytes() == expected
        assert (mount / "main" / "users").is_dir()
        assert (mount / "main" / "users" / "columns").is_dir()
