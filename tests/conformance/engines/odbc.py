"""ODBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from typing import Self

from tests.conformance.engines.postgresql import PostgreSQL
from tests.odbc import needs

_DRIVER = "PostgreSQL Unicode"


class ODBC(PostgreSQL):
    """The server of the native engine, with an account that writes: nobody vouches for its queries."""

    name = "odbc"
    kinds = ()
    unreachable = f"odbc:Driver={_DRIVER};Server=127.0.0.1;Port=1;Uid=ada;Pwd=canary;Database=sales"

    def __enter__(self) -> Self:
        needs(_DRIVER)
        super().__enter__()
        return self

    def address(self, database: str) -> str:
        place = f"Server=127.0.0.1;Port={self._server.port};Uid=postgres"
        return f"odbc:Driver={_DRIVER};{place};Database={database}"

    def database(self, url: str) -> str:
        return url.rpartition("=")[2]

    def secret(self, url: str) -> str:
        return url.replace(";Database", ";Pwd=canary;Database")


HARNESS = ODBC
