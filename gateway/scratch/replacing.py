"""Collections in the place of others: a process that dies over it leaves the one or the other.

No call of all systems lets two directories change places, so there is a moment in which neither has the
name. What is about to happen is noted before that, and finished by the next process that starts.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

_NOTE: Final = ".replacing"
"""How names of notes end. Whoever lives has its note locked, which the system gives up for who died."""


def replace(file: Path, target: Path, begun: Path) -> Path:
    """Gives something the name of something else, and tells the name that has what was replaced.

    Args:
        file: What is whole.
        target: What is replaced.
        begun: Where notes are, and things without a place.

    Raises:
        OSError: Nothing was replaced.
    """
    aside = begun / token_hex(16)
    names = [os.path.relpath(path, begun) for path in (file, target, aside)]
    unseen, note = aside.with_suffix(".note"), aside.with_suffix(_NOTE)
    with unseen.open("x", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        json.dump(names, held)
        held.flush()
        unseen.rename(note)
        try:
            target.rename(aside)
            try:
                file.rename(target)
            except OSError:
                aside.rename(target)
                raise
        finally:
            note.unlink()
    return aside


def finish(begun: Path) -> None:
    """Finishes what processes have noted that are no more."""
    for note in begun.glob(f"*{_NOTE}"):
        with suppress(OSError), note.open(encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file, target, aside = (Path(begun, name) for name in json.load(held))
            if aside.exists() and not target.exists():
                (file if file.exists() else aside).rename(target)
            note.unlink()
