"""SQLAlchemy, by psycopg on PostgreSQL, judged by psql."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tests.conformance.engines.postgresql import KINDS, RANGE, PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.kinds import Kind


def _by_psycopg(kind: Kind) -> Kind:
    """What Python's dates cannot say is an error there."""
    beyond = {
        value: RANGE for value in kind.values if "BC" in value or "'5874897" in value or "'294246" in value
    }
    values = tuple(value for value in kind.values if value not in beyond)
    ask = "{}::text" if kind.declared == "inet" else kind.ask  # with the mask
    return replace(kind, values=values, unsaid={**beyond, **kind.unsaid}, ask=ask)


class SQLAlchemy(PostgreSQL):
    name = "sqlalchemy"
    unmade = frozenset({"duration", "struct", "timestamp_ns"})
    kinds: ClassVar[Sequence[Kind]] = tuple(map(_by_psycopg, KINDS))

    def address(self, database: str) -> str:
        return super().address(database).replace("postgresql://", "sqlalchemy:postgresql+psycopg://")

    def busy(self, url: str) -> bool:
        running = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%'"
            f" AND datname = {self.literal(self.database(url))}"
        )
        return bool(self._server.sql(running))


HARNESS = SQLAlchemy
