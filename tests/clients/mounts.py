"""Drives mounted into the file system, each for the time of a block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.drive import Drive

DAVFS2 = """
ask_auth 0
cache_dir {cache}
delay_upload 0
dir_refresh 0
file_refresh 0
lock_owner {owner}
lock_timeout 60
"""


def unmount(mount: Path) -> None:
    """Unmounts, and waits until what was written is sent; a mount that hangs is torn off."""
    if not os.path.ismount(mount):
        return
    command = ["umount"] if os.geteuid() == 0 else ["fusermount", "-u"]
    try:
        subprocess.run([*command, str(mount)], check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        lazy = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount", "-uz"]
        subprocess.run([*lazy, str(mount)], check=False, capture_output=True, timeout=60)
        raise


@contextmanager
def rclone_mount(drive: Drive, mount: Path) -> Iterator[Path]:
    """A mount by rclone that caches nothing."""
    mount.mkdir()
    log = mount.with_suffix(".log")
    command = ["rclone", "mount", ":webdav:", str(mount), "--webdav-url", f"{drive.url}/"]
    settings = [
        "--dir-cache-time",
        "0",
        "--vfs-cache-mode",
        "off",
        "--config",
        str(mount.with_suffix(".conf")),
    ]
    with (
        log.open("wb") as stderr,
        subprocess.Popen([*command, *settings], stdin=subprocess.DEVNULL, stderr=stderr) as process,
    ):
        try:
            until = time.monotonic() + 20
            while not os.path.ismount(mount):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            yield mount
        finally:
            try:
                unmount(mount)
                process.wait(20)
            finally:
                process.kill()


@contextmanager
def rclone_serving(folder: Path) -> Iterator[str]:
    """The URL of a server of a folder's files: what clients do where the server is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = ["--addr", f"127.0.0.1:{port}", "--config", os.devnull]
    command = ["rclone", "serve", "webdav", str(folder), *address]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 20
            while not _answers(port):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


@contextmanager
def davfs(url: str, owner: str = "ada") -> Iterator[Path]:
    """A mount by davfs2, as root, that takes locks and asks anew each time.

    Its daemon is of a user of its own, which must reach its cache. It takes over locks of the same owner.
    """
    folder = Path(tempfile.mkdtemp(prefix="fsspec-db-davfs-", dir="/tmp"))
    mount, cache, configuration = folder / "mount", folder / "cache", folder / "davfs2.conf"
    try:
        folder.chmod(0o755)
        mount.mkdir()
        cache.mkdir(mode=0o775)
        shutil.chown(cache, group="davfs2")
        cache.chmod(0o775)
        configuration.write_text(DAVFS2.format(cache=cache, owner=owner))
        configuration.chmod(0o600)
        try:
            subprocess.run(
                ["mount", "-t", "davfs", "-o", f"conf={configuration}", f"{url}/", str(mount)],
                stdin=subprocess.DEVNULL,
                check=True,
                capture_output=True,
                timeout=60,
            )
            yield mount
        finally:
            unmount(mount)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
