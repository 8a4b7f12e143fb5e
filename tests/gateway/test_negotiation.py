"""Accept and Accept-Encoding."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.negotiation import choose, content_coding, for_data, weighted
from gateway.problems import Problem


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "a/x"),
        (b"", "a/x"),
        (b"*/*", "a/x"),
        (b"a/y", "a/y"),
        (b"a/y;q=0.5, a/x;q=0.4", "a/y"),
        (b"a/*;q=0.5, a/x;q=0", "a/y"),
        (b"*/*;q=0.1, a/y", "a/y"),
        (b"A/Y", "a/y"),
        (b"b/x", None),
        (b"a/x;q=0", None),
        (b"a/x;q=nonsense", None),
        (b"b/z, */*;q=0.01", "a/x"),
    ],
)
def test_choose(header: bytes | None, chosen: str | None):
    assert choose(header, ["a/x", "a/y"]) == chosen


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        (b"", None),
        (b"*", None),
        (b"identity", None),
        (b"gzip", "gzip"),
        (b"gzip, zstd", "zstd"),
        (b"zstd;q=0.5, gzip", "gzip"),
        (b"gzip;q=0", None),
        (b"identity, gzip;q=0.5", None),
        (b"br, deflate", None),
        (b"GZIP", "gzip"),
    ],
)
def test_content_coding(header: bytes | None, coding: str | None):
    assert content_coding(header) == coding


@pytest.mark.parametrize(
    ("accept", "extension", "codec"),
    [
        (None, "arrow", None),
        (b"application/vnd.apache.arrow.file", "feather", None),
        (b"application/vnd.apache.arrow.*", None, None),
        (b"application/vnd.apache.arrow.file;q=0.5, application/vnd.apache.arrow.stream", "arrow", None),
        (b'application/vnd.apache.arrow.stream; codecs="zstd, lz4"', "arrow", "zstd"),
        (b'application/vnd.apache.arrow.stream; codecs="lz4, zstd"; q=0.3', "arrow", "lz4"),
        (b"application/vnd.apache.arrow.stream; codecs=snappy", "arrow", None),
        (b'*/*; codecs="zstd"', "arrow", "zstd"),
    ],
)
def test_arrow_has_two_representations(accept: bytes | None, extension: str | None, codec: str | None):
    if extension is None:
        with pytest.raises(Problem, match="not-acceptable"):
            for_data("arrow", accept, None)
        return
    chosen = for_data("arrow", accept, b"gzip")
    assert (chosen.extension, chosen.codec, chosen.coding) == (extension, codec, None)


@given(st.binary(max_size=200))
def test_no_header_is_a_fault(header: bytes):
    weighted(header.decode("latin-1"))
    content_coding(header)
    choose(header, ["text/csv", "text/html"])


@pytest.mark.parametrize("header", ["a" * 20_000 + '"', 'a"' * 10_001, "a," * 9 + '"a\\' * 10_000])
def test_an_unclosed_quote_takes_no_longer_than_its_length(header: str):
    start = time.process_time()
    weighted(header)
    content_coding(header.encode())
    assert time.process_time() - start < 1
