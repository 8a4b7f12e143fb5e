"""ADBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

import pytest

from tests.conformance.engines.postgresql import KINDS, PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.kinds import Kind


def _by_driver(kind: Kind) -> Kind:
    """What the driver makes of PostgreSQL's types."""
    return replace(kind)


class ADBC(PostgreSQL):
    """The server of the native engine, with another way in."""

    name = "adbc"
    kinds: ClassVar[Sequence[Kind]] = tuple(map(_by_driver, KINDS))
    unreachable = "adbc:postgresql?uri=postgresql://ada:canary@127.0.0.1:1/sales"

    def __enter__(self) -> Self:
        pytest.importorskip("adbc_driver_postgresql")
        super().__enter__()
        return self

    def address(self, database: str) -> str:
        return f"adbc:postgresql?uri={super().address(database)}"


HARNESS = ADBC
