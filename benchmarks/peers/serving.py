"""The server that the Python peers share with the gateway: uvicorn with httptools and uvloop."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(app: Callable[..., Any]) -> None:
    """Serves on a free port, one worker, no access log, until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"serving http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
        config = uvicorn.Config(
            app, http="httptools", loop="uvloop", lifespan="off", log_level="warning", access_log=False
        )
        uvicorn.Server(config).run(sockets=[listening])
