"""The `If` header: its grammar, and when it holds."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dav.conditions import parse
from gateway.problems import Problem

LOCKED = {"/main/a.csv": ["urn:a", '"tag"'], "/main/b.csv": ["urn:b", '"b"'], "/main/a b": ["urn:c"]}


def holds(value: str, path: str = "/main/a.csv") -> bool:
    return parse(value).holds(path, LOCKED)


@pytest.mark.parametrize(
    "value",
    [
        "(<urn:a>)",
        "(<urn:x>) (<urn:a>)",
        "(Not <urn:b>)",
        "(Not<urn:b>)",
        "(<urn:a> Not <DAV:no-lock>)",
        '(Not ["a tag with ) in it"])',
        '(Not [W/"weak"] <urn:a>)',
        "<http://any.host/main/b.csv> (<urn:b>)",
        "</main/b.csv> (<urn:x>) (<urn:b>)",
        "</main/b.csv> (<urn:x>) </main/a.csv> (<urn:a>)",
        "</main/a%20b> (<urn:c>)",
        "(\t<urn:a>\t)  ",
        '(["tag"])',
        '(<urn:a> ["tag"])',
        '(<urn:x>) (["tag"])',
        '</main/b.csv> (["b"] Not ["tag"])',
    ],
)
def test_it_holds_if_any_list_is_true(value: str) -> None:
    assert holds(value)


@pytest.mark.parametrize(
    "value",
    [
        "(<urn:b>)",
        "(<urn:a> <urn:b>)",
        "(Not <urn:a>)",
        '(["a tag"])',
        '([W/"tag"])',
        '(Not ["tag"])',
        '(<urn:a> ["b"])',
        '</main/b.csv> (["tag"])',
        "(<DAV:no-lock>)",
        "</main/b.csv> (<urn:a>)",
        "</main/%ff> (<urn:a>)",
        "<http://[broken/main/a.csv> (<urn:a>)",
    ],
)
def test_it_fails_if_no_list_is_true(value: str) -> None:
    assert not holds(value)


def test_every_token_counts_as_submitted_wherever_it_stands() -> None:
    header = parse("</x> (<urn:1> Not <urn:2>) </y> (<urn:3>)")
    assert header.tokens == {"urn:1", "urn:2", "urn:3"}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "()",
        "<urn:a>",
        "(<urn:a>",
        "<urn:a>)",
        "((<urn:a>))",
        "(<urn:a>) <urn:b>",
        "(<urn:a>) </x> (<urn:b>)",
        "</x> </y> (<urn:a>)",
        "(Not)",
        "(Not Not <urn:a>)",
        '("tag")',
        "([tag])",
        "(<urn:a> oops)",
        "(<urn:a>)" * 1000,
    ],
)
def test_what_is_not_in_the_grammar_is_refused(value: str) -> None:
    with pytest.raises(Problem, match="invalid-request"):
        parse(value)


def test_each_resource_is_asked_for_once_with_all_its_tags() -> None:
    header = parse('</x> (["1"] <urn:1>) (Not ["2"]) <http://h/y%20z> (<urn:2>) </%ff> (["3"])')
    assert header.asked("/own") == {"/x": {'"1"', '"2"'}, "/y z": set()}
    assert parse('(["1"]) (<urn:1>)').asked("/own") == {"/own": {'"1"'}}


@given(st.lists(st.sampled_from(["(", ")", "<a>", "<", ">", '["e"]', "Not", " ", "\t", "x"])).map("".join))
def test_any_text_is_parsed_or_refused(value: str) -> None:
    with suppress(Problem):
        assert all(states.conditions for states in parse(value).lists)
