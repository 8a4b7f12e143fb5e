"""Opens what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec_db import connect
from gateway.demo import demo_url

if TYPE_CHECKING:
    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.settings import Settings


def open_databases(settings: Settings) -> dict[str, AbstractDatabaseFileSystem]:
    """The filesystems of the configured URLs, or of the demo database.

    Raises:
        DatabaseError: One cannot be opened; those before it are closed.
    """
    urls = dict(settings.databases)
    if not urls:
        urls = {"": demo_url()}
    opened: dict[str, AbstractDatabaseFileSystem] = {}
    try:
        for name, url in urls.items():
            threads: dict[str, Any] = {"threads": settings.threads} if settings.threads else {}
            opened[name] = connect(url, access=settings.access, formats=settings.formats, **threads)
    except BaseException:
        for fs in opened.values():
            fs.close()
        raise
    return opened
