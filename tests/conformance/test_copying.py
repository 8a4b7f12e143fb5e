"""Rows and relations copied, and relations put in the place of others: all at once, and exactly."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from fsspec_db import (
    AlreadyExistsError,
    ConstraintViolationError,
    DatabaseError,
    DatabaseUnavailableError,
    PreconditionFailedError,
    SchemaMismatchError,
    UnsupportedError,
    code_of,
)
from tests.conformance import matrix
from tests.conformance.harness import USERS, fresh
from tests.conformance.test_names import names
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fsspec_db import Access, DatabaseFileSystem
    from tests.conformance.harness import Database, Harness
    from tests.conformance.kinds import Kind

ROOT = Path(__file__).parents[2]
TWIN = """
CREATE TABLE twin (id INTEGER PRIMARY KEY, name VARCHAR(200) NOT NULL, score DOUBLE PRECISION DEFAULT 0.5);
INSERT INTO twin VALUES (3, 'old', 9.5), (9, 'older', NULL);
"""
"""A table as `users` is, with other rows."""

OLD = [("3", "old"), ("9", "older")]


def told(db: Database, relation: str = "twin") -> list[tuple[str | None, ...]]:
    return db.ask(f"SELECT id, name FROM {relation} ORDER BY id")


def place(db: Database, relation: str) -> tuple[str, str]:
    return db.engine.home(db.url), relation


# Rows


def test_rows_become_all_rows_of_a_table_like_theirs(db: Database) -> None:
    db.execute(TWIN)
    assert db.fs.copy_rows(db.path("users", "csv"), db.path("twin", "parquet")) == (3, False)
    assert db.rows("twin.arrow?order=id") == db.rows() == USERS
    db.fs.cp_file(db.path("blank", "csv"), db.path("blank", "arrow"))
    assert db.count("blank") == 0


def test_a_shape_says_which_rows_and_columns(db: Database) -> None:
    db.execute(TWIN)
    shape = "?columns=name,id&where=id>1 AND name<>'x'&order=-id&limit=1&offset=1"
    assert db.fs.copy_rows(db.path("users", "arrow") + shape, db.path("twin", "arrow")) == (1, False)
    assert db.rows("twin.arrow") == [{"id": 2, "name": "grace", "score": 0.5}]
    assert db.fs.copy_rows(db.path("users", "arrow") + "?where=id>2", db.path("users", "csv")) == (1, False)
    assert db.rows() == USERS[2:]
    with pytest.raises(ValueError, match="nothing"):
        db.fs.copy_rows(db.path("users", "arrow") + "?where=nothing=1", db.path("twin", "arrow"))
    assert told(db) == [("2", "grace")]


def test_a_copy_that_creates_replaces_nothing(db: Database) -> None:
    db.execute(TWIN)
    with pytest.raises(FileExistsError):
        db.fs.copy_rows(db.path("users", "csv"), db.path("twin", "csv"), "create")
    with pytest.raises(FileExistsError):
        db.fs.copy_rows(db.path("users", "csv"), db.path("users", "csv"), "create")
    assert db.count("twin") == 2
    if db.quirks.creates:
        assert db.fs.copy_rows(db.path("users", "csv"), db.path("fresh", "csv"), "create") == (3, True)
        assert db.rows("fresh.arrow?order=id") == USERS


def test_of_a_relation_to_itself_nothing_is_done(db: Database) -> None:
    assert db.fs.copy_rows(db.path("users", "csv"), db.path("users", "jsonl")) == (0, False)
    assert db.rows() == USERS


def test_every_value_stays_what_it_is(bare: Database, kind: Kind) -> None:
    matrix.fill(bare, kind, values=kind.values)
    bare.execute(f"CREATE TABLE copied (n INTEGER PRIMARY KEY, v {kind.declared}) {kind.after};")
    exact = bare.engine.exact.format("v")

    def texts(table: str) -> list[tuple[str | None, ...]]:
        return sorted(bare.ask(f"SELECT n, {exact} FROM {table}"), key=repr)

    kept = texts("kept")
    try:
        bare.fs.copy_rows(bare.path("kept", "csv"), bare.path("copied", "csv"))
    except Exception as error:  # noqa: BLE001  (each is an outcome)
        kept, outcome = [], code_of(error)
    else:
        outcome = matrix.EXACT
    assert outcome in (matrix.EXACT, kind.expected("arrow"))
    if outcome == kind.expected("arrow") != "changed":
        assert texts("copied") == kept
    if bare.quirks.copies_whole:
        bare.fs.copy_relation(place(bare, "kept"), place(bare, "again"))
        assert texts("again") == texts("kept")


def test_between_other_types_a_copy_is_held_to_what_a_write_is(db: Database) -> None:
    db.execute(
        "CREATE TABLE wide (id BIGINT, name VARCHAR(300), score DOUBLE PRECISION);"
        "CREATE TABLE other (id BIGINT, name INTEGER, score DOUBLE PRECISION);"
        "INSERT INTO other VALUES (7, 7, 7);"
        "CREATE TABLE narrow (id INTEGER); INSERT INTO narrow VALUES (7);"
    )
    assert db.fs.copy_rows(db.path("users", "csv"), db.path("wide", "csv")) == (3, False)
    assert db.rows("wide.arrow?order=id") == USERS
    with pytest.raises(DatabaseError) as caught:
        db.fs.copy_rows(db.path("users", "csv"), db.path("other", "csv"))
    assert caught.value.code in ("schema-mismatch", "value-out-of-range")
    with pytest.raises(SchemaMismatchError):
        db.fs.copy_rows(db.path("users", "csv"), db.path("narrow", "csv"))
    assert db.ask("SELECT id, name FROM other") == [("7", "7")]
    assert db.ask("SELECT id FROM narrow") == [("7",)]
    assert db.fs.copy_rows(db.path("users", "csv") + "?columns=id", db.path("narrow", "csv")) == (3, False)
    assert db.ask("SELECT id FROM narrow ORDER BY id") == [("1",), ("2",), ("3",)]


def test_a_copy_that_fails_leaves_the_old_rows(db: Database) -> None:
    db.execute(
        TWIN + "CREATE TABLE holes (id INTEGER, name VARCHAR(200));"
        "INSERT INTO holes VALUES (1, 'a'), (2, NULL); CREATE TABLE twice (id INTEGER, name VARCHAR(200));"
        "INSERT INTO twice VALUES (1, 'a'), (1, 'b');"
    )
    for source in ("holes", "twice"):
        with pytest.raises(ConstraintViolationError):
            db.fs.copy_rows(db.path(source, "arrow"), db.path("twin", "arrow"))
        assert told(db) == OLD
    with pytest.raises(FileNotFoundError):
        db.fs.copy_rows(db.path("nothing", "arrow"), db.path("twin", "arrow"))
    assert told(db) == OLD


def test_a_view_is_read_before_the_rows_go_that_it_reads(db: Database) -> None:
    assert db.fs.copy_rows(db.path("grown", "csv"), db.path("users", "csv")) == (2, False)
    assert told(db, "users") == [("2", "grace"), ("3", "")]
    with pytest.raises((PermissionError, NotImplementedError)):
        db.fs.copy_rows(db.path("users", "csv"), db.path("grown", "csv"))


def test_a_missing_table_is_created_by_who_may(db: Database) -> None:
    writer = db.open("write")
    for fs, create in ((writer, None), (writer, True), (db.fs, False)):
        with pytest.raises((FileNotFoundError, PermissionError)):
            fs.copy_rows(db.path("users", "csv"), db.path("fresh", "csv"), create=create)
        assert not db.fs.exists(db.path("fresh"))
    if db.quirks.creates:
        copied = db.fs.copy_rows(db.path("users", "csv") + "?where=id<3", db.path("fresh", "parquet"))
        assert copied == (2, True)
        assert db.rows("fresh.arrow?order=id") == USERS[:2]
        assert writer.copy_rows(db.path("users", "csv"), db.path("fresh", "csv")) == (3, False)
        assert db.rows("fresh.arrow?order=id") == USERS


def test_a_copy_may_depend_on_what_it_replaces(db: Database) -> None:
    db.execute(TWIN)
    path = db.path("twin", "arrow")
    version = db.fs.data_version(path)
    if not db.quirks.data_version:
        with pytest.raises(UnsupportedError):
            db.fs.copy_rows(db.path("users", "csv"), path, if_version="any")
        assert told(db) == OLD
        return
    db.fs.write(db.path("twin", "csv"), b"id,name\n4,new\n", "append")
    with pytest.raises(PreconditionFailedError):
        db.fs.copy_rows(db.path("users", "csv"), path, if_version=version)
    assert told(db) == [("3", "old"), ("4", "new"), ("9", "older")]
    now = db.fs.data_version(path)
    assert db.fs.copy_rows(db.path("users", "csv"), path, if_version=now) == (3, False)
    assert db.rows("twin.arrow?order=id") == USERS
    with pytest.raises(PreconditionFailedError):
        db.fs.copy_rows(db.path("users", "csv"), db.path("gone", "arrow"), if_version=now)


def test_a_copy_changes_no_other_table(db: Database) -> None:
    if not db.quirks.cascades:
        return
    db.execute(TWIN)
    db.execute(
        "CREATE TABLE child (id INTEGER, of_twin INTEGER,"
        " FOREIGN KEY (of_twin) REFERENCES twin (id) ON DELETE CASCADE);"
        "INSERT INTO child VALUES (1, 3);"
    )
    try:
        db.fs.copy_rows(db.path("users", "csv"), db.path("twin", "csv"))
    except ConstraintViolationError:
        assert told(db) == OLD
    assert db.count("child") == 1
    with pytest.raises(ConstraintViolationError):
        db.fs.copy_rows(db.path("users", "csv") + "?where=id<2", db.path("twin", "csv"))
    assert db.count("child") == 1


# Relations


def test_a_copied_table_is_as_the_one_it_was_made_of(db: Database) -> None:
    if not db.quirks.creates:
        return
    users, again = place(db, "users"), place(db, "again")
    db.fs.copy_relation(users, again)
    assert db.rows("again.arrow?order=id") == USERS
    with pytest.raises(AlreadyExistsError):
        db.fs.copy_relation(users, again)
    with pytest.raises(PermissionError):
        db.fs.copy_relation(users, users, overwrite=True)
    if db.quirks.copies_whole:
        db.execute("INSERT INTO again (id, name) VALUES (4, 'dee')")
        assert db.rows("again.arrow?where=id=4") == [{"id": 4, "name": "dee", "score": 0.5}]
        with pytest.raises(AssertionError):
            db.execute("INSERT INTO again (id, name) VALUES (1, 'twice')")
    else:
        db.execute("INSERT INTO again VALUES (4, 'dee', 0.5)")
    assert db.rows() == USERS
    db.execute("DROP VIEW grown")
    db.fs.drop_relation(*users)
    assert db.count("again") == 4


def test_a_copied_view_is_a_view(db: Database) -> None:
    grown, again = place(db, "grown"), place(db, "again")
    if not db.quirks.copies_views:
        with pytest.raises(UnsupportedError):
            db.fs.copy_relation(grown, again)
        assert not db.fs.exists(db.path("again"))
        return
    db.fs.copy_relation(grown, again)
    assert db.fs.info(db.path("again"))["kind"] == "view"
    db.execute("INSERT INTO users VALUES (4, 'dee', NULL)")
    assert [row["id"] for row in db.rows("again.arrow?order=id")] == [2, 3, 4]
    db.fs.drop_relation(*grown)
    assert db.count("again") == 3


def test_a_copy_or_another_relation_takes_the_place_of_one(db: Database) -> None:
    db.execute(TWIN)
    users, twin, blank = (place(db, name) for name in ("users", "twin", "blank"))
    for act in (db.fs.copy_relation, db.fs.rename_relation):
        with pytest.raises((AlreadyExistsError, UnsupportedError)):
            act(users, twin)
        assert told(db) == OLD
    if not db.quirks.overwrites:
        for act in (db.fs.copy_relation, db.fs.rename_relation):
            with pytest.raises(UnsupportedError):
                act(users, twin, overwrite=True)
        assert told(db) == OLD
        return
    db.fs.copy_relation(users, twin, overwrite=True)
    assert db.rows("twin.arrow?order=id") == db.rows() == USERS
    db.fs.rename_relation(twin, blank, overwrite=True)
    assert db.rows("blank.arrow?order=id") == USERS
    assert not db.fs.exists(db.path("twin"))
    assert [entry for entry in db.fs.ls(db.root, detail=False) if "fsspec_db" in entry] == []


def test_what_others_need_is_not_overwritten_or_they_go_on_to_read_it(db: Database) -> None:
    if not db.quirks.overwrites:
        return
    db.execute(TWIN)
    refused = None
    try:
        db.fs.rename_relation(place(db, "twin"), place(db, "users"), overwrite=True)
    except DatabaseError as error:
        refused = error.code
    if refused is None:
        assert told(db, "users") == told(db, "grown") == OLD
    else:
        assert refused in ("not-empty", "constraint-violation")
        assert (told(db), db.rows(), db.count("grown")) == (OLD, USERS, 2)


def test_a_table_that_rows_refer_to_is_not_overwritten(db: Database) -> None:
    if not (db.quirks.overwrites and "fk" in db.quirks.constraints):
        return
    db.execute(TWIN)
    db.execute(
        "CREATE TABLE child (id INTEGER, of_twin INTEGER, FOREIGN KEY (of_twin) REFERENCES twin (id));"
        "INSERT INTO child VALUES (1, 9);"
    )
    for act in (db.fs.copy_relation, db.fs.rename_relation):
        with pytest.raises((ConstraintViolationError, OSError)) as caught:
            act(place(db, "users"), place(db, "twin"), overwrite=True)
        assert code_of(caught.value) in ("constraint-violation", "not-empty")
        assert told(db) == OLD
    assert db.rows() == USERS
    assert [entry for entry in db.fs.ls(db.root, detail=False) if "fsspec_db" in entry] == []


def test_copies_go_between_schemas(db: Database) -> None:
    if not db.quirks.creates_schemas:
        return
    home, second = db.engine.home(db.url), "second place"
    db.fs.create_schema(second)
    try:
        db.fs.copy_relation((home, "users"), (second, "users"))
        assert db.fs.copy_rows(db.path("users", "csv") + "?where=id=1", "/second place/users.csv") == (
            1,
            False,
        )
        assert table_of(db.fs.cat_file("/second place/users.arrow")).num_rows == 1
        assert db.fs.copy_rows("/second place/users.csv", db.path("users", "arrow")) == (1, False)
        assert db.rows() == USERS[:1]
        if db.quirks.moves and db.quirks.copies_views:
            db.fs.copy_relation((home, "grown"), (second, "grown"))
            assert table_of(db.fs.cat_file("/second place/grown.arrow")).num_rows == 0
        else:
            with pytest.raises(UnsupportedError):
                db.fs.copy_relation((home, "grown"), (second, "grown"))
        if db.quirks.moves and db.quirks.overwrites:
            db.fs.rename_relation((home, "blank"), (second, "users"), overwrite=True)
            assert db.fs.cat_file("/second place/users.csv") == b"id,note\r\n"
            assert not db.fs.exists(db.path("blank"))
    finally:
        for name in ("grown", "users"):
            if db.fs.exists(f"/second place/{name}"):
                db.fs.drop_relation(second, name)
        db.fs.drop_schema(second)


def test_a_schema_is_renamed_with_what_is_in_it(db: Database) -> None:
    if not db.quirks.renames_schemas:
        with pytest.raises(UnsupportedError):
            db.fs.rename_schema(db.engine.home(db.url), "other")
        assert db.rows() == USERS
        return
    db.fs.create_schema("first")
    db.fs.copy_relation(place(db, "users"), ("first", "users"))
    db.fs.mv("/first", "/an other")
    assert not db.fs.exists("/first")
    assert table_of(db.fs.cat_file("/an other/users.arrow")).num_rows == 3
    with pytest.raises(AlreadyExistsError):
        db.fs.rename_schema("an other", db.engine.home(db.url))
    with pytest.raises(FileNotFoundError):
        db.fs.rename_schema("first", "third")
    db.fs.drop_relation("an other", "users")
    db.fs.drop_schema("an other")


def test_every_name_is_copied_and_overwritten(bare: Database) -> None:
    quoted = bare.engine.quoted
    for name in names(bare):
        bare.execute(
            f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, {quoted(name)} VARCHAR(9));"
            f"INSERT INTO {quoted(name)} VALUES (1, 'x');"
            f"CREATE TABLE flat (id INTEGER, {quoted(name)} VARCHAR(9));"
        )
        where = f"?where=id=1&columns=id,{name}" if name.isalnum() else ""
        assert bare.fs.copy_rows(bare.path(name, "csv") + where, bare.path("flat", "csv")) == (1, False)
        assert bare.fs.copy_rows(bare.path("flat", "csv"), bare.path(name, "csv")) == (1, False)
        if bare.quirks.overwrites:
            bare.fs.copy_relation(place(bare, name), place(bare, "copied"))
            bare.fs.copy_relation(place(bare, "copied"), place(bare, name), overwrite=True)
            bare.fs.rename_relation(place(bare, "copied"), place(bare, name), overwrite=True)
        assert bare.ask(f"SELECT {quoted(name)} FROM {quoted(name)}") == [("x",)]
        bare.execute(f"DROP TABLE flat; DROP TABLE {quoted(name)};")


def test_each_level_of_access_copies_what_it_may(db: Database) -> None:
    db.execute(TWIN)
    users, twin, home = place(db, "users"), place(db, "twin"), db.engine.home(db.url)
    structure: list[Callable[[DatabaseFileSystem], object]] = [
        lambda fs: fs.copy_relation(users, twin, overwrite=True),
        lambda fs: fs.copy_relation(users, (home, "fresh")),
        lambda fs: fs.rename_relation(users, twin, overwrite=True),
        lambda fs: fs.rename_schema(home, "other"),
        lambda fs: fs.drop_relation(*twin),
        lambda fs: fs.create_schema("other"),
        lambda fs: fs.drop_schema(home),
    ]
    levels: tuple[Access, ...] = ("read", "write")
    for access in levels:
        fs = db.open(access)
        for act in structure:
            with pytest.raises(PermissionError):
                act(fs)
        if access == "read":
            with pytest.raises(PermissionError):
                fs.copy_rows(db.path("users", "csv"), db.path("twin", "csv"))
            assert told(db) == OLD
        else:
            assert fs.copy_rows(db.path("users", "csv"), db.path("twin", "csv")) == (3, False)
        fs.close()


# Others who look on


def large(db: Database, rows: int = 20_000) -> None:
    db.execute(
        "".join(
            f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, who VARCHAR(9) NOT NULL);"
            for name in ("one", "two", "target")
        )
    )
    fs = db.open("write")
    for name, count in (("one", rows), ("two", rows // 2), ("target", rows)):
        who = "one" if name == "target" else name
        table = pa.table({"id": pa.array(range(count), pa.int32()), "who": [who] * count})
        fs.pipe_file(db.path(name, "arrow"), arrow_bytes(table))
    fs.close()


def looked_at(db: Database, change: Callable[[str], object], *, may_fail: bool = False) -> None:
    """What a reader sees of `target` while it becomes one table, and another one."""
    large(db)
    seen: set[tuple[int, str]] = set()
    failed: list[Exception] = []
    over = threading.Event()
    fs = db.fs

    def look() -> None:
        while not over.is_set():
            try:
                read = table_of(fs.cat_file(db.path("target", "arrow")))
            except DatabaseUnavailableError as error:
                if not may_fail:
                    failed.append(error)
            except Exception as error:  # noqa: BLE001
                failed.append(error)
            else:
                seen.update((read.num_rows, who) for who in read["who"].unique().to_pylist() or [""])

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for _ in range(3):
            for name in ("two", "one"):
                change(name)
    finally:
        over.set()
        reader.join()
    assert failed == []
    assert seen <= {(20_000, "one"), (10_000, "two")}
    assert seen


def test_readers_see_the_old_rows_or_the_new_ones(db: Database) -> None:
    looked_at(db, lambda name: db.fs.copy_rows(db.path(name, "csv"), db.path("target", "csv")))


def test_readers_see_the_old_table_or_the_new_one(db: Database) -> None:
    if not db.quirks.overwrites:
        return

    def replace(name: str) -> None:
        db.fs.copy_relation(place(db, name), place(db, "passing"))
        db.fs.rename_relation(place(db, "passing"), place(db, "target"), overwrite=True)

    # A snapshot may be of before a table that has come since.
    looked_at(db, replace, may_fail=True)


KILLED = """
import sys
from fsspec_db import connect

url, root, home, overwrites = sys.argv[1:]
fs = connect(url, access="manage")
while True:
    for name in ("two", "one"):
        fs.copy_rows(f"{root}/{name}.csv", f"{root}/target.csv")
        if overwrites:
            fs.copy_relation((home, name), (home, "target"), overwrite=True)
            fs.copy_relation((home, name), (home, "passing"), overwrite=True)
            fs.rename_relation((home, "passing"), (home, "target"), overwrite=True)
        print("copied", flush=True)
"""


def test_a_process_that_is_killed_in_a_copy_leaves_the_old_or_the_new(engine: Harness) -> None:
    chance = random.Random(7)
    for _ in range(3):
        with fresh(engine) as db:
            large(db)
            overwrites = "yes" if db.quirks.overwrites else ""
            command = [sys.executable, "-c", KILLED, db.url, db.root, engine.home(db.url), overwrites]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                assert child.stdout.readline() == "copied\n"
                time.sleep(chance.uniform(0, 0.3))
                child.send_signal(signal.SIGKILL)
                assert child.wait() == -signal.SIGKILL
            left = db.ask("SELECT who, count(*) FROM target GROUP BY who")
            assert left in ([("one", "20000")], [("two", "10000")])
            if db.quirks.tidy:
                known = {"one", "two", "target", "passing"}
                found = {Path(name).name for name in db.fs.ls(db.root, detail=False)}
                assert {name.partition(".")[0] for name in found} <= known
