"""Locks and properties of several processes, in Redis."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.dav.locks import Locks
from gateway.dav.redis import locks as module
from gateway.dav.redis.locks import RedisLocks
from gateway.dav.redis.properties import RedisProperties
from gateway.dav.redis.server import RedisServer
from gateway.problems import Problem
from tests.gateway.serving import ROOT
from tests.network import Network
from tests.redis_server import RedisProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from gateway.dav.lock_store import Lock, LockStore

PATHS = ["/", "/m/", "/m/a.csv", "/m/a/", "/m/a/columns/x", "/m/b.arrow", "/mm/", "/.scratch/a.csv"]


@pytest.fixture
def empty(redis: RedisProcess) -> RedisProcess:
    redis.empty()
    return redis


@pytest.fixture
def process(runner: asyncio.Runner, empty: RedisProcess) -> Iterator[Callable[[], Locks]]:
    """Makes the locks of one process more, with connections of its own."""
    opened = []

    def make(url: str = empty.url) -> Locks:
        opened.append(Locks(RedisLocks(RedisServer(url))))
        return opened[-1]

    yield make
    for locks in opened:
        runner.run(locks.close())


async def take(locks: Locks, path: str = "/m/a.csv", seconds: int = 60, **options: str) -> Lock:
    wanted = {"scope": "exclusive", "depth": "0", "owner": "", **options}
    return await locks.acquire(path, seconds=seconds, **wanted)


async def refused(attempt: Coroutine[None, None, object], code: str) -> bool:
    try:
        await attempt
    except Problem as problem:
        if problem.code == code:
            return True
        raise
    return False


async def free(locks: Locks, path: str, within: float) -> float:
    """Takes a lock as soon as it is there; the seconds that this took."""
    started = time.monotonic()
    while await refused(take(locks, path), "locked"):
        assert time.monotonic() - started < within
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def test_what_one_process_locks_all_see(runner: asyncio.Runner, process: Callable[[], Locks]) -> None:
    here, there = process(), process()

    async def scenario() -> None:
        lock = await take(here)
        assert (await there.around("/m/"))[1]["/m/a"][0]["token"] == lock["token"]
        assert await refused(take(there, "/m/a.parquet"), "locked")
        conflict = await there.conflict("/m/a/", [])
        assert conflict is not None
        assert conflict.code == "locked"
        longer = await there.refresh(lock, 6000)
        assert longer is not None
        seen = await here.get(lock["token"])
        assert seen is not None
        assert seen["expire"] == pytest.approx(longer["expire"], abs=1)
        await there.release(lock)
        await take(here)

    runner.run(scenario())


RACE = """
import asyncio, sys
from gateway.dav.locks import Locks
from gateway.dav.redis.locks import RedisLocks
from gateway.dav.redis.server import RedisServer
from gateway.problems import Problem

async def race(url):
    locks, won = Locks(RedisLocks(RedisServer(url))), []
    await locks.get("nothing")
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(300):
        try:
            await locks.acquire(f"/m/t{turn}.csv", scope="exclusive", depth="0", owner="", seconds=60)
        except Problem:
            continue
        won.append(turn)
    print(*won, flush=True)
    await locks.close()

asyncio.run(race(sys.argv[1]))
"""


def test_an_exclusive_lock_is_exclusive_among_processes(empty: RedisProcess) -> None:
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACE, empty.url],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        won = [[int(turn) for turn in racer.communicate()[0].split()] for racer in racers]
    assert sorted(turn for turns in won for turn in turns) == list(range(300))


def test_a_lock_ends_for_all_when_its_time_is_over_and_a_refresh_gives_more(
    runner: asyncio.Runner, process: Callable[[], Locks], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = process(), process()

    async def scenario() -> None:
        await take(here, "/m/a.csv", 1)
        kept = await take(here, "/m/b.csv", 1)
        assert await there.refresh(kept, 60)
        # What the clocks of the processes say does not matter.
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert 0.5 < await free(there, "/m/a.csv", 5) < 2
        assert await here.get(kept["token"])
        assert {k["root"] for k in (await here.around("/m/"))[1]["/m/b"]} == {"/m/b"}

    runner.run(scenario())


def test_what_one_process_writes_no_other_locks(
    runner: asyncio.Runner, process: Callable[[], Locks], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = process(), process()
    monkeypatch.setattr(module, "MARK_SECONDS", 0.6)

    async def scenario() -> None:
        async with here.writing("/m/a.csv", [], creates=True):
            for _ in range(10):  # which is longer than a mark lives by itself
                assert await refused(take(there, "/m/a.arrow"), "locked")
                assert await refused(take(there, "/m/"), "locked")
                await asyncio.sleep(0.12)
        await there.release(await take(there, "/m/"))
        await take(there, "/m/a.arrow")
        assert await refused(here.writing("/m/a.csv", []).__aenter__(), "locked")

    runner.run(scenario())


def test_a_process_that_dies_while_it_writes_is_not_waited_for_long(
    runner: asyncio.Runner, process: Callable[[], Locks], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = process(), process()
    monkeypatch.setattr(module, "MARK_SECONDS", 0.6)

    async def scenario() -> None:
        writing = here.writing("/m/a.csv", [])  # kept: what is forgotten is ended
        await writing.__aenter__()
        await here.close()  # its marks are renewed no more
        assert 0.2 < await free(there, "/m/a.csv", 5) < 2
        await writing.__aexit__(None, None, None)

    runner.run(scenario())


def test_a_write_that_was_cancelled_may_go_on_so_its_mark_stays_a_while(
    runner: asyncio.Runner, process: Callable[[], Locks], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = process(), process()
    monkeypatch.setattr(module, "MARK_SECONDS", 0.6)

    async def scenario() -> None:
        begun = asyncio.Event()

        async def write() -> None:
            async with here.writing("/m/a.csv", []):
                begun.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(write())
        await begun.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await refused(take(there), "locked")
        assert await free(there, "/m/a.csv", 5) < 2

    runner.run(scenario())


class Forgetful(Network):
    """Loses the answers to what makes a lock, once."""

    lost = 0

    def asked(self, piece: bytes) -> bytes:
        if b'"operation": "acquire"' in piece and not self.lost:
            self.lost = 1
        return piece

    def answered(self, piece: bytes) -> bytes:
        if self.lost == 1 and b"NOSCRIPT" not in piece:
            self.lost = 2
            return b""  # the connection ends
        return piece


def test_an_answer_that_is_lost_leaves_one_lock_whose_token_is_known(
    runner: asyncio.Runner, process: Callable[..., Locks], empty: RedisProcess
) -> None:
    with Forgetful(empty.port) as network:
        here, there = process(empty.url.replace(str(empty.port), str(network.port))), process()

        async def scenario() -> None:
            lock = await take(here)
            assert network.lost == 2
            assert [k["token"] for k in await there.covering("/m/a.csv")] == [lock["token"]]

        runner.run(scenario())


def test_a_lock_of_which_nobody_knows_is_undone(
    runner: asyncio.Runner,
    process: Callable[[], Locks],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = process(), process()
    run = RedisServer.run

    async def done_but_not_said(self: RedisServer, script: Any, operation: str, **ask: Any) -> Any:
        said = await run(self, script, operation, **ask)
        if operation == "acquire":
            monkeypatch.setattr(RedisServer, "run", run)
            raise Problem("lock-store-unavailable", "It took too long.")
        return said

    async def scenario() -> None:
        monkeypatch.setattr(RedisServer, "run", done_but_not_said)
        assert await refused(take(here), "lock-store-unavailable")
        await free(there, "/m/a.csv", 5)

    runner.run(scenario())


def test_without_redis_everything_that_asks_for_locks_is_refused_soon_and_nothing_stalls(
    runner: asyncio.Runner, process: Callable[..., Locks], empty: RedisProcess
) -> None:
    with Network(empty.port) as network:
        url = empty.url.replace(str(empty.port), str(network.port))
        locks = process(url)
        dead = RedisProperties(RedisServer(url))
        attempts: list[Callable[[], Coroutine[None, None, object]]] = [
            lambda: take(locks),
            lambda: locks.conflict("/m/a.csv", []),
            lambda: locks.conflict("/m/a.csv", [(b"if", b"(<urn:x>)")]),
            lambda: locks.writing("/m/a.csv", []).__aenter__(),
            lambda: locks.around("/m/"),
            lambda: locks.gone("/m/"),
            lambda: dead.of("/m/"),
            lambda: dead.update("/m/", [("x", "1")]),
        ]

        async def scenario() -> None:
            await locks.release(await take(locks))
            network.hang()
            longest, last = 0.0, time.monotonic()
            tasks = [asyncio.create_task(refused(one(), "lock-store-unavailable")) for one in attempts]
            while not all(task.done() for task in tasks):
                await asyncio.sleep(0.01)
                now = time.monotonic()
                longest, last = max(longest, now - last), now
            assert all(task.result() for task in tasks)
            assert longest < 0.5  # the loop ran on
            network.heal()
            await free(locks, "/m/a.csv", 20)
            await dead._server.close()

        runner.run(scenario())


def test_a_restart_is_not_noticed_but_for_what_was_kept(runner: asyncio.Runner) -> None:
    with RedisProcess() as server:
        locks = Locks(RedisLocks(RedisServer(server.url)))

        async def scenario() -> None:
            await asyncio.gather(*(take(locks, f"/m/t{i}.csv") for i in range(8)))
            server.stop()
            assert await refused(take(locks), "lock-store-unavailable")
            server.start()
            for _ in range(8):
                assert not await locks.covering("/m/t0.csv")
            await take(locks)
            await locks.close()

        runner.run(scenario())


def test_a_full_redis_is_no_store(runner: asyncio.Runner) -> None:
    with RedisProcess() as server:
        server.command("CONFIG", "SET", "maxmemory", "1")
        locks = Locks(RedisLocks(RedisServer(server.url)))

        async def scenario() -> None:
            assert await refused(take(locks), "lock-store-unavailable")
            await locks.close()

        runner.run(scenario())


OPERATIONS = st.one_of(
    st.tuples(
        st.just("take"),
        st.sampled_from(PATHS),
        st.sampled_from(["exclusive", "shared"]),
        st.sampled_from(["0", "infinity"]),
    ),
    st.tuples(st.just("release"), st.integers(0, 5)),
    st.tuples(st.just("gone"), st.sampled_from(PATHS)),
    st.tuples(
        st.just("write"),
        st.sampled_from(PATHS),
        st.sampled_from([{}, {"creates": True}, {"removes": True}]),
        st.sets(st.integers(0, 5), max_size=3),
    ),
    st.tuples(st.just("wrote"), st.integers(0, 3)),
)


class Followed:
    """One store, that does what it is told, and says how that went."""

    def __init__(self, store: LockStore) -> None:
        self.locks = Locks(store)
        self.taken: list[Lock] = []
        self.under_way: list[Any] = []

    async def follow(self, operation: tuple[Any, ...]) -> object:
        try:
            return await getattr(self, operation[0])(*operation[1:])
        except Problem as problem:
            return problem.code, getattr(problem, "condition", None), getattr(problem, "paths", None)

    async def take(self, path: str, scope: str, depth: str) -> None:
        self.taken.append(await take(self.locks, path, scope=scope, depth=depth))

    async def release(self, number: int) -> None:
        if number < len(self.taken):
            await self.locks.release(self.taken.pop(number))

    async def gone(self, path: str) -> None:
        await self.locks.gone(path)

    async def write(self, path: str, change: dict[str, bool], tokens: set[int]) -> object:
        held = [self.taken[i]["token"].encode() for i in sorted(tokens) if i < len(self.taken)]
        headers = [(b"if", b" ".join(b"(<%s>)" % token for token in held))] if held else []
        said = await self.locks.locked(path, headers, **change)
        block = self.locks.writing(path, headers, **change)
        await block.__aenter__()
        self.under_way.append(block)
        return getattr(said, "paths", None)

    async def wrote(self, number: int) -> None:
        if number < len(self.under_way):
            await self.under_way.pop(number).__aexit__(None, None, None)

    async def state(self) -> object:
        covering = [sorted(k["href"] + k["scope"] for k in await self.locks.covering(path)) for path in PATHS]
        around = (await self.locks.around("/"))[1]
        return covering, {root: len(found) for root, found in around.items()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATIONS, max_size=25))
def test_both_stores_do_and_say_the_same(empty: RedisProcess, operations: list[tuple[Any, ...]]) -> None:
    empty.empty()

    async def scenario() -> None:
        one, other = Followed(Locks()._store), Followed(RedisLocks(RedisServer(empty.url)))
        try:
            for operation in operations:
                assert await one.follow(operation) == await other.follow(operation), operation
                assert await one.state() == await other.state(), operation
        finally:
            for followed in (one, other):
                for block in followed.under_way:
                    await block.__aexit__(None, None, None)
                await followed.locks.close()

    asyncio.run(scenario())
