"""Programs of another release of Debian than this machine's, beside it and not in it.

apt fetches them with all that they need and checks the signatures; nothing is installed. They run by
their own loader, with their own libraries, and need no root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class AbsentError(Exception):
    """Programs are not to be had here; it says why."""


class Programs:
    """The programs of a folder that `fetched` filled."""

    def __init__(self, root: Path) -> None:
        self.usr = root / "usr"
        (self._loader,) = self.usr.glob("lib*/ld-linux*.so.*")
        (self._libraries,) = self.usr.glob("lib/*-linux-gnu")

    def command(self, program: str) -> list[str]:
        """What to run for a program, named below `/usr`: `bin/mysql`."""
        return [str(self._loader), "--library-path", str(self._libraries), str(self.usr / program)]


def fetched(release: str, packages: Sequence[str], cache: Path) -> Path:
    """A folder of `cache` with `packages`, of the version that the release has now; the first gives its name.

    Raises:
        AbsentError: There is no apt, no keyring of Debian, no network, or no such package.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb") and _KEYRING.exists()):
        raise AbsentError(f"{packages[0]} is fetched by apt, with {_KEYRING}, and not all of that is here")
    cache.mkdir(parents=True, exist_ok=True)
    # Whoever downloads for root is another user.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, tempfile.TemporaryDirectory(dir=cache) as root:
        apt, whole = Path(folder), Path(root) / "whole"
        apt.chmod(0o755)
        archives = _downloaded(apt, release, packages)
        for archive in archives:
            _run(["dpkg-deb", "--extract", str(archive), str(whole)])
        first = next(archive for archive in archives if archive.name.startswith(f"{packages[0]}_"))
        place = cache / "-".join(first.name.split("_")[:2])
        shutil.rmtree(place, ignore_errors=True)
        whole.rename(place)
    return place


def _downloaded(apt: Path, release: str, packages: Sequence[str]) -> list[Path]:
    """The packages and those that they depend on, as if nothing were installed here."""
    for part in ("etc/apt", "state/lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "etc/apt/sources.list").write_text(f"deb [signed-by={_KEYRING}] {_MIRROR} {release} main\n")
    # A mirror that lags, or a clock that runs ahead, endangers no server that is thrown away.
    settings = f"""
        Dir "{apt}"; Dir::State "state"; Dir::State::status "{apt}/status"; Dir::Cache "cache";
        Acquire::Check-Valid-Until "false"; Acquire::Languages "none";
    """
    network = _run(["apt-config", "dump", "Acquire::http", "Acquire::https"])
    (apt / "apt.conf").write_text(settings + network)
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "--error-on=any"], environment)
    download = ["apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *packages]
    _run(download, environment)
    return sorted((apt / "cache/archives").glob("*.deb"))


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise AbsentError(f"{' '.join(command)}: {done.stderr[-500:]}")
    return done.stdout
