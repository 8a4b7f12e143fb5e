"""Where locks and dead properties are kept: the setting `lock_store`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dav.locks import Locks
from gateway.dav.properties import DeadProperties
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from gateway.dav.locks import Tags
    from gateway.dav.properties import PropertyStore


def open_stores(address: str, tags: Tags) -> tuple[Locks, PropertyStore]:
    """The locks and the dead properties of an address: `memory`, or of a Redis.

    Nothing is connected yet: while Redis is away, what needs it is refused.

    Raises:
        SettingsError: The address cannot be read, or what it needs is not installed.
    """
    if address == "memory":
        return Locks(tags=tags), DeadProperties()
    try:
        from gateway.dav.redis.locks import RedisLocks  # noqa: PLC0415  (of an extra)
        from gateway.dav.redis.properties import RedisProperties  # noqa: PLC0415
        from gateway.dav.redis.server import RedisServer  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("lock_store needs a package: pip install 'fsspec-db-gateway[redis]'") from error
    try:
        server = RedisServer(address)
    except ValueError as error:
        raise SettingsError(f"lock_store is {error}") from error
    return Locks(RedisLocks(server), tags), RedisProperties(server)
