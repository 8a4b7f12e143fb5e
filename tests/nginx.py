"""A throw-away nginx, from the binary that is installed: what others do with a file of the same bytes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import pytest

if TYPE_CHECKING:
    from types import TracebackType

CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid "{prefix}/pid";
error_log "{prefix}/error.log";
events {{}}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path "{prefix}/client_body";
    proxy_temp_path "{prefix}/proxy";
    fastcgi_temp_path "{prefix}/fastcgi";
    uwsgi_temp_path "{prefix}/uwsgi";
    scgi_temp_path "{prefix}/scgi";
    types {{}}
    server {{
        listen 127.0.0.1:{port};
        root "{folder}";
        {directives}
    }}
}}
"""


def binary() -> str | None:
    """Where it is; Debian puts it into a folder that few have on their path."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def missing(why: str) -> NoReturn:
    """Skips the test, or fails it where a server must be there."""
    if os.environ.get("FSSPEC_DB_REQUIRE_CLIENTS"):
        pytest.fail(why)
    pytest.skip(why)


class Nginx:
    """A server of the files of a folder, on a free port of loopback, until the `with` block is left.

    Args:
        folder: What it serves.
        directives: Further lines of its `server` block: `max_ranges 32;`.
    """

    def __init__(self, folder: Path, *directives: str) -> None:
        found = binary()
        if found is None:
            missing("nginx is not installed")
        self._binary = found
        self._served = folder
        self._directives = directives
        self.folder = Path(tempfile.mkdtemp(prefix="fsspec-db-nginx-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the folder is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        configuration = self.folder / "nginx.conf"
        log = self.folder / "error.log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            configuration.write_text(
                CONFIGURATION.format(
                    # Workers of root would be of another user, who may not see the folder.
                    user="user root;" if os.geteuid() == 0 else "",
                    prefix=self.folder,
                    port=self.port,
                    folder=self._served,
                    directives="\n        ".join(self._directives),
                )
            )
            # It takes the socket over, as from the nginx that it replaces, so that the port is never free.
            self._process = subprocess.Popen(
                [self._binary, "-p", str(self.folder), "-c", str(configuration), "-e", str(log)],
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
                pass_fds=[listener.fileno()],
                stderr=subprocess.DEVNULL,
            )
        if not self._answers():
            said = log.read_text()
            self._end()
            raise AssertionError(said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
                connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
                return bool(connection.recv(1))
        except OSError:
            return False

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)
