"""The header Range, and bodies of several ranges."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from gateway.problems import Problem
from gateway.ranges import MAX_RANGES, Range, content_range, multipart, parse

HUGE = b"9" * 60_000


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=0-9", [(0, 10)]),
        (b"bytes=3-5", [(3, 6)]),
        (b"bytes=3-", [(3, 10)]),
        (b"bytes=9-10", [(9, 10)]),
        (b"bytes=3-%b" % HUGE, [(3, 10)]),
        (b"bytes=3-%b" % HUGE[:4400], [(3, 10)]),
        (b"bytes=003-5", [(3, 6)]),
        (b"bytes=-1", [(9, 10)]),
        (b"bytes=-10", [(0, 10)]),
        (b"bytes=-11", [(0, 10)]),
        (b"bytes=-%b" % HUGE, [(0, 10)]),
        (b"bytes=%b3-%b4" % (b"0" * 30_000, b"0" * 30_000), [(3, 5)]),
        (b"BYTES=3-5", [(3, 6)]),
        (b"bytes=8-9,0-1,-3", [(8, 10), (0, 2), (7, 10)]),
        (b"bytes=1-2,1-2", [(1, 3), (1, 3)]),
        (b"bytes= 1-2 ,\t,, 4-5\t,", [(1, 3), (4, 6)]),
        (b"bytes=1-2,10-,-0,%b-" % HUGE, [(1, 3)]),
        (b"bytes=" + b"10-11," * 10_000 + b"1-2", [(1, 3)]),
    ],
)
def test_ranges_come_in_the_order_asked_and_within_the_size(header: bytes, ranges: list[Range]):
    assert parse(header, 10) == ranges


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=,",
        b"bytes 0-1",
        b"bytes =0-1",
        b"rows=0-1",
        b"bytes=0",
        b"bytes=-",
        b"bytes=--1",
        b"bytes=a-b",
        b"bytes=0x0-1",
        b"bytes=+0-1",
        b"bytes=0-1.",
        b"bytes=0-1-2",
        b"bytes=0 - 1",
        b"bytes=0-1 2-3",
        b"bytes=0-1;2-3",
        b"bytes=0-1, bytes=2-3",
        b"bytes=\xd9\xa1-\xd9\xa2",
        b"bytes=2-1",
        b"bytes=5-004",
        b"bytes=0-1,5-4",
        b"bytes=%b9-%b8" % (HUGE, HUGE),
        b"bytes=99-98",
        b"bytes=99-,x",
        b"bytes=0-5,5-9",
        b"bytes=0-,-1",
        b"bytes=0-1,\n2-3",
    ],
)
def test_what_is_no_set_of_byte_ranges_or_more_than_all_is_ignored(header: bytes):
    assert parse(header, 10) is None


def test_many_ranges_are_ignored():
    asked = [b"%d-%d" % (i, i) for i in range(MAX_RANGES + 1)]
    ranges = parse(b"bytes=" + b",".join(asked[1:]), 1000)
    assert ranges is not None
    assert len(ranges) == 32
    assert parse(b"bytes=" + b",".join(asked), 1000) is None


@pytest.mark.parametrize(
    "header", [b"bytes=10-", b"bytes=10-20", b"bytes=-0", b"bytes=%b-" % HUGE, b"bytes=-0,11-"]
)
def test_no_range_within_the_size_is_a_problem_that_says_the_size(header: bytes):
    with pytest.raises(Problem) as raised:
        parse(header, 10)
    assert raised.value.status == 416
    assert raised.value.headers == {"content-range": "bytes */10"}


def test_what_has_no_bytes_has_no_ranges():
    for header in (b"bytes=-1", b"bytes=0-0,-1"):
        assert parse(header, 0) is None, header
    for header in (b"bytes=0-", b"bytes=0-0", b"bytes=-0"):
        with pytest.raises(Problem, match="range-not-satisfiable"):
            parse(header, 0)


@pytest.mark.parametrize(
    "header",
    [
        b"bytes=" + b"," * 1_000_000,
        b"bytes=" + b" " * 1_000_000 + b"x",
        b"bytes=" + b"0" * 1_000_000,
        b"bytes=" + b"9" * 1_000_000 + b"-" + b"9" * 1_000_000,
        b"bytes=" + b"20-30," * 200_000,
        b"bytes=" + b"-" * 1_000_000,
    ],
)
def test_a_header_takes_no_longer_than_its_length(header: bytes):
    start = time.process_time()
    with suppress(Problem):
        parse(header, 10)
    assert time.process_time() - start < 1


def test_content_range_counts_from_the_first_to_the_last_byte():
    assert content_range((0, 1), 10) == b"bytes 0-0/10"
    assert content_range((3, 10), 10) == b"bytes 3-9/10"


def test_several_ranges_are_parts_of_one_body():
    content = b"0123456789"
    made = multipart([(3, 5), (0, 1)], 10, 'text/csv; header="present"')
    media_type, _, boundary = made.content_type.partition(b"; boundary=")
    assert media_type == b"multipart/byteranges"
    assert 1 <= len(boundary) <= 70
    body = b"".join(head + content[start:stop] for head, (start, stop) in made.parts) + made.end
    assert len(body) == made.length
    assert body == (
        b'\r\n--%b\r\ncontent-type: text/csv; header="present"\r\ncontent-range: bytes 3-4/10\r\n\r\n34'
        b'\r\n--%b\r\ncontent-type: text/csv; header="present"\r\ncontent-range: bytes 0-0/10\r\n\r\n0'
        b"\r\n--%b--\r\n" % (boundary, boundary, boundary)
    )


def test_a_boundary_is_not_to_be_guessed():
    assert multipart([(0, 1)], 9, "a/b").content_type != multipart([(0, 1)], 9, "a/b").content_type
