"""The gateway under uvicorn: binding, readiness, draining, logs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.cycle import Cycle
from gateway.exchange import CONNECTION, FRAGMENT, ZERO_COPY, Abort
from gateway.gate import is_loopback
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from gateway.app import Gateway
    from gateway.settings import Settings


_LONGEST_HEAD: Final = 64 << 10
_TOO_LONG: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

_numbers = itertools.count(1)


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not arrive in time, or is too long.

    uvicorn itself would wait, and gather what comes.
    """

    header_timeout: float = 10.0
    _deadline: asyncio.TimerHandle | None = None
    _number = 0
    _in_head = True
    _head = 0
    """Bytes since the head of the request began, as long as it has not ended."""

    def data_received(self, data: bytes) -> None:
        """Counts what a head has got so far."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > _LONGEST_HEAD and not self.transport.is_closing():
                cycle: RequestResponseCycle | None = self.cycle  # uvicorn does not say so
                if cycle is None or cycle.response_complete:
                    self.transport.write(_TOO_LONG)
                self.transport.close()

    def connection_made(self, transport: Any) -> None:
        """Starts the clock of the first request."""
        super().connection_made(transport)
        self._number = next(_numbers)
        self._arm()

    def on_message_begin(self) -> None:
        """Starts the clock of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"number": self._number}}
        if self.transport.get_extra_info("sslcontext") is None:
            self.scope["extensions"][ZERO_COPY] = {}
        self._in_head = True
        self._arm()

    def on_headers_complete(self) -> None:
        """Stops the clock."""
        self._disarm()
        self._in_head, self._head = False, 0
        if b"#" in self.url:
            self.scope["extensions"][FRAGMENT] = {}
        super().on_headers_complete()
        if type(self.cycle) is RequestResponseCycle:
            self.cycle.__class__ = Cycle

    def on_body(self, body: bytes) -> None:
        """Takes a piece of a body as it is where none waits: uvicorn's `bytearray` would copy it twice."""
        if not self.cycle.body:
            self.cycle.body = b""  # type: ignore[assignment]
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        if self._deadline is None and self.header_timeout:
            self._deadline = self.loop.call_later(self.header_timeout, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Says when it accepts connections, and ends with status 0 when it is asked to end."""

    def __init__(self, config: uvicorn.Config, app: Gateway, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_start = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, then says so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Drains on the first signal and hurries on the second. The signal is not raised again."""
        if self.should_exit:
            self.force_exit = True
        self.drain()

    def drain(self) -> None:
        """Lets running transfers finish, and no more begin. From any thread."""
        self._app.service.draining = True
        self.should_exit = True


class OneLine(logging.Filter):
    """Turns the traceback of a response that was ended on purpose into a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; always lets it pass."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, Abort):
            record.msg, record.args = "response aborted: %s", (str(error),)
            record.exc_info = None
        elif isinstance(error, asyncio.CancelledError):
            record.msg, record.args, record.exc_info = (
                "response cancelled: the time to finish is over",
                (),
                None,
            )
        return True


def bind(settings: Settings) -> socket.socket:
    """Binds the socket to listen on.

    Raises:
        SettingsError: The address is beyond loopback and `insecure` does not say so, or it cannot
            be bound.
    """
    if not settings.insecure and not is_loopback(settings.host):
        raise SettingsError(
            f"listening on {settings.host} lets anybody in who can reach it: there is no authentication. "
            "Say --insecure if that is meant."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The URL of a socket from `bind`."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(app: Gateway, bound: socket.socket, started: Callable[[str], None]) -> None:
    """Serves until the process is asked to end, then lets running transfers finish within `grace`.

    Args:
        app: What to serve.
        bound: From `bind`.
        started: Called with the address as soon as connections are accepted.
    """
    log_to_stderr(app.settings.log_level)
    Server(configuration(app), app, lambda: started(address_of(bound))).run(sockets=[bound])


def configuration(app: Gateway) -> uvicorn.Config:
    """How uvicorn serves the gateway."""
    settings = app.settings
    protocol = type("Protocol", (ImpatientProtocol,), {"header_timeout": settings.header_timeout})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=settings.access_log,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=30,  # mounted drives come back after pauses
        timeout_graceful_shutdown=max(1, round(settings.grace)),
    )


def log_to_stderr(level: str) -> None:
    """Sends the logs of the process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
