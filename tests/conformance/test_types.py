"""Every type with its edge values: read, compared with what the database says, and written back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance import matrix
from tests.conformance.kinds import FORMATS, agrees
from tests.fsspec_db.samples import table_of

if TYPE_CHECKING:
    from tests.conformance.harness import Database, Harness
    from tests.conformance.kinds import Kind


def test_values_are_what_the_database_says(bare: Database, kind: Kind) -> None:
    matrix.fill(bare, kind, values=kind.values)
    read = table_of(bare.fs.cat_file(bare.path("kept", "arrow")))
    assert read.schema.field("v").type == kind.arrow
    assert (read.schema.field("v").metadata or {}).get(b"fsspec_db.sql_type") is not None or not kind.declared
    said = {n: text for n, text in bare.ask(f"SELECT n, {kind.ask.format('v')} FROM kept")}  # noqa: C416
    assert read.num_rows == len(said) == len(kind.values) + 2
    for n, value in zip(read["n"].to_pylist(), read["v"], strict=True):
        assert agrees(value, said[str(n)]), (value, said[str(n)])


def test_it_goes_round_in_every_format_or_is_an_error_that_is_declared(engine: Harness, kind: Kind) -> None:
    row = matrix.row(engine, kind)
    assert {extension: row[extension] for extension in FORMATS} == {
        extension: kind.expected(extension) for extension in FORMATS
    }
    assert row["unsaid"] == kind.unsaid
    assert row["unheld"] == {matrix.shown(value): code for value, code in kind.unheld}
    assert row in matrix.stored()[engine.name], "run python -m tests.conformance.matrix"
