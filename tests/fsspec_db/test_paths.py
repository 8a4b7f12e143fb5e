"""The grammar of paths, as Python sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsspec_db import FORMATS, InvalidPathError, Path, decode_name, encode_name
from fsspec_db.paths import is_shaped, may_be_literal, split_shape, strip_protocol

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(NAMES, st.booleans())
def test_a_name_comes_back(name: str, root: bool) -> None:  # noqa: FBT001
    segment = encode_name(name, root=root)
    assert decode_name(segment) == name
    assert segment not in ("", ".", "..")
    assert "/" not in segment


@given(NAMES, NAMES)
def test_two_names_are_two_segments(one: str, other: str) -> None:
    assert (encode_name(one) == encode_name(other)) == (one == other)


@given(NAMES, NAMES, NAMES, st.sampled_from(sorted(FORMATS)))
def test_a_path_says_what_it_was_made_of(schema: str, relation: str, item: str, extension: str) -> None:
    directory = f"/{encode_name(schema, root=True)}/{encode_name(relation)}"
    parsed = Path.parse(directory)
    assert (parsed.kind, parsed.schema, parsed.relation) == ("relation", schema, relation)
    assert str(parsed) == directory
    data = Path.parse(f"{directory}.{extension}")
    assert (data.kind, data.schema, data.relation, data.extension) == ("data", schema, relation, extension)
    column = Path.parse(f"{directory}/columns/{encode_name(item)}")
    assert (column.kind, column.facet, column.item) == ("item", "columns", item)
    assert column.parent == f"{directory}/columns"
    assert Path.parse(str(data)) == data
    assert hash(Path.parse(str(data))) == hash(data)


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    try:
        path = Path.parse(text)
    except (InvalidPathError, UnicodeEncodeError):
        return
    assert Path.parse(str(path)) == path


@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("", "/"),
        ("/", "/"),
        ("db://", "/"),
        ("db:///", "/"),
        ("db://main", "/main"),
        ("db:///main/", "/main"),
        ("main/users.csv", "/main/users.csv"),
        ("db::main", "/main"),
        ("/main/users.csv?where=a/", "/main/users.csv?where=a/"),
        ("db+sqlite:///main", "/main"),
        ("dbx://main", "/dbx://main"),
    ],
)
def test_protocols_are_stripped(path: str, stripped: str) -> None:
    assert strip_protocol(path, ("db", "db+sqlite")) == stripped


def test_the_first_question_mark_parts_the_shape() -> None:
    assert split_shape("/main/users.csv?where=a='?'&limit=1") == ("/main/users.csv", "where=a='?'&limit=1")
    assert split_shape("/main/users.csv") == ("/main/users.csv", "")


@pytest.mark.parametrize(
    ("path", "shaped"),
    [
        ("/main/users.csv?limit=1", True),
        ("/main/users.arrow?columns=a*b&where=x", True),
        ("/main/a[1].csv?where=id=1", True),
        ("/main/user?.csv", False),
        ("/main/users.csv?", False),
        ("/main/*.csv?limit=1", False),
        ("/main/users.csv", False),
    ],
)
def test_a_shape_is_told_from_a_pattern(path: str, shaped: bool) -> None:  # noqa: FBT001
    assert is_shaped(path) == shaped


@pytest.mark.parametrize(
    ("path", "literal"),
    [
        ("/main/a[1]", True),
        ("/main/a[1]*", False),
        ("/main/a?", False),
        ("/main/a", False),
        ("/main/a.csv?limit=1", True),
    ],
)
def test_brackets_may_stand_for_themselves(path: str, literal: bool) -> None:  # noqa: FBT001
    assert may_be_literal(path) == literal
