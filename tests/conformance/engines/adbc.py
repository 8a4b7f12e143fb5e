"""ADBC by PostgreSQL's driver, judged by psql."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

import pyarrow as pa
import pytest

from tests.conformance.engines.postgresql import ARRAY, KINDS, RANGE, PostgreSQL
from tests.conformance.kinds import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.kinds import Kind


_WIRE = {
    "bit varying": ("varbit", "varbit_send"),
    "bit varying(3)": ("varbit", "varbit_send"),
    "bit(3)": ("bit", "bit_send"),
    "cidr": ("cidr", "cidr_send"),
    "citext": ("citext", "citextsend"),
    "inet": ("inet", "inet_send"),
    "int4range": ("unnamed<oid:3904>", "range_send"),
    "macaddr": ("macaddr", "macaddr_send"),
    "point": ("point", "point_send"),
    "timetz": ("timetz", "timetz_send"),
    "timetz(0)": ("timetz", "timetz_send"),
    "tsvector": ("tsvector", "tsvectorsend"),
    "xml": ("xml", "xml_send"),
}
"""Types that the driver does not know, and shows as the bytes that the server sends."""

_UNWRITTEN = dict.fromkeys(FORMATS, "unsupported")


def _by_driver(kind: Kind) -> Kind:
    """What the driver makes of PostgreSQL's types."""
    if kind.declared in _WIRE:
        name, send = _WIRE[kind.declared]
        opaque = pa.opaque(pa.binary(), name, "PostgreSQL")
        return replace(kind, arrow=opaque, ask=f"encode({send}({{}}), 'hex')", unheld=())
    if kind.declared in {"numeric", "numeric(100,50)"}:
        ask = "replace(lower({}::text), 'infinity', 'inf')"
        opaque = pa.opaque(pa.string(), "numeric", "PostgreSQL")
        return replace(kind, arrow=opaque, ask=ask, formats=_UNWRITTEN, unheld=())
    if kind.declared in {"pair", "numeric(50,2)[]"}:
        wrong = dict.fromkeys(FORMATS, "schema-mismatch") if kind.declared == "pair" else _UNWRITTEN
        return replace(kind, arrow=pa.string(), ask="{}::text", formats=wrong)
    if kind.declared == "integer[][]":
        return replace(
            kind, arrow=pa.list_(pa.int32()), values=("'{}'",), ask=ARRAY, unsaid={kind.values[1]: RANGE}
        )
    if kind.declared == "money":
        return replace(kind, arrow=pa.int64(), ask="({}::numeric * 100)::bigint")
    return replace(kind, arrow=pa.string()) if pa.types.is_dictionary(kind.arrow) else kind


class ADBC(PostgreSQL):
    """The server of the native engine, with another way in."""

    name = "adbc"
    unmade = frozenset({"duration", "struct", "timestamp_ns"})
    kinds: ClassVar[Sequence[Kind]] = tuple(map(_by_driver, KINDS))
    unreachable = "adbc:postgresql?uri=postgresql://ada:canary@127.0.0.1:1/sales"

    def __enter__(self) -> Self:
        pytest.importorskip("adbc_driver_postgresql")
        super().__enter__()
        return self

    def address(self, database: str) -> str:
        return f"adbc:postgresql?uri={super().address(database)}"


HARNESS = ADBC
