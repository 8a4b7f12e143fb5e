"""SQLite files by protocol, by chain, in other processes, and with any name that a table can have."""
# ruff: noqa: PT012  (what leaves a block is told inside it)

from __future__ import annotations

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

from fsspec_db import SQLiteFileSystem, connect, encode_name
from tests.fsspec_db.samples import USERS, arrow_bytes, plain, table_of


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
