"""The defences of the twelve invariants, as data: how each is taken out, and which tests then fail."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Edit:
    """A replacement in one file; `old` occurs there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defence:
    """One defence. Where several stand behind each other, its edits take all of them out.

    `tests` are node ids of pytest, or tests of the bridge as `target::path`, where the target is
    `lib` or the name of an integration test.
    """

    invariant: int
    title: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Where it stands, each file once."""
        return tuple(dict.fromkeys(edit.file for edit in self.edits))


def load() -> list[Defence]:
    """All defences, in the order of the invariants."""
    rows = tomllib.loads(Path(__file__).with_name("defences.toml").read_text("utf-8"))["defence"]
    found = [
        Defence(
            row["invariant"], row["title"], tuple(Edit(**edit) for edit in row["edit"]), tuple(row["tests"])
        )
        for row in rows
    ]
    return sorted(found, key=lambda defence: defence.invariant)
