"""Write locks: what they cover, what they exclude, and how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.dav import locks as module
from gateway.dav.locks import Locks, place, timeout_of
from gateway.problems import Problem

if TYPE_CHECKING:
    from gateway.dav.locks import Lock


@pytest.fixture
def locks() -> Locks:
    return Locks()


def take(locks: Locks, path: str, *, scope: str = "exclusive", depth: str = "0", timeout: int = 60) -> Lock:
    return locks.acquire(path, scope=scope, depth=depth, owner=b"", timeout=timeout)


def code(locks: Locks, path: str, *held: Lock) -> str | None:
    value = b" ".join(b"(<%s>)" % lock["token"].encode() for lock in held)
    problem = locks.conflict(path, [(b"if", value)] if held else [])
    return problem.code if problem else None


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr("time.time", lambda: now)


def test_a_lock_asks_for_its_token(locks: Locks) -> None:
    held = take(locks, "/main/users.arrow")
    assert code(locks, "/main/users.arrow") == "locked"
    assert code(locks, "/main/users.arrow", held) is None
    assert code(locks, "/main/other.arrow") is None


@pytest.mark.parametrize("path", ["/main/users.csv", "/main/users", "/main/users/"])
def test_the_views_of_the_same_rows_are_locked_together(locks: Locks, path: str) -> None:
    held = take(locks, "/main/users.arrow")
    assert code(locks, path) == "locked"
    assert code(locks, path, held) is None
    with pytest.raises(Problem, match="locked"):
        take(locks, path)


def test_a_name_with_a_dot_of_its_own_is_another_relation(locks: Locks) -> None:
    take(locks, "/main/a.arrow")
    assert code(locks, "/main/a%2Ecsv.arrow") is None
    assert place("/main/a%2Ecsv.arrow") == "/main/a%2Ecsv"
    assert place("/") == "/"


def test_infinite_depth_covers_everything_below(locks: Locks) -> None:
    held = take(locks, "/main/", depth="infinity")
    assert code(locks, "/main/users.arrow") == "locked"
    assert code(locks, "/main/users/columns/id") == "locked"
    assert code(locks, "/mainly/users.arrow") is None
    assert code(locks, "/main/users.arrow", held) is None


def test_depth_zero_covers_the_directory_alone(locks: Locks) -> None:
    take(locks, "/main/")
    assert code(locks, "/main/") == "locked"
    assert code(locks, "/main/users.arrow") is None


def test_the_root_covers_everything(locks: Locks) -> None:
    take(locks, "/", depth="infinity")
    assert code(locks, "/main/users.arrow") == "locked"
    with pytest.raises(Problem, match="locked"):
        take(locks, "/main/users.arrow")


def test_nobody_locks_above_a_lock(locks: Locks) -> None:
    take(locks, "/main/users.arrow")
    with pytest.raises(Problem, match="locked"):
        take(locks, "/main/", depth="infinity")
    take(locks, "/main/", depth="0")


def test_shared_locks_live_together_and_one_token_is_enough(locks: Locks) -> None:
    first, second = (take(locks, "/main/users.arrow", scope="shared") for _ in range(2))
    assert code(locks, "/main/users.arrow") == "locked"
    assert code(locks, "/main/users.arrow", first) is None
    assert code(locks, "/main/users.arrow", second) is None
    with pytest.raises(Problem, match="locked"):
        take(locks, "/main/users.arrow")


def test_a_token_of_another_resource_opens_nothing(locks: Locks) -> None:
    take(locks, "/main/users.arrow")
    other = take(locks, "/main/other.arrow")
    assert code(locks, "/main/users.arrow", other) == "precondition-failed"
    tagged = b"</main/other.arrow> (<%s>)" % other["token"].encode()
    problem = locks.conflict("/main/users.arrow", [(b"if", tagged)])
    assert problem is not None
    assert problem.code == "locked"


def test_a_condition_that_fails_is_said_even_where_nothing_is_locked(locks: Locks) -> None:
    problem = locks.conflict("/main/users.arrow", [(b"if", b"(<urn:gone>)")])
    assert problem is not None
    assert problem.code == "precondition-failed"


def test_a_malformed_header_is_a_problem_not_an_exception(locks: Locks) -> None:
    problem = locks.conflict("/main/users.arrow", [(b"if", b"nonsense")])
    assert problem is not None
    assert problem.code == "invalid-request"


def test_a_lock_that_was_given_up_covers_nothing(locks: Locks) -> None:
    held = take(locks, "/main/users.arrow")
    locks.release(held)
    assert locks.get(held["token"]) is None
    assert code(locks, "/main/users.arrow") is None


def test_a_lock_ends_with_its_time_and_a_refresh_gives_more(
    locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, other = take(locks, "/main/users.arrow", timeout=60), take(locks, "/main/other.arrow", timeout=60)
    locks.refresh(other, 600)
    later(monkeypatch, 61)
    assert locks.get(held["token"]) is None
    assert code(locks, "/main/users.arrow") is None
    assert code(locks, "/main/other.arrow") == "locked"
    assert set(locks.below("/")) == {"/main/other"}
    take(locks, "/main/users.arrow")


def test_the_number_of_locks_is_bounded_by_those_alive(locks: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOCKS", 3)
    held = [take(locks, f"/main/t{i}.arrow") for i in range(3)]
    with pytest.raises(Problem, match="lock-store-full"):
        take(locks, "/main/one-more.arrow")
    locks.release(held[0])
    take(locks, "/main/one-more.arrow")
    later(monkeypatch, 61)
    take(locks, "/main/and-another.arrow")


def test_the_number_of_those_who_share_is_bounded(locks: Locks) -> None:
    for _ in range(module.MAX_SHARED):
        take(locks, "/main/users.arrow", scope="shared")
    with pytest.raises(Problem, match="lock-store-full"):
        take(locks, "/main/users.csv", scope="shared")
    take(locks, "/main/other.csv", scope="shared")


@pytest.mark.parametrize(
    ("path", "depth"),
    [("/main/users.csv", "0"), ("/main/users/", "0"), ("/main/", "infinity"), ("/", "infinity")],
)
def test_nobody_gets_a_lock_on_rows_that_are_being_written(locks: Locks, path: str, depth: str) -> None:
    with locks.writing("/main/users.arrow", []):
        with locks.writing("/main/users.arrow", []), pytest.raises(Problem, match="locked"):
            take(locks, path, depth=depth)
        with pytest.raises(Problem, match="locked"):
            take(locks, path, depth=depth)
        locks.release(take(locks, "/main/", depth="0"))
        locks.release(take(locks, "/main/user.csv"))
    take(locks, path, depth=depth)


def test_nobody_gets_a_lock_on_a_directory_that_is_getting_a_member(locks: Locks) -> None:
    with locks.writing("/main/new.csv", [], creates=True):
        with locks.writing("/main/other.csv", [], creates=True):
            pass
        with pytest.raises(Problem, match="locked"):
            take(locks, "/main/", depth="0")
        locks.release(take(locks, "/", depth="0"))
    take(locks, "/main/", depth="0")


def test_a_lock_taken_while_a_body_came_is_respected_and_one_that_ended_forgiven(locks: Locks) -> None:
    mine = take(locks, "/main/users.arrow")
    headers = [(b"if", b"(<%s>)" % mine["token"].encode())]
    assert locks.conflict("/main/users.arrow", headers) is None
    locks.release(mine)
    with locks.writing("/main/users.arrow", headers):
        pass
    take(locks, "/main/users.arrow")
    with pytest.raises(Problem, match="locked"), locks.writing("/main/users.arrow", headers):
        pass


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Second-300", 300),
        (b"Infinite, Second-4100000000", module.MAX_TIMEOUT),
        (b"Extend, second-10", 10),
        (b"Second-99999999999999999999", module.MAX_TIMEOUT),
        (b"Second-0", 1),
        (b"Second-", module.DEFAULT_TIMEOUT),
        (b"", module.DEFAULT_TIMEOUT),
    ],
)
def test_a_timeout_is_the_first_choice_that_can_be_read(value: bytes, seconds: int) -> None:
    assert timeout_of({b"timeout": value}) == seconds
