"""ADBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from typing import Self

import pytest

from tests.conformance.engines.postgresql import PostgreSQL


class ADBC(PostgreSQL):
    """The server of the native engine, with another way in."""

    name = "adbc"
    kinds = ()  # the driver's own types, which are tried in tests/fsspec_db
    unreachable = "adbc:postgresql?uri=postgresql://ada:canary@127.0.0.1:1/sales"

    def __enter__(self) -> Self:
        pytest.importorskip("adbc_driver_postgresql")
        super().__enter__()
        return self

    def address(self, database: str) -> str:
        return f"adbc:postgresql?uri={super().address(database)}"


HARNESS = ADBC
