"""Who may knock: the Host allow-list and the origin of requests that change something."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

from gateway.exchange import FRAGMENT
from gateway.problems import Problem

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.settings import Settings

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND"})
"""Methods that change nothing."""

_OWN_SITE: Final = frozenset({b"same-origin", b"none"})


class Gate:
    """Refuses requests that a foreign web page makes a browser send.

    A page can point its own name at 127.0.0.1 (DNS rebinding), so the name in Host must be one
    that only this machine has: loopback, the address listened on, or one of `allowed_hosts`.
    Where the gateway listens beyond loopback, its host name and any literal address will do.
    """

    def __init__(self, settings: Settings) -> None:
        self._any = "*" in settings.allowed_hosts
        self._beyond = not is_loopback(settings.host)
        self._names = {name.lower() for name in settings.allowed_hosts} | {"localhost", settings.host.lower()}
        if self._beyond:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._known: set[bytes] = set()

    def check(self, exchange: Exchange) -> None:
        """Lets a request pass.

        Raises:
            Problem: `misdirected-request`, `cross-origin` or `invalid-request`.
        """
        host = exchange.headers.get(b"host")
        if FRAGMENT in exchange.scope.get("extensions", ()):
            # To take it off would make the deletion of a part one of the whole.
            raise Problem("invalid-request", "The target of a request has no fragment.")
        if host not in self._known:
            self._check_host(host, exchange.scope["http_version"])
        if exchange.method not in SAFE:
            self._check_origin(exchange, host or b"")

    def _check_host(self, host: bytes | None, http_version: str) -> None:
        if host is None:
            if http_version == "1.0":
                return
            raise Problem("invalid-request", "There is no Host header.")
        name = _without_port(host.decode("latin-1")).lower().rstrip(".")
        if not (self._any or name in self._names or self._is_own_address(name)):
            raise Problem("misdirected-request", f"The host {name!r} is not served here.")
        if len(self._known) < 64:
            self._known.add(host)

    def _is_own_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._beyond or address.is_loopback

    @staticmethod
    def _check_origin(exchange: Exchange, host: bytes) -> None:
        site = exchange.headers.get(b"sec-fetch-site")
        if site is not None and site not in _OWN_SITE:
            raise Problem("cross-origin", "Sec-Fetch-Site says that another site's page sent this.")
        origin = exchange.headers.get(b"origin")
        if origin is not None and origin.partition(b"://")[2].lower() != host.lower():
            raise Problem("cross-origin", "Origin is not the host that is asked.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address to listen on."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") <= 1 else host
