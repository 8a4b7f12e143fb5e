"""Dead properties in Redis, within the same bounds as those in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gateway.dav import properties
from gateway.dav.properties import family
from gateway.dav.redis.server import Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.dav.redis.server import RedisServer

_SCRIPT: Final = Script("properties.lua", "dead", "names", "bytes")


class RedisProperties:
    """Dead properties of all processes that share a Redis."""

    def __init__(self, server: RedisServer, max_bytes: int = properties.MAX_BYTES) -> None:
        self._server = server
        self._max_bytes = max_bytes

    async def of(self, path: str, *, members: bool = False) -> Mapping[str, Mapping[str, str]]:
        """As `PropertyStore.of`."""
        found = await self._run("of", path=_stem(path), members=members)
        return {key or "/": json.loads(of) for key, of in found}

    async def update(self, path: str, changes: list[tuple[str, str | None]]) -> None:
        """As `PropertyStore.update`."""
        said = await self._run(
            "update",
            path=_stem(path),
            changes=[
                {"name": name} if value is None else {"name": name, "value": value} for name, value in changes
            ],
            max_resource=properties.MAX_RESOURCE_BYTES,
        )
        self._check(said)

    async def remove(self, *paths: str) -> None:
        """As `PropertyStore.remove`; of many, one after the other."""
        for path in paths:
            await self._run("remove", paths=_family(path))

    async def copy(self, source: str, target: str, *, below: bool = True) -> None:
        """As `PropertyStore.copy`."""
        self._check(
            await self._run(
                "transfer", sources=_family(source), targets=_family(target), below=below, move=False
            )
        )

    async def move(self, source: str, target: str) -> None:
        """As `PropertyStore.move`."""
        # Two steps, each of which may be done twice.
        await self.remove(target)
        await self._run("transfer", sources=_family(source), targets=_family(target), below=True, move=True)

    def _check(self, said: dict[str, Any]) -> None:
        if said:
            raise properties.full(self._max_bytes)

    async def _run(self, operation: str, **ask: Any) -> Any:
        return await self._server.run(_SCRIPT, operation, max_bytes=self._max_bytes, **ask)


def _stem(path: str) -> str:
    return path.rstrip("/")


def _family(path: str) -> list[str]:
    return list(map(_stem, family(path)))
