"""The `SELECT` of the bridge, anew for a driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fsspec_db.engines.sqlalchemy import dialects, types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`)'
_SELECT = re.compile(
    rf"(?P<list>{_IDENTIFIER}(?:, {_IDENTIFIER})*) FROM (?:{_IDENTIFIER}\.)?{_IDENTIFIER}(?P<rest>.*)",
    re.DOTALL,
)
_LIMIT = re.compile(r" LIMIT (?:\?|\$\d+)(?P<offset> OFFSET (?:\?|\$\d+))?\Z")


class Selection:
    """The `SELECT` of the bridge, taken apart: `SELECT names FROM relation rest`.

    Attributes:
        names: The columns, in their order.
        rest: What follows the relation; the limit is left out.
        params: The values of `rest`.
        limit: The most rows, if there is a limit.
        offset: Rows to pass over.
    """

    def __init__(self, sql: str, params: Sequence[Any] | None) -> None:
        found = _SELECT.fullmatch(sql.removeprefix("SELECT "))
        if found is None:
            raise ValueError(f"no SELECT of the bridge: {sql}")
        self.names = [
            name[1:-1].replace(name[0] * 2, name[0]) for name in re.findall(_IDENTIFIER, found["list"])
        ]
        self.rest, self.params = found["rest"], list(params or ())
        self.limit: int | None = None
        self.offset = 0
        if bound := _LIMIT.search(self.rest):
            self.rest = self.rest[: bound.start()]
            if bound["offset"]:
                self.offset = self.params.pop()
            self.limit = self.params.pop()

    def text(self, relation: str, columns: Sequence[Mapping[str, Any]], dialect: sa.Dialect) -> str:
        """The same statement for a driver, with marks for `params`.

        Args:
            relation: The name in SQL.
            columns: Those of `names`, as `columns_in` tells them.
            dialect: Of the driver; one that is not known has no word for a limit.
        """
        known = dialects.of(dialect)
        chosen = ", ".join(_chosen(at, column, dialect, known) for at, column in enumerate(columns))
        text = f"SELECT {chosen} FROM {relation}{self.rest}"  # noqa: S608
        if self.limit is not None and known.family != "generic":
            text += f" LIMIT {self.limit:d}" + (f" OFFSET {self.offset:d}" if self.offset else "")
        return text


def _chosen(at: int, column: Mapping[str, Any], dialect: sa.Dialect, known: dialects.Dialect) -> str:
    name, carrier = dialects.quoted(dialect, column["name"]), column["carrier"]
    if carrier.as_text and known.casts:
        cast = sa.cast(sa.literal_column("fsspec_db"), sa.Text()).compile(dialect=dialect)
        # Under its own name it would be what ORDER BY sorts by.
        return f"{str(cast).replace('fsspec_db', name)} AS fsspec_db_{at}"
    if known.family == "mysql" and carrier is types.FLOAT32:
        return f"{name} + 0e0 AS fsspec_db_{at}"  # its text has six digits
    return name
