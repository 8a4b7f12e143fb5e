"""Dead properties: what clients attach to resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from fsspec_db import FORMATS
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all names and values together."""
MAX_RESOURCE_BYTES: Final = 64 * 1024
"""Of the names and values of one resource."""


class PropertyStore(Protocol):
    """Properties by resource. Every call is atomic, also among processes.

    A directory's path ends with a slash where that matters: what is done to a relation's directory is
    done to its data files, which are beside it, as well.

    Raises:
        Problem: `lock-store-unavailable`, of every call where the store is not in memory.
    """

    async def of(self, path: str, *, members: bool = False) -> Mapping[str, Mapping[str, str]]:
        """Clark name → element as XML text, of the resource at a path, and of the members of a directory.

        By path without a trailing slash; who has none is not there.
        """

    async def update(self, path: str, changes: list[tuple[str, str | None]]) -> None:
        """Sets (XML text) and removes (`None`) properties in order: all of them, or none.

        Raises:
            Problem: `property-store-full`; nothing has changed.
        """

    async def remove(self, *paths: str) -> None:
        """Forgets those of paths that are no more, and of everything below them."""

    async def copy(self, source: str, target: str, *, below: bool = True) -> None:
        """Gives `target`, and what is below it, the properties of `source`, in place of its own.

        Raises:
            Problem: `property-store-full`; nothing has changed.
        """

    async def move(self, source: str, target: str) -> None:
        """As `copy`, and then `source` has none. What has moved is not refused."""


class DeadProperties:
    """Properties in memory: of one process, gone with it. Called on the event loop's thread only."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._properties: dict[str, dict[str, str]] = {}
        self._bytes = 0
        self._max_bytes = max_bytes

    def __bool__(self) -> bool:
        return bool(self._properties)

    async def of(self, path: str, *, members: bool = False) -> Mapping[str, Mapping[str, str]]:
        """As `PropertyStore.of`."""
        here = key(path)
        found = {here: self._properties[here]} if here in self._properties else {}
        if members:
            found |= {k: of for k, of in self._properties.items() if k != "/" and parent(k) == here}
        return found

    async def update(self, path: str, changes: list[tuple[str, str | None]]) -> None:
        """As `PropertyStore.update`."""
        here = key(path)
        before = self._properties.get(here, {})
        after = dict(before)
        for name, value in changes:
            if value is None:
                after.pop(name, None)
            else:
                after[name] = value
        more = weight(here, after) - weight(here, before)
        if more > 0 and (self._bytes + more > self._max_bytes or weight(here, after) > MAX_RESOURCE_BYTES):
            raise full(self._max_bytes)
        self._keep({here: after})

    async def remove(self, *paths: str) -> None:
        """As `PropertyStore.remove`."""
        self._keep({k: {} for k in self._family(*paths)})

    async def copy(self, source: str, target: str, *, below: bool = True) -> None:
        """As `PropertyStore.copy`."""
        changes = self._transfer(source, target, below=below)
        more = sum(weight(k, of) - weight(k, self._properties.get(k, {})) for k, of in changes.items())
        if more > 0 and self._bytes + more > self._max_bytes:
            raise full(self._max_bytes)
        self._keep(changes)

    async def move(self, source: str, target: str) -> None:
        """As `PropertyStore.move`."""
        changes = self._transfer(source, target, below=True)
        self._keep({k: {} for k in self._family(source)} | changes)

    def _transfer(self, source: str, target: str, *, below: bool) -> dict[str, dict[str, str]]:
        changes: dict[str, dict[str, str]] = {k: {} for k in self._family(target)}
        stem, new = key(source).rstrip("/"), key(target).rstrip("/")
        for k in self._family(source):
            if below or not k.startswith(f"{stem}/"):
                changes[new + k.removeprefix(stem) or "/"] = self._properties[k]
        return changes

    def _family(self, *paths: str) -> list[str]:
        named, roots = {k for path in paths for k in family(path)}, {*map(key, paths)}
        return [k for k in self._properties if k in named or not roots.isdisjoint(_above(k))]

    def _keep(self, changes: Mapping[str, dict[str, str]]) -> None:
        for k, properties in changes.items():
            self._bytes += weight(k, properties) - weight(k, self._properties.pop(k, {}))
            if properties:
                self._properties[k] = properties


def key(path: str) -> str:
    """How a store names a resource."""
    return path.rstrip("/") or "/"


def parent(key: str) -> str:
    """The directory above."""
    return key.rpartition("/")[0] or "/"


def _above(key: str) -> Iterator[str]:
    while key != "/":
        key = parent(key)
        yield key


def family(path: str) -> list[str]:
    """The keys of what is one thing with a path, but for what is below it."""
    here = key(path)
    files = FORMATS if path.endswith("/") and here != "/" and "/." not in path else ()
    return [here, *(f"{here}.{extension}" for extension in files)]


def full(max_bytes: int) -> Problem:
    """The refusal of one property too many."""
    return Problem(
        "property-store-full",
        f"Properties have {MAX_RESOURCE_BYTES} bytes a resource, and {max_bytes} in all.",
    )


def weight(key: str, properties: Mapping[str, str]) -> int:
    """Bytes held for a resource."""
    texts = [key, *properties, *properties.values()] if properties else []
    return sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in texts)
