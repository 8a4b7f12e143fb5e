"""Ranges and conditions: the gateway and nginx, which serves a file of the same bytes, answer alike."""

from __future__ import annotations

import http.client
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.serving import serving
from tests.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILES = ("users.csv", "big.parquet", "big.csv", "empty.jsonl")
"""Of some bytes, of some that are more than a chunk, and of none."""


@dataclass(frozen=True)
class Request:
    """What is asked of both; `{tag}`, `{date}`, `{before}` and `{after}` are put in for each."""

    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    file: str = "users.csv"


@dataclass(frozen=True)
class Answer:
    """What has to be the same."""

    status: int
    content_range: str | None
    content_length: str | None
    accept_ranges: str | None
    """Of the whole: nginx leaves it out of a part."""
    validated: bool
    """Whether the tag and the date of the file came along."""
    content: bytes | list[tuple[str, str, bytes]] | None
    """The body, or the type, the range and the bytes of each of its parts."""


class Peer:
    """A server, and what it says of each file.

    It is asked over one connection, if that lasts; after a 412 nginx closes it and does not say so.
    """

    def __init__(self, port: int, folder: str, *, lasting: bool) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.folder = folder
        self.lasting = lasting
        self.validators: dict[str, dict[str, str]] = {}

    def send(
        self, method: str, file: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self.connection.putrequest(method, self.folder + file, skip_accept_encoding=True)
        for name, value in headers.items():
            self.connection.putheader(name, value.encode("latin-1"))
        self.connection.endheaders()
        response = self.connection.getresponse()
        body = response.read()
        if not self.lasting:
            self.connection.close()
        return response, body

    def learn(self, file: str) -> int:
        """Asks for what clients keep; the size."""
        response, _ = self.send("HEAD", file, {})
        tag, date = response.headers["ETag"], response.headers["Last-Modified"]
        assert tag.startswith('"'), tag
        moment = parsedate_to_datetime(date).timestamp()
        before, after = (formatdate(moment + by, usegmt=True) for by in (-1, 1))
        self.validators[file] = {"tag": tag, "date": date, "before": before, "after": after}
        return int(response.headers["Content-Length"])

    def ask(self, request: Request) -> Answer:
        own = self.validators[request.file]
        headers = {name: value.format_map(own) for name, value in request.headers.items()}
        response, body = self.send(request.method, request.file, headers)
        got = response.headers
        validated = got["ETag"] == own["tag"] and got["Last-Modified"] == own["date"]
        about = (response.status, got["Content-Range"])
        length = got["Content-Length"]
        if response.status in {304, 412, 416}:  # each says in its own words what is wrong
            return Answer(*about, None, None, validated and response.status == 304, None)
        assert length == str(len(body)) or request.method == "HEAD"
        if response.status == 200:
            return Answer(*about, length, got["Accept-Ranges"], validated, body)
        boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-zA-Z]{1,70})", got["Content-Type"])
        if boundary:
            return Answer(*about, None, None, validated, parts(boundary[1].encode(), body))
        return Answer(*about, length, None, validated, body)


def parts(boundary: bytes, body: bytes) -> list[tuple[str, str, bytes]]:
    """The parts of a body, to the byte."""
    assert body.startswith((b"--", b"\r\n--"))
    first, *pieces, last = (body if body.startswith(b"\r\n") else b"\r\n" + body).split(b"\r\n--" + boundary)
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for piece in pieces:
        head, _, content = piece.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        named = {name.lower(): value for name, value in fields.items()}
        assert set(named) == {"content-type", "content-range"}
        found.append((named["content-type"], named["content-range"], content))
    return found


@dataclass(frozen=True)
class Peers:
    """The two, with the same files of these sizes."""

    gateway: Peer
    nginx: Peer
    sizes: dict[str, int]

    def both(self, request: Request) -> tuple[Answer, Answer]:
        return self.gateway.ask(request), self.nginx.ask(request)


@pytest.fixture(scope="module")
def peers(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as stack:
        server = stack.enter_context(serving(folder / "gateway.log", f"sqlite:///{made}"))
        gateway = Peer(server.port, "/main/", lasting=True)
        stack.callback(gateway.connection.close)
        served = folder / "files"
        served.mkdir()
        sizes = {file: gateway.learn(file) for file in FILES}
        locations = []
        for file in FILES:
            response, content = gateway.send("GET", file, {})
            assert len(content) == sizes[file]
            place = served / file
            place.write_bytes(content)
            os.utime(place, (1_700_000_000, 1_700_000_000))
            media_type = response.headers["Content-Type"]
            locations.append(f"location = /{file} {{ default_type '{media_type}'; }}")
        directives = ("max_ranges 32;", "if_modified_since before;", *locations)
        nginx = Peer(stack.enter_context(Nginx(served, *directives)).port, "/", lasting=False)
        stack.callback(nginx.connection.close)
        assert {file: nginx.learn(file) for file in FILES} == sizes
        yield Peers(gateway, nginx, sizes)


LAST = "99999999"
"""A position after the end of each file."""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("file", FILES)
def test_a_file_is_the_same(peers: Peers, method: str, file: str):
    ours, theirs = peers.both(Request({}, method, file))
    assert ours == theirs
    assert (ours.status, ours.accept_ranges, ours.validated) == (200, "bytes", True)


@pytest.mark.parametrize("file", ["users.csv", "big.parquet", "big.csv"])
@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("bytes=0-0", 206),
        ("bytes=0-", 206),
        ("bytes=5-20", 206),
        (f"bytes=5-{LAST}", 206),
        ("bytes=-1", 206),
        (f"bytes=-{LAST}", 206),
        ("BYTES=000001-2", 206),
        ("bytes= 1-2 , 5-6", 206),
        ("bytes=7-8,1-2,-3", 206),
        ("bytes=1-2,1-2,2-3", 206),
        (f"bytes=1-2,{LAST}-", 206),
        ("bytes=1-2,-0", 206),
        ("bytes=" + ",".join(f"{i}-{i}" for i in range(32)), 206),
        ("bytes=" + ",".join(f"{i}-{i}" for i in range(33)), 200),
        ("bytes=" + f"{LAST}-," * 40 + "3-4", 206),
        ("bytes=0-,0-0", 200),
        (f"bytes={LAST}-", 416),
        (f"bytes={LAST}-{LAST}", 416),
        ("bytes=-0", 416),
        ("rows=0-1", 200),
        ("bytes", 200),
        ("", 200),
    ],
)
def test_ranges_are_the_same(peers: Peers, file: str, value: str, status: int):
    ours, theirs = peers.both(Request({"Range": value}, file=file))
    assert ours == theirs
    assert ours.status == status
    if status == 416:
        assert ours.content_range == f"bytes */{peers.sizes[file]}"


def test_ranges_of_what_has_no_bytes_are_the_same(peers: Peers):
    for value, status in (("bytes=-5", 200), ("bytes=5-", 416), ("bytes=5-9", 416)):
        ours, theirs = peers.both(Request({"Range": value}, file="empty.jsonl"))
        assert ours == theirs, value
        assert ours.status == status, value


CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({"If-Match": "{tag}"}, 206),
    ({"If-Match": "*"}, 206),
    ({"If-Match": '"x,y" , {tag}'}, 206),
    ({"If-Match": '"x"'}, 412),
    ({"If-Match": "W/{tag}"}, 412),
    ({"If-Match": "x"}, 412),
    ({"If-None-Match": "{tag}"}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": 'W/"x", W/{tag}'}, 304),
    ({"If-None-Match": '"x"'}, 206),
    ({"If-None-Match": "x"}, 206),
    ({"If-Match": '"x"', "If-None-Match": "{tag}"}, 412),
    ({"If-Match": "{tag}", "If-None-Match": "{tag}"}, 304),
    ({"If-Modified-Since": "{date}"}, 304),
    ({"If-Modified-Since": "{after}"}, 304),
    ({"If-Modified-Since": "{before}"}, 206),
    ({"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 206),
    ({"If-Modified-Since": "Fri Nov  1 08:49:37 2999"}, 304),
    ({"If-Modified-Since": "junk"}, 206),
    ({"If-None-Match": "{tag}", "If-Modified-Since": "{date}"}, 304),
    ({"If-None-Match": '"x"', "If-Modified-Since": "{date}"}, 206),
    ({"If-None-Match": '"x"', "If-Modified-Since": "{before}"}, 206),
    ({"If-Unmodified-Since": "{date}"}, 206),
    ({"If-Unmodified-Since": "{after}"}, 206),
    ({"If-Unmodified-Since": "{before}"}, 412),
    ({"If-Unmodified-Since": "{before}", "If-Modified-Since": "{date}"}, 412),
    ({"If-Unmodified-Since": "{date}", "If-Modified-Since": "{date}"}, 304),
    ({"If-Match": "{tag}", "If-Unmodified-Since": "{date}"}, 206),
    ({"If-Range": "{tag}"}, 206),
    ({"If-Range": "W/{tag}"}, 200),
    ({"If-Range": '"x"'}, 200),
    ({"If-Range": "{before}"}, 200),
    ({"If-Range": "{after}"}, 200),
    ({"If-Range": "junk"}, 200),
    ({"If-Match": "{tag}", "If-Range": "{tag}"}, 206),
    ({"If-Match": '"x"', "If-Range": "{tag}"}, 412),
    ({"If-None-Match": "{tag}", "If-Range": "{tag}"}, 304),
]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS)
def test_conditions_are_the_same(peers: Peers, headers: dict[str, str], status: int):
    ours, theirs = peers.both(Request({**headers, "Range": "bytes=1-5"}))
    assert ours == theirs
    assert ours.status == status
    assert ours.validated == (status != 412)
    for method in ("GET", "HEAD"):
        ours, theirs = peers.both(Request(headers, method))
        assert ours == theirs
        assert ours.status == (200 if status == 206 else status)


@pytest.mark.parametrize("condition", ["If-Range", "If-Match", "If-None-Match"])
def test_a_condition_comes_before_a_range_that_cannot_be_satisfied(peers: Peers, condition: str):
    statuses = set()
    for value in ("{tag}", '"x"'):
        ours, theirs = peers.both(Request({condition: value, "Range": f"bytes={LAST}-"}))
        assert ours == theirs
        statuses.add(ours.status)
    assert (
        statuses == {"If-Range": {416, 200}, "If-Match": {416, 412}, "If-None-Match": {304, 416}}[condition]
    )


@dataclass(frozen=True)
class Difference:
    """Where the two are not alike, and why."""

    reason: str
    ours: int
    theirs: int
    requests: tuple[Request, ...]


IGNORED = "RFC 9110, 14.2: a malformed Range may be ignored or refused, and the whole is never wrong."
DIFFERENCES = [
    Difference(IGNORED, 200, 416, tuple(
        Request({"Range": f"bytes={value}"})
        for value in ("x", "-", "2-1", "0-1,x", "0-1 2-3", "--1", "0-1-2", "0x1-2", ",")
    )),
    Difference("RFC 9110, 14.1.1: blanks in a range and one that ends before it begins.", 200, 206, (
        Request({"Range": "bytes=0 - 1"}),
        Request({"Range": "bytes=0- 1"}),
        Request({"Range": "bytes=0-1,5-3"}),
    )),
    Difference("RFC 9110, 5.6.1.2: a list may have empty elements, and tabs.", 206, 416, (
        Request({"Range": "bytes=,0-1"}),
        Request({"Range": "bytes=0-1,,2-3"}),
        Request({"Range": "bytes=0-1,"}),
        Request({"Range": "bytes=0-1,\t2-3"}),
    )),
    Difference("RFC 9110, 14.1.1: a number may have any number of digits.", 206, 416, (
        Request({"Range": "bytes=0-9223372036854775808"}),
        Request({"Range": "bytes=-99999999999999999999"}),
        Request({"Range": "bytes=0-1,99999999999999999999-"}),
    )),
    Difference("RFC 9110, 14.2: Range is defined for GET alone.", 200, 206, (
        Request({"Range": "bytes=0-1"}, "HEAD"),
    )),
    Difference("RFC 9110, 14.2: Range is defined for GET alone.", 200, 416, (
        Request({"Range": f"bytes={LAST}-"}, "HEAD"),
    )),
    Difference("RFC 9110, 14.1.2: of no bytes, none are in such a range.", 416, 200, (
        Request({"Range": "bytes=0-"}, file="empty.jsonl"),
        Request({"Range": "bytes=0-0"}, file="empty.jsonl"),
        Request({"Range": "bytes=-0"}, file="empty.jsonl"),
    )),
    Difference("RFC 9110, 13.1.4: not evaluated beside If-Match.", 200, 412, (
        Request({"If-Match": "{tag}", "If-Unmodified-Since": "{before}"}),
        Request({"If-Match": "*", "If-Unmodified-Since": "{before}"}, "HEAD"),
    )),
    Difference("RFC 9110, 13.1.3: not evaluated beside If-None-Match.", 304, 200, (
        Request({"If-None-Match": "{tag}", "If-Modified-Since": "{before}"}),
        Request({"If-None-Match": "*", "If-Modified-Since": "{before}"}, "HEAD"),
        Request({"If-None-Match": "{tag}", "If-Modified-Since": "junk"}),
    )),
    Difference("RFC 9110, 13.1.4: ignored if it is no date.", 200, 412, (
        Request({"If-Unmodified-Since": "junk"}),
    )),
    Difference("A list that is no list proves nothing, so that a write is refused that asks so.", 412, 200, (
        Request({"If-Match": "x, {tag}"}),
        Request({"If-Match": "*, {tag}"}),
    )),
    Difference("A list that is no list proves nothing, and the whole is never wrong.", 200, 304, (
        Request({"If-None-Match": "x, {tag}"}),
    )),
    Difference(
        "RFC 9110, 13.1.5: a date has to be a strong validator, and rows may change twice in a second.",
        200, 206, (
        Request({"If-Range": "{date}", "Range": "bytes=0-1"}),
        Request({"If-Range": "{date}", "Range": "bytes=0-1,5-6"}),
    )),
]  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "request_"),
    [(difference, request) for difference in DIFFERENCES for request in difference.requests],
    ids=lambda each: str(dict(each.headers)) if isinstance(each, Request) else f"{each.ours}-{each.theirs}",
)
def test_the_differences_are_these(peers: Peers, difference: Difference, request_: Request):
    ours, theirs = peers.both(request_)
    assert (ours.status, theirs.status) == (difference.ours, difference.theirs), difference.reason


@st.composite
def ranges(draw: st.DrawFn, size: int) -> str:
    """A header Range in which nginx sees what RFC 9110 does."""
    position = st.integers(0, 12) | st.integers(max(0, size - 12), size + 12) | st.integers(0, size)
    specs = []
    for _ in range(draw(st.integers(1, 5))):
        first, last = sorted((draw(position), draw(position)))
        specs.append(draw(st.sampled_from([f"{first}-{last}", f"{first}-", f"-{last}"])))
    return draw(st.sampled_from(["bytes=", "Bytes="])) + draw(st.sampled_from([",", ", ", " , "])).join(specs)


TAGS = st.sampled_from(["{tag}", "W/{tag}", '"x"', 'W/"x"', '"{{"', '"x,y"'])
LISTS = st.just("*") | st.lists(TAGS, min_size=1, max_size=4).flatmap(
    lambda tags: st.sampled_from([", ", ",", " ,\t", ",,"]).map(lambda comma: comma.join(tags))
)
DATES = st.sampled_from(["{date}", "{before}", "{after}", "Thu, 01 Jan 1970 00:00:00 GMT"])


@st.composite
def requests(draw: st.DrawFn, sizes: Mapping[str, int]) -> Request:
    """Requests that are outside of the table of differences."""
    method = draw(st.sampled_from(["GET", "GET", "GET", "HEAD"]))
    file = draw(st.sampled_from([file for file, size in sizes.items() if size]))
    headers: dict[str, str] = {}
    if method == "GET" and draw(st.integers(0, 3)):
        headers["Range"] = draw(ranges(sizes[file]))
        if draw(st.booleans()):
            headers["If-Range"] = draw(TAGS | DATES.filter(lambda date: date != "{date}"))
    for tags, dates in (("If-Match", "If-Unmodified-Since"), ("If-None-Match", "If-Modified-Since")):
        kind = draw(st.sampled_from(["", "", "", tags, dates]))
        if kind:
            headers[kind] = draw(LISTS if kind == tags else DATES)
    return Request(headers, method, file)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_is_asked_is_answered_alike(peers: Peers, data: st.DataObject):
    request = data.draw(requests(peers.sizes))
    ours, theirs = peers.both(request)
    assert ours == theirs
