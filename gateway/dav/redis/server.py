"""The connection to Redis: short waits, and one word for all that can go wrong."""

from __future__ import annotations

import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.problems import Problem

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

logger = logging.getLogger("gateway.locks")

PREFIX: Final = "{fsspec-db}:"
"""Of all keys. The braces keep them on one node of a cluster, as scripts ask."""

_CONNECTIONS: Final = 16
_WAIT: Final = 2.0
"""Seconds for a connection, and for an answer."""


class RedisServer:
    """The Redis of a URL. Nothing is connected before the first call.

    Raises:
        ValueError: The URL cannot be read. Its text is not in the message.
    """

    def __init__(self, url: str) -> None:
        try:
            self._pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=_WAIT,
                socket_timeout=_WAIT,
                socket_connect_timeout=_WAIT,
                health_check_interval=15,
                retry=Retry(NoBackoff(), 0),
            )
            # Options that nobody has are noticed here.
            self._pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError) as error:
            raise ValueError("not an address of Redis") from error
        self._redis = Redis.from_pool(self._pool)
        self._scripts: dict[Script, AsyncScript] = {}
        self._lost = False

    async def close(self) -> None:
        """Gives the connections back."""
        await self._redis.aclose()

    async def run(self, script: Script, operation: str, **ask: Any) -> Any:
        """Runs an operation of a script, atomically; what it says.

        It is sent once more where the connection turns out to be broken, so each operation has the same
        effect twice as once.

        Raises:
            Problem: `lock-store-unavailable`. It may have been done nonetheless.
        """
        said = await self._answer(script, json.dumps({"operation": operation, **ask}, ensure_ascii=False))
        if self._lost:
            logger.warning("the lock store answers again")
            self._lost = False
        return json.loads(said)

    async def _answer(self, script: Script, ask: str) -> Any:
        if script not in self._scripts:
            self._scripts[script] = self._redis.register_script(script.text)
        call = partial(self._scripts[script], keys=script.keys, args=[ask])
        try:
            try:
                return await call()
            except RedisConnectionError:
                # After a restart of the server all connections are broken, not this one alone.
                await self._pool.disconnect(inuse_connections=False)
                return await call()
        except (RedisError, OSError) as error:
            if not self._lost:
                # Of the error its kind alone: what it says may have a password in it.
                logger.warning("the lock store does not answer: %s", type(error).__name__)
                self._lost = True
            raise Problem(
                "lock-store-unavailable", "The store of locks does not answer.", {"retry-after": "2"}
            ) from error


class Script:
    """A file of Lua that Redis runs as one step, and the keys that it is about."""

    def __init__(self, name: str, *keys: str) -> None:
        self.text = Path(__file__).with_name(name).read_text("utf-8")
        self.keys = [PREFIX + key for key in keys]
