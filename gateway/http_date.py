"""Dates of HTTP, RFC 9110 section 5.6.7."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final

_MONTHS: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH: Final = rb"(?P<month>" + b"|".join(_MONTHS) + rb")"
_TIME: Final = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY: Final = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY: Final = rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"

_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        _DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT",
        _LONG_DAY + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT",
        _DAY + rb" " + _MONTH + rb" (?P<day>[0-9 ][0-9]) " + _TIME + rb" (?P<year>[0-9]{4})",
    )
)
"""What is written today, and what RFC 850 and C's asctime wrote."""


def http_date(seconds: float) -> bytes:
    """Seconds since the epoch, rounded down to a whole one, as today's form."""
    return formatdate(seconds // 1, usegmt=True).encode()


def parse_http_date(value: bytes) -> int | None:
    """Seconds since the epoch of a date in any of the three forms; `None` if it is in none.

    The standard library has parsers that take more than these forms, or that depend on the locale.
    The day of the week is not compared with the date.
    """
    match = next(filter(None, (form.fullmatch(value) for form in _FORMS)), None)
    if match is None:
        return None
    year, day, hour, minute, second = (
        int(match[name]) for name in ("year", "day", "hour", "minute", "second")
    )
    month = _MONTHS.index(match["month"]) + 1
    if len(match["year"]) == 2:
        now = time.gmtime()
        year += now.tm_year // 100 * 100 + 100
        while (year - 50, month, day, hour, minute, second) > now[:6]:
            year -= 100  # more than 50 years ahead is the past
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) + leap
