"""Ten tools read by ranges what a writer replaces all the time: each read is of one state, and none starves.

TORN_SECONDS=60 lets each go on for a minute, and prints what was read.
"""

from __future__ import annotations

import io
import itertools
import os
import random
import re
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fsspec
import httpx
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from obstore.store import HTTPStore
from webdav4.client import Client
from webdav4.fsspec import WebdavFileSystem

from tests.network import Network
from tests.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.gateway.conftest import Serve

SECONDS = float(os.environ.get("TORN_SECONDS", "5"))
ROWS = 20_000
STEP = 200_000
"""Bytes of a range."""
TABLE = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, state BIGINT NOT NULL, text TEXT NOT NULL, also BIGINT NOT NULL)"
)


def rows_of(state: int) -> pa.Table:
    """All rows of a state; each says in three columns which it is."""
    texts = [f"{state}:{row * 2_654_435_761 % 2**32:032x}" for row in range(ROWS)]
    same = pa.array([state] * ROWS, pa.int64())
    return pa.table({"id": pa.array(range(ROWS), pa.int64()), "state": same, "text": texts, "also": same})


def state_of(table: pa.Table) -> int:
    """Which state a whole table is of."""
    assert table.num_rows == ROWS
    found = set()
    for name in {"state", "also"} & set(table.column_names):
        found |= set(table.column(name).unique().to_pylist())
    if "text" in table.column_names:
        found |= {int(text.partition(":")[0]) for text in table.column("text").to_pylist()}
    assert len(found) == 1, f"torn: rows of the states {found}"
    return int(found.pop())


def state_of_csv(content: bytes) -> int:
    """Which state a part of a CSV file is of: its lines but the first and the last."""
    lines = content.split(b"\r\n")[1:-1]
    assert lines
    found = {
        int(state)
        for line in lines
        for state in re.fullmatch(rb"\d+,(\d+),(\d+):[0-9a-f]{32},(\d+)", line).groups()  # type: ignore[union-attr]
    }
    assert len(found) == 1, f"torn: rows of the states {found}"
    return found.pop()


def steps(size: int) -> list[tuple[int, int]]:
    """Ranges of a file, in any order."""
    found = [(start, min(start + STEP, size)) for start in range(0, size, STEP)]
    random.shuffle(found)
    return found


def joined(parts: dict[int, bytes]) -> bytes:
    return b"".join(parts[start] for start in sorted(parts))


@dataclass
class Place:
    """Where `t` is served."""

    base: str
    schema: str
    port: int

    def url(self, extension: str) -> str:
        return f"{self.base}/{self.schema}/t.{extension}"

    def path(self, extension: str) -> str:
        return f"{self.schema}/t.{extension}"


# The readers. Each is a client with a name of its own, as if each were on a host of its own: a gateway cannot
# tell tools of one host apart that have one name and each open connections in parallel, and which ask neither
# with If-Match nor with If-Range. Then a range on a new connection is of what was looked at last under that
# name. What has no HEAD goes on with the state of its last read while it reads again within the lease, so it
# takes another name for each read here.


def fsspec_http(name: str) -> Any:
    return fsspec.filesystem(
        "http",
        client_kwargs={"headers": {"User-Agent": name}},
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def fsspec_seeks(place: Place, name: str) -> Iterator[int]:
    http = fsspec_http(name)
    while True:
        with http.open(place.url("arrow"), block_size=1 << 16) as file:
            parts = {}
            for start, end in steps(file.size):
                file.seek(start)
                parts[start] = file.read(end - start)
        yield state_of(pa.ipc.open_stream(joined(parts)).read_all())


def fsspec_cats_ranges(place: Place, name: str) -> Iterator[int]:
    http, url = fsspec_http(name), place.url("csv")
    while True:
        ranges = sorted(steps(http.info(url)["size"]))
        starts, ends = zip(*ranges, strict=True)
        parts = http.cat_ranges([url] * len(ranges), list(starts), list(ends), on_error="raise")
        yield state_of_csv(b"".join(parts))


def arrow_reads_parquet(place: Place, name: str) -> Iterator[int]:
    http = fsspec_http(name)
    while True:
        with http.open(place.url("parquet"), cache_type="none") as source:
            file = pq.ParquetFile(source)
            columns = [file.read(columns=[column]).column(0) for column in ("state", "also", "text")]
        yield state_of(pa.table(dict(zip(("state", "also", "text"), columns, strict=True))))


def arrow_reads_a_dataset(place: Place, name: str) -> Iterator[int]:
    http = fsspec_http(name)
    while True:
        yield state_of(ds.dataset(place.url("parquet"), filesystem=http, format="parquet").to_table())


def pandas_reads_parquet(place: Place, name: str) -> Iterator[int]:
    """Of a file that was opened once.

    By `filesystem=` it takes the footer, looks with HEAD whether the file is there, and takes the pages: if
    rows change between, they are not where the footer says, and it fails. HEAD has to tell what is there now.
    """
    http = fsspec_http(name)
    while True:
        with http.open(place.url("parquet"), cache_type="none") as file:
            frame = pd.read_parquet(file, columns=["state", "also", "text"])
        yield state_of(pa.Table.from_pandas(frame))


class Named(Network):
    """A way on which who says that it is polars has another name."""

    name = b""

    def asked(self, piece: bytes) -> bytes:
        return re.sub(rb"(?<=\r\nuser-agent: )polars/[0-9.]+", lambda _: self.name, piece)


def polars_scans_parquet(place: Place, name: str) -> Iterator[int]:
    for number in itertools.count():
        with Named(place.port) as way:
            way.name = f"{name}-{number}".encode()
            frame = pl.scan_parquet(f"http://127.0.0.1:{way.port}/{place.path('parquet')}")
            yield state_of(frame.select("state", "text", "also").collect().to_arrow())


def obstore_gets_ranges(place: Place, name: str) -> Iterator[int]:
    for number in itertools.count():
        options: Any = {"allow_http": True, "user_agent": f"{name}-{number}"}
        store, path = HTTPStore.from_url(place.base, client_options=options), place.path("arrow")
        size = store.head(path)["size"]
        if number % 2:
            ranges = sorted(steps(size))
            starts, ends = zip(*ranges, strict=True)
            content = b"".join(bytes(store.get_range(path, start=s, end=e)) for s, e in ranges)
        else:
            starts, ends = (0, STEP * 3), (STEP, size)  # they are too far apart to be one request
            first, last = (bytes(part) for part in store.get_ranges(path, starts=starts, ends=ends))
            content = first + bytes(store.get_range(path, start=STEP, end=STEP * 3)) + last
        yield state_of(pa.ipc.open_stream(content).read_all())


def httpx_asks_if_range(place: Place, name: str) -> Iterator[int]:
    with httpx.Client(headers={"user-agent": name, "accept-encoding": "identity"}, timeout=60) as client:
        while True:
            head = client.head(place.url("arrow"))
            parts = {}
            for start, end in steps(int(head.headers["content-length"])):
                headers = {"range": f"bytes={start}-{end - 1}", "if-range": head.headers["etag"]}
                part = client.get(place.url("arrow"), headers=headers)
                assert part.status_code == 206
                parts[start] = part.content
            yield state_of(pa.ipc.open_stream(joined(parts)).read_all())


def run(*command: str) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout


def curl_gets_ranges(place: Place, name: str) -> Iterator[int]:
    """Each range by a process, which is another connection."""
    for number in itertools.count():
        curl = ("curl", "--silent", "--show-error", "--fail", "--user-agent", f"{name}-{number}")
        head = run(*curl, "--head", place.url("csv")).decode()
        size = int(re.search(r"(?im)^content-length: (\d+)", head)[1])  # type: ignore[index]
        middle = size // 2
        ends = [run(*curl, "--range", part, place.url("csv")) for part in (f"0-{middle}", f"{middle + 1}-")]
        yield state_of_csv(b"".join(ends))


def rclone_reads_parts(place: Place, name: str) -> Iterator[int]:
    """It looks before each, so that only a part is of one state."""
    remote = ("--http-url", f"{place.base}/{place.schema}/", "--config", "/dev/null", "--user-agent", name)
    for offset in itertools.cycle((0, 100_000, 400_000)):
        yield state_of_csv(
            run("rclone", "cat", ":http:t.csv", "--offset", str(offset), "--count", "400000", *remote)
        )


def webdav4_seeks(place: Place, name: str) -> Iterator[int]:
    """It begins with a whole GET, and goes on with ranges of what no snapshot may have been made of.

    If the rows change between, it is told so, and has to begin anew. What it lists may be of a moment ago.
    """
    client = Client(place.base, headers={"user-agent": name})
    with client.http:
        fs = WebdavFileSystem(place.base, client=client, skip_instance_cache=True)
        while True:
            try:
                with fs.open(place.path("csv"), "rb") as file:
                    parts = {0: file.read(300_000)}
                    for start in (600_000, 300_000):
                        file.seek(start)
                        parts[start] = file.read(300_000)
            except httpx.HTTPStatusError as error:
                assert error.response.status_code == 409  # noqa: PT017  (any other is a failure)
                continue
            yield state_of_csv(joined(parts))


READERS: list[Callable[[Place, str], Iterator[int]]] = [
    fsspec_seeks,
    fsspec_cats_ranges,
    arrow_reads_parquet,
    arrow_reads_a_dataset,
    pandas_reads_parquet,
    polars_scans_parquet,
    obstore_gets_ranges,
    httpx_asks_if_range,
    curl_gets_ranges,
    rclone_reads_parts,
    webdav4_seeks,
]


@dataclass
class Round:
    """A writer and all readers, side by side."""

    place: Place
    replace: Callable[[pa.Table], None]
    committed: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    reads: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """The states and the times of the reads of each."""
    failures: list[str] = field(default_factory=list)

    def write(self) -> None:
        """One state after the other, by turns through the gateway and past it."""
        for state in itertools.count(self.committed + 1):
            if self.done.is_set():
                return
            rows = rows_of(state)
            if state % 2:
                self.replace(rows)
            else:
                body = io.BytesIO()
                pq.write_table(rows, body)
                answer = httpx.put(self.place.url("parquet"), content=body.getvalue(), timeout=60)
                assert answer.status_code == 204, answer.text
            self.committed = state

    def read(self, reader: Callable[[Place, str], Iterator[int]]) -> None:
        name = reader.__name__
        reads = self.reads[name] = []
        states = reader(self.place, name)
        while not self.done.is_set():
            before, started = self.committed, time.monotonic()
            state = next(states)
            fresh = reader is webdav4_seeks or state >= before
            assert fresh, f"a state that was replaced before: {state} after {before}"
            reads.append((state, time.monotonic() - started))

    def guarded(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except BaseException as error:  # noqa: BLE001  (it is told by the test)
            name = getattr(args[0] if args else work, "__name__", "")
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
            self.done.set()

    def go(self, seconds: float) -> None:
        self.replace(rows_of(0))
        works = [(self.write, ()), *((self.read, (reader,)) for reader in READERS)]
        threads = [threading.Thread(target=self.guarded, args=(work, *args)) for work, args in works]
        for thread in threads:
            thread.start()
        self.done.wait(seconds)
        # On a machine that is busy each is given the time for a few reads.
        until = time.monotonic() + 60
        while not self.done.is_set() and time.monotonic() < until and not self.enough():
            self.done.wait(0.5)
        self.done.set()
        for thread in threads:
            thread.join(60)
        print(f"{self.committed} states")  # noqa: T201
        for name, reads in self.reads.items():
            times = sorted(time for _, time in reads) or [0.0]
            median, most = times[len(times) // 2], times[-1]
            seen = len({state for state, _ in reads})
            print(f"{name}: {len(reads)} reads of {seen} states, median {median:.2f} s, longest {most:.2f} s")  # noqa: T201
        assert not self.failures
        assert self.enough(), "a reader starves"
        assert not any(thread.is_alive() for thread in threads)

    def enough(self) -> bool:
        """Whether there is a new state for each, again and again."""
        return len(self.reads) == len(READERS) and all(
            len({state for state, _ in reads}) >= 3 for reads in self.reads.values()
        )


@pytest.mark.client("curl", "rclone")
@pytest.mark.timeout(300)
def test_every_read_is_of_one_state_of_sqlite(tmp_path: Path, serve: Serve):
    database = tmp_path / "t.db"
    with closing(sqlite3.connect(database, timeout=60, check_same_thread=False)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)

        def replace(rows: pa.Table) -> None:
            with connection:
                connection.execute("DELETE FROM t")
                columns = (rows.column(name).to_pylist() for name in rows.column_names)
                connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", zip(*columns, strict=True))

        server = serve(f"sqlite:///{database}", "--access", "write", "--pool-wait", "60")
        Round(Place(server.url, "main", server.port), replace).go(SECONDS)


@pytest.mark.client("curl", "rclone")
@pytest.mark.timeout(300)
def test_every_read_is_of_one_state_of_postgresql(serve: Serve):
    with Postgres() as postgres, psycopg.connect(postgres.url) as connection:
        connection.execute(TABLE)
        connection.commit()

        def replace(rows: pa.Table) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("DELETE FROM t")
                with cursor.copy("COPY t FROM STDIN") as copy:
                    columns = (rows.column(name).to_pylist() for name in rows.column_names)
                    copy.write("".join(f"{i}\t{s}\t{t}\t{a}\n" for i, s, t, a in zip(*columns, strict=True)))

        server = serve(postgres.url, "--access", "write", "--pool-wait", "60")
        Round(Place(server.url, "public", server.port), replace).go(SECONDS)
