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
    from types import TracebackType

_USER = "mysql"
_PASSWORD = "s3cr3t/x"


class MariaDB:
    """A server with a database `shop`, on a free port of loopback, until the `with` block is left.

    Root's own connections are trusted, by socket; `url` is that of a user with a password.
    """

    def __init__(self) -> None:
        if not all(map(shutil.which, ("mariadbd", "mariadb-install-db", "mariadb"))):
            missing = "MariaDB's binaries are not installed"
            if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._folder = Path(tempfile.mkdtemp(prefix="fsspec-db-mariadb-", dir="/tmp"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = [f"--user={_USER}"]
        self.url = f"mysql://app:{_PASSWORD.replace('/', '%2F')}@127.0.0.1:{self.port}/shop"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        made = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self._folder}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *self._as,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self.start()
        self.sql(
            f"CREATE USER app@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';"
            " GRANT ALL ON *.* TO app@'127.0.0.1'; CREATE DATABASE shop CHARACTER SET utf8mb4;"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "mariadbd",
                    "--no-defaults",
                    f"--datadir={self._folder}/data",
                    f"--socket={self._folder}/socket",
                    f"--pid-file={self._folder}/pid",
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    "--innodb-flush-log-at-trx-commit=2",
                    *self._as,
                ],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 30
        while subprocess.run(self._client("SELECT 1"), capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops the server at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def sql(self, statements: str) -> str:
        """Runs statements through the server's own client; what it prints, with tabs between columns."""
        done = subprocess.run(self._client(statements), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def _client(self, statements: str) -> list[str]:
        base = ["mariadb", "--no-defaults", "-uroot", f"-S{self._folder}/socket", "-N", "-B"]
        return [*base, "--default-character-set=utf8mb4", "-e", statements]
