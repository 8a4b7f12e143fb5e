from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contest import Result, Target, compete

ROOT = Path(__file__).parents[2]


def test_contestants_take_turns_after_a_warm_up() -> None:
    turns: list[str] = []

    def contestant(name: str, seconds: float) -> float:
        turns.append(name)
        return seconds

    contestants = {"a": lambda: contestant("a", 1.0), "b": lambda: contestant("b", 2.0)}
    result = compete("turns", "s", contestants, rounds=2)
    assert turns == ["a", "b", "a", "b", "a", "b"]
    assert result.values == {"a": [1.0, 1.0], "b": [2.0, 2.0]}


@pytest.mark.parametrize(
    ("target", "measured", "holds"),
    [
        (Target("a", "at most", 0.5, "b"), 0.5, True),
        (Target("a", "at most", 0.4, "b"), 0.5, False),
        (Target("b", "at least", 2.0, "a"), 2.0, True),
        (Target("b", "at least", 2.1, "a"), 2.0, False),
        (Target("a", "at most", 3.0), 2.0, True),
    ],
)
def test_a_target_bounds_the_ratio_of_medians(target: Target, measured: float, holds: bool) -> None:  # noqa: FBT001
    result = Result("t", "s", {"a": [1.0, 2.0, 30.0], "b": [4.0, 4.0]}, [target])
    assert math.isclose(result.measured(target), measured)
    assert target.holds(result.measured(target)) is holds
    assert ("**missed**" in result.markdown()) is not holds


def test_an_unknown_benchmark_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nope"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nope" in done.stderr
