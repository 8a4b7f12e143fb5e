"""Dead properties: all changes or none, within a bound; where they go when a resource does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.dav.properties import DeadProperties
from gateway.dav.redis.properties import RedisProperties
from gateway.dav.redis.server import RedisServer
from gateway.problems import Problem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from gateway.dav.properties import PropertyStore

    Open = Callable[..., "Dead"]


class Dead:
    """A store, called from outside of its event loop."""

    def __init__(self, runner: asyncio.Runner, store: PropertyStore) -> None:
        self._run = runner.run
        self._store = store

    def of(self, path: str) -> dict[str, str]:
        found = self._run(self._store.of(path))
        return {name: value for of in found.values() for name, value in of.items()}

    def members(self, path: str) -> set[str]:
        return set(self._run(self._store.of(path, members=True)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self._run(getattr(self._store, name)(*arguments, **options))


@pytest.fixture
def opened(runner: asyncio.Runner, store: str) -> Iterator[Open]:
    servers = []

    def open_one(**options: int) -> Dead:
        if store == "memory":
            return Dead(runner, DeadProperties(**options))
        servers.append(RedisServer(store))
        return Dead(runner, RedisProperties(servers[-1], **options))

    yield open_one
    for server in servers:
        runner.run(server.close())


@pytest.fixture
def dead(opened: Open) -> Dead:
    return opened()


def test_changes_are_made_in_order(dead: Dead) -> None:
    dead.update("/a", [("x", "1"), ("y", "2"), ("x", None), ("z", None), ("y", "3")])
    assert dead.of("/a") == {"y": "3"}
    assert dead.of("/a/") == {"y": "3"}
    assert not dead.of("/b")


def test_one_resource_cannot_take_all_the_room(dead: Dead) -> None:
    dead.update("/a", [("x", "1" * 60_000)])
    with pytest.raises(Problem, match="property-store-full"):
        dead.update("/a", [("y", "1" * 60_000)])
    dead.update("/b", [("y", "1" * 60_000)])
    assert set(dead.of("/a")) == {"x"}


def test_a_resource_without_properties_leaves_nothing_behind(dead: Dead) -> None:
    dead.update("/a", [("x", "1")])
    dead.update("/a", [("x", None)])
    assert not dead.members("/")


def test_an_update_over_the_bound_changes_nothing_and_less_is_always_possible(opened: Open) -> None:
    dead = opened(max_bytes=100)
    dead.update("/a", [("x", "1" * 80)])
    for path in ("/a", "/b"):
        with pytest.raises(Problem, match="property-store-full"):
            dead.update(path, [("x", None), ("y", "2" * 101)])
    assert dead.of("/a") == {"x": "1" * 80}
    assert not dead.of("/b")
    dead.update("/a", [("x", None)])
    dead.update("/b", [("y", "2" * 90)])
    assert dead.of("/b") == {"y": "2" * 90}


def test_bytes_are_counted_not_characters(opened: Open) -> None:
    dead = opened(max_bytes=100)
    with pytest.raises(Problem, match="property-store-full"):
        dead.update("/a", [("x", "\u65e5" * 34)])
    dead.update("/a", [("x", "\u65e5" * 32)])
    assert dead.of("/a") == {"x": "\u65e5" * 32}


@pytest.mark.parametrize("value", ["", '"\\\n\u2028', "\U0001f512", "%s &amp;", "null"])
def test_a_value_comes_back_as_it_was(dead: Dead, value: str) -> None:
    dead.update("/main/\u65e5 %2F.csv", [("{urn:\u65e5}x", value)])
    assert dead.of("/main/\u65e5 %2F.csv") == {"{urn:\u65e5}x": value}


def test_a_listing_has_those_of_the_members_and_not_of_what_is_below_them(dead: Dead) -> None:
    for path in ("/", "/main", "/main/a", "/main/a.csv", "/main/a/columns", "/mainly", "/mainly/a"):
        dead.update(path, [("x", path)])
    assert dead.members("/") == {"/", "/main", "/mainly"}
    assert dead.members("/main/") == {"/main", "/main/a", "/main/a.csv"}
    assert dead.members("/main/a") == {"/main/a", "/main/a/columns"}
    assert dead.members("/main/a.csv") == {"/main/a.csv"}


def fill(dead: Dead) -> None:
    for path in ("/m/a", "/m/a.csv", "/m/a.parquet", "/m/a/columns/id", "/m/ab", "/m/a.txt", "/n/a"):
        dead.update(path, [("x", path)])


def test_what_is_no_more_has_none_nor_have_its_files_and_what_is_below(dead: Dead) -> None:
    fill(dead)
    dead.remove("/m/a/")
    assert dead.members("/m") == {"/m/ab", "/m/a.txt"}
    assert not dead.of("/m/a/columns/id")
    assert dead.of("/n/a")


def test_they_move_with_a_relation_and_its_files_and_what_was_there_goes(dead: Dead) -> None:
    fill(dead)
    dead.update("/n/b", [("old", "1")])
    dead.update("/n/b.json", [("old", "1")])
    dead.move("/m/a/", "/n/b/")
    assert dead.members("/m") == {"/m/ab", "/m/a.txt"}
    assert dead.members("/n") == {"/n/a", "/n/b", "/n/b.csv", "/n/b.parquet"}
    assert dead.of("/n/b") == {"x": "/m/a"}
    assert dead.of("/n/b.csv") == {"x": "/m/a.csv"}
    assert dead.of("/n/b/columns/id") == {"x": "/m/a/columns/id"}


def test_they_are_copied_with_a_file_alone(dead: Dead) -> None:
    fill(dead)
    dead.update("/n/a", [("old", "1")])
    dead.copy("/m/a.csv", "/n/a")
    assert dead.of("/n/a") == {"x": "/m/a.csv"} == dead.of("/m/a.csv")
    assert dead.members("/n") == {"/n/a"}


def test_a_copy_of_depth_zero_leaves_what_is_below(dead: Dead) -> None:
    for path in ("/.scratch/a", "/.scratch/a/b", "/.scratch/c", "/.scratch/c/d"):
        dead.update(path, [("x", path)])
    dead.copy("/.scratch/a/", "/.scratch/c/", below=False)
    assert dead.of("/.scratch/c") == {"x": "/.scratch/a"}
    assert not dead.of("/.scratch/c/d")
    dead.copy("/.scratch/a/", "/.scratch/c/")
    assert dead.of("/.scratch/c/b") == {"x": "/.scratch/a/b"}


def test_what_has_none_takes_those_of_its_target_away(dead: Dead) -> None:
    dead.update("/m/b", [("x", "1")])
    dead.move("/m/a", "/m/b")
    assert not dead.of("/m/b")
    dead.update("/m/b", [("x", "1")])
    dead.copy("/m/a", "/m/b")
    assert not dead.of("/m/b")


def test_a_copy_over_the_bound_changes_nothing_and_a_move_is_never_refused(opened: Open) -> None:
    dead = opened(max_bytes=100)
    dead.update("/a", [("x", "1" * 90)])
    with pytest.raises(Problem, match="property-store-full"):
        dead.copy("/a", "/b")
    assert not dead.of("/b")
    dead.move("/a", "/longer-than-it-was")
    assert dead.of("/longer-than-it-was") == {"x": "1" * 90}
    dead.remove("/longer-than-it-was")
    dead.update("/a", [("x", "1" * 90)])
