"""Dead properties: what clients attach to resources, in memory.

Not wsgidav's property manager, which has no bound, no way to ask cheaply whether a resource has
any, and writes one property at a time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all names and values together."""
MAX_RESOURCE_BYTES: Final = 64 * 1024
"""Of the names and values of one resource."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class DeadProperties:
    """Properties by resource. Called on the event loop's thread only."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._properties: dict[str, dict[str, str]] = {}
        self._bytes = 0
        self._max_bytes = max_bytes

    def __bool__(self) -> bool:
        return bool(self._properties)

    def of(self, path: str) -> Mapping[str, str]:
        """Clark name → element as XML text, of the resource at a path."""
        return self._properties.get(_key(path), _NONE)

    def update(self, path: str, changes: list[tuple[str, str | None]]) -> None:
        """Sets (XML text) and removes (`None`) properties in order: all of them, or none.

        Raises:
            Problem: `property-store-full`; nothing has changed.
        """
        key = _key(path)
        before = self._properties.get(key, {})
        after = dict(before)
        for name, value in changes:
            if value is None:
                after.pop(name, None)
            else:
                after[name] = value
        more = _weight(key, after) - _weight(key, before)
        total = self._bytes + more
        if more > 0 and (total > self._max_bytes or _weight(key, after) > MAX_RESOURCE_BYTES):
            raise Problem(
                "property-store-full",
                f"Properties have {MAX_RESOURCE_BYTES} bytes a resource, and {self._max_bytes} in all.",
            )
        self._bytes = total
        if after:
            self._properties[key] = after
        else:
            self._properties.pop(key, None)


def _key(path: str) -> str:
    return path.rstrip("/") or "/"


def _weight(key: str, properties: Mapping[str, str]) -> int:
    """Bytes held for a resource, about: a character outside Latin-1 takes up to four."""
    texts = [key, *properties, *properties.values()] if properties else []
    return sum(len(text) if text.isascii() else 4 * len(text) for text in texts)
