"""A gateway that is killed just before the change on disk of a given number.

    python -m tests.gateway.dying ARMED NUMBER serve …

Changes are counted from when the file ARMED is there.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from gateway.cli import main

_CHANGES = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.utime"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Death:
    """An audit hook: it is told of a call of the system before that is made."""

    def __init__(self, armed: str, number: int) -> None:
        self._armed = armed
        self._left = number

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES and not (event == "open" and arguments[2] & _WRITING):
            return
        if os.path.exists(self._armed):  # noqa: PTH110 - pathlib is what is being watched
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.addaudithook(Death(sys.argv[1], int(sys.argv[2])))
    sys.exit(main(sys.argv[3:]))
