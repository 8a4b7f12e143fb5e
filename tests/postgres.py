"""A throw-away PostgreSQL, from the binaries that are installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_USER = "postgres"


def binaries() -> Path | None:
    """Where `initdb` is: on the path, or where Debian puts it; the newest version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return versions[-1].parent if versions else None


class Postgres:
    """A server with a database of its own, on a free port of loopback, until the `with` block is left.

    It refuses to run as root, so there it runs as the user that its package made.
    """

    def __init__(self) -> None:
        found = binaries()
        if found is None:
            missing = "PostgreSQL's binaries are not installed"
            if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._binaries = found
        # Root's own temporary folder may be closed to the user that the server runs as.
        place = "/tmp" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="fsspec-db-postgres-", dir=place))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.url = f"postgresql://{_USER}@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        data = str(self.folder / "data")
        self._run(
            "initdb", "--no-sync", "-A", "trust", "-U", _USER, "-E", "UTF8", "--locale", "C.UTF-8", data
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stops the server at once, whatever it does."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """Ends every process of the server as the system does when memory is out."""
        lock = self.folder / "data" / "postmaster.pid"
        main = lock.read_text().split()[0]
        processes = [main, *Path("/proc", main, "task", main, "children").read_text().split()]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(map(_runs, processes)):
            assert time.monotonic() < deadline, "the server does not die"
            time.sleep(0.01)
        # Where nobody reaps the dead, their numbers stay taken, and the files would say that it runs.
        lock.unlink()
        (self.folder / f".s.PGSQL.{self.port}.lock").unlink()

    @contextlib.contextmanager
    def standby(self) -> Iterator[str]:
        """The URL of another server, which replays what this one writes, and can only be read."""
        self.rule("host replication all 127.0.0.1/32 trust")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        data = str(self.folder / "standby")
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)
        self._run("pg_basebackup", "-D", data, *address, "-R", "-c", "fast", "-X", "stream")
        options = f"-k {self.folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "standby.log")
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        try:
            yield self.url.replace(f":{self.port}/", f":{port}/")
        finally:
            self._run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")

    def demand(self, method: str, user: str) -> None:
        """Makes the server ask one user for a password, by `scram-sha-256` or `md5`."""
        self.rule(f"host all {user} 127.0.0.1/32 {method}")

    def rule(self, *lines: str) -> None:
        """Puts lines before all others of `pg_hba.conf`."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("\n".join((*lines, rules.read_text())))
        self._reload()

    def configure(self, **settings: str) -> None:
        """Changes settings of the whole server that need no restart."""
        self.sql("".join(f"ALTER SYSTEM SET {name} = '{value}';\n" for name, value in settings.items()))
        self._reload()

    def keep(self, file: Path) -> str:
        """A copy of a file that belongs to the server and that only it can read."""
        kept = self.folder / file.name
        shutil.copyfile(file, kept)
        kept.chmod(0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(kept, user.pw_uid, user.pw_gid)
        return str(kept)

    def _reload(self) -> None:
        before = self.sql("SELECT pg_conf_load_time()")
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while self.sql("SELECT pg_conf_load_time()") == before:
            assert time.monotonic() < deadline, "the server did not read its configuration again"

    def sql(self, statements: str) -> str:
        """Runs statements through psql; what it prints, unaligned."""
        command = [str(self._binaries / "psql"), self.url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=statements.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()  # with its line ends as they are

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr


def _runs(process: str) -> bool:
    try:
        return Path("/proc", process, "stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
