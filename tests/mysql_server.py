"""What throw-away servers of MySQL and MariaDB have in common."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


def missing(why: str) -> NoReturn:
    """Skips the test, or fails it where a server must be there."""
    if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
        pytest.fail(why)
    pytest.skip(why)


class Server(ABC):
    """A server of its own, on a free port of loopback and a Unix socket, until the `with` block is left.

    Args:
        options: Further options of the server: `sql_mode=ANSI_QUOTES`.
    """

    _user: ClassVar[str | None] = None
    """Whom it runs as where we are root; None for root itself."""

    def __init__(self, *options: str) -> None:
        # Root's own temporary folder may be closed to the user that the server runs as.
        place = "/tmp" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="fsspec-db-mysql-", dir=place))
        self.folder.chmod(0o755)
        self._give(self.folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.socket = self.folder / "socket"
        self.url = f"mysql://root@127.0.0.1:{self.port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _install(self, data: Path) -> Sequence[str]:
        """The command that fills an empty folder."""

    @abstractmethod
    def _start(self) -> Sequence[str]:
        """The command that starts it, without what all have."""

    @abstractmethod
    def _client(self) -> Sequence[str]:
        """The command of its own client."""

    def __enter__(self) -> Self:
        done = subprocess.run(
            [*self._as_user(), *self._install(self.folder / "data")],
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
            *self._start(),
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'log.err'}",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=2",  # what was committed outlives a kill
            "--innodb-buffer-pool-size=64M",
            "--max-allowed-packet=64M",
            *(f"--{option}" for option in (*self._options, *options)),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, (self.folder / "log.err").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log.err").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Asks the server to end, which ends what its clients do."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """Ends the server as the system does when memory is out."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def keep(self, file: Path) -> Path:
        """A copy of a file that the server can read, and nobody else."""
        kept = self.folder / file.name
        shutil.copyfile(file, kept)
        kept.chmod(0o600)
        self._give(kept)
        return kept

    def sql(self, statements: str, *, database: str = "", options: Sequence[str] = ()) -> str:
        """Runs statements through the client; what it prints, tabs between values and NULL as `NULL`."""
        command = [
            *self._client(),
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

    def _give(self, place: Path) -> None:
        if self._user and os.geteuid() == 0:
            user = pwd.getpwnam(self._user)
            os.chown(place, user.pw_uid, user.pw_gid)

    def _as_user(self) -> list[str]:
        if not self._user or os.geteuid() != 0:
            return []
        return ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
