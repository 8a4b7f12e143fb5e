"""The table that `make defences` works from does not rot; what it says is seen by running it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.defences.table import ROOT, Defence, load

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFENCES = load()
each = pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.title)


def test_every_invariant_is_defended() -> None:
    assert {defence.invariant for defence in DEFENCES} == set(range(1, 13))
    titles = [defence.title for defence in DEFENCES]
    assert sorted(set(titles)) == sorted(titles)


def test_the_invariants_are_named_alike_wherever_they_are_listed() -> None:
    listed = re.findall(
        r"^(\d+\. .+)\.$", ROOT.joinpath("docs/architecture.md").read_text("utf-8"), re.MULTILINE
    )
    explained = re.findall(
        r"^## (\d+\. .+)$", ROOT.joinpath("docs/invariants.md").read_text("utf-8"), re.MULTILINE
    )
    assert listed == explained
    assert [int(title.partition(".")[0]) for title in explained] == list(range(1, 13))


@each
def test_what_is_taken_out_is_there_once(defence: Defence) -> None:
    assert defence.edits
    texts = {file: ROOT.joinpath(file).read_text("utf-8") for file in defence.files}
    for edit in defence.edits:
        assert texts[edit.file].count(edit.old) == 1, edit
        assert edit.old != edit.new
        texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)


@each
def test_the_tests_that_must_notice_exist(defence: Defence) -> None:
    assert defence.tests
    for test in defence.tests:
        where, *inside = test.split("[")[0].split("::")
        if where.startswith("tests/"):
            scope: Iterable[ast.AST] = ast.parse(ROOT.joinpath(where).read_text("utf-8")).body
            for name in inside:
                found = [node for node in scope if getattr(node, "name", None) == name]
                assert found, f"{test}: there is no {name}"
                scope = ast.iter_child_nodes(found[0])
        else:
            pattern = rf"#\[test\]\s+(#\[.+\]\s+)*fn {inside[-1]}\("
            assert re.search(pattern, rust_of(where, inside[:-1])), f"{test} is not there"


def rust_of(target: str, modules: list[str]) -> str:
    """The text of a module of the bridge; of the one around it, where it is inline."""
    root = ROOT / "bridge" / ("src" if target == "lib" else f"tests/{target}")
    places = [root.joinpath(*modules), root.joinpath(*modules[:-1])]
    files = [file for place in places for file in (place.with_suffix(".rs"), place / "mod.rs")]
    return next(file.read_text("utf-8") for file in files if file.exists())
