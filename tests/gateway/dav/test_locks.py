"""Write locks: what they cover, what they exclude, and how they end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.dav import lock_store
from gateway.dav.locks import DEFAULT_TIMEOUT, MAX_TIMEOUT, Locks, place, timeout_of
from gateway.dav.stores import open_stores
from gateway.problems import Problem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterator

    from gateway.dav.lock_store import Lock

TAGS = {"/main/users.arrow": '"one"', "/main/other.arrow": '"two"'}


async def tags(path: str, asked: Collection[str]) -> list[str]:
    assert asked
    return [TAGS[path]] if path in TAGS else []


class Held:
    """`Locks`, called from outside of its event loop."""

    def __init__(self, runner: asyncio.Runner, locks: Locks) -> None:
        self.run = runner.run
        self.locks = locks

    def take(
        self, path: str, *, scope: str = "exclusive", depth: str = "0", seconds: int = 60, owner: str = ""
    ) -> Lock:
        return self.run(self.locks.acquire(path, scope=scope, depth=depth, owner=owner, seconds=seconds))

    def problem(self, path: str, value: bytes, **change: bool) -> Problem | None:
        return self.run(self.locks.conflict(path, [(b"if", value)] if value else [], **change))

    def code(self, path: str, *held: Lock, **change: bool) -> str | None:
        problem = self.run(self.locks.conflict(path, submitted(*held), **change))
        return problem.code if problem else None

    def release(self, lock: Lock) -> None:
        self.run(self.locks.release(lock))

    def get(self, lock: Lock) -> Lock | None:
        return self.run(self.locks.get(lock["token"]))

    def below(self, path: str) -> dict[str, list[Lock]]:
        return self.run(self.locks.around(path))[1]

    @contextmanager
    def writing(self, path: str, *held: Lock, **change: bool) -> Iterator[None]:
        block = self.locks.writing(path, submitted(*held), **change)
        self.run(block.__aenter__())
        try:
            yield
        finally:
            self.run(block.__aexit__(None, None, None))


@pytest.fixture
def held(runner: asyncio.Runner, store: str) -> Iterator[Held]:
    locks, _ = open_stores(store, tags)
    yield Held(runner, locks)
    runner.run(locks.close())


@pytest.fixture
def in_memory(runner: asyncio.Runner) -> Held:
    """Whose clock can be set."""
    return Held(runner, Locks())


def submitted(*held: Lock) -> list[tuple[bytes, bytes]]:
    return [(b"if", b" ".join(b"(<%s>)" % lock["token"].encode() for lock in held))] if held else []


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr("time.time", lambda: now)


def test_a_lock_asks_for_its_token(held: Held) -> None:
    lock = held.take("/main/users.arrow")
    assert held.code("/main/users.arrow") == "locked"
    assert held.code("/main/users.arrow", lock) is None
    assert held.code("/main/other.arrow") is None


@pytest.mark.parametrize("path", ["/main/users.csv", "/main/users", "/main/users/"])
def test_the_views_of_the_same_rows_are_locked_together(held: Held, path: str) -> None:
    lock = held.take("/main/users.arrow")
    assert held.code(path) == "locked"
    assert held.code(path, lock) is None
    with pytest.raises(Problem, match="locked"):
        held.take(path)


def test_a_name_with_a_dot_of_its_own_is_another_relation(held: Held) -> None:
    held.take("/main/a.arrow")
    assert held.code("/main/a%2Ecsv.arrow") is None
    assert place("/main/a%2Ecsv.arrow") == "/main/a%2Ecsv"
    assert place("/") == "/"


def test_infinite_depth_covers_everything_below(held: Held) -> None:
    lock = held.take("/main/", depth="infinity")
    assert held.code("/main/users.arrow") == "locked"
    assert held.code("/main/users/columns/id") == "locked"
    assert held.code("/mainly/users.arrow") is None
    assert held.code("/main/users.arrow", lock) is None


def test_depth_zero_covers_the_directory_alone(held: Held) -> None:
    held.take("/main/")
    assert held.code("/main/") == "locked"
    assert held.code("/main/users.arrow") is None


def test_the_root_covers_everything(held: Held) -> None:
    held.take("/", depth="infinity")
    assert held.code("/main/users.arrow") == "locked"
    with pytest.raises(Problem, match="locked"):
        held.take("/main/users.arrow")


def test_nobody_locks_above_a_lock(held: Held) -> None:
    held.take("/main/users.arrow")
    with pytest.raises(Problem, match="locked"):
        held.take("/main/", depth="infinity")
    held.take("/main/", depth="0")


def test_shared_locks_live_together_and_one_token_is_enough(held: Held) -> None:
    first, second = (held.take("/main/users.arrow", scope="shared") for _ in range(2))
    assert held.code("/main/users.arrow") == "locked"
    assert held.code("/main/users.arrow", first) is None
    assert held.code("/main/users.arrow", second) is None
    with pytest.raises(Problem, match="locked"):
        held.take("/main/users.arrow")


def test_a_token_of_another_resource_opens_nothing(held: Held) -> None:
    held.take("/main/users.arrow")
    other = held.take("/main/other.arrow")
    assert held.code("/main/users.arrow", other) == "precondition-failed"
    tagged = b"</main/other.arrow> (<%s>)" % other["token"].encode()
    problem = held.problem("/main/users.arrow", tagged)
    assert problem is not None
    assert problem.code == "locked"


def test_a_condition_that_fails_is_said_even_where_nothing_is_locked(held: Held) -> None:
    problem = held.problem("/main/users.arrow", b"(<urn:gone>)")
    assert problem is not None
    assert problem.code == "precondition-failed"


def test_a_malformed_header_is_a_problem_not_an_exception(held: Held) -> None:
    problem = held.problem("/main/users.arrow", b"nonsense")
    assert problem is not None
    assert problem.code == "invalid-request"


def test_a_lock_that_was_given_up_covers_nothing(held: Held) -> None:
    lock = held.take("/main/users.arrow")
    held.release(lock)
    assert held.get(lock) is None
    assert held.code("/main/users.arrow") is None
    held.release(lock)


def test_a_lock_ends_with_its_time_and_a_refresh_gives_more(
    in_memory: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = in_memory
    lock, other = held.take("/main/users.arrow"), held.take("/main/other.arrow")
    assert held.run(held.locks.refresh(other, 600)) == other
    later(monkeypatch, 61)
    assert held.get(lock) is None
    assert held.run(held.locks.refresh(lock, 600)) is None
    assert held.code("/main/users.arrow") is None
    assert held.code("/main/other.arrow") == "locked"
    assert set(held.below("/")) == {"/main/other"}
    held.take("/main/users.arrow")


def test_ended_locks_make_room(in_memory: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_store, "MAX_LOCKS", 3)
    for i in range(3):
        in_memory.take(f"/main/t{i}.arrow")
    later(monkeypatch, 61)
    in_memory.take("/main/one-more.arrow")


def test_the_number_of_locks_is_bounded(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_store, "MAX_LOCKS", 3)
    locks = [held.take(f"/main/t{i}.arrow") for i in range(3)]
    with pytest.raises(Problem, match="lock-store-full"):
        held.take("/main/one-more.arrow")
    held.release(locks[0])
    held.take("/main/one-more.arrow")


def test_the_number_of_those_who_share_is_bounded(held: Held) -> None:
    for _ in range(lock_store.MAX_SHARED):
        held.take("/main/users.arrow", scope="shared")
    with pytest.raises(Problem, match="lock-store-full"):
        held.take("/main/users.csv", scope="shared")
    held.take("/main/other.csv", scope="shared")


@pytest.mark.parametrize(
    ("path", "depth"),
    [("/main/users.csv", "0"), ("/main/users/", "0"), ("/main/", "infinity"), ("/", "infinity")],
)
def test_nobody_gets_a_lock_on_rows_that_are_being_written(held: Held, path: str, depth: str) -> None:
    with held.writing("/main/users.arrow"):
        with held.writing("/main/users.arrow"), pytest.raises(Problem, match="locked"):
            held.take(path, depth=depth)
        with pytest.raises(Problem, match="locked"):
            held.take(path, depth=depth)
        held.release(held.take("/main/", depth="0"))
        held.release(held.take("/main/user.csv"))
    held.take(path, depth=depth)


def test_nobody_gets_a_lock_on_a_directory_that_is_getting_a_member(held: Held) -> None:
    with held.writing("/main/new.csv", creates=True):
        with held.writing("/main/other.csv", creates=True):
            pass
        with pytest.raises(Problem, match="locked"):
            held.take("/main/", depth="0")
        held.release(held.take("/", depth="0"))
    held.take("/main/", depth="0")


def test_a_lock_taken_while_a_body_came_is_respected_and_one_that_ended_forgiven(held: Held) -> None:
    mine = held.take("/main/users.arrow")
    assert held.code("/main/users.arrow", mine) is None
    held.release(mine)
    with held.writing("/main/users.arrow", mine):
        pass
    held.take("/main/users.arrow")
    with pytest.raises(Problem, match="locked"), held.writing("/main/users.arrow", mine):
        pass


def test_what_is_removed_asks_for_the_tokens_of_its_directory_and_of_all_below(held: Held) -> None:
    above, inside = held.take("/main/"), held.take("/main/users/columns/id")
    deep = held.take("/main/users/indexes/", depth="infinity", scope="shared")
    others = held.take("/main/users/indexes/", depth="infinity", scope="shared")
    assert held.code("/main/users/", removes=True) == "locked"
    assert held.run(held.locks.locked("/main/users/", [], creates=False)) is None
    for few in ((above,), (above, inside), (inside, deep), (above, deep)):
        problem = held.run(held.locks.locked("/main/users/", submitted(*few), removes=True))
        assert problem is not None
        assert problem.code == "locked"
        block = held.locks.writing("/main/users/", submitted(*few), removes=True)
        with pytest.raises(Problem, match="locked"):
            held.run(block.__aenter__())
    enough = submitted(above, inside, deep)
    assert held.run(held.locks.locked("/main/users/", enough, removes=True)) is None
    assert held.get(others)
    with held.writing("/main/users/", above, inside, deep, removes=True):
        pass
    held.run(held.locks.gone("/main/users/"))
    assert list(held.below("/")) == ["/main"]


def test_nobody_gets_a_lock_below_what_is_being_removed(held: Held) -> None:
    with held.writing("/main/users/", removes=True):
        for path in ("/main/users.csv", "/main/users/columns/id", "/main/"):
            with pytest.raises(Problem, match="locked"):
                held.take(path)
        held.release(held.take("/main/other.csv"))
    held.take("/main/users/columns/id")


def test_locks_that_all_are_shared_live_together_at_any_depth(held: Held) -> None:
    held.take("/main/users.arrow", scope="shared")
    held.take("/main/", depth="infinity", scope="shared")
    held.take("/main/other.arrow", scope="shared")
    with pytest.raises(Problem, match="locked"):
        held.take("/", depth="infinity")


@pytest.mark.parametrize("path", ["/.scratch/a.csv", "/main/._users.csv", "/.scratch/b.csv/c.csv"])
def test_files_that_are_no_rows_are_locked_one_by_one(held: Held, path: str) -> None:
    held.take(path)
    assert held.code(path) == "locked"
    assert held.code(path.replace(".csv", ".arrow")) is None
    assert held.code(path.removesuffix(".csv")) is None


def test_what_is_below_a_collection_named_like_a_file_is_below_it(held: Held) -> None:
    held.take("/.scratch/a.csv/", depth="infinity")
    assert held.code("/.scratch/a.csv/b") == "locked"
    assert held.code("/.scratch/a/b") is None


def test_the_owner_and_the_names_of_a_lock_come_back_as_they_were(held: Held) -> None:
    owner = '<owner xmlns="DAV:">\u65e5\u672c "\\" \u2028 \U0001f512</owner>'
    lock = held.take("/main/\u65e5\u672c %2F.csv", owner=owner)
    found = held.get(lock)
    assert found is not None
    assert found["owner"] == owner
    assert (found["href"], found["root"]) == ("/main/\u65e5\u672c %2F.csv", "/main/\u65e5\u672c %2F")
    assert found["expire"] == pytest.approx(time.time() + 60, abs=5)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b'(["one"])', None),
        (b'(["two"])', "precondition-failed"),
        (b'(Not ["two"])', None),
        (b'(["two"]) (["one"])', None),
        (b'([W/"one"])', "precondition-failed"),
        (b'</main/other.arrow> (["two"])', None),
        (b'<http://any.host/main/other.arrow> (["one"])', "precondition-failed"),
        (b'</main/none.arrow> (Not ["one"])', None),
        (b'(["one"] <DAV:no-lock>)', "precondition-failed"),
        (b"".join(b'</%d>(["x"])' % i for i in range(33)), "invalid-request"),
    ],
)
def test_entity_tags_are_those_that_the_resources_have_now(
    held: Held, value: bytes, code: str | None
) -> None:
    problem = held.problem("/main/users.arrow", value)
    assert (problem.code if problem else None) == code


def test_a_token_and_a_tag_hold_together(held: Held) -> None:
    lock = held.take("/main/users.arrow")
    token = lock["token"].encode()
    assert held.problem("/main/users.arrow", b'(<%s> ["one"])' % token) is None
    problem = held.problem("/main/users.arrow", b'(<%s> ["two"])' % token)
    assert problem is not None
    assert problem.code == "precondition-failed"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Second-300", 300),
        (b"Infinite, Second-4100000000", MAX_TIMEOUT),
        (b"Extend, second-10", 10),
        (b"Second-99999999999999999999", MAX_TIMEOUT),
        (b"Second-0", 1),
        (b"Second-", DEFAULT_TIMEOUT),
        (b"", DEFAULT_TIMEOUT),
    ],
)
def test_a_timeout_is_the_first_choice_that_can_be_read(value: bytes, seconds: int) -> None:
    assert timeout_of({b"timeout": value}) == seconds
