"""ODBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from typing import Self

import pytest

from tests.conformance.engines.postgresql import PostgreSQL


class ODBC(PostgreSQL):
    """The server of the native engine, with another way in."""

    name = "odbc"
    kinds = ()  # the driver's own types, which are tried in tests/fsspec_db
    unreachable = "odbc:Driver={PostgreSQL Unicode};Server=127.0.0.1;Port=1;Database=x;Uid=ada;Pwd=canary"

    def __enter__(self) -> Self:
        pytest.importorskip("arrow_odbc")
        if "PostgreSQL Unicode" not in pytest.importorskip("pyodbc").drivers():
            pytest.skip("there is no ODBC driver 'PostgreSQL Unicode'")
        super().__enter__()
        return self

    def create(self) -> str:
        url = super().create()
        if url.startswith("odbc:"):
            return url
        name = url.rpartition("/")[2]
        place = f"Server=127.0.0.1;Port={self._server.port};Database={name};Uid=postgres"
        # The judge looks for the name after the last slash.
        return f"odbc:Driver={{PostgreSQL Unicode}};{place};max_text_size=1100000;Description=/{name}"


HARNESS = ODBC
