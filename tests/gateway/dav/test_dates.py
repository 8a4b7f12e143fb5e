"""When a resource changed, as far as the gateway can know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dav import dates as module
from gateway.dav.dates import Dates

if TYPE_CHECKING:
    import pytest


def test_a_write_dates_all_views_of_its_rows() -> None:
    dates = Dates(started=1000)
    assert dates.modified("/main/users.csv") == 1000
    dates.written("/main/users.arrow")
    assert dates.modified("/main/users.csv") == dates.modified("/main/users/") > 1000
    assert dates.modified("/main/other.csv") == dates.created == 1000


def test_no_date_goes_back_when_more_was_written_than_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WRITES", 2)
    dates = Dates(started=1000)
    before: dict[str, float] = {}
    for name in ("a", "b", "c", "d"):
        dates.written(f"/main/{name}.arrow")
        after = {n: dates.modified(f"/main/{n}.arrow") for n in ("a", "b", "c", "d", "e")}
        assert all(after[n] >= t for n, t in before.items())
        before = after
