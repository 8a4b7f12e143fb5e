"""Parameters go to Rust and back into Python, exactly or not at all."""
# ruff: noqa: ARG002  (the contract names the arguments)

from __future__ import annotations

import datetime as dt
import enum
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsspec_db import AbstractDatabaseFileSystem
from tests.fsspec_db.backends import OneTable

ZONE = dt.timezone(dt.timedelta(hours=5, minutes=30))


@pytest.fixture(scope="module")
def echo() -> Any:
    """What a backend's `query` gets of some parameters."""
    got = []

    class Echo(OneTable):
        def query(self, sql: Any, params: Any = None) -> Any:
            got.append(params)
            return self.table

    fs = AbstractDatabaseFileSystem(Echo())

    def ask(params: Any) -> Any:
        fs.query("SELECT 1", params)
        return got.pop()

    return ask


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**63,
        -(10**40),
        0.0,
        -0.0,
        1e308,
        5e-324,
        math.inf,
        "",
        "ada",
        "a\0b",
        "日本 語 🙂",
        b"",
        b"\0\xff",
        dt.date(1, 1, 1),
        dt.date(1969, 12, 31),
        dt.date(9999, 12, 31),
        dt.time(0),
        dt.time(23, 59, 59, 999999),
        dt.datetime(1, 1, 1),
        dt.datetime(2026, 2, 3, 4, 5, 6, 7),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC),
        Decimal("1.10"),
        Decimal("-0.00"),
        Decimal("1E+40"),
        Decimal("12345678901234567890.123456789"),
        UUID(int=1),
        [1, "a", None],
        [],
    ],
)
def test_a_value_comes_back_as_it_was(echo: Any, value: Any) -> None:
    (back,) = echo([value])
    assert type(back) is type(value)
    assert back == value
    assert str(back) == str(value)


def test_nan_comes_back(echo: Any) -> None:
    (back,) = echo([math.nan])
    assert math.isnan(back)


def test_a_moment_in_a_zone_is_the_same_moment_in_utc(echo: Any) -> None:
    moment = dt.datetime(2026, 2, 3, 4, 5, 6, 7, ZONE)
    (back,) = echo([moment])
    assert back == moment
    assert back.utcoffset() == dt.timedelta(0)


def test_names_are_kept(echo: Any) -> None:
    assert echo({"a": 1, "日本": None}) == {"a": 1, "日本": None}


def test_a_tuple_is_a_list(echo: Any) -> None:
    assert echo((1, 2)) == [1, 2]


@pytest.mark.parametrize("params", [[], {}, (), None])
def test_no_parameters_are_none(echo: Any, params: Any) -> None:
    assert echo(params) is None


@pytest.mark.parametrize(
    "params",
    [
        [object()],
        ["a", {1, 2}],
        [dt.timedelta(1)],
        [1j],
        [dt.time(1, tzinfo=dt.UTC)],
        [pa.scalar(1)],
        {"a": object()},
        {1: 2},
        "text",
        b"bytes",
        7,
    ],
)
def test_anything_else_is_a_type_error(echo: Any, params: Any) -> None:
    with pytest.raises(TypeError):
        echo(params)


def test_a_subclass_is_its_value(echo: Any) -> None:
    class Colour(enum.IntEnum):
        RED = 3

    assert echo([Colour.RED]) == [3]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.binary()
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.dates()
        | st.times()
        | st.datetimes()
        | st.uuids()
        | st.decimals(allow_nan=False, allow_infinity=False),
        max_size=5,
    )
)
def test_any_values_come_back(echo: Any, values: Any) -> None:
    back = echo(values)
    assert (back or []) == values
    assert [type(value) for value in back or []] == [type(value) for value in values]
