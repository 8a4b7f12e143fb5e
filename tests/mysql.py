"""A throw-away MySQL, which Debian has in no release: that of sid, fetched by `python -m tests.mysql`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.debian import Programs, fetched
from tests.mysql_server import Server, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = ("mysql-server-core", "mysql-client-core")


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "fsspec-db-gateway"


def _kept() -> Iterator[Path]:
    """What was fetched, the latest first."""
    found = _cache().glob(f"{_PACKAGES[0]}-*")
    yield from sorted(found, key=lambda place: place.stat().st_mtime, reverse=True)


class MySQL(Server):
    """A server of its own, on a free port of loopback and a Unix socket, until the `with` block is left.

    Args:
        options: Further options of the server: `sql_mode=ANSI_QUOTES`.
    """

    def __init__(self, *options: str) -> None:
        place = next(_kept(), None)
        if place is None:
            missing("MySQL was not fetched: python -m tests.mysql")
        self._programs = Programs(place)
        super().__init__(*options)

    def _server(self, *options: str) -> list[str]:
        share = self._programs.usr / "share/mysql"
        return [
            *self._programs.command("sbin/mysqld"),
            "--no-defaults",
            # As another user it could not read what root fetched.
            *(["--user=root"] if os.geteuid() == 0 else []),
            f"--basedir={self._programs.usr}",
            f"--plugin-dir={self._programs.usr / 'lib/mysql/plugin'}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            "--secure-file-priv=NULL",
            "--mysqlx=OFF",
            "--skip-log-bin",
            *options,
        ]

    def _install(self, data: Path) -> list[str]:
        return self._server(f"--datadir={data}", "--initialize-insecure")

    def _start(self) -> list[str]:
        return self._server("--innodb-redo-log-capacity=64M")

    def _client(self) -> list[str]:
        return self._programs.command("bin/mysql")


if __name__ == "__main__":
    print(next(_kept(), None) or fetched("sid", _PACKAGES, _cache()))  # noqa: T201
