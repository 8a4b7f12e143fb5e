"""What becomes of every type in every format, as it was seen against the real databases.

python -m tests.conformance.matrix [engine ...]

runs the cases and writes `matrix.json`, from which `docs/generate.py` makes the tables of
`docs/type-matrix.md`. The suite holds the same cases to it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from fsspec_db import code_of
from tests.conformance.harness import Database, Harness, fresh, harnesses
from tests.conformance.kinds import FORMATS, Kind
from tests.fsspec_db.samples import arrow_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

STORED: Final = Path(__file__).with_name("matrix.json")
EXACT: Final = "exact"


def fill(db: Database, kind: Kind, *, values: Sequence[str] = (), table: str = "kept") -> None:
    """Makes the table of a type, with these values and NULL before and after them."""
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate(("NULL", *values, "NULL")))
    db.execute(
        f"{kind.before};\nCREATE TABLE {table} (n INTEGER PRIMARY KEY, v {kind.declared}) {kind.after};"
        + (f"\nINSERT INTO {table} VALUES {rows};" if values else "")
    )


def again(db: Database, kind: Kind) -> dict[str, str]:
    """Reads a filled table in each format and writes that into an empty copy: `exact`, or an error's code."""
    columns = f"(n INTEGER PRIMARY KEY, v {kind.declared}) {kind.after}"
    db.execute("\n".join(f"CREATE TABLE copy_{extension} {columns};" for extension in FORMATS))
    outcomes = {}
    for extension in FORMATS:
        try:
            db.fs.pipe_file(
                db.path(f"copy_{extension}", extension), db.fs.cat_file(db.path("kept", extension))
            )
        except Exception as error:  # noqa: BLE001  (each is an outcome)
            outcomes[extension] = code_of(error)
    found: dict[str | None, set[tuple[str | None, ...]]] = {None: set()}
    asked = f"SELECT {{}}, n, {db.engine.exact.format('v')} FROM {{}}"
    tables = [
        ("NULL", "kept"),
        *((db.engine.literal(extension), f"copy_{extension}") for extension in FORMATS),
    ]
    for name, *row in db.ask(" UNION ALL ".join(asked.format(*table) for table in tables)):
        found.setdefault(name, set()).add(tuple(row))
    for extension in FORMATS:
        rows = found.get(extension, set())
        assert not (rows and extension in outcomes), "a write that failed left rows"
        outcomes.setdefault(extension, EXACT if rows == found[None] else "changed")
    return outcomes


def reading(db: Database, kind: Kind, value: str) -> str:
    """What reading one value is: `exact`, or the code of an error that names its column."""
    fill(db, kind, values=[value], table="said")
    try:
        db.fs.cat_file(db.path("said", "arrow"))
    except Exception as error:  # noqa: BLE001
        return _said(error)
    return EXACT


def writing(db: Database, kind: Kind, value: pa.Scalar) -> str:
    """What writing one value of Arrow is, as `reading`."""
    fill(db, kind, table="held")
    body = arrow_bytes(pa.table({"n": pa.array([1], pa.int32()), "v": pa.array([value.as_py()], value.type)}))
    try:
        db.fs.pipe_file(db.path("held", "arrow"), body)
    except Exception as error:  # noqa: BLE001
        return _said(error)
    return EXACT


def _said(error: Exception) -> str:
    return code_of(error) if getattr(error, "column", None) == "v" else f"without its column: {error!r}"


def row(engine: Harness, kind: Kind) -> dict[str, Any]:
    """What becomes of a type: in each format, and where a value cannot be read or written."""
    with fresh(engine) as db:
        fill(db, kind, values=kind.values)
        outcomes = again(db, kind)
    unsaid, unheld = {}, {}
    for literal in kind.unsaid:
        with fresh(engine) as db:
            unsaid[literal] = reading(db, kind, literal)
    for value, _ in kind.unheld:
        with fresh(engine) as db:
            unheld[shown(value)] = writing(db, kind, value)
    return {
        "type": kind.title,
        "arrow_type": named(kind.arrow),
        **{extension: outcomes[extension] for extension in FORMATS},
        "unsaid": unsaid,
        "unheld": unheld,
    }


def shown(value: pa.Scalar) -> str:
    """A value of Arrow, for people."""
    return f"{named(value.type)} {value}"


def named(kind: pa.DataType) -> str:
    """A type of Arrow as the documentation has it."""
    names = {"string": "utf8", "double": "float64", "float": "float32", "date32[day]": "date32"}
    pattern = r"\b(string|double|float|date32\[day\])(?!\w)"
    if pa.types.is_dictionary(kind):
        return f"dictionary<{named(kind.index_type)}, {named(kind.value_type)}>"
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind.extension_name)
    return re.sub(pattern, lambda match: names[match[1]], str(kind))


def stored() -> dict[str, list[dict[str, Any]]]:
    """What was written last, by the name of the engine."""
    found: dict[str, list[dict[str, Any]]] = json.loads(STORED.read_text("utf-8")) if STORED.exists() else {}
    return found


def main(names: Sequence[str]) -> None:
    """Runs the cases of some engines, or of all."""
    found = {name: rows for name, rows in stored().items() if name in harnesses()}
    for name in names or harnesses():
        with tempfile.TemporaryDirectory() as folder, harnesses()[name](Path(folder)) as engine:
            found[name] = [row(engine, kind) for kind in engine.kinds]
    engines = []
    for name in sorted(found):
        rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in found[name])
        engines.append(f" {json.dumps(name)}: [\n{rows}\n ]")
    STORED.write_text("{\n" + ",\n".join(engines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
