"""Ranges, sizes and open files are of one state, on every engine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fsspec_db import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.conformance.harness import Database

READS: list[Callable[[Any, str, bytes], Any]] = [
    lambda fs, path, whole: fs.cat_file(path, 3, -3) == whole[3:-3],
    lambda fs, path, whole: fs.cat_ranges([path] * 2, [0, -5], [5, None]) == [whole[:5], whole[-5:]],
    lambda fs, path, whole: fs.size(path) == fs.info(path, size=True)["size"] == len(whole),
    lambda fs, path, whole: fs.open(path).read() == whole,
    lambda fs, path, whole: fs.open(path, cache_type="all").size == len(whole),
]


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv"])
def test_ranges_are_slices_and_sizes_are_exact(db: Database, extension: str) -> None:
    path = db.path("users", extension)
    whole = db.fs.cat_file(path)
    assert all([read(db.fs, path, whole) for read in READS])  # noqa: C419  (all of them are to be made)


@pytest.mark.parametrize("rows", [3, 100_000])
def test_several_formats_of_one_read_are_what_each_is_alone(db: Database, rows: int, tmp_path: Path) -> None:
    db.execute(f"CREATE TABLE some_rows AS SELECT i FROM ({db.engine.many.format(rows)}) AS numbers")
    spools = [tmp_path / extension for extension in FORMATS]
    wanted = [(extension, str(spool)) for extension, spool in zip(FORMATS, spools, strict=True)]
    streams = db.fs.open_streams(db.path("some_rows", "csv"), wanted)
    with ThreadPoolExecutor(len(streams)) as readers:
        found = [*readers.map(lambda stream: stream.read_all(), streams)]
    for extension, spool, whole in zip(FORMATS, spools, found, strict=True):
        assert whole == db.fs.cat_file(db.path("some_rows", extension)), extension
        assert spool.read_bytes() in (b"", whole)  # of one chunk there is no need


def test_an_open_file_stays_in_its_state(db: Database) -> None:
    path = db.path("users", "csv")
    with db.fs.open(path + "?order=id") as file:
        before = file.read(5) + file.read()
        db.execute("DELETE FROM users WHERE id > 1")
        assert file.seek(0, os.SEEK_END) == len(before)
        file.seek(0)
        assert file.read() == before
        assert db.fs.cat_file(path + "?order=id", 0, 1000) == before[: before.index(b"\n", 16) + 1]
        assert (db.fs.size(path) or 0) < len(before)


def test_a_state_is_read_once_where_there_are_versions(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    path = db.path("users", "csv")
    asked: list[str] = []
    open_stream = db.fs.open_stream

    def counting(path: str, *arguments: Any, **options: Any) -> Any:
        asked.append(path)
        return open_stream(path, *arguments, **options)

    monkeypatch.setattr(db.fs, "open_stream", counting)

    def reads() -> int:
        del asked[:]
        assert db.fs.size(path) == len(db.fs.open(path).read())
        return len(asked)

    if db.quirks.data_version:
        # It may change too often, as where a server has one for all its databases; not at every look.
        assert any(reads() <= 1 for _ in range(10))
        assert any(reads() == 0 for _ in range(10))
    else:
        assert [reads(), reads()] == [2, 2]
