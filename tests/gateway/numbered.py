"""A gateway over tables whose rows say which state they are of, and what it does to their database."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx
import pyarrow as pa

from tests.gateway.databases import NUMBERED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.gateway.conftest import Serve
    from tests.gateway.serving import Server

ROW = 68
"""Bytes of a row in CSV, as long as the number of the state is one digit."""
SIZE = len("id,text\r\n") + 80_000 * ROW
"""Bytes of `/main/known.csv`."""


def eventually(holds: Callable[[], object], seconds: float = 10) -> None:
    """Waits until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


class Asking(threading.Thread):
    """A request that is under way."""

    def __init__(self, ask: Callable[..., httpx.Response], *args: Any, **options: Any) -> None:
        super().__init__(daemon=True)
        self._ask, self._args, self._options = ask, args, options
        self._response: httpx.Response | None = None
        self.start()

    def answer(self, seconds: float = 30) -> httpx.Response:
        self.join(seconds)
        assert self._response is not None, "there is no answer"
        return self._response

    def run(self) -> None:
        self._response = self._ask(*self._args, **self._options)


@dataclass
class Tables:
    """`known` has versions and `unknown` none; both are in the same state."""

    folder: Path
    server: Server = field(init=False)
    gate: int | None = None

    def serve(self, serve: Serve, *arguments: str, gated: bool = False) -> Self:
        """Starts a gateway; batches but the first of a gated one wait for `let`."""
        self.spool.mkdir(exist_ok=True)
        self.scans.touch()
        if not self.state.exists():
            self.become(1)
        env = {"TEST_STATE": str(self.state), "TEST_SCANS": str(self.scans)}
        if gated:
            os.mkfifo(self.folder / "gate")
            self.gate = os.open(self.folder / "gate", os.O_RDWR)
            env["TEST_GATE"] = str(self.folder / "gate")
        self.server = serve(
            NUMBERED, "--access", "write", "--spool-dir", str(self.spool), *arguments, env=env
        )
        return self

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def scans(self) -> Path:
        return self.folder / "scans"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def become(self, state: int) -> None:
        """Another state, as if by somebody else's transaction."""
        new = self.state.with_suffix(".new")
        new.write_text(str(state), encoding="ascii")
        new.replace(self.state)

    def let(self, batches: int = 100) -> None:
        """Hands on so many batches."""
        assert self.gate is not None
        os.write(self.gate, b"x" * batches)

    def scanned(self) -> int:
        """How often a table was read."""
        return self._noted("known") + self._noted("unknown")

    def batches(self) -> int:
        """How many batches were handed on."""
        return self._noted("batch")

    def stopped(self) -> int:
        """How often a table was not read to its end."""
        return self._noted("stopped")

    def _noted(self, word: str) -> int:
        return self.scans.read_text().splitlines().count(word)

    def files(self) -> list[Path]:
        """What there is in the spool."""
        return [path for path in self.spool.rglob("*") if path.is_file()]

    def client(self, agent: str = "one") -> httpx.Client:
        """A client that is taken for another if its name is another."""
        headers = {"accept-encoding": "identity", "user-agent": agent}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=30)


def states(content: bytes) -> set[int]:
    """Which states the rows of a CSV file, or of a part of one, are of."""
    return {int(row) for row in re.findall(rb"^(\d+),\d{64}\r$", content, re.MULTILINE)}


def states_of_arrow(content: bytes) -> set[int]:
    """As `states`, of an Arrow stream."""
    return set(pa.ipc.open_stream(content).read_all()["id"].unique().to_pylist())
