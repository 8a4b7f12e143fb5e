"""A type of an engine with its edge values, and whether a value of Arrow is what the database says."""

from __future__ import annotations

import datetime as dt
import json
import re
import struct
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = ("arrow", "feather", "parquet", "csv", "jsonl", "json")
"""Each is read, and written back into an empty copy of the table."""

_EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A column `v` of one type, and what becomes of it."""

    declared: str
    """As it stands in `CREATE TABLE`."""
    arrow: pa.DataType
    """What it is read as."""
    values: tuple[str, ...]
    """Literals of SQL. NULL is added, first and last."""
    called: str = ""
    """For people, where the declaration is not enough."""
    before: str = ""
    """SQL that must have run."""
    after: str = ""
    """What follows the columns in `CREATE TABLE`."""
    ask: str = "{}"
    """SQL of the column: what `agrees` takes. Temporal values may be ISO 8601 or the integers that
    Arrow counts, bytes are hexadecimal digits, lists JSON arrays of texts, what is nested otherwise its
    JSON, and intervals `months days nanoseconds`."""
    unsaid: Mapping[str, str] = field(default_factory=dict)
    """Literals that Arrow cannot say in that type, with the code of the error that reading them is."""
    unheld: tuple[tuple[pa.Scalar, str], ...] = ()
    """Values of Arrow that the database cannot hold, with the code of the error that writing them is."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """Formats that cannot carry it, with the code of the error: all others must, exactly."""

    @property
    def title(self) -> str:
        return self.called or self.declared

    def expected(self, extension: str) -> str:
        """What becomes of it in a format: `exact`, or the code of an error."""
        return self.formats.get(extension, "exact")


def agrees(value: pa.Scalar, said: str | None) -> bool:
    """Whether a value of Arrow is what the database says as text."""
    if not value.is_valid or said is None:
        return not value.is_valid and said is None
    kind = value.type
    if isinstance(kind, pa.OpaqueType):
        return agrees(value.value, said)
    if isinstance(kind, pa.BaseExtensionType):
        return str(value.as_py()) == said
    if pa.types.is_dictionary(kind):
        return str(value.as_py()) == said
    if pa.types.is_floating(kind):
        code = "f" if pa.types.is_float32(kind) else "d"
        return struct.pack(code, value.as_py()) == struct.pack(code, float(said))
    if pa.types.is_boolean(kind):
        return ("true" if value.as_py() else "false") == said
    if pa.types.is_decimal(kind):
        return bool(value.as_py() == Decimal(said))
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return bool(value.as_py().hex() == said.lower())
    if pa.types.is_nested(kind) and not _is_flat_list(kind):
        shown = dict(value.as_py()) if pa.types.is_map(kind) else value.as_py()
        return bool(shown == json.loads(said))
    if _is_flat_list(kind):
        texts = json.loads(said)
        return len(value) == len(texts) and all(map(agrees, value.values or (), texts))
    if pa.types.is_interval(kind):
        months, days, nanoseconds = value.as_py()
        return f"{months} {days} {nanoseconds}" == said
    if pa.types.is_temporal(kind):
        return int(value.value) == _counted(kind, said)
    return str(value.as_py()) == said


def _is_flat_list(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) and not pa.types.is_nested(
        kind.value_type
    )


def _counted(kind: pa.DataType, said: str) -> int:
    """The integer that Arrow has for a date, a time, a timestamp or a duration."""
    if re.fullmatch(r"-?\d+", said):
        return int(said)
    if pa.types.is_time(kind):
        moment: Any = dt.datetime.combine(_EPOCH, dt.time.fromisoformat(said))
    else:
        moment = dt.datetime.fromisoformat(said)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    unit = dt.timedelta(days=1) if pa.types.is_date32(kind) else dt.timedelta(microseconds=1)
    return int((moment - _EPOCH) // unit)
