"""Every name that the engine allows has one path, and is read and written under it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa
import pytest

from fsspec_db import DatabaseError, Path, encode_name
from tests.fsspec_db.samples import arrow_bytes, table_of

if TYPE_CHECKING:
    from tests.conformance.harness import Database

NAMES = (
    "a/b",
    "a.csv",
    "a.b.parquet",
    "100%",
    "%41",
    "..",
    ".",
    ".hidden",
    "CON",
    "nul",
    "lpt9.txt",
    "-",
    "日本 語",
    "naïve",
    "nai\u0308ve",
    '"; drop table x; --',
    "it's",
    '"quoted"',
    "`tick`",
    "[brackets]",
    "{braces}",
    "a*b?c",
    "a\\b",
    "a:b",
    ":named",
    "$1",
    "?",
    "%s",
    "<a>|b",
    "tab\there",
    "new\nline",
    " lead",
    "trail.",
    "select",
    "columns",
    "UPPER",
    "🙂",
    "a#b",
    "a&b=c",
    "a,b",
    "x" * 63,
)


def names(db: Database) -> list[str]:
    """Those of them that the engine allows."""
    return [name for name in NAMES if max(name) <= db.quirks.last_character]


@pytest.fixture
def named(bare: Database) -> Database:
    """Tables and columns of every odd name, made by the engine's own client."""
    quoted = bare.engine.quoted
    bare.execute(
        "\n".join(
            f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, {quoted(name)} VARCHAR(9));"
            f"INSERT INTO {quoted(name)} VALUES ({at}, 'x');"
            for at, name in enumerate(names(bare))
        )
        + f"CREATE TABLE wide ({', '.join(f'{quoted(name)} INTEGER' for name in names(bare))});"
        + f"INSERT INTO wide VALUES ({', '.join(map(str, range(len(names(bare)))))});"
    )
    return bare


def test_every_name_is_listed_once_and_read(named: Database) -> None:
    entries = named.fs.ls(named.root)
    listed = [Path.parse(entry["name"]).relation for entry in entries if entry["type"] == "directory"]
    assert sorted(filter(None, listed)) == sorted([*names(named), "wide"])
    assert len({entry["name"] for entry in entries}) == len(entries)
    for at, name in enumerate(names(named)):
        assert table_of(named.fs.cat_file(named.path(name, "arrow"))).to_pydict() == {"id": [at], name: ["x"]}
        column = f"{named.path(name)}/columns/{encode_name(name)}"
        told = json.loads(named.fs.cat_file(column))
        assert (told["name"], told["ordinal"]) == (name, 2)


def test_every_name_is_written_renamed_and_dropped(named: Database) -> None:
    for name in names(named):
        body = arrow_bytes(pa.table({name: ["y"], "id": pa.array([99], pa.int32())}))
        named.fs.pipe_file(named.path(name, "arrow"), body, mode="append")
        assert named.count(named.engine.quoted(name)) == 2
        if named.quirks.renames:
            named.fs.mv(named.path(name), named.path("renamed"))
            named.fs.mv(named.path("renamed"), named.path(name))
        if named.quirks.creates:
            named.fs.rm(named.path(name), recursive=True)
            assert not named.fs.exists(named.path(name))
            named.fs.pipe_file(named.path(name, "arrow"), body, mode="create")
            assert named.count(named.engine.quoted(name)) == 1


def test_every_column_can_be_shaped(named: Database) -> None:
    for at, name in enumerate(names(named)):
        column = quote(name, safe="").replace("-", "%2D").replace("%2C", "%2C")
        listed = quote('"' + name.replace('"', '""') + '"', safe="")
        shape = (
            f"where={listed}={at}" if "," in name else f"columns={column}&order={column}&where={listed}={at}"
        )
        (row,) = named.rows(f"wide.arrow?{shape}")
        assert row[name] == at


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_every_column_goes_round(named: Database, extension: str) -> None:
    body = named.fs.cat_file(named.path("wide", extension))
    named.fs.pipe_file(named.path("wide", extension), body, mode="append")
    first, second = named.rows("wide.arrow")
    assert first == second == {name: at for at, name in enumerate(names(named))}


def test_names_that_differ_by_case(bare: Database) -> None:
    body = arrow_bytes(pa.table({"n": [1]}))
    bare.execute("CREATE TABLE people (n INTEGER)")
    assert not bare.fs.exists(bare.path("People"))
    if not bare.quirks.creates:
        return
    if bare.quirks.case_sensitive:
        bare.fs.pipe_file(bare.path("People", "arrow"), body, mode="create")
        assert (bare.count("people"), bare.count(bare.engine.quoted("People"))) == (0, 1)
    else:
        with pytest.raises(DatabaseError):
            bare.fs.pipe_file(bare.path("People", "arrow"), body, mode="create")
        assert bare.count("people") == 0


def test_the_longest_name_and_one_that_is_longer(bare: Database) -> None:
    longest = bare.quirks.longest_name or 1000
    body = arrow_bytes(pa.table({"n": [1]}))
    if bare.quirks.creates:
        bare.fs.pipe_file(bare.path("x" * longest, "arrow"), body, mode="create")
        assert bare.count(bare.engine.quoted("x" * longest)) == 1
    if bare.quirks.longest_name is not None:
        listed = bare.fs.ls(bare.root, detail=False)
        columns = arrow_bytes(pa.table({"c" * (longest + 1): [1]}))
        for path, wrong in (
            (bare.path("y" * (longest + 1), "arrow"), body),
            (bare.path("t", "arrow"), columns),
        ):
            with pytest.raises((ValueError, NotImplementedError)):
                bare.fs.pipe_file(path, wrong, mode="create")
        assert bare.fs.ls(bare.root, detail=False) == listed


def test_a_name_that_is_too_long_is_no_other_name_for_what_begins_so(bare: Database) -> None:
    longest = bare.quirks.longest_name
    if longest is None:
        return
    name, beyond = "x" * longest, "x" * (longest + 1)
    bare.execute(f"CREATE TABLE {name} (n INTEGER); INSERT INTO {name} VALUES (1)")
    body = arrow_bytes(pa.table({"n": pa.array([2], pa.int32())}))
    assert bare.fs.exists(bare.path(name))
    assert not bare.fs.exists(bare.path(beyond))
    with pytest.raises(FileNotFoundError):
        bare.fs.cat_file(bare.path(beyond, "csv"))
    for mode in ("overwrite", "append", "create"):
        with pytest.raises((OSError, ValueError, NotImplementedError)):
            bare.fs.pipe_file(bare.path(beyond, "arrow"), body, mode=mode)
    with pytest.raises((OSError, NotImplementedError)):
        bare.fs.rm(bare.path(beyond), recursive=True)
    assert bare.ask(f"SELECT n FROM {name}") == [("1",)]


def test_a_schema_whose_name_is_too_long_is_no_other_schema(bare: Database) -> None:
    longest = bare.quirks.longest_name
    if longest is None or not bare.quirks.creates_schemas:
        return
    name, beyond = (f"/{'s' * length}" for length in (longest, longest + 1))
    body = arrow_bytes(pa.table({"n": pa.array([2], pa.int32())}))
    bare.fs.mkdir(name)
    assert not bare.fs.exists(beyond)
    with pytest.raises((OSError, ValueError, NotImplementedError)):
        bare.fs.pipe_file(f"{beyond}/t.arrow", body, mode="create")
    bare.execute("CREATE TABLE t (n INTEGER)")
    with pytest.raises((OSError, ValueError, NotImplementedError)):
        bare.fs.mv(bare.path("t"), f"{beyond}/t")
    assert bare.fs.ls(name) == []
    with pytest.raises((OSError, ValueError, NotImplementedError)):
        bare.fs.rmdir(beyond)
    assert bare.fs.exists(name)


def test_a_name_that_the_engine_cannot_have_is_refused(bare: Database) -> None:
    for name in set(NAMES) - set(names(bare)):
        assert not bare.fs.exists(bare.path(name))
        with pytest.raises((ValueError, NotImplementedError)):
            bare.fs.pipe_file(bare.path(name, "arrow"), arrow_bytes(pa.table({"n": [1]})), mode="create")
    assert bare.fs.ls(bare.root) == []
