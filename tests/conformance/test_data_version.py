"""A version changes whenever rows may have changed, whoever changed them; or there is none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from fsspec_db import (
    ConstraintViolationError,
    DatabaseUnavailableError,
    PreconditionFailedError,
    UnsupportedError,
)
from tests.conformance.harness import USERS
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from fsspec_db import DatabaseFileSystem
    from tests.conformance.harness import Database

MANY = 120_000
"""Rows that every engine reads in several batches, and some side by side."""


def read(fs: DatabaseFileSystem, path: str, shape: str = "", **options: Any) -> tuple[str | None, bytes]:
    with fs.bridge.read(path, shape, **options) as stream:
        body = stream.read_all()
        return stream.version, body


def fill(db: Database, rows: int = MANY) -> None:
    ids = pa.array(range(10, 10 + rows), pa.int32())
    scores = pa.array([None if n % 7 == 0 else n % 5 for n in range(rows)], pa.float64())
    table = pa.table({"id": ids, "name": [f"name {n % 1000}" for n in range(rows)], "score": scores})
    db.fs.pipe_file(db.path("users", "arrow"), arrow_bytes(table), mode="append")


def test_a_version_changes_with_the_rows(db: Database) -> None:
    def version() -> str | None:
        return db.fs.data_version(db.path("users", "csv"))

    first = version()
    if not db.quirks.data_version:
        assert first is None
        assert db.fs.ukey(db.path("users", "csv")) != db.fs.ukey(db.path("users", "csv"))
        return
    assert first is not None
    # It may change too often, as where a server has one for all its databases; not at every look.
    assert any(version() == version() for _ in range(10))
    seen = {first}

    def made_again() -> None:
        db.fs.rm(db.path("users"), recursive=True)
        db.fs.pipe_file(db.path("users", "csv"), b"id\n1\n")

    for change in (
        lambda: db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n", mode="append"),
        lambda: db.execute("UPDATE users SET score = 7"),
        lambda: db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n"),
        lambda: db.execute("DELETE FROM users"),
        lambda: db.execute("ALTER TABLE users ADD COLUMN more INTEGER"),
        lambda: db.execute("INSERT INTO users (id, name) VALUES (1, 'again')"),
        lambda: db.execute("DROP VIEW grown; DROP TABLE users; CREATE TABLE users (id INTEGER PRIMARY KEY)"),
        lambda: db.execute("INSERT INTO users VALUES (1)"),
        made_again,
    ):
        change()
        now = version()
        assert now is not None
        assert now not in seen
        seen.add(now)


def test_a_commit_after_what_was_rolled_back_makes_a_new_version(db: Database) -> None:
    if not db.quirks.data_version:
        return
    path = db.path("users", "csv")
    seen = {db.fs.data_version(path)}
    for number in range(5):
        with pytest.raises((ConstraintViolationError, NotImplementedError)):
            db.fs.pipe_file(path, b"id,name\n7,eve\n7,eve\n", mode="append")
        seen.add(db.fs.data_version(path))  # it may have moved
        db.execute(f"UPDATE users SET score = {number}")
        assert db.fs.data_version(path) not in seen
        seen.add(db.fs.data_version(path))


def test_views_and_what_is_no_relation_have_none(db: Database) -> None:
    before = db.fs.ukey(db.path("grown", "csv"))
    assert db.fs.data_version(db.path("grown", "csv")) is None
    assert read(db.fs, db.path("grown", "csv"))[0] is None
    db.execute("UPDATE users SET name = 'changed'")
    assert db.fs.ukey(db.path("grown", "csv")) != before
    assert db.fs.data_version(db.path("users", "sql")) is None
    with pytest.raises(FileNotFoundError):
        db.fs.data_version(db.path("missing", "csv"))


@pytest.mark.parametrize("directory", ["/", "schema"])
def test_a_directory_has_another_version_when_anything_below_changed(db: Database, directory: str) -> None:
    path = "/" if directory == "/" else db.root

    def version() -> str | None:
        return db.fs.data_version(path)

    if not db.quirks.data_version:
        assert version() is None
        return
    assert any(version() == version() for _ in range(10))
    seen = {version()}
    for change in (
        lambda: db.execute("UPDATE users SET score = 7"),
        lambda: db.fs.pipe_file(db.path("users", "csv"), b"id,name\n9,eve\n", mode="append"),
        lambda: db.execute("CREATE TABLE more (id INTEGER)"),
        lambda: db.fs.pipe_file(db.path("made", "csv"), b"id\n1\n"),
        lambda: db.fs.mv(db.path("made"), db.path("renamed")),
        lambda: db.fs.rm(db.path("renamed"), recursive=True),
        lambda: db.execute("ALTER TABLE more ADD COLUMN again INTEGER"),
        lambda: db.execute("DROP TABLE more"),
        lambda: db.execute("DROP VIEW grown"),
    ):
        change()
        now = version()
        assert now is not None
        assert now not in seen
        seen.add(now)


@pytest.mark.parametrize("shape", ["", "columns=name", "where=id>1", "limit=2"])
def test_a_stream_is_of_the_version_that_stands(db: Database, shape: str) -> None:
    for extension in ("arrow", "feather", "parquet", "csv", "jsonl", "json"):
        path = db.path("users", extension)
        if not db.quirks.data_version:
            assert read(db.fs, path, shape)[0] is None
            continue
        # Another database of the server may move it between the two.
        assert any(db.fs.data_version(path) == read(db.fs, path, shape)[0] != None for _ in range(10))  # noqa: E711


def test_a_shape_that_asks_for_the_time_has_no_version(db: Database) -> None:
    for shape in ("where=name<>'now'", "where=id<3 OR name='tomorrow'"):
        version, _ = read(db.fs, db.path("users", "csv"), shape)
        assert version is None or db.engine.name == "sqlite"  # where it is but a word


FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("arrow", "", {}),
    ("arrow", "", {"codec": "zstd"}),
    ("arrow", "", {"codec": "lz4"}),
    ("feather", "columns=score,id", {}),
    ("parquet", "", {}),
    ("csv", "where=score<3", {}),
    ("jsonl", "limit=70000&offset=1000", {}),
    ("json", "order=score", {}),
    ("arrow", "where=name='name 7'&order=-score", {}),
)


def test_one_version_has_the_same_bytes_on_any_number_of_threads(db: Database) -> None:
    if not db.quirks.data_version:
        return
    fill(db)
    db.execute("DELETE FROM users WHERE id % 1000 = 3")
    db.execute("UPDATE users SET score = 9 WHERE id % 1000 = 4")
    db.execute("CREATE INDEX by_score ON users (score)")
    readers = [db.fs]
    for threads in (1, 4):
        with suppress(DatabaseUnavailableError):  # DuckDB has a file open in one way
            readers.append(db.open("manage", threads=threads))
    over = threading.Event()
    bodies: dict[tuple[Any, ...], bytes] = {}

    def disturb() -> None:
        number = 0
        while not over.wait(0.02):
            number += 1
            with suppress(DatabaseUnavailableError):
                db.fs.pipe_file(db.path("blank", "csv"), b"id\n%d\n" % number, mode="append")

    def look(state: str = "") -> set[int]:
        """Which forms have a version."""
        known = set()
        for number, (extension, shape, options) in enumerate(FORMS):
            for reader in readers:
                version, body = read(reader, db.path("users", extension), shape, **options)
                if version is not None:
                    known.add(number)
                    assert bodies.setdefault((version, number), body) == body, (extension, shape)
                    # One who numbers versions for himself has the same bytes too, while nothing is written.
                    assert not state or bodies.setdefault((state, number), body) == body, (extension, shape)
        return known

    for _ in range(3):
        assert look("quiet") >= {0, 1, 2, 3, 4, 5, 6}
    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(look) for _ in range(2)]:
                done.result()
    finally:
        over.set()
        disturbing.join()


def test_beside_a_writer_each_version_belongs_to_the_rows_that_were_read(db: Database) -> None:
    if not db.quirks.data_version:
        return
    fill(db, 3000)
    path = db.path("users", "arrow")
    over = threading.Event()
    failed: list[BaseException] = []
    bodies: dict[str, bytes] = {}

    def write() -> None:
        number = 0
        try:
            while not over.is_set():
                number += 1
                if number % 2:
                    db.execute(f"UPDATE users SET score = {number}")
                else:
                    ids = pa.array(range(10, 60), pa.int32())
                    body = arrow_bytes(pa.table({"id": ids, "name": [str(number)] * 50}))
                    db.fs.write(path, body, "upsert")
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    try:
        while writer.is_alive() and (looks < 100 or len(set(bodies.values())) < 3) and looks < 2000:
            looks += 1
            version, body = read(db.fs, path)
            if version is not None:
                assert bodies.setdefault(version, body) == body
    finally:
        over.set()
        writer.join()
    assert failed == []
    assert len(set(bodies.values())) >= 3
    # What is found when all is quiet is what was found before.
    version, body = read(db.fs, path)
    assert bodies.setdefault(version or "", body) == body


@pytest.mark.parametrize("mode", ["replace", "append", "upsert"])
def test_a_write_for_a_version_is_made_only_while_that_stands(db: Database, mode: Any) -> None:
    path, body = db.path("users", "csv"), b"id,name\n9,eve\n"
    if not db.quirks.data_version:
        with pytest.raises(UnsupportedError):
            db.fs.write(path, body, mode, if_version="any")
        assert db.rows() == USERS
        return
    old = db.fs.data_version(path)
    assert old
    db.execute("UPDATE users SET score = 3.5 WHERE id = 3")  # a database may know that nothing changed
    rows = db.rows()
    for version in (old, "", "another"):
        with pytest.raises(PreconditionFailedError) as caught:
            db.fs.write(path, body, mode, if_version=version)
        assert caught.value.path == path
    assert db.rows() == rows
    for tries in range(20):
        # On a server that has one version for all, somebody else may move it.
        with suppress(PreconditionFailedError):
            assert db.fs.write(path, body, mode, if_version=db.fs.data_version(path)) == (1, False)
            break
        assert tries < 19
    assert db.count("users") == (1 if mode == "replace" else 4)


def test_what_is_gone_is_not_made_anew_for_a_version(db: Database) -> None:
    if not db.quirks.data_version:
        return
    path = db.path("blank", "csv")
    version = db.fs.data_version(path)
    db.execute("DROP TABLE blank")
    with pytest.raises(PreconditionFailedError):
        db.fs.write(path, b"id\n1\n", if_version=version)
    assert not db.fs.exists(path)


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_of_two_writers_who_saw_the_same_version_one_wins(db: Database, mode: Any) -> None:
    if not db.quirks.data_version:
        return
    path = db.path("blank", "arrow")
    fs, won = db.fs, 0
    for _ in range(10):
        version = fs.data_version(path)
        bodies = [arrow_bytes(pa.table({"id": pa.array([n] * 3000, pa.int32())})) for n in (1, 2)]
        before = db.count("blank")
        with ThreadPoolExecutor() as pool:
            writing = [pool.submit(fs.write, path, body, mode, if_version=version) for body in bodies]
        outcomes = [each.exception() for each in writing]
        refused = [error for error in outcomes if error is not None]
        assert all(isinstance(e, (PreconditionFailedError, DatabaseUnavailableError)) for e in refused), (
            refused
        )
        assert len(refused) >= 1
        won += len(refused) == 1
        written = 3000 * (2 - len(refused))
        assert db.count("blank") == (written or before if mode == "replace" else before + written)
    assert won >= 1
    assert {row["id"] for row in table_of(fs.cat_file(path)).to_pylist()} <= {1, 2}
