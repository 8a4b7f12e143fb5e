# ruff: noqa: PT012  (what leaves a block is told inside it)
from __future__ import annotations

import gc
import io
import logging
import os
import pathlib
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.callbacks import Callback

from fsspec_db import AbstractDatabaseFileSystem, WriteFile, code_of
from tests.fsspec_db.backends import OneTable
from tests.fsspec_db.samples import USERS, arrow_bytes, plain, table_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

EVE = pa.table({"id": pa.array([9], pa.int64()), "name": ["eve"], "score": pa.array([None], pa.float64())})


class UnluckyError(Exception):
    pass


def users(fs: Any) -> Any:
    return plain(table_of(fs.cat_file("/main/users.arrow?order=id")))


def parquet_bytes(table: pa.Table) -> Any:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def feather_bytes(table: pa.Table) -> Any:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


BODIES = {
    "arrow": arrow_bytes(EVE),
    "arrows": arrow_bytes(EVE),
    "feather": feather_bytes(EVE),
    "parquet": parquet_bytes(EVE),
    "csv": b"id,name,score\r\n9,eve,\r\n",
    "jsonl": b'{"id": 9, "name": "eve", "score": null}\n',
    "json": b'[{"name": "eve", "id": 9}]',
}


@pytest.mark.parametrize("extension", BODIES)
def test_piping_replaces_all_rows_in_any_format(fs: Any, extension: str) -> None:
    fs.pipe_file(f"/main/users.{extension}", BODIES[extension])
    assert users(fs) == EVE


@pytest.mark.parametrize("extension", BODIES)
def test_what_is_read_can_be_written_back(fs: Any, extension: str) -> None:
    body = fs.cat_file(f"/main/users.{extension}")
    fs.pipe_file("/main/users.csv", b"id,name\r\n9,eve\r\n")
    fs.pipe_file(f"/main/users.{extension}", body)
    assert users(fs) == USERS


def test_appending_keeps_the_rows(fs: Any) -> None:
    fs.pipe_file("/main/users.csv", BODIES["csv"], mode="append")
    assert users(fs) == pa.concat_tables([USERS, EVE])
    with fs.open("/main/users.csv", "ab") as file:
        file.write(b"id,name\n10,")
        file.write(b"mallory\n")
    assert users(fs).num_rows == 5


def test_upserting_goes_by_primary_key(fs: Any) -> None:
    fs.pipe_file("/main/users.csv", b"id,name,score\n1,augusta,9\n4,new,\n", mode="upsert")
    assert users(fs)["name"].to_pylist() == ["augusta", "grace", "", "new"]


def test_opening_writes_on_close(fs: Any) -> None:
    with fs.open("/main/users.arrow", "wb") as file:
        assert isinstance(file, WriteFile)
        assert file.writable()
        assert not file.readable()
        assert not file.seekable()
        for at in range(0, len(BODIES["arrow"]), 7):
            assert file.write(BODIES["arrow"][at : at + 7]) == len(BODIES["arrow"][at : at + 7])
        assert file.tell() == file.size == len(BODIES["arrow"])
        assert users(fs) == USERS
    assert file.closed
    assert users(fs) == EVE
    file.close()
    with pytest.raises(ValueError):
        file.write(b"x")


def test_text_is_written(fs: Any) -> None:
    fs.write_text("/main/users.csv", "id,name\n9,日本\n")
    assert users(fs)["name"].to_pylist() == ["日本"]


@pytest.mark.parametrize("mode", ["wb", "ab", "w", "a"])
def test_a_block_left_by_an_exception_writes_nothing(fs: Any, mode: str) -> None:
    with pytest.raises(UnluckyError), fs.open("/main/users.csv", mode) as file:
        file.write(b"id,name\n9,eve\n" if "b" in mode else "id,name\n9,eve\n")
        raise UnluckyError
    assert file.closed
    gc.collect()
    assert users(fs) == USERS


def test_closing_on_the_way_out_of_an_exception_writes_nothing(
    fs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # As pandas, contextlib.closing and fsspec's own OpenFile do.
    def write() -> None:
        file = fs.open("/main/users.csv", "wb")
        try:
            file.write(b"id,name\n9,eve\n")
            raise UnluckyError
        finally:
            file.close()

    with caplog.at_level(logging.WARNING, "fsspec_db"), pytest.raises(UnluckyError):
        write()
    assert "nothing is written" in caplog.text
    assert users(fs) == USERS


def test_a_file_of_an_exception_handler_is_written(fs: Any) -> None:
    try:
        raise UnluckyError  # noqa: TRY301
    except UnluckyError:
        with fs.open("/main/users.csv", "wb") as file:
            file.write(b"id,name\n9,eve\n")
    assert users(fs)["id"].to_pylist() == [9]


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_is_lost_writes_nothing(fs: Any, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    file = fs.open("/main/users.csv", mode)
    file.write(b"id,name\n9,eve\n" if mode == "wb" else "id,name\n9,eve\n")
    with caplog.at_level(logging.WARNING, "fsspec_db"):
        del file
        gc.collect()
    assert "lost" in caplog.text
    assert users(fs) == USERS


def test_discarding_writes_nothing(fs: Any) -> None:
    with fs.open("/main/users.csv", "wb") as file:
        file.write(b"id,name\n9,eve\n")
        file.discard()
    assert users(fs) == USERS


BROKEN = {
    "nothing at all": ("arrow", b""),
    "no format": ("arrow", b"not arrow at all"),
    "a cut stream": ("arrow", BODIES["arrow"][:-20]),
    "a stream without its end": ("arrow", BODIES["arrow"][:-8]),
    "a cut parquet file": ("parquet", BODIES["parquet"][:-9]),
    "a cut feather file": ("feather", BODIES["feather"][:-9]),
    "bad json": ("json", b'[{"id": 1, "name": "a"}'),
    "bad jsonl": ("jsonl", b'{"id": 1, "name": "a"}\n{"id": '),
    "a ragged row": ("csv", b"id,name\n1,a\n2\n3,c,d,e\n"),
    "an open quote": ("csv", b'id,name\n1,"a\n'),
    "no utf-8": ("csv", b"id,name\n1,\xff\n"),
    "a wrong type": ("csv", b"id,name\n1,a\nx,b\n"),
    "an unknown column": ("csv", b"id,name,colour\n1,a,red\n"),
    "a missing value": ("csv", b"id,name\n1,a\n2,\n"),
    "the same key twice": ("csv", b"id,name\n1,a\n2,b\n1,c\n"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_broken_body_changes_nothing(fs: Any, engine: str, case: str, mode: str) -> None:
    extension, body = BROKEN[case]
    if engine == "python" and case in ("a missing value", "the same key twice"):
        kind = Exception  # sqlite3.IntegrityError, as the backend raised it
    else:
        kind = ValueError
    with pytest.raises(kind):
        fs.pipe_file(f"/main/users.{extension}", body, mode=mode)
    with (
        pytest.raises(kind),
        fs.open(f"/main/users.{extension}", "wb" if mode == "overwrite" else "ab") as file,
    ):
        if body:
            file.write(body)
    assert users(fs) == USERS


def test_opening_says_what_cannot_be_written(fs: Any, opened: Callable[..., Any]) -> None:
    with pytest.raises(IsADirectoryError):
        fs.open("/main/users", "wb")
    with pytest.raises(PermissionError):
        fs.open("/main/users.sql", "wb")
    with pytest.raises(PermissionError):
        fs.open("/main/users/columns/id", "wb")
    with pytest.raises(ValueError, match="shape"):
        fs.open("/main/users.csv?limit=1", "wb")
    with pytest.raises(NotImplementedError):
        fs.touch("/main/users.csv")
    with pytest.raises(ValueError, match="mode"):
        fs.pipe_file("/main/users.csv", b"x", mode="sideways")
    with pytest.raises(TypeError):
        fs.pipe_file("/main/users.csv", "a text, not the name of a file")
    reader: Any = opened("read")
    acts: list[Callable[[], Any]] = [
        lambda: reader.open("/main/users.csv", "wb"),
        lambda: reader.pipe_file("/main/users.csv", BODIES["csv"]),
        lambda: reader.rm("/main/users", recursive=True),
    ]
    for act in acts:
        with pytest.raises(PermissionError):
            act()
    assert users(fs) == USERS


def test_only_manage_creates(opened: Callable[..., Any]) -> None:
    writer, manager = opened("write"), opened("manage")
    with pytest.raises(FileNotFoundError):
        writer.pipe_file("/main/fresh.arrow", BODIES["arrow"])
    with pytest.raises(PermissionError):
        writer.pipe_file("/main/fresh.arrow", BODIES["arrow"], mode="create")
    assert not writer.exists("/main/fresh")
    manager.pipe_file("/main/fresh.arrow", BODIES["arrow"])
    assert plain(table_of(manager.cat_file("/main/fresh.arrow"))) == EVE
    with pytest.raises(FileExistsError):
        manager.pipe_file("/main/fresh.arrow", BODIES["arrow"], mode="create")
    with pytest.raises(FileExistsError):
        manager.open("/main/fresh.arrow", "xb")
    with manager.open("/main/other.arrow", "xb") as file:
        file.write(BODIES["arrow"])
    assert manager.exists("/main/other")
    assert manager.write("/main/third.arrow", BODIES["arrow"]) == (1, True)
    assert manager.write("/main/third.arrow", BODIES["arrow"]) == (1, False)
    with pytest.raises(ValueError):
        manager.pipe_file("/main/fourth.arrow", BODIES["arrow"][:-20])
    assert not manager.exists("/main/fourth")


def test_a_local_file_is_put(fs: Any, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "users.parquet"
    source.write_bytes(BODIES["parquet"])
    seen = []
    callback = Callback(hooks={"log": lambda size, value, **_: seen.append((size, value))})
    fs.put_file(str(source), "/main/users.parquet", callback=callback)
    size = len(BODIES["parquet"])
    assert seen == [(size, 0), (size, size)]
    assert users(fs) == EVE
    fs.pipe_file("/main/users.arrow", arrow_bytes(USERS))
    fs.put(str(source), "/main/users.parquet")
    assert users(fs) == EVE
    with pytest.raises(FileExistsError):
        fs.put_file(str(source), "/main/users.parquet", mode="create")


def test_what_is_gotten_can_be_put(fs: Any, tmp_path: pathlib.Path) -> None:
    fs.get(["/main/users.csv"], [str(tmp_path / "users.csv")])
    fs.pipe_file("/main/users.arrow", BODIES["arrow"])
    fs.put([str(tmp_path / "users.csv")], ["/main/users.csv"])
    assert users(fs) == USERS


def test_a_large_body_goes_through_a_file_that_is_gone_afterwards(
    fs: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = 200_000
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "name": ["x" * 60] * rows})
    body = arrow_bytes(table)
    with fs.open("/main/users.arrow", "wb") as file:
        for at in range(0, len(body), 2**20):
            file.write(body[at : at + 2**20])
        assert any(path.name.startswith("fsspec-db-") for path in tmp_path.iterdir())
    assert not any(path.name.startswith("fsspec-db-") for path in tmp_path.iterdir())
    assert fs.query("SELECT count(*) AS n FROM users").to_pylist() == [{"n": rows}]
    with pytest.raises(UnluckyError), fs.open("/main/users.arrow", "wb") as file:
        file.write(body)
        raise UnluckyError
    assert not any(path.name.startswith("fsspec-db-") for path in tmp_path.iterdir())


def test_a_full_disk_is_said_and_changes_nothing(seed: ModuleType) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    file = seed.fs.open("/main/users.csv", "wb")
    file.write(b"id,name\n9,eve\n")
    file._spool._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
    with pytest.raises(OSError) as caught:
        file.write(b"10,mallory\n")
    assert code_of(caught.value) == "spool-full"
    file.close()
    assert seed.fs.db.table.num_rows == 1


def test_a_transaction_writes_at_its_end(fs: Any) -> None:
    with fs.transaction:
        fs.pipe_file("/main/users.csv", BODIES["csv"])
        with fs.open("/main/empty.csv", "wb") as file:
            file.write(b"note\nhello\n")
        assert users(fs) == USERS
    assert users(fs) == EVE
    assert fs.query("SELECT note FROM empty").to_pylist() == [{"note": "hello"}]
    fs.pipe_file("/main/users.arrow", arrow_bytes(USERS))
    assert users(fs) == USERS


def test_a_transaction_left_by_an_exception_writes_nothing(fs: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "users.csv").write_bytes(BODIES["csv"])
    with pytest.raises(UnluckyError), fs.transaction:
        fs.pipe_file("/main/users.csv", BODIES["csv"])
        fs.put_file(str(tmp_path / "users.csv"), "/main/users.csv")
        with fs.open("/main/empty.csv", "wb") as file:
            file.write(b"note\nhello\n")
        raise UnluckyError
    assert users(fs) == USERS
    assert fs.query("SELECT count(*) AS n FROM empty").to_pylist() == [{"n": 0}]
    fs.pipe_file("/main/users.csv", BODIES["csv"])
    assert users(fs) == EVE


def test_a_block_left_inside_a_transaction_is_not_written_by_it(fs: Any) -> None:
    with fs.transaction:
        with pytest.raises(UnluckyError), fs.open("/main/users.csv", "wb") as file:
            file.write(BODIES["csv"])
            raise UnluckyError
        fs.pipe_file("/main/empty.csv", b"note\nhello\n")
    assert users(fs) == USERS
    assert fs.query("SELECT count(*) AS n FROM empty").to_pylist() == [{"n": 1}]


def test_a_transaction_that_fails_keeps_what_came_before(fs: Any) -> None:
    with pytest.raises(ValueError), fs.transaction:
        fs.pipe_file("/main/empty.csv", b"note\nhello\n")
        fs.pipe_file("/main/users.csv", b"id,name\nx,y\n")
        fs.pipe_file("/main/empty.csv", b"note\nlast\n", mode="append")
    assert users(fs) == USERS
    assert fs.query("SELECT note FROM empty").to_pylist() == [{"note": "hello"}]


def test_pandas_and_pyarrow_write_it(fs: Any) -> None:
    with fs.open("/main/users.parquet", "wb") as file:
        EVE.to_pandas().to_parquet(file)
    assert users(fs)["name"].to_pylist() == ["eve"]
    pq.write_table(USERS, "/main/users.parquet", filesystem=fs)
    assert users(fs) == USERS
    with fs.open("/main/users.csv", "w") as file:
        pd.DataFrame({"id": [9], "name": ["eve"]}).to_csv(file, index=False)
    assert users(fs)["name"].to_pylist() == ["eve"]


def test_a_backend_may_take_batches_as_they_come() -> None:
    class Streaming(OneTable):
        def insert_stream(self, schema: Any, relation: Any, reader: Any, mode: Any = "append") -> Any:
            assert isinstance(reader, pa.RecordBatchReader)
            taken.append((schema, relation, mode))
            rows = [batch.num_rows for batch in reader]
            taken.extend(rows)
            return sum(rows)

    taken: list[Any] = []
    fs = AbstractDatabaseFileSystem(Streaming())
    batches = [pa.record_batch({"id": pa.array([n], pa.int64()), "name": ["x"]}) for n in range(3)]
    fs.pipe_file("/main/users.arrow", arrow_bytes(pa.Table.from_batches(batches)), mode="append")
    assert taken == [("main", "users", "append"), 1, 1, 1]
    cut = arrow_bytes(pa.Table.from_batches(batches))[:-30]
    with pytest.raises(ValueError) as caught:
        fs.pipe_file("/main/users.arrow", cut)
    assert code_of(caught.value) in ("incomplete-body", "malformed-body")


def test_a_directory_is_put_as_a_directory(fs: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "users.csv").write_bytes(BODIES["csv"])
    fs.put_file(tmp_path / "main", "/main")
    fs.put(str(tmp_path / "main" / "users.csv"), "/main/")
    assert users(fs) == EVE
    fs.put(f"{tmp_path}/main/", "/main", recursive=True)
    assert users(fs) == EVE


def test_a_pipe_is_put_as_a_file(fs: Any, tmp_path: pathlib.Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(BODIES["arrow"]))
    writer.start()
    fs.put_file(pipe, "/main/users.arrow")
    writer.join()
    assert users(fs) == EVE
