"""Databases behind somebody else's driver: what the driver wants to be told is a keyword option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

from fsspec_db.connect import DatabaseFileSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec_db.database import Access


class SQLAlchemyFileSystem(DatabaseFileSystem):
    """`fsspec.filesystem("db+sqlalchemy", url="postgresql+psycopg://ada@host/sales")`.

    Args:
        url: SQLAlchemy's own URL.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        **options: Further arguments of `DatabaseFileSystem`.
    """

    protocol: ClassVar[str | tuple[str, ...]] = "db+sqlalchemy"

    def __init__(self, *, url: str, access: Access = "read", **options: Any) -> None:
        super().__init__("sqlalchemy:" + url.removeprefix("sqlalchemy:"), access=access, **options)

    def _options(self, *, secrets: bool) -> dict[str, Any]:
        return {**self.storage_options, **({} if secrets else {"url": self.url})}


class ADBCFileSystem(DatabaseFileSystem):
    """`fsspec.filesystem("db+adbc", driver="flightsql", parameters={"uri": "grpc://host:31337"})`.

    Args:
        driver: The name of an ADBC driver that is installed.
        parameters: Options of the driver's database, as the driver names them.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        **options: Further arguments of `DatabaseFileSystem`.
    """

    protocol: ClassVar[str | tuple[str, ...]] = "db+adbc"

    def __init__(
        self,
        *,
        driver: str,
        parameters: Mapping[str, str] | None = None,
        access: Access = "read",
        **options: Any,
    ) -> None:
        said = urlencode(dict(parameters or {}), quote_via=quote)
        super().__init__(f"adbc:{quote(driver)}" + (f"?{said}" if said else ""), access=access, **options)

    def _options(self, *, secrets: bool) -> dict[str, Any]:
        shown = {"parameters": dict(parse_qsl(self.url.partition("?")[2], keep_blank_values=True))}
        return {**self.storage_options, **({} if secrets else shown)}


class ODBCFileSystem(DatabaseFileSystem):
    """`fsspec.filesystem("db+odbc", connection_string="DSN=sales;UID=ada")`.

    Args:
        connection_string: As ODBC has it.
        access: What may be done: `read`, `write` to relations that exist, or `manage` them.
        **options: Further arguments of `DatabaseFileSystem`.
    """

    protocol: ClassVar[str | tuple[str, ...]] = "db+odbc"

    def __init__(self, *, connection_string: str, access: Access = "read", **options: Any) -> None:
        super().__init__("odbc:" + quote(connection_string), access=access, **options)

    def _options(self, *, secrets: bool) -> dict[str, Any]:
        shown = {"connection_string": unquote(self.url.removeprefix("odbc:"))}
        return {**self.storage_options, **({} if secrets else shown)}
