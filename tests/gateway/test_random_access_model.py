"""Ranges and conditions against models of RFC 9110: one sentence of the text, one line of a model.

The models know by construction what a request means and never read a header; what reads headers is
tried on text that has no such meaning as well, against the grammar of the RFC as one expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.conditions import evaluate, if_range
from gateway.http_date import http_date, parse_http_date
from gateway.problems import Problem
from gateway.ranges import multipart, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Ranges, section 14.


@dataclass(frozen=True)
class Spec:
    """An int-range, or a suffix-range where there is no first position."""

    first: int | None
    last: int | None

    @property
    def valid(self) -> bool:
        """14.1.1: an int-range is invalid if the last position is there and less than the first."""
        return self.first is None or self.last is None or self.first <= self.last

    def selects(self, position: int, size: int) -> bool:
        """14.1.2: whether a byte of the representation is in the range."""
        if self.first is None:
            assert self.last is not None
            return size - position <= self.last
        return self.first <= position and (self.last is None or position <= self.last)

    @property
    def is_end(self) -> bool:
        """A suffix-range with a length."""
        return self.first is None and bool(self.last)


Answer = Literal["whole", "unsatisfiable"] | list[list[int]]


def ranges_model(specs: Sequence[Spec], size: int) -> Answer:
    """The bytes of each part of the answer."""
    if not specs or not all(spec.valid for spec in specs):
        return "whole"  # 14.2: a server may ignore an invalid ranges-specifier
    selected = [[i for i in range(size) if spec.selects(i, size)] for spec in specs]
    satisfiable = [positions for positions in selected if positions]
    if size == 0 and any(spec.is_end for spec in specs):
        return "whole"  # 14.1.2: it is satisfiable, but 14.4 has no Content-Range for it
    if not satisfiable:
        return "unsatisfiable"
    if len(satisfiable) > 32 or sum(map(len, satisfiable)) > size:
        return "whole"  # 14.2: a server may ignore the header; ours does so for these
    return satisfiable


def parsed(header: bytes, size: int) -> Answer | str:
    """What is under test, in the words of the model."""
    try:
        ranges = parse(header, size)
    except Problem as problem:
        return "unsatisfiable" if problem.headers == {"content-range": f"bytes */{size}"} else problem.code
    return "whole" if ranges is None else [list(range(*each)) for each in ranges]


SIZES = st.just(0) | st.integers(0, 50)
MANY = settings(max_examples=1000)
POSITIONS = st.integers(0, 60) | st.sampled_from([2**31, 2**63 - 1, 2**63, 10**19, 10**30, 10**30 + 1])
SPECS = st.builds(Spec, POSITIONS, st.none() | POSITIONS) | st.builds(Spec, st.none(), POSITIONS)
BLANKS = st.text(" \t", max_size=2)
COMMAS = st.builds("{},{}".format, BLANKS, BLANKS)


@st.composite
def range_headers(draw: st.DrawFn) -> tuple[list[Spec], bytes]:
    """Ranges, and a header that says them as the grammar allows."""
    orderly = draw(st.booleans())
    specs = draw(st.lists(SPECS.filter(lambda spec: spec.valid) if orderly else SPECS, max_size=5))
    if draw(st.integers(0, 9)) == 0:
        specs += [Spec(i % 7, i % 7) for i in range(draw(st.sampled_from([20, 31, 32, 33, 40])))]

    def digits(number: int | None) -> str:
        return "" if number is None else "0" * draw(st.sampled_from([0, 0, 0, 1, 30])) + str(number)

    text = draw(st.sampled_from(["bytes=", "BYTES=", "Bytes="]))
    for index, spec in enumerate(specs):
        empty = draw(st.lists(COMMAS, max_size=1))  # 5.6.1.2: empty elements are ignored
        text += "".join(empty) + (draw(COMMAS) if index else "")
        text += f"{digits(spec.first)}-{digits(spec.last)}"
    return specs, text.encode()


@MANY
@given(range_headers(), SIZES)
def test_ranges_are_those_of_the_model(asked: tuple[list[Spec], bytes], size: int):
    specs, header = asked
    assert parsed(header, size) == ranges_model(specs, size)


_SPEC = r"(?:[0-9]+-[0-9]*|-[0-9]+)"
RANGES_SPECIFIER = re.compile(
    # 14.1.1 with the list of 5.6.1.2, and blanks before the first element, which do no harm.
    rf"[Bb][Yy][Tt][Ee][Ss]=[ \t]*(?:{_SPEC})?(?:[ \t]*,[ \t]*(?:{_SPEC})?)*[ \t]*"
)


@MANY
@given(
    st.text("0123456789-, \t=b", max_size=20).map("bytes={}".format)
    | st.text("bytes=0-1,", max_size=12)
    | st.lists(st.sampled_from([*"0159-, x", "0-", "-1", "2-3"]), max_size=10).map(
        lambda pieces: "bytes=" + "".join(pieces)
    ),
    SIZES,
)
@example("bytes=", 10)
def test_text_has_the_meaning_that_the_grammar_gives_it(text: str, size: int):
    specs: list[Spec] = []
    if RANGES_SPECIFIER.fullmatch(text):
        for first, last in re.findall(r"([0-9]*)-([0-9]*)", text.partition("=")[2]):
            specs.append(Spec(int(first) if first else None, int(last) if last else None))
    assert parsed(text.encode(), size) == ranges_model(specs, size)


@given(st.binary(max_size=100), SIZES)
def test_no_range_is_a_fault(header: bytes, size: int):
    parsed(header, size)
    parsed(b"bytes=" + header, size)


@given(
    st.integers(1, 200).flatmap(
        lambda size: st.tuples(
            st.just(size),
            st.lists(
                st.tuples(st.integers(0, size - 1), st.integers(1, size)).filter(lambda r: r[0] < r[1]),
                min_size=1,
                max_size=5,
            ),
        )
    )
)
def test_a_body_of_parts_has_its_length_and_its_parts(asked: tuple[int, list[tuple[int, int]]]):
    size, ranges = asked
    content = bytes(i % 256 for i in range(size))
    made = multipart(ranges, size, "a/b")
    body = b"".join(head + content[start:stop] for head, (start, stop) in made.parts) + made.end
    assert len(body) == made.length
    boundary = made.content_type.partition(b"boundary=")[2]
    preamble, *parts, epilogue = body.split(b"\r\n--" + boundary)
    assert (preamble, epilogue) == (b"", b"--\r\n")
    expected = [
        b"\r\ncontent-type: a/b\r\ncontent-range: bytes %d-%d/%d\r\n\r\n%b"
        % (start, stop - 1, size, content[start:stop])
        for start, stop in ranges
    ]
    assert parts == expected


# Conditions, section 13.


@dataclass(frozen=True)
class Tag:
    """8.8.3: an entity-tag."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return ("W/" if self.weak else "") + f'"{self.opaque}"'


def strongly(one: Tag, other: Tag) -> bool:
    """8.8.3.2: equivalent if both are not weak and their opaque-tags match."""
    return not one.weak and not other.weak and one.opaque == other.opaque


def weakly(one: Tag, other: Tag) -> bool:
    """8.8.3.2: equivalent if their opaque-tags match."""
    return one.opaque == other.opaque


Tags = list[Tag] | Literal["*", "malformed"]


@dataclass(frozen=True)
class Asked:
    """The conditions of a request. A date of `None` is one that is not a valid HTTP-date."""

    method: str
    match: Tags | None = None
    none_match: Tags | None = None
    unmodified_since: tuple[int | None] | None = None
    modified_since: tuple[int | None] | None = None


@dataclass(frozen=True)
class State:
    """A resource."""

    exists: bool
    tags: list[Tag]
    modified: int | None


def precedence(asked: Asked, state: State) -> str:
    """Section 13.2.2, step by step; what is malformed as `evaluate` says."""
    step = 1
    if step == 1:
        if asked.match is not None:
            if not match_is_true(asked.match, state):
                return "failed"
            step = 3
        else:
            step = 2
    if step == 2:
        if asked.unmodified_since is not None and not unmodified_is_true(asked.unmodified_since[0], state):
            return "failed"
        step = 3
    if step == 3:
        if asked.none_match is not None:
            if not none_match_is_true(asked.none_match, state, asked.method):
                return "not-modified" if asked.method in {"GET", "HEAD"} else "failed"
            step = 5
        else:
            step = 4
    if (
        step == 4
        and asked.method in {"GET", "HEAD"}
        and asked.modified_since is not None
        and not modified_is_true(asked.modified_since[0], state)
    ):
        return "not-modified"
    return "proceed"


def match_is_true(value: Tags, state: State) -> bool:
    """13.1.1."""
    if value == "*":
        return state.exists  # false if the origin server has no current representation
    if value == "malformed":
        return False
    return state.exists and any(strongly(one, other) for one in value for other in state.tags)


def none_match_is_true(value: Tags, state: State, method: str) -> bool:
    """13.1.2."""
    if value == "*":
        return not state.exists
    if value == "malformed":
        return not state.exists or method in {"GET", "HEAD"}
    return not (state.exists and any(weakly(one, other) for one in value for other in state.tags))


def modified_is_true(date: int | None, state: State) -> bool:
    """13.1.3: ignored without a valid date or a modification date; false if not later than the date."""
    if date is None or state.modified is None or not state.exists:
        return True
    return not state.modified <= date


def unmodified_is_true(date: int | None, state: State) -> bool:
    """13.1.4: ignored as above; true if not later than the date."""
    if date is None or state.modified is None or not state.exists:
        return True
    return state.modified <= date


OPAQUE = st.sampled_from(["a", "b", "", "*", "a,b", "W/", "é", "!#~"]) | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=3
)
TAGS = st.builds(Tag, OPAQUE, st.booleans())
MALFORMED = st.sampled_from(
    ["a", '"', '"a', 'a"', '"a" "b"', '"a" x', "*, *", '"a", *', 'w/"a"', "'a'", '"a b"']
)
MODIFIED = 1_600_000_000
DATES = st.sampled_from([MODIFIED, MODIFIED, MODIFIED - 1, MODIFIED + 1, None])


@st.composite
def conditional_requests(draw: st.DrawFn) -> tuple[Asked, dict[bytes, bytes], State]:
    """Conditions, the headers that say them, and what they are about."""
    current = draw(st.lists(TAGS, max_size=3))
    known = st.sampled_from(current) if current else st.nothing()
    listed = st.lists(known | TAGS, max_size=3)
    either: list[Tags] = ["*", "malformed"]
    values = st.sampled_from(either) | listed | listed
    names = draw(st.sets(st.sampled_from(["match", "none_match", "unmodified_since", "modified_since"])))
    asked = Asked(
        draw(st.sampled_from(["GET", "HEAD", "PUT", "POST"])),
        draw(values) if "match" in names else None,
        draw(values) if "none_match" in names else None,
        draw(st.tuples(DATES)) if "unmodified_since" in names else None,
        draw(st.tuples(DATES)) if "modified_since" in names else None,
    )
    headers: dict[bytes, bytes] = {}
    for name, value in ((b"if-match", asked.match), (b"if-none-match", asked.none_match)):
        if value is not None:
            text = draw(MALFORMED) if value == "malformed" else value
            headers[name] = (text if isinstance(text, str) else draw(listing(text))).encode("latin-1")
    for name, date in (
        (b"if-unmodified-since", asked.unmodified_since),
        (b"if-modified-since", asked.modified_since),
    ):
        if date is not None:
            headers[name] = draw(dates(date[0]))
    state = State(
        draw(st.sampled_from([True, True, True, False])),
        current,
        draw(st.sampled_from([MODIFIED, MODIFIED, MODIFIED, None])),
    )
    return asked, headers, state


@st.composite
def listing(draw: st.DrawFn, tags: Collection[Tag]) -> str:
    """5.6.1.2: a list as a recipient has to take it."""
    text = "".join(draw(st.lists(COMMAS, max_size=2)))
    for index, tag in enumerate(tags):
        text += (draw(COMMAS) if index else "") + str(tag)
    return text + "".join(draw(st.lists(COMMAS, max_size=2)))


@st.composite
def dates(draw: st.DrawFn, moment: int | None) -> bytes:
    """5.6.7: one of the three forms of a date, or none of them."""
    if moment is None:
        return draw(st.sampled_from([b"", b"junk", b"1600000000", b"Sun, 13 Sep 2020", b"a, b"]))
    date = datetime.fromtimestamp(moment, UTC)
    form = draw(
        st.sampled_from(["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"])
    )
    return date.strftime(form).encode()


@MANY
@given(conditional_requests())
def test_conditions_are_those_of_the_model(case: tuple[Asked, dict[bytes, bytes], State]):
    asked, headers, state = case
    tags = [str(tag) for tag in state.tags]
    expected = precedence(asked, state)
    assert evaluate(asked.method, headers, tags, state.modified, state.exists) == expected
    if len(tags) == 1:
        assert evaluate(asked.method, headers, tags[0], state.modified, state.exists) == expected
    if not tags:
        assert evaluate(asked.method, headers, None, state.modified, state.exists) == expected


@given(st.dictionaries(st.sampled_from([b"if-match", b"if-none-match", b"if-range"]), st.binary(max_size=50)))
def test_no_condition_is_a_fault(headers: dict[bytes, bytes]):
    evaluate("GET", headers, '"a"', MODIFIED, True)
    if_range(headers, '"a"', MODIFIED, strong_date=True)


@given(TAGS, st.none() | TAGS, st.booleans())
def test_a_tag_of_if_range_is_compared_as_in_the_model(sent: Tag, other: Tag | None, same: bool):  # noqa: FBT001
    current = sent if same else other
    expected = current is not None and strongly(sent, current)  # 13.1.5: exact match, strongly
    headers = {b"if-range": str(sent).encode("latin-1")}
    assert if_range(headers, None if current is None else str(current), MODIFIED) == expected


@given(st.data(), DATES, st.booleans())
def test_a_date_of_if_range_is_compared_as_in_the_model(data: st.DataObject, sent: int | None, strong: bool):  # noqa: FBT001
    headers = {b"if-range": data.draw(dates(sent))}
    expected = strong and sent == MODIFIED  # 13.1.5: exact match, of a strong validator
    assert if_range(headers, '"a"', MODIFIED, strong_date=strong) == expected


@given(st.integers(-(10**10), 10**11), st.floats(0, 0.99))
def test_a_date_comes_back(moment: int, fraction: float):
    assert parse_http_date(http_date(moment + fraction)) == moment
