"""SQLite's driver: files that it would make, and values that it would change."""

from __future__ import annotations

from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from fsspec_db.errors import ValueOutOfRangeError


def file_uri(uri: str, *, reading: bool) -> str | None:
    """The URI of a SQLite file that is opened as asked and never made; `None` for one in memory."""
    if not uri or ":memory:" in uri or "mode=" in uri:
        return None
    name = uri if uri.startswith("file:") else "file:" + quote(uri)
    return f"{name}{'&' if '?' in name else '?'}mode={'ro' if reading else 'rw'}"


def check_guesses(batch: pa.RecordBatch) -> None:
    """Refuses what SQLite's driver may have changed: see `docs/adbc.md`.

    Where a column mixes storage classes it makes doubles of integers, and text of numbers, in six digits.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_floating(column.type):
            doubtful = pc.and_(
                pc.greater_equal(pc.abs(column), 2.0**53), pc.less_equal(pc.abs(column), 2.0**63)
            )
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            doubtful = pc.match_substring_regex(column, r"^-?\d\.\d{6}e[+-]\d\d$")
        else:
            continue
        if pc.any(doubtful, min_count=0).as_py():
            raise ValueOutOfRangeError(
                f"column {name!r} mixes storage classes, of which this driver would change values",
                column=name,
            )
