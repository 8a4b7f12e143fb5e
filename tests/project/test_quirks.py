"""What a record of quirks says is tested, and is in the documentation."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from docs.generate import ENGINE_ROWS
from fsspec_db.engines import ENGINES
from fsspec_db.engines.quirks import QUIRKS, Quirks
from tests.conformance.harness import harnesses
from tests.conformance.matrix import stored

SUITE = Path(__file__).parents[1] / "conformance"
FIELDS = {field.name for field in fields(Quirks)} - {"title", "notes"}


def test_every_quirk_is_tested() -> None:
    text = "".join(path.read_text("utf-8") for path in SUITE.glob("test_*.py"))
    assert [name for name in FIELDS if f"quirks.{name}" not in text] == []


def test_every_quirk_is_in_the_table_of_engines() -> None:
    assert set(ENGINE_ROWS) == FIELDS


def test_every_engine_has_its_record_its_harness_and_its_types() -> None:
    named = {engine.name for engine in ENGINES.values()} - {"python"}
    assert named == set(QUIRKS) == set(harnesses()) == set(stored())
