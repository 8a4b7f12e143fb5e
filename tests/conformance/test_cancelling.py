"""Who leaves stops what was asked, within a second; so does a limit of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fsspec_db import QueryTimeoutError
from tests.conformance.harness import USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.harness import Database


def until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


def busy(db: Database) -> bool:
    return db.engine.busy(db.url)


def test_a_reader_that_leaves_stops_its_statement(db: Database) -> None:
    if not db.quirks.queries:
        return
    for _ in range(2):
        stream = db.fs.query_stream(db.engine.endless)
        until(lambda: busy(db), 10)
        stream.close()
        if db.quirks.cancels:
            until(lambda: not busy(db), 1)
    assert db.rows() == USERS


def test_a_limit_of_time_stops_a_statement(db: Database) -> None:
    if not db.quirks.queries:
        return
    for act in (db.fs.query, db.fs.open_query):
        start = time.monotonic()
        with pytest.raises(QueryTimeoutError):
            act(db.engine.endless, timeout=0.3)
        assert time.monotonic() - start < 2
        if db.quirks.cancels:
            until(lambda: not busy(db), 1)
    assert db.rows() == USERS


def test_a_limit_that_is_not_reached_does_no_harm(db: Database) -> None:
    assert (
        db.fs.cat_file(db.path("users", "csv") + "?columns=id&order=id", timeout=30)
        == b"id\r\n1\r\n2\r\n3\r\n"
    )
    db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n", mode="append", timeout=30)
    assert db.count("users") == 4


def test_many_that_leave_do_not_use_up_the_connections(db: Database) -> None:
    if db.quirks.queries and db.quirks.cancels:
        for _ in range(12):
            db.fs.query_stream(db.engine.endless).close()
        assert db.fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 3}]
        until(lambda: not busy(db), 2)
