"""Dead properties: all changes or none, within a bound."""

from __future__ import annotations

import pytest

from gateway.dav.properties import DeadProperties
from gateway.problems import Problem


def test_changes_are_made_in_order() -> None:
    dead = DeadProperties()
    dead.update("/a", [("x", "1"), ("y", "2"), ("x", None), ("z", None), ("y", "3")])
    assert dict(dead.of("/a")) == {"y": "3"}
    assert dict(dead.of("/a/")) == {"y": "3"}
    assert not dead.of("/b")


def test_one_resource_cannot_take_all_the_room() -> None:
    dead = DeadProperties()
    dead.update("/a", [("x", "1" * 60_000)])
    with pytest.raises(Problem, match="property-store-full"):
        dead.update("/a", [("y", "1" * 60_000)])
    dead.update("/b", [("y", "1" * 60_000)])
    assert set(dead.of("/a")) == {"x"}


def test_a_resource_without_properties_leaves_nothing_behind() -> None:
    dead = DeadProperties()
    dead.update("/a", [("x", "1")])
    assert dead
    dead.update("/a", [("x", None)])
    assert not dead


def test_an_update_over_the_bound_changes_nothing_and_less_is_always_possible() -> None:
    dead = DeadProperties(max_bytes=100)
    dead.update("/a", [("x", "1" * 80)])
    for path in ("/a", "/b"):
        with pytest.raises(Problem, match="property-store-full"):
            dead.update(path, [("x", None), ("y", "2" * 101)])
    assert dict(dead.of("/a")) == {"x": "1" * 80}
    assert not dead.of("/b")
    dead.update("/a", [("x", None)])
    dead.update("/b", [("y", "2" * 90)])
    assert dict(dead.of("/b")) == {"y": "2" * 90}
