"""ODBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

import pyarrow as pa

from tests.conformance.engines.postgresql import KINDS, RANGE, PostgreSQL
from tests.odbc import needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.kinds import Kind

_DRIVER = "PostgreSQL Unicode"


def _by_odbc(kind: Kind) -> Kind:
    """What has no type in ODBC is its text; moments are of the years 1 to 9999, and long values an error."""
    values, unsaid = list(kind.values), dict(kind.unsaid)
    arrow, ask, unheld = kind.arrow, kind.ask, kind.unheld
    if isinstance(arrow, pa.BaseExtensionType) or pa.types.is_nested(arrow) or _is_said_as_text(arrow):
        arrow, ask = pa.string(), "{}::text"
        values, unsaid = [*values, *unsaid], {}
        unheld = tuple((value, "schema-mismatch") for value, _ in unheld)
    if kind.declared == "inet":
        ask = "{}::text"  # with the mask
    for value in list(values):
        beyond = pa.types.is_temporal(arrow) and ("BC" in value or "'5874897" in value or "'294246" in value)
        if beyond or "524288" in value:
            values.remove(value)
            unsaid[value] = RANGE
    return replace(kind, arrow=arrow, ask=ask, values=tuple(values), unsaid=unsaid, unheld=unheld)


def _is_said_as_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_interval(kind))


class ODBC(PostgreSQL):
    """The server of the native engine, with an account that writes: nobody vouches for its queries."""

    name = "odbc"
    unmade = frozenset({"duration", "interval", "list", "struct", "texts", "timestamp_ns", "uuid"})
    kinds: ClassVar[Sequence[Kind]] = tuple(map(_by_odbc, KINDS))
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
