"""Many clients at once, each on a connection: they list, read, lock, write, and give up what they locked."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from collections import Counter, defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TABLES: Final = 20
ROWS: Final = 100
LOCKINFO: Final = (
    b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
)


def fill(database: Path) -> None:
    """Tables whose rows all say who wrote them: nobody, so far."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for table in range(TABLES):
            connection.execute(f"CREATE TABLE t{table} (id INTEGER PRIMARY KEY, writer INTEGER NOT NULL)")
            rows = ((row, 0) for row in range(ROWS))
            connection.executemany(f"INSERT INTO t{table} VALUES (?, ?)", rows)


@dataclass
class Report:
    """What came of it."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by method and status."""
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """From the request to the end of the answer, by method."""
    wrong: list[str] = field(default_factory=list)
    """Locks that were lost, rows of two writers, answers that nobody expects."""


async def crowd(port: int, clients: int, seconds: float) -> Report:
    """Lets so many clients go on for so long."""
    report, until = Report(), time.monotonic() + seconds
    await asyncio.gather(*(_Client(port, number, report).run(until) for number in range(1, clients + 1)))
    return report


class _Client:
    def __init__(self, port: int, number: int, report: Report) -> None:
        self._port, self._number, self._report = port, number, report
        self._random = random.Random(number)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, until: float) -> None:
        await asyncio.sleep(self._random.random() / 2)
        while time.monotonic() < until:
            table = f"/main/t{self._random.randrange(TABLES)}.csv"
            act = self._random.choices((self._list, self._read, self._change), (1, 2, 1))[0]
            await act(table)
        if self._streams is not None:
            self._streams[1].close()

    async def _list(self, _table: str) -> None:
        status, _, body = await self._ask("PROPFIND", "/main/", {"Depth": "1"})
        if status == 207 and body.count(b"<D:response>") < TABLES:
            self._report.wrong.append(f"a listing of {len(body)} bytes")

    async def _read(self, table: str) -> None:
        status, _, body = await self._ask("GET", table)
        if status == 200:
            self._writer_of(body, table)

    async def _change(self, table: str) -> None:
        status, headers, _ = await self._ask("LOCK", table, {"Timeout": "Second-600"}, LOCKINFO)
        if status != 200:
            if status == 423:  # another has it: without its token nothing is written
                await self._ask("PUT", table, body=self._rows(), expected={204, 423, 503})
            return
        token = headers["lock-token"]
        held = {"If": f"({token})"}
        status, _, _ = await self._again("PUT", table, held, self._rows(), expected={204})
        if status == 204:
            status, _, body = await self._again("GET", table, expected={200})
            if status == 200 and self._writer_of(body, table) != self._number:
                self._report.wrong.append(f"another wrote {table} under the lock of {self._number}")
        await self._again("UNLOCK", table, {"Lock-Token": token}, expected={204})

    def _rows(self) -> bytes:
        return b"id,writer\r\n" + b"".join(b"%d,%d\r\n" % (row, self._number) for row in range(ROWS))

    def _writer_of(self, body: bytes, table: str) -> int:
        writers = {int(line.partition(b",")[2]) for line in body.split()[1:]}
        if len(writers) != 1 or body.count(b"\n") != ROWS + 1:
            self._report.wrong.append(f"{table} has rows of {writers}")
        return next(iter(writers), 0)

    async def _again(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        expected: set[int],
    ) -> tuple[int, dict[str, str], bytes]:
        """Asks until the gateway has room."""
        while True:
            answer = await self._ask(method, path, headers or {}, body, expected={*expected, 503})
            if answer[0] != 503:
                return answer
            await asyncio.sleep(0.1)

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        expected: set[int] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        begun = time.perf_counter()
        answer = await self._exchange(method, path, headers or {}, body)
        self._report.seconds[method].append(time.perf_counter() - begun)
        status, _, content = answer
        self._report.statuses[method, status] += 1
        known = {"PROPFIND": {207}, "GET": {200}, "LOCK": {200, 423}}.get(method, set()) | {503}
        if status not in (known if expected is None else expected):
            self._report.wrong.append(f"{method} {path} {dict(headers or {})}: {status} {content[:300]!r}")
        if status == 503 and b"pool-exhausted" not in content:
            self._report.wrong.append(f"{method} {path}: {content[:300]!r}")
        return answer

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = {"Host": "127.0.0.1", **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(maxsplit=2)[1])
        fields = {name.lower(): value for name, value in re.findall(r"(?m)^([^:\r\n]+): ([^\r\n]*)", head)}
        content = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                content += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            content = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._streams = None
        return status, fields, content
