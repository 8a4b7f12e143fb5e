"""A throw-away MariaDB, from the binaries that are installed."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.mysql_server import Server, missing

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAMS = ("mariadb-install-db", "mariadbd", "mariadb")


def binaries() -> dict[str, str] | None:
    """Where its programs are, by name; Debian's server is in a folder that few have on their path."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = {name: shutil.which(name, path=path) for name in _PROGRAMS}
    return {name: place for name, place in found.items() if place} if all(found.values()) else None


class MariaDB(Server):
    """A server of its own, on a free port of loopback and a Unix socket, until the `with` block is left.

    It refuses to run as root, so there it runs as the user that its package made.

    Args:
        options: Further options of the server: `sql_mode=ANSI_QUOTES`.
    """

    _user = "mysql"

    def __init__(self, *options: str) -> None:
        found = binaries()
        if found is None:
            missing("MariaDB's binaries are not installed")
        self._binaries = found
        super().__init__(*options)

    def _install(self, data: Path) -> list[str]:
        return [
            self._binaries["mariadb-install-db"],
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]

    def _start(self) -> list[str]:
        return [self._binaries["mariadbd"], "--no-defaults", "--innodb-log-file-size=64M"]

    def _client(self) -> list[str]:
        return [self._binaries["mariadb"]]
