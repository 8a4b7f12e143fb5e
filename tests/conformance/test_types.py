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


def test_values_go_round_in_every_format(bare: Database, kind: Kind) -> None:
    matrix.fill(bare, kind, values=kind.values)
    outcomes = matrix.again(bare, kind)
    assert outcomes == {extension: kind.expected(extension) for extension in FORMATS}
    (shown,) = (row for row in matrix.stored()[bare.engine.name] if row["type"] == kind.title)
    assert {extension: shown[extension] for extension in FORMATS} == outcomes, "run tests.conformance.matrix"
    assert shown["arrow_type"] == str(kind.arrow)


def test_what_arrow_cannot_say_is_an_error_with_its_column(
    engine: Harness, kind: Kind, bare: Database
) -> None:
    for value, code in kind.unsaid.items():
        assert matrix.reading(bare, kind, value) == code
        bare.execute("DROP TABLE said")
    (shown,) = (row for row in matrix.stored()[engine.name] if row["type"] == kind.title)
    assert shown["unsaid"] == dict(kind.unsaid), "run tests.conformance.matrix"


def test_what_the_database_cannot_hold_is_an_error_with_its_column(kind: Kind, bare: Database) -> None:
    for value, code in kind.unheld:
        assert matrix.writing(bare, kind, value) == code
        bare.execute("DROP TABLE held")
