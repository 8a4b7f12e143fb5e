"""What PostgreSQL's driver changes, asked for as text.

It says 9999-12-31 for infinity, leaves out BC, takes `oid` for an `int` and `money` for a double, and
describes the scale of some `numeric` in a way of which `arrow-odbc` ends the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fsspec_db.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyodbc

_ITS_OWN: Mapping[str, pa.DataType | None] = MappingProxyType(
    {
        "bigint": None,
        "boolean": None,
        "bytea": None,
        "character": None,  # a cast would take its spaces
        "double precision": None,
        "integer": None,
        "real": pa.float32(),
        "smallint": None,
        "text": None,
    }
)
"""Types of which the driver keeps every value, with the Arrow type where it is another than described."""

_SHORT: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "date": pa.date32(),
        "money": pa.string(),
        "oid": pa.uint32(),
        "time without time zone": pa.time64("us"),
        "timestamp with time zone": pa.timestamp("us", "UTC"),  # the session's zone is UTC
        "timestamp without time zone": pa.timestamp("us"),
        "uuid": pa.string(),
    }
)
"""Types whose texts have at most 64 characters, with the Arrow type that is made of them."""

_UNLIMITED = 255
"""Characters that the driver describes where a type says none."""

_NOTHING = "(SELECT 1) AS one LEFT JOIN ({sql}\n) AS asked{columns} ON false"
_TYPES = """
SELECT format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
FROM (SELECT ARRAY[{types}] AS types FROM {nothing}) AS told
CROSS JOIN unnest(told.types) WITH ORDINALITY AS each(type, n)
JOIN pg_type t ON t.oid = each.type ORDER BY n"""


@dataclass(frozen=True)
class Told:
    """A statement that answers the same with texts, and what its columns are.

    Attributes:
        sql: The statement.
        names: Of the columns.
        types: Of the columns; `None` where the driver's are right.
    """

    sql: str
    names: Sequence[str]
    types: Sequence[pa.DataType | None]


def told(connection: pyodbc.Connection, sql: str, params: Sequence[str | None]) -> Told:
    """What a `SELECT` answers, without running it.

    Raises:
        UnsupportedError: It has no columns.
        pyodbc.Error: It is no `SELECT`, or a wrong one.
    """
    connection.execute("SET default_transaction_read_only = on")
    nothing = _NOTHING.format(sql=sql, columns="")
    described = connection.execute(f"SELECT asked.* FROM {nothing}", *params).description  # noqa: S608
    if not described:
        raise UnsupportedError("over ODBC a statement must answer with columns")
    columns = [f"c{at}" for at in range(len(described))]
    aliases = f"({', '.join(columns)})"
    query = _TYPES.format(
        types=", ".join(f"pg_typeof({column})::oid" for column in columns),
        nothing=_NOTHING.format(sql=sql, columns=aliases),
    )
    names = [row[0] for row in connection.execute(query, *params).fetchall()]
    shown = [_shown(*each) for each in zip(columns, names, described, strict=True)]
    texts = ", ".join(text for text, _ in shown)
    return Told(
        f"SELECT {texts} FROM ({sql}\n) AS asked{aliases}",  # noqa: S608
        [column[0] for column in described],
        [kind for _, kind in shown],
    )


def _shown(column: str, name: str, described: Sequence[Any]) -> tuple[str, pa.DataType | None]:
    """How a column is asked for, and the type that is made of that."""
    if name == "character varying" and described[3] != _UNLIMITED:
        return column, None
    if name in _ITS_OWN:
        return column, _ITS_OWN[name]
    if name in _SHORT:
        return f"CAST({column} AS varchar(64))", _SHORT[name]
    precision, scale = described[4], described[5]
    if name == "numeric" and described[1] is Decimal and 0 <= scale <= precision <= 76:
        decimal = pa.decimal128 if precision <= 38 else pa.decimal256
        return f"CAST({column} AS varchar({precision + 4}))", decimal(precision, scale)
    return f"CAST({column} AS text)", pa.string()
