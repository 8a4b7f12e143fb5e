"""Writes the tables of the documentation that are declared in the code.

python -m docs.generate [--check]

With `--check` nothing is written, and a table that is not what the code says makes it fail.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec_db import FORMATS
from fsspec_db.engines import ENGINES
from fsspec_db.engines.quirks import QUIRKS
from gateway import settings
from gateway.codes import TABLE
from tests.defences.table import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DOCS = Path(__file__).parent
MATRIX = DOCS.parent / "tests" / "conformance" / "matrix.json"


def formats() -> str:
    """The extensions, by media type."""
    extensions = defaultdict(list)
    for extension, media_type in FORMATS.items():
        extensions[media_type].append(f"`.{extension}`")
    rows = ((", ".join(names), f"`{media_type}`") for media_type, names in extensions.items())
    return _table(("extension", "media type"), rows)


def problems() -> str:
    """The codes, by status."""
    kinds = sorted(TABLE.values(), key=lambda kind: (kind.status, kind.code))
    return _table(
        ("status", "code", "is", ""),
        ((str(kind.status), f"`{kind.code}`", kind.title, kind.explanation) for kind in kinds),
    )


def flags() -> str:
    """The settings, in the order of the command line."""
    return _table(
        ("setting", "default", "is"),
        ((f"`{item.name}`", _default(item.default), item.metadata["help"]) for item in settings.items()),
    )


def defences(invariant: int) -> str:
    """What defends an invariant, where, and what notices when it is gone."""
    rows = (
        (one.title, "<br>".join(map(_code, one.files)), "<br>".join(map(_code, one.tests)))
        for one in load()
        if one.invariant == invariant
    )
    return _table(("defence", "in", "held by"), rows)


ENGINE_ROWS: dict[str, str] = {
    "creates": "creates and drops relations",
    "renames": "renames relations",
    "creates_schemas": "creates and drops schemas",
    "moves": "moves relations between schemas",
    "renames_schemas": "renames schemas",
    "overwrites": "puts a relation in the place of another",
    "copies_whole": "a copied table has keys and defaults",
    "copies_views": "copies views",
    "tidy": "makes, renames and drops in transactions",
    "replaces": "replaces all rows in one transaction",
    "upserts": "updates by primary key",
    "queries": "the query endpoint",
    "parameters": "its parameters",
    "snapshot": "a read is one state of the database",
    "cancels": "a reader that leaves stops its statement",
    "survives": "the process outlives a server that goes while it is read",
    "severs": "a write ends in time while the network hangs",
    "data_version": "tells when rows may have changed, and writes only if they have not",
    "defaults": "tells defaults of columns",
    "indexes": "tells indexes",
    "constraints": "tells constraints",
    "cascades": "foreign keys that act on other tables",
    "constraint_names": "keeps the names of constraints",
    "definitions": "tells the text of views",
    "depends_on": "tells what views read",
    "comments": "comments",
    "keeps_json": "keeps the text of JSON",
    "case_sensitive": "names differ by case alone",
    "longest_name": "bytes of a name",
    "last_character": "the last character of names",
}
"""What the table of engines says of each field of their records."""


def engines() -> str:
    """What each engine can do, by the records of their quirks."""
    schemes = defaultdict(list)
    for scheme, engine in ENGINES.items():
        schemes[engine.name].append(f"`{scheme}:`")
    rows = [
        ("", *(", ".join(schemes[name]) for name in QUIRKS)),
        *(
            (label, *(_quirk(getattr(quirks, field)) for quirks in QUIRKS.values()))
            for field, label in ENGINE_ROWS.items()
        ),
    ]
    return _table(("", *(quirks.title for quirks in QUIRKS.values())), rows) + "".join(
        f"\n{quirks.title}: {' '.join(quirks.notes)}\n" for quirks in QUIRKS.values() if quirks.notes
    )


def _quirk(value: object) -> str:
    if isinstance(value, bool):
        return "✓" if value else "–"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "–"
    if isinstance(value, str):
        return "any" if ord(value) == sys.maxunicode else f"U+{ord(value):04X}"
    return "any number" if value is None else str(value)


def matrix() -> str:
    """What becomes of each type in each format: a section for each engine."""
    rows = json.loads(MATRIX.read_text("utf-8"))
    return "\n".join(f"## {QUIRKS[name].title}\n\n{_kinds(rows[name])}" for name in sorted(rows))


def _kinds(rows: list[dict[str, Any]]) -> str:
    formats = [key for key in rows[0] if key not in ("type", "arrow_type", "unsaid", "unheld")]
    return _table(
        ("type", "Arrow", *formats, "cannot be read", "cannot be written"),
        (
            (
                _code(row["type"]),
                row["arrow_type"],
                *(
                    "✓" if row[key] == "exact" else row[key].replace("changed", "*changed*")
                    for key in formats
                ),
                ", ".join(map(_code, row["unsaid"])),
                ", ".join(map(_code, row["unheld"])),
            )
            for row in rows
        ),
    )


TABLES: dict[str, Callable[[], str]] = {
    "formats": formats,
    "problems": problems,
    "settings": flags,
    "engines": engines,
    "type matrix": matrix,
    **{f"invariant {number}": partial(defences, number) for number in range(1, 13)},
}


def stale(*, write: bool) -> list[str]:
    """The documents with a table that is not what the code says; rewritten if `write`."""
    found = []
    for document in sorted(DOCS.glob("*.md")):
        old = document.read_text("utf-8")
        new = old
        for name, table in TABLES.items():
            head, mark, rest = new.partition(f"<!-- {name} -->\n")
            if mark:
                new = f"{head}{mark}\n{table()}\n{rest[rest.index('<!-- end -->') :]}"
        if new != old:
            found.append(document.name)
            if write:
                document.write_text(new, encoding="utf-8")
    return found


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    return "" if value in ("", False) or not isinstance(value, (str, int, float)) else f"`{value}`"


if __name__ == "__main__":
    checking = sys.argv[1:] == ["--check"]
    names = stale(write=not checking)
    if checking and names:
        sys.exit(f"not what the code says: {', '.join(names)}; run `make docs`")
