"""Databases behind a server: the address is what a URL has before its path, or keyword options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from fsspec_db.connect import DatabaseFileSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db.database import Access


class ServerFileSystem(DatabaseFileSystem):
    """A database of a server: `fsspec.filesystem("db+postgresql", host="db.example", database="sales")`.

    In a URL the address comes first, then the database, then the path of the tree:
    `db+postgresql://ada@db.example:5432/sales/public/orders.parquet`. With three slashes all of it is
    the path of the tree, and keyword options say where: `db+postgresql:///public/orders.parquet`.

    Args:
        database: The name of the database; what is missing here is looked up as the engine documents.
        host: A name, an address, or the folder of a Unix socket.
        port: A number.
        username: Also `user`.
        password: Never shown; see `pickle_credentials`.
        parameters: Further parameters of the engine's URL: `{"sslmode": "verify-full"}`.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        **options: Further arguments of `DatabaseFileSystem`.
    """

    scheme: ClassVar[str]

    def __init__(
        self,
        database: str | None = None,
        *,
        host: str | None = None,
        port: int | str | None = None,
        username: str | None = None,
        user: str | None = None,
        password: str | None = None,
        parameters: Mapping[str, str] | None = None,
        access: Access = "read",
        **options: Any,
    ) -> None:
        more = dict(parameters or {})
        if host is not None and host.startswith("/"):
            more["host"], host = host, None
        user = username if username is not None else user
        address = quote(user, safe="") if user is not None else ""
        if password is not None:
            address += ":" + quote(password, safe="")
        if address:
            address += "@"
        if host is not None:
            several = "," in host  # each with a port of its own
            address += f"[{host}]" if ":" in host and not several else host
        if port is not None:
            address += f":{port}"
        url = f"{self.scheme}://{address}/{quote(database or '', safe='')}"
        super().__init__(url + ("?" + urlencode(more) if more else ""), access=access, **options)

    def _options(self, *, secrets: bool) -> dict[str, Any]:
        named: dict[str, Any] = (
            dict(zip(("database",), self.storage_args, strict=False)) | self.storage_options
        )
        if not secrets:
            named.pop("password", None)
            if "parameters" in named:
                shown = parse_qsl(self.url.partition("?")[2], keep_blank_values=True)
                named["parameters"] = {key: text for key, text in shown if key in named["parameters"]}
        return named

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        address, tree = _divide(os.fspath(path), cls._protocols())
        return super()._strip_protocol(tree if address is not None else path)

    @classmethod
    def _get_kwargs_from_urls(cls, path: str) -> dict[str, Any]:
        address, _ = _divide(path, cls._protocols())
        if address is None:
            return {}
        place, _, database = address.partition("/")
        user, _, host = place.rpartition("@")
        username, _, password = user.partition(":")
        split = urlsplit("//" + ("" if "," in host else host))
        found = {
            "host": split.hostname or host,
            "port": split.port,
            "username": unquote(username),
            "password": unquote(password),
            "database": unquote(database),
        }
        return {key: value for key, value in found.items() if value}

    @classmethod
    def _protocols(cls) -> tuple[str, ...]:
        return (cls.protocol,) if isinstance(cls.protocol, str) else cls.protocol


def _divide(path: str, protocols: tuple[str, ...]) -> tuple[str | None, str]:
    """The address of a URL that has one, down to its database, and the path of the tree."""
    for protocol in protocols:
        rest = path.removeprefix(protocol + "://")
        if rest != path and not rest.startswith("/"):
            host, _, rest = rest.partition("/")
            database, mark, tree = rest.partition("/")
            return f"{host}/{database}", mark + tree
    return None, path


class PostgreSQLFileSystem(ServerFileSystem):
    """A PostgreSQL database."""

    protocol: ClassVar[str | tuple[str, ...]] = ("db+postgresql", "db+postgres")
    scheme = "postgresql"


class MySQLFileSystem(ServerFileSystem):
    """A MySQL or MariaDB database."""

    protocol: ClassVar[str | tuple[str, ...]] = ("db+mysql", "db+mariadb")
    scheme = "mysql"
