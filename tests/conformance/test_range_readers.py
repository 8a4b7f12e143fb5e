"""Tools that read by ranges read live tables over HTTP, of every engine."""

from __future__ import annotations

import re
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import fsspec
import httpx
import obstore
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from obstore.store import HTTPStore
from webdav4.client import Client
from webdav4.fsspec import WebdavFileSystem

from fsspec_db.engines.quirks import QUIRKS
from tests.conformance.harness import Harness, fresh, harnesses
from tests.gateway.serving import serving
from tests.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

ROWS = 300_000
"""Three row groups, and more."""
EVENTS = """
CREATE TABLE events (id INTEGER PRIMARY KEY, twice BIGINT, half DOUBLE PRECISION, back BIGINT);
INSERT INTO events SELECT i, i * 2, i * 0.5, 1000000 - i FROM ({}) AS numbers;
"""
COLUMNS = ["id", "twice", "half", "back"]
LAST = ROWS - 10
"""Beyond it there are ten rows, at the end of the file."""


class Way(Network):
    """To a gateway; knows what is asked and counts what is answered, and can break."""

    def __init__(self, server: int) -> None:
        self._lock = threading.Lock()
        self.bytes = 0
        """That the server sent."""
        self.ranges: list[tuple[int | None, int | None]] = []
        """That were asked for: first and last byte."""
        self.breaks_after: int | None = None
        """Of the bytes that the server sent: once there are so many, connections break."""
        super().__init__(server)

    def asked(self, piece: bytes) -> bytes:
        for first, last in re.findall(rb"\r\nrange: ?bytes=(\d*)-(\d*)\r\n", piece, re.IGNORECASE):
            self.ranges.append((int(first) if first else None, int(last) if last else None))
        return piece

    def answered(self, piece: bytes) -> bytes:
        with self._lock:
            if self.breaks_after is not None:
                piece = piece[: max(0, self.breaks_after - self.bytes)]
            self.bytes += len(piece)
        return piece


@dataclass(frozen=True)
class Place:
    """Where a gateway serves `events` of an engine."""

    base: str
    """The URL of the gateway."""
    schema: str
    """The path of the schema, without slashes around it."""
    versioned: bool
    """Whether the engine tells of which version rows are."""

    def url(self, extension: str) -> str:
        return f"{self.base}/{self.path(extension)}"

    def path(self, extension: str) -> str:
        return f"{self.schema}/events.{extension}"

    def through(self, way: Way) -> Place:
        """The same, by another way."""
        return replace(self, base=f"http://127.0.0.1:{way.port}")

    def whole(self, extension: str) -> bytes:
        """All bytes of the file."""
        answer = httpx.get(self.url(extension), headers={"accept-encoding": "identity"}, timeout=60)
        return answer.raise_for_status().content


@pytest.fixture(scope="module")
def served(started: Callable[[str], Harness], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Every engine that is there, behind one gateway; reasons of those that are not."""
    schemas: dict[str, str] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        urls = []
        for name in harnesses():
            try:
                engine = started(name)
            except pytest.skip.Exception as reason:
                missing[name] = str(reason)
                continue
            db = stack.enter_context(fresh(engine))
            db.execute(EVENTS.format(engine.many.format(ROWS)))
            schemas[name] = f"{name}{db.root}"
            urls.append(f"{name}={db.url}")
        log = tmp_path_factory.mktemp("served") / "log"
        # The last first: the gateway lets go before the databases do.
        with serving(log, *urls) as server:
            yield (
                {
                    name: Place(server.url, schema, QUIRKS[name].data_version)
                    for name, schema in schemas.items()
                },
                missing,
            )


@pytest.fixture(params=harnesses())
def place(request: pytest.FixtureRequest, served: tuple[Mapping[str, Place], Mapping[str, str]]) -> Place:
    places, missing = served
    if request.param in missing:
        pytest.skip(missing[request.param])
    return places[request.param]


@pytest.fixture
def http() -> Any:
    return fsspec.filesystem("http", skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def frugal() -> Any:
    """As `http`, without reading megabytes ahead."""
    return fsspec.filesystem("http", skip_instance_cache=True, use_listings_cache=False, cache_type="none")


@pytest.fixture
def way(place: Place) -> Iterator[Way]:
    port = urlsplit(place.base).port
    assert port is not None
    with Way(port) as made:
        yield made


def test_the_head_is_that_of_a_file(place: Place) -> None:
    with httpx.Client(headers={"accept-encoding": "identity"}, timeout=60) as client:
        head = client.head(place.url("parquet"))
        got = client.get(place.url("parquet"))
        part = client.get(place.url("parquet"), headers={"range": "bytes=-8"})
    assert head.status_code == 200
    assert int(head.headers["content-length"]) == len(got.content)
    assert head.headers["accept-ranges"] == "bytes"
    assert head.headers["etag"] == part.headers["etag"]
    assert not head.headers["etag"].startswith("W/")
    assert parsedate_to_datetime(head.headers["last-modified"]) <= datetime.now(UTC)
    if place.versioned:  # else nobody can tell whether what HEAD was about still stands
        assert {**got.headers, "date": ""} == {**head.headers, "date": ""}
    assert (part.status_code, part.content) == (206, got.content[-8:])


# fsspec


def test_fsspec_seeks_and_reads(place: Place, http: Any) -> None:
    url, whole = place.url("arrow"), place.whole("arrow")
    info = http.info(url)
    assert info["size"] == len(whole)
    assert info["ETag"]
    with http.open(url, block_size=1 << 16) as file:
        assert file.size == len(whole)
        middle = len(whole) // 2
        for start, length in ((middle, 100), (0, 1 << 17), (len(whole) - 5, 50), (middle, 1)):
            file.seek(start)
            assert file.read(length) == whole[start : start + length]
        assert file.seek(-9, 2) == len(whole) - 9
        assert file.read() == whole[-9:]


def test_fsspec_cats_ranges(place: Place, http: Any, way: Way) -> None:
    whole = place.whole("csv")
    url = place.through(way).url("csv")
    assert http.cat_file(url, 7, 70_007) == whole[7:70_007]
    assert http.cat_file(url, -100, None) == whole[-100:]
    starts, ends = [0, 1000, len(whole) - 10], [10, 1100, len(whole)]
    assert http.cat_ranges([url] * 3, starts, ends, on_error="raise") == [
        whole[start:end] for start, end in zip(starts, ends, strict=True)
    ]
    assert way.bytes < 100_000


# Tables


def test_pandas_reads_by_url(place: Place) -> None:
    for frame in (pd.read_parquet(place.url("parquet")), pd.read_feather(place.url("feather"))):
        assert list(frame.columns) == COLUMNS
        assert sorted(frame["id"]) == list(range(1, ROWS + 1))


def test_pandas_reads_by_fsspec(place: Place, http: Any, way: Way) -> None:
    frame = pd.read_parquet(place.through(way).url("parquet"), filesystem=http, columns=["id"])
    assert sorted(frame["id"]) == list(range(1, ROWS + 1))
    with http.open(place.url("feather")) as file:
        assert len(pd.read_feather(file, columns=["half"])) == ROWS


def test_polars_scans_parquet_by_what_it_needs(place: Place, way: Way) -> None:
    url, size = place.through(way).url("parquet"), len(place.whole("parquet"))
    assert sorted(pl.scan_parquet(url).select("id").collect()["id"]) == list(range(1, ROWS + 1))
    assert way.bytes < size * 0.6, "one column of four"
    before = way.bytes
    rows = pl.scan_parquet(url).filter(pl.col("id") > LAST).select("id", "back").collect()
    assert sorted(rows.rows()) == [(n, 1_000_000 - n) for n in range(LAST + 1, ROWS + 1)]
    assert way.bytes - before < size * 0.6, "two columns of one row group"


def test_polars_scans_an_ipc_file(place: Place, way: Way) -> None:
    """By ranges, though by whole record batches, whatever the columns."""
    url = place.through(way).url("feather")
    rows = pl.scan_ipc(url).filter(pl.col("id") > LAST).select("id", "half").collect()
    assert sorted(rows.rows()) == [(n, n / 2) for n in range(LAST + 1, ROWS + 1)]
    assert len(way.ranges) > 2


def test_an_arrow_dataset_reads_what_it_needs(place: Place, frugal: Any, way: Way) -> None:
    url, size = place.through(way).url("parquet"), len(place.whole("parquet"))
    dataset = ds.dataset(url, filesystem=frugal, format="parquet")
    assert dataset.schema.names == COLUMNS
    found = dataset.to_table(columns=["twice"], filter=ds.field("id") > LAST)
    assert sorted(found.column("twice").to_pylist()) == [2 * n for n in range(LAST + 1, ROWS + 1)]
    assert way.ranges
    # fsspec looks by GET whether a file exists and leaves early, so that bytes that were sent tell nothing.
    assert sum(last - first + 1 for first, last in way.ranges if first is not None and last) < size * 0.6


def test_arrow_reads_one_row_group(place: Place, frugal: Any, way: Way) -> None:
    url, size = place.through(way).url("parquet"), len(place.whole("parquet"))
    with frugal.open(url) as source:
        file = pq.ParquetFile(source)
        assert file.metadata.num_rows == ROWS
        assert file.num_row_groups > 1
        rows = file.read_row_group(file.num_row_groups - 1, columns=["id", "twice"]).to_pydict()
    assert rows["twice"] == [2 * n for n in rows["id"]]
    assert way.bytes < size * 0.6


# WebDAV clients and downloads


def test_webdav4_seeks(place: Place) -> None:
    whole = place.whole("parquet")
    client = Client(place.base)
    with client.http:
        fs = WebdavFileSystem(place.base, client=client, skip_instance_cache=True)
        with fs.open(place.path("parquet"), "rb") as file:
            assert file.read(4) == b"PAR1"
            file.seek(len(whole) - 4)
            assert file.read() == b"PAR1"
            file.seek(1000)
            assert file.read(50) == whole[1000:1050]


@pytest.mark.client("curl")
def test_curl_resumes_where_a_download_broke(place: Place, way: Way, tmp_path: Path) -> None:
    whole, target = place.whole("parquet"), tmp_path / "events.parquet"
    command = ["curl", "--silent", "--show-error", "--fail", "--continue-at", "-", "--output", str(target)]
    url = place.through(way).url("parquet")
    way.breaks_after = len(whole) // 3
    broken = subprocess.run([*command, url], check=False, capture_output=True, timeout=60)
    assert broken.returncode in (18, 56), broken.stderr
    part = target.stat().st_size
    assert 0 < part < len(whole)
    way.breaks_after, before = None, way.bytes
    subprocess.run([*command, url], check=True, capture_output=True, timeout=60)
    assert target.read_bytes() == whole
    assert way.bytes - before < len(whole) - part + 10_000


@pytest.fixture
def rclone(place: Place, tmp_path: Path) -> Callable[..., bytes]:
    """Runs a command of rclone with the schema as the remote `:http:`."""

    def run(command: str, *arguments: str) -> bytes:
        remote = ["--http-url", f"{place.base}/{place.schema}/", "--config", str(tmp_path / "none")]
        return subprocess.run(
            ["rclone", command, *arguments, *remote], check=True, stdout=subprocess.PIPE, timeout=60
        ).stdout

    return run


@pytest.mark.client("rclone")
def test_rclone_reads_parts(place: Place, rclone: Callable[..., bytes]) -> None:
    whole = place.whole("csv")
    assert rclone("cat", ":http:events.csv", "--offset", "1000", "--count", "500") == whole[1000:1500]
    assert rclone("cat", ":http:events.csv", "--tail", "77") == whole[-77:]


@pytest.mark.client("rclone")
def test_rclone_copies(place: Place, rclone: Callable[..., bytes], tmp_path: Path) -> None:
    rclone("copy", ":http:events.parquet", str(tmp_path / "copied"))
    assert (tmp_path / "copied" / "events.parquet").read_bytes() == place.whole("parquet")


# object_store


def test_obstore_gets_ranges(place: Place, way: Way) -> None:
    whole = place.whole("parquet")
    store = HTTPStore.from_url(place.through(way).base, client_options={"allow_http": True})
    path = place.path("parquet")
    meta = store.head(path)
    assert (meta["size"], meta["e_tag"] is None) == (len(whole), False)
    assert bytes(store.get_range(path, start=5, length=1000)) == whole[5:1005]
    starts = [0, 40_000, len(whole) - 8]
    parts = store.get_ranges(path, starts=starts, lengths=[4, 100, 8])
    assert [bytes(part) for part in parts] == [whole[:4], whole[40_000:40_100], whole[-8:]]
    tail = store.get(path, options={"range": {"suffix": 8}})
    assert bytes(tail.bytes()) == whole[-8:]
    assert way.bytes < len(whole)
    if place.versioned:
        assert bytes(store.get(path).bytes()) == whole
    else:  # it cannot take a file whose length is not known beforehand
        with pytest.raises(obstore.exceptions.GenericError, match="Content-Length"):
            store.get(path)


def test_obstore_gets_what_it_has_seen(place: Place) -> None:
    store = HTTPStore.from_url(place.base, client_options={"allow_http": True})
    path = place.path("feather")
    tag = store.head(path)["e_tag"]
    assert store.get(path, options={"if_match": tag, "range": (0, 8)}).meta["e_tag"] == tag
    with pytest.raises(obstore.exceptions.NotModifiedError):
        store.get(path, options={"if_none_match": tag})
    with pytest.raises(obstore.exceptions.PreconditionError):
        store.get(path, options={"if_match": '"other"'})


def test_obstore_lists(place: Place) -> None:
    store = HTTPStore.from_url(place.base, client_options={"allow_http": True})
    listed = store.list_with_delimiter(place.schema)
    assert f"{place.schema}/events" in listed["common_prefixes"]
    sizes = {entry["path"]: entry["size"] for entry in listed["objects"]}
    assert sizes[place.path("parquet")] == len(place.whole("parquet"))
