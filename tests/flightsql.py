"""A throw-away Flight SQL server: the example of Arrow's Go library, which keeps a SQLite in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from types import TracebackType

# The newest that Go 1.19 builds, which is what Debian 12 has.
_MODULE = "github.com/apache/arrow/go/v15"
_VERSION = "v15.0.2"
_PROGRAM = "sqlite_flightsql_server"


def _missing(why: str) -> None:
    if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
        pytest.fail(why)
    pytest.skip(why)


def program() -> Path:
    """The server: on the path, or built once by Go from its module proxy, and kept in the user's cache."""
    if found := shutil.which(_PROGRAM):
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "fsspec-db-gateway" / f"flightsql-{_VERSION}"
    if (place / _PROGRAM).exists():
        return place / _PROGRAM
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        _missing("neither a Flight SQL server nor Go, which builds one, is installed")
    source = f"{_MODULE}/arrow/flight/flightsql/example/cmd/{_PROGRAM}@{_VERSION}"
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(go), "install", source],
        env={**os.environ, "GOBIN": str(place), "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        _missing(f"the Flight SQL server was not built: {done.stderr[-500:]}")
    return place / _PROGRAM


class FlightSQL:
    """A server on a free port of loopback, until the `with` block is left.

    Its database has the tables `intTable` and `foreignTable`. It knows the types that SQLite's drivers for
    Go do, and says `db_name` where it should say what database it is.
    """

    def __init__(self) -> None:
        self._program = program()

    def __enter__(self) -> Self:
        command = [str(self._program), "-host", "127.0.0.1", "-port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # "Starting SQLite Flight SQL Server on 127.0.0.1:1234 ..."
        self.uri = "grpc://" + line.split()[-2]
        self.url = f"adbc:flightsql?uri={self.uri}&dialect=sqlite"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


if __name__ == "__main__":
    print(program())  # noqa: T201  (built before the tests, it is not in their time)
