"""A throw-away MariaDB, from the binaries that are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_USER = "mysql"
_PROGRAMS = ("mariadb-install-db", "mariadbd", "mariadb")


def binaries() -> dict[str, str] | None:
    """Where its programs are, by name; Debian's server is in a folder that few have on their path."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = {name: shutil.which(name, path=path) for name in _PROGRAMS}
    return {name: place for name, place in found.items() if place} if all(found.values()) else None


class MariaDB:
    """A server of its own, on a free port of loopback and a Unix socket, until the `with` block is left.

    It refuses to run as root, so there it runs as the user that its package made.

    Args:
        options: Further options of the server: `sql_mode=ANSI_QUOTES`.
    """

    def __init__(self, *options: str) -> None:
        found = binaries()
        if found is None:
            missing = "MariaDB's binaries are not installed"
            if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._binaries = found
        # Root's own temporary folder may be closed to the user that the server runs as.
        place = "/tmp" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="fsspec-db-mariadb-", dir=place))
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.socket = self.folder / "socket"
        self.url = f"mysql://root@127.0.0.1:{self.port}"
        self._options = options
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data = f"--datadir={self.folder / 'data'}"
        done = subprocess.run(
            [
                *self._as_user(),
                self._binaries["mariadb-install-db"],
                "--no-defaults",
                data,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *options: str) -> None:
        """Starts the server and waits until it accepts connections."""
        command = [
            *self._as_user(),
            self._binaries["mariadbd"],
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'log.err'}",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=2",  # what was committed outlives a kill
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=64M",
            "--max-allowed-packet=64M",
            *(f"--{option}" for option in (*self._options, *options)),
        ]
        self._server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        deadline = time.monotonic() + 60
        while True:
            assert self._server.poll() is None, (self.folder / "log.err").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log.err").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Asks the server to end, which ends what its clients do."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(30)
            self._server = None

    def kill(self) -> None:
        """Ends the server as the system does when memory is out."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def keep(self, file: Path) -> Path:
        """A copy of a file that the server can read, and nobody else."""
        kept = self.folder / file.name
        shutil.copyfile(file, kept)
        kept.chmod(0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(kept, user.pw_uid, user.pw_gid)
        return kept

    def sql(self, statements: str, *, database: str = "", options: Sequence[str] = ()) -> str:
        """Runs statements through the client; what it prints, tabs between values and NULL as `NULL`."""
        command = [
            self._binaries["mariadb"],
            "--no-defaults",
            f"--socket={self.socket}",
            "--user=root",
            "--default-character-set=utf8mb4",
            "--batch",
            "--raw",
            "--skip-column-names",
            *options,
            *([database] if database else []),
        ]
        done = subprocess.run(
            command,
            input=statements.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    @staticmethod
    def _as_user() -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
