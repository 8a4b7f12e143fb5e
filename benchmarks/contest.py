"""Contestants that take turns, and what comes out of it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Target:
    """`subject` / `peer` must be at most, or at least, `bound`; without a peer, `subject` itself."""

    subject: str
    relation: Literal["at most", "at least"]
    bound: float
    peer: str | None = None

    def holds(self, value: float) -> bool:
        """Whether the value meets the bound."""
        return value <= self.bound if self.relation == "at most" else value >= self.bound


@dataclass
class Result:
    """One table of the report: values of each contestant, in the order of the rounds."""

    title: str
    unit: Literal["s", "ms", "1/s", "MiB"]
    values: dict[str, list[float]]
    targets: Sequence[Target] = ()
    notes: list[str] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median of a contestant's rounds."""
        return statistics.median(self.values[name])

    def measured(self, target: Target) -> float:
        """What the target bounds."""
        value = self.median(target.subject)
        return value if target.peer is None else value / self.median(target.peer)

    def markdown(self) -> str:
        """The tables: medians with the spread, then the targets."""
        lines = [
            f"## {self.title}",
            "",
            f"| | median ({self.unit}) | least | most | rounds |",
            "|---|--:|--:|--:|--:|",
        ]
        for name, values in self.values.items():
            figures = [self._figure(value) for value in (statistics.median(values), min(values), max(values))]
            lines.append(f"| {name} | {' | '.join(figures)} | {len(values)} |")
        if self.targets:
            lines += ["", "| target | wanted | measured | |", "|---|--:|--:|---|"]
        for target in self.targets:
            value = self.measured(target)
            unit = f" {self.unit}" if target.peer is None else " ×"
            subject = target.subject if target.peer is None else f"{target.subject} / {target.peer}"
            verdict = "met" if target.holds(value) else "**missed**"
            lines.append(
                f"| {subject} | {target.relation} {target.bound:g}{unit} | {value:.2f}{unit} | {verdict} |"
            )
        for note in self.notes:
            lines += ["", note]
        return "\n".join([*lines, ""])

    def _figure(self, value: float) -> str:
        return f"{value:.3f}" if self.unit == "s" else f"{value:,.1f}"


def compete(
    title: str,
    unit: Literal["s", "ms", "1/s", "MiB"],
    contestants: Mapping[str, Callable[[], float]],
    targets: Sequence[Target] = (),
    *,
    rounds: int,
    warm: bool = True,
) -> Result:
    """Lets the contestants take turns, so that what else the machine does falls on all alike.

    Args:
        title: The heading of the table.
        unit: The unit of what a contestant returns.
        contestants: What to run, by name; each run returns its own measurement.
        targets: What the medians are held against.
        rounds: Turns of each that count.
        warm: Whether each runs once before the first round.
    """
    if warm:
        for run in contestants.values():
            run()
    values: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            values[name].append(run())
    return Result(title, unit, values, targets)
