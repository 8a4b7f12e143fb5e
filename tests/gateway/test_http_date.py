"""Dates of HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from gateway.http_date import http_date, parse_http_date

MOMENT = int(datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp())


def test_a_date_is_written_in_todays_form_and_whole_seconds():
    assert http_date(MOMENT) == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert http_date(MOMENT + 0.999_999_9) == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert http_date(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", MOMENT),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", MOMENT),
        (b"Sun Nov  6 08:49:37 1994", MOMENT),
        (b"Sun Nov 06 08:49:37 1994", MOMENT),
        (b"Wed, 16 Nov 1994 08:49:37 GMT", MOMENT + 10 * 86400),
        (b"Wed Nov 16 08:49:37 1994", MOMENT + 10 * 86400),
        (b"Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        (b"Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
        (b"Wed, 31 Dec 1969 23:59:59 GMT", -1),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ],
)
def test_a_date_is_read_in_its_three_forms(value: bytes, moment: int):
    assert parse_http_date(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0",
        b"784111777",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun,  06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06 Nov 1994 08:49:37 GMT",
        b"06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Wed, 29 Feb 2023 00:00:00 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT; length=10",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, \xd9\xa06 Nov 1994 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        b"Sun Nov  6 08:49:37 1994 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT" * 10_000,
    ],
)
def test_what_has_none_of_the_forms_is_no_date(value: bytes):
    assert parse_http_date(value) is None


@pytest.mark.parametrize(
    ("now", "value", "year"),
    [
        (2026, b"Monday, 23-Nov-26 12:00:00 GMT", 2026),
        (2026, b"Monday, 23-Nov-25 12:00:00 GMT", 2025),
        (2026, b"Monday, 23-Nov-27 12:00:00 GMT", 2027),
        (2026, b"Monday, 23-Nov-76 12:00:00 GMT", 2076),
        (2026, b"Monday, 23-Nov-76 12:00:01 GMT", 1976),
        (2026, b"Monday, 01-Jan-77 00:00:00 GMT", 1977),
        (2099, b"Monday, 01-Jan-00 00:00:00 GMT", 2100),
        (2101, b"Monday, 01-Jan-99 00:00:00 GMT", 2099),
    ],
)
def test_a_year_of_two_digits_is_at_most_fifty_ahead(
    monkeypatch: pytest.MonkeyPatch, now: int, value: bytes, year: int
):
    moment = datetime(now, 11, 23, 12, tzinfo=UTC).utctimetuple()
    monkeypatch.setattr("gateway.http_date.time", SimpleNamespace(gmtime=lambda: moment))
    found = parse_http_date(value)
    assert found is not None
    assert datetime.fromtimestamp(found, UTC).year == year
