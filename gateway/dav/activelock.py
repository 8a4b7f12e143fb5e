"""Locks as WebDAV shows them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.dav.lock_store import Lock

SUPPORTED: Final = "".join(
    f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
    for scope in ("exclusive", "shared")
)
"""The content of `supportedlock` where locks may be taken."""


def discovery(locks: Iterable[Lock]) -> str:
    """The content of `lockdiscovery`."""
    return "".join(map(_active, locks))


def _active(lock: Lock) -> str:
    return (
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{lock['scope']}/></D:lockscope>"
        f"<D:depth>{lock['depth']}</D:depth>"
        f"{lock['owner']}"
        f"<D:timeout>Second-{max(0, round(lock['expire'] - time.time()))}</D:timeout>"
        f"<D:locktoken><D:href>{lock['token']}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{quote(lock['href'])}</D:href></D:lockroot>"
        "</D:activelock>"
    )
