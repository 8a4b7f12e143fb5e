"""SQLite files by protocol, by chain, and with every name a table can have."""
# ruff: noqa: PT012  (what leaves a block is told inside it)

from __future__ import annotations

import io
import multiprocessing
import pathlib
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import fsspec_db
from fsspec_db import SQLiteFileSystem, connect, encode_name
from tests.fsspec_db.samples import USERS, arrow_bytes, plain, table_of

NAMES = [
    "a/b",
    "a.csv",
    "a.b.parquet",
    "100%",
    "%41",
    "..",
    ".",
    ".hidden",
    "CON",
    "con",
    "lpt9.txt",
    "-",
    "日本 語",
    "naïve",
    '"; drop table x; --',
    "it's",
    '"quoted"',
    "`tick`",
    "[brackets]",
    "a*b?c",
    "a\\b",
    "a:b",
    "<a>|b",
    "tab\there",
    "new\nline",
    " lead",
    "trail ",
    "trail.",
    "select",
    "columns",
    "x" * 200,
    "UPPER",
    "🙂",
    "a#b",
    "a&b=c",
]


@pytest.fixture
def path(database: pathlib.Path) -> Any:
    return str(database)


def test_the_protocol_opens_a_file(path: str) -> None:
    fs = fsspec.filesystem("db+sqlite", database=path)
    assert isinstance(fs, SQLiteFileSystem)
    assert fs.access == "read"
    assert fs.dialect == "sqlite"
    assert plain(table_of(fs.cat_file("/main/users.arrow"))) == USERS
    assert plain(table_of(fs.cat_file("db+sqlite:///main/users.arrow"))) == USERS
    assert fsspec.filesystem("db+sqlite", database=path) is fs
    with pytest.raises(PermissionError):
        fs.pipe_file("/main/users.csv", b"id,name\n9,eve\n")


def test_a_chain_opens_a_file(path: str) -> None:
    with fsspec.open(f"db+sqlite:///main/users.parquet::file://{path}") as file:
        assert plain(pq.read_table(file)) == USERS
    with fsspec.open(f"db+sqlite:///main/users.csv?columns=id&order=id&limit=1::{path}") as file:
        assert file.read() == b"id\r\n1\r\n"
    with fsspec.open("db+sqlite:///main/users.csv", database=path) as file:
        assert file.read(2) == b"id"
    fs, inner = fsspec.url_to_fs(f"db+sqlite:///main::file://{path}")
    assert inner == "/main"
    assert "/main/users.csv" in fs.ls(inner, detail=False)


def test_a_chain_writes_where_it_may(path: str) -> None:
    url = f"db+sqlite:///main/users.csv::file://{path}"
    with pytest.raises(PermissionError), fsspec.open(url, "wb") as file:
        file.write(b"id,name\n9,eve\n")
    with fsspec.open(url, "wt", **{"db+sqlite": {"access": "write"}}) as file:
        file.write("id,name\n9,eve\n")
    with fsspec.open(url, access="write") as file:
        assert file.read() == b"id,name,score\r\n9,eve,\r\n"


@pytest.mark.parametrize("mode", ["wb", "wt"])
def test_an_openfile_left_by_an_exception_writes_nothing(path: str, mode: str) -> None:
    url = f"db+sqlite:///main/users.csv::file://{path}"
    with pytest.raises(ZeroDivisionError), fsspec.open(url, mode, access="write") as file:
        file.write(b"id,name\n9,eve\n" if mode == "wb" else "id,name\n9,eve\n")
        1 / 0  # noqa: B018
    assert plain(table_of(connect(f"sqlite:///{path}").cat_file("/main/users.arrow"))) == USERS


@pytest.mark.parametrize("through", ["", "simplecache::", "filecache::"])
def test_a_remote_file_is_copied_and_only_read(path: str, through: str, tmp_path: pathlib.Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/remote/test.db", Path(path).read_bytes())
    url = f"db+sqlite:///main/users.arrow::{through}memory://remote/test.db"
    options = {through.rstrip(":"): {"cache_storage": str(tmp_path / "cache")}} if through else {}
    with fsspec.open(url, **options) as file:
        assert plain(table_of(file.read())) == USERS
    with pytest.raises(PermissionError, match="local"):
        fsspec.url_to_fs(url, access="write", **options)


def test_pandas_and_polars_read_and_write_by_url(path: str) -> None:
    url = f"db+sqlite:///main/users.{{}}::file://{path}"
    assert pd.read_parquet(url.format("parquet"))["id"].tolist() == [1, 2, 3]
    assert pd.read_csv(url.format("csv"), keep_default_na=False)["name"].tolist() == ["ada", "grace", ""]
    pd.DataFrame({"id": [7], "name": ["eve"]}).to_csv(
        url.format("csv"), index=False, storage_options={"access": "write"}
    )
    assert pd.read_json(url.format("jsonl"), lines=True)["name"].tolist() == ["eve"]
    pd.DataFrame({"id": [8], "name": ["mallory"]}).to_parquet(
        url.format("parquet"), storage_options={"db+sqlite": {"access": "write"}}
    )
    with fsspec.open(url.format("parquet")) as file:
        assert pl.read_parquet(file)["id"].to_list() == [8]


def test_a_missing_file_is_not_found_and_not_made(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect(f"sqlite:///{tmp_path}/none.db").ls("/main")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(ValueError, match="database"):
        fsspec.filesystem("db+sqlite")


def test_what_is_no_database_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises((ValueError, OSError)):
        connect(f"sqlite:///{tmp_path}/text.db").ls("/main")


def test_it_can_be_pickled(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(path).parent)
    fs = fsspec.filesystem("db+sqlite", database=Path(path).name, access="write")
    frozen = pickle.dumps(fs)
    monkeypatch.chdir("/")
    copy = pickle.loads(frozen)
    assert copy.access == "write"
    assert plain(table_of(copy.cat_file("/main/users.arrow"))) == USERS
    chained, _ = fsspec.url_to_fs(f"db+sqlite:///main::file://{path}")
    assert pickle.loads(pickle.dumps(chained)).exists("/main/users.csv")


def test_a_database_in_memory_belongs_to_its_process() -> None:
    fs = SQLiteFileSystem(":memory:", access="manage", skip_instance_cache=True)
    fs.pipe_file("/main/users.arrow", arrow_bytes(USERS))
    assert plain(table_of(fs.cat_file("/main/users.arrow"))) == USERS
    with pytest.raises(TypeError):
        pickle.dumps(fs)


def rows_in_child(fs: Any, queue: Any) -> None:
    queue.put(fs.query("SELECT count(*) AS n FROM users").to_pylist())


def test_a_forked_process_opens_it_anew(path: str) -> None:
    fs = connect(f"sqlite:///{path}")
    fs.ls("/main")
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=rows_in_child, args=(fs, queue))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert queue.get() == [{"n": 3}]
    assert fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": 3}]


def error_in_child(fs: Any, queue: Any) -> None:
    try:
        fs.ls("/")
    except NotImplementedError as error:
        queue.put(str(error))


def test_a_forked_process_has_no_database_of_its_parents_memory() -> None:
    fs = SQLiteFileSystem(":memory:", access="manage", skip_instance_cache=True)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=error_in_child, args=(fs, queue))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert "forked" in queue.get()


def test_a_spawned_process_opens_it_anew(path: str) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=rows_in_child, args=(connect(f"sqlite:///{path}"), queue))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert queue.get() == [{"n": 3}]


@pytest.fixture
def named(tmp_path: pathlib.Path) -> Any:
    """Tables and columns of every odd name."""
    file = tmp_path / "names.db"
    quoted = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    folded = [
        name for at, name in enumerate(quoted) if name.lower() not in {other.lower() for other in quoted[:at]}
    ]
    with closing(sqlite3.connect(file)) as connection:
        for at, name in enumerate(folded):
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name} TEXT)")
            connection.execute(f"INSERT INTO {name} VALUES (?, 'x')", (at,))
        connection.execute('CREATE TABLE "wide" (' + ", ".join(f"{name} INTEGER" for name in folded) + ")")
        connection.execute(
            'INSERT INTO "wide" VALUES (' + ", ".join("?" for _ in folded) + ")", range(len(folded))
        )
        connection.commit()
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return connect(f"sqlite:///{file}", access="manage"), names


def test_every_name_is_listed_once(named: tuple[Any, list[str]]) -> None:
    fs, names = named
    entries = fs.ls("/main")
    directories: list[Any] = [
        fsspec_db.Path.parse(entry["name"]).relation for entry in entries if entry["type"] == "directory"
    ]
    assert sorted(directories) == sorted(names)
    assert len({entry["name"] for entry in entries}) == len(entries)
    for entry in entries:
        assert fs.info(entry["name"]) == entry
    assert set(fs.glob("/main/*.csv")) == {f"/main/{encode_name(name)}.csv" for name in names}


def test_every_name_is_read_and_written(named: tuple[Any, list[str]], tmp_path: pathlib.Path) -> None:
    fs, names = named
    for name in names:
        if name == "wide":
            continue
        file = f"/main/{encode_name(name)}.arrow"
        table = table_of(fs.cat_file(file))
        assert table.column_names == ["id", table.column_names[1]]
        assert table.num_rows == 1
        fs.pipe_file(
            file,
            arrow_bytes(pa.concat_tables([table, table.set_column(0, "id", pa.array([99999], pa.int64()))])),
        )
        assert table_of(fs.cat_file(file)).num_rows == 2
        fs.get_file(file, tmp_path / "copy.arrow")
        fs.put_file(tmp_path / "copy.arrow", file)
        fs.mv(f"/main/{encode_name(name)}", "/main/renamed")
        assert not fs.exists(f"/main/{encode_name(name)}")
        fs.mv("/main/renamed", f"/main/{encode_name(name)}")
        columns = fs.ls(f"/main/{encode_name(name)}/columns", detail=False)
        assert [fsspec_db.Path.parse(column).item for column in columns] == table.column_names
        assert all(fs.cat_file(column) for column in columns)
        fs.rm(f"/main/{encode_name(name)}", recursive=True)
    assert fs.ls("/main", detail=False)[-1] != "/"
    assert [fsspec_db.Path.parse(e["name"]).relation for e in fs.ls("/main") if e["type"] == "directory"] == [
        "wide"
    ]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    column=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    ),
)
def test_any_name_is_a_table(path: str, name: str, column: str) -> None:
    assume(
        not name.lower().startswith("sqlite_") and name.lower() not in ("users", "empty", "grown", "by_name")
    )
    quoted = '"' + name.replace('"', '""') + '"'
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {quoted}")
        connection.execute(f'CREATE TABLE {quoted} ("{column.replace(chr(34), chr(34) * 2)}" TEXT)')
        connection.commit()
    fs = connect(f"sqlite:///{path}", access="manage")
    directory = f"/main/{encode_name(name)}"
    table = pa.table({column: ["a", "", None, name]})
    fs.pipe_file(f"{directory}.arrow", arrow_bytes(table))
    assert directory in fs.ls("/main", detail=False)
    assert plain(table_of(fs.cat_file(f"{directory}.arrow"))) == table
    assert fs.cat_file(f"{directory}/columns/{encode_name(column)}")
    csv = fs.cat_file(f"{directory}.csv")
    fs.pipe_file(f"{directory}.csv", csv)
    assert plain(table_of(fs.cat_file(f"{directory}.arrow"))) == table
    fs.rm(directory, recursive=True)
    assert not fs.exists(directory)
    fs.close()


@pytest.mark.parametrize("extension", ["arrow", "feather", "parquet", "csv", "jsonl", "json"])
def test_every_column_name_goes_round(named: tuple[Any, list[str]], extension: str) -> None:
    fs, _ = named
    before = table_of(fs.cat_file("/main/wide.arrow"))
    body = fs.cat_file(f"/main/wide.{extension}")
    fs.pipe_file(f"/main/wide.{extension}", body)
    assert table_of(fs.cat_file("/main/wide.arrow")) == before


def test_every_column_name_can_be_shaped(named: tuple[Any, list[str]]) -> None:
    from urllib.parse import quote

    fs, _ = named
    for at, name in enumerate(table_of(fs.cat_file("/main/wide.arrow")).column_names):
        column = quote(name, safe="").replace("-", "%2D")
        identifier = quote('"' + name.replace('"', '""') + '"', safe="")
        table = table_of(
            fs.cat_file(f"/main/wide.arrow?columns={column}&order={column}&where={identifier}={at}")
        )
        assert table.to_pydict() == {name: [at]}


def test_a_large_read_is_one_snapshot(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executemany(
            "INSERT INTO users VALUES (?, ?, 0)", ((n, "x" * 100) for n in range(10, 200_000))
        )
        connection.commit()
        fs: Any = connect(f"sqlite:///{path}")
        # The first read makes sure of the types before it gives a byte; those that follow stream.
        assert fs.cat_file("/main/users.arrow")
        with fs.open("/main/users.arrow") as file:
            head = file.read(1000)
            connection.execute("UPDATE users SET score = 1")
            connection.commit()
            table = table_of(head + file.read())
        assert table.num_rows == 199_993
        assert set(table["score"].to_pylist()[10:]) == {0.0}
        assert io.BytesIO(fs.cat_file("/main/users.csv?where=score=1&limit=1")).read().count(b"\r\n") == 2
