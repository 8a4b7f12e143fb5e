"""If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since and If-Range."""

from __future__ import annotations

import time

import pytest

from gateway.conditions import Outcome, evaluate, if_range
from gateway.http_date import http_date

CHANGED = 1_700_000_000
SAME, BEFORE, AFTER = (http_date(CHANGED + by) for by in (0, -1, 1))


def outcome(
    method: str,
    *,
    tags: str | list[str] | None = '"a"',
    modified: int | None = CHANGED,
    exists: bool = True,
    **headers: bytes,
) -> Outcome:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return evaluate(method, named, tags, modified, exists)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
def test_without_conditions_the_request_goes_on(method: str):
    assert outcome(method) == "proceed"
    assert outcome(method, tags=None, modified=None, exists=False) == "proceed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
@pytest.mark.parametrize(
    ("value", "tags", "holds"),
    [
        (b"*", '"a"', True),
        (b" *\t", '"a"', True),
        (b"*", None, True),
        (b"*", [], True),
        (b'"a"', '"a"', True),
        (b'"a"', ['"b"', '"a"'], True),
        (b'"b", "a"', '"a"', True),
        (b',, "b"\t,"a",', '"a"', True),
        (b'"a"', '"b"', False),
        (b'"A"', '"a"', False),
        (b'"a"', None, False),
        (b'"a"', [], False),
        (b'"*"', '"a"', False),
        (b'W/"a"', '"a"', False),
        (b'W/"a"', 'W/"a"', False),
        (b'"a"', 'W/"a"', False),
        (b'"x,"', '"x,"', True),
        (b'"x,", "a"', '"a"', True),
        (b'"\xe9"', '"é"', True),
        (b'""', '""', True),
        (b"", '"a"', False),
        (b",", '"a"', False),
        (b"a", '"a"', False),
        (b'"a', '"a"', False),
        (b'a"', '"a"', False),
        (b'"a" "b"', '"a"', False),
        (b'"a"; "b"', '"a"', False),
        (b'"a", b', '"a"', False),
        (b'"a", *', '"a"', False),
        (b"*, *", '"a"', False),
        (b'w/"a", "a"', '"a"', False),
        (b'"x "a"', '"a"', False),
        (b'"x y"', '"x y"', False),
    ],
)
def test_if_match_holds_for_a_tag_that_is_surely_the_same(
    method: str, value: bytes, tags: str | list[str] | None, *, holds: bool
):
    assert outcome(method, tags=tags, if_match=value) == ("proceed" if holds else "failed")


@pytest.mark.parametrize("value", [b"*", b'"a"', b"junk", b""])
def test_if_match_never_holds_for_what_is_not_there(value: bytes):
    assert outcome("PUT", exists=False, if_match=value) == "failed"


@pytest.mark.parametrize(
    ("value", "tags", "fits"),
    [
        (b"*", '"a"', True),
        (b"*", None, True),
        (b'"a"', '"a"', True),
        (b'W/"a"', '"a"', True),
        (b'"a"', 'W/"a"', True),
        (b'W/"a"', 'W/"a"', True),
        (b'"b" ,W/"a"', ['"c"', '"a"'], True),
        (b'"a"', None, False),
        (b'"b"', '"a"', False),
        (b'"*"', '"a"', False),
        (b'"W/"', '"a"', False),
        (b"", '"a"', False),
    ],
)
def test_if_none_match_holds_where_no_tag_fits(value: bytes, tags: str | list[str] | None, *, fits: bool):
    for method in ("GET", "HEAD"):
        assert outcome(method, tags=tags, if_none_match=value) == ("not-modified" if fits else "proceed")
    for method in ("PUT", "POST"):
        assert outcome(method, tags=tags, if_none_match=value) == ("failed" if fits else "proceed")


@pytest.mark.parametrize("value", [b"junk", b'"a', b'"a" "a"', b'*, "a"', b'"a", junk'])
def test_a_malformed_if_none_match_makes_no_304_and_lets_no_write_through(value: bytes):
    assert outcome("GET", if_none_match=value) == "proceed"
    assert outcome("HEAD", if_none_match=value, if_modified_since=SAME) == "proceed"
    assert outcome("PUT", if_none_match=value) == "failed"


@pytest.mark.parametrize("value", [b"*", b'"a"', b"junk"])
def test_if_none_match_holds_for_what_is_not_there(value: bytes):
    assert outcome("PUT", exists=False, if_none_match=value) == "proceed"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (SAME, "not-modified"),
        (AFTER, "not-modified"),
        (BEFORE, "proceed"),
        (b"junk", "proceed"),
        (b"", "proceed"),
    ],
)
def test_if_modified_since_is_of_reads(value: bytes, result: str):
    for method in ("GET", "HEAD"):
        assert outcome(method, if_modified_since=value) == result
        assert outcome(method, if_modified_since=value, modified=None) == "proceed"
    assert outcome("PUT", if_modified_since=value) == "proceed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
@pytest.mark.parametrize(
    ("value", "result"),
    [
        (SAME, "proceed"),
        (b" " + SAME + b"\t", "proceed"),
        (AFTER, "proceed"),
        (BEFORE, "failed"),
        (b" " + BEFORE + b"\t", "failed"),
        (b"junk", "proceed"),
        (BEFORE + b", " + BEFORE, "proceed"),
    ],
)
def test_if_unmodified_since_is_of_all(method: str, value: bytes, result: str):
    assert outcome(method, if_unmodified_since=value) == result
    assert outcome(method, if_unmodified_since=value, modified=None) == "proceed"
    assert outcome(method, if_unmodified_since=value, exists=False) == "proceed"


def test_a_date_is_not_asked_where_there_are_tags():
    assert outcome("GET", if_match=b'"a"', if_unmodified_since=BEFORE) == "proceed"
    assert outcome("GET", if_none_match=b'"b"', if_modified_since=SAME) == "proceed"
    assert outcome("GET", if_none_match=b'"a"', if_modified_since=BEFORE) == "not-modified"


def test_what_guards_against_lost_updates_comes_first():
    assert outcome("GET", if_match=b'"b"', if_none_match=b'"a"') == "failed"
    assert outcome("GET", if_unmodified_since=BEFORE, if_modified_since=SAME) == "failed"
    assert outcome("GET", if_match=b'"a"', if_none_match=b'"a"') == "not-modified"
    assert outcome("PUT", if_match=b'"a"', if_none_match=b'"a"') == "failed"


def test_without_if_range_the_range_is_heeded():
    assert if_range({b"range": b"bytes=0-"}, None, None)


@pytest.mark.parametrize(
    ("value", "tag", "same"),
    [
        (b'"a"', '"a"', True),
        (b' "a"\t', '"a"', True),
        (b'"a"', '"b"', False),
        (b'"a"', None, False),
        (b'W/"a"', '"a"', False),
        (b'W/"a"', 'W/"a"', False),
        (b'"a"', 'W/"a"', False),
        (b'"a", "a"', '"a"', False),
        (b"*", '"a"', False),
        (b"a", '"a"', False),
        (b"", '"a"', False),
    ],
)
def test_if_range_takes_a_tag_that_is_surely_the_same(value: bytes, tag: str | None, *, same: bool):
    assert if_range({b"if-range": value}, tag, CHANGED, strong_date=True) is same


def test_if_range_takes_a_date_only_if_it_stands_for_one_state():
    for value in (SAME, b" " + SAME):
        assert if_range({b"if-range": value}, '"a"', CHANGED, strong_date=True)
        assert not if_range({b"if-range": value}, '"a"', CHANGED)
        assert not if_range({b"if-range": value}, '"a"', None, strong_date=True)
    for value in (BEFORE, AFTER, b"junk"):
        assert not if_range({b"if-range": value}, '"a"', CHANGED, strong_date=True)
        assert not if_range({b"if-range": value}, '"a"', None, strong_date=True)


@pytest.mark.parametrize(
    "value",
    [
        b'"' * 999_999,
        b'"a,' * 300_000,
        b"," * 1_000_000,
        b" " * 1_000_000 + b"x",
        b'W/"a" , ' * 150_000 + b"x",
    ],
)
def test_a_list_takes_no_longer_than_its_length(value: bytes):
    start = time.process_time()
    outcome("GET", if_match=value, if_none_match=value)
    if_range({b"if-range": value}, '"a"', CHANGED)
    assert time.process_time() - start < 1
