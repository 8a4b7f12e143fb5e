"""A folder of Parquet files, which is the example of an engine from another package."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsspec_db import (
    DatabaseFileSystem,
    MalformedBodyError,
    SchemaMismatchError,
    ValueOutOfRangeError,
    connect,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseFileSystem]:
    """A folder of files, by the scheme that the package of an engine would bring."""
    point = EntryPoint("parquet", "examples.parquet_folder:ParquetFolder", "fsspec_db.engines")
    monkeypatch.setattr(
        "fsspec_db.engines.entry_points", lambda group: [point] if group == point.group else []
    )
    rows = pa.table({"id": range(100_000), "total": pa.array([Decimal("1.50")] * 100_000)})
    pq.write_table(rows, tmp_path / "orders.parquet", row_group_size=10_000)
    with closing(connect(f"parquet://{tmp_path}", access="manage")) as fs:
        yield fs


def test_a_folder_of_parquet_files_is_a_database(parquet: DatabaseFileSystem, tmp_path: Path) -> None:
    assert "/main/orders" in parquet.ls("/main", detail=False)
    assert parquet.cat_file("/main/orders.csv?where=id>99998&columns=total") == b"total\r\n1.50\r\n"
    assert parquet.query("SELECT sum(total) AS s FROM orders WHERE id < ?", [4]).to_pylist() == [
        {"s": Decimal("6.00")}
    ]
    old = parquet.read_batches("/main/orders.arrow")
    parquet.pipe_file("/main/orders.csv", b"id,total\n7,2.25\n")
    assert parquet.cat_file("/main/orders.csv") == b"id,total\r\n7,2.25\r\n"
    assert old.read_all().num_rows == 100_000, "a read goes on in the file that it began with"
    parquet.pipe_file("/main/orders.csv", b"id,total\n8,0.01\n", mode="append")
    assert pq.read_table(tmp_path / "orders.parquet").column("id").to_pylist() == [7, 8]
    parquet.pipe_file("/main/made.arrow", parquet.cat_file("/main/orders.arrow"), mode="create")
    parquet.mv("/main/made", "/main/kept")
    with pytest.raises(FileExistsError):
        parquet.mv("/main/kept", "/main/orders")
    parquet.rm("/main/kept", recursive=True)
    assert [file.name for file in tmp_path.iterdir()] == ["orders.parquet"]


def test_writers_at_once_lose_nothing(parquet: DatabaseFileSystem, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(
            threads.map(
                lambda n: parquet.pipe_file("/main/orders.csv", b"id,total\n%d,1\n" % n, mode="append"),
                range(8),
            )
        )
    assert pq.read_metadata(tmp_path / "orders.parquet").num_rows == 100_008


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"id,total\n9,1.005\n", ValueOutOfRangeError),
        (b"id,total,more\n9,1,1\n", SchemaMismatchError),
        (b"id,total\n9,1\n9", MalformedBodyError),
    ],
)
def test_a_bad_body_leaves_the_file_and_nothing_beside_it(
    parquet: DatabaseFileSystem, tmp_path: Path, body: bytes, error: type[Exception]
) -> None:
    before = (tmp_path / "orders.parquet").read_bytes()
    with pytest.raises(error):
        parquet.pipe_file("/main/orders.csv", body)
    assert (tmp_path / "orders.parquet").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_statement_reaches_no_file(parquet: DatabaseFileSystem, tmp_path: Path) -> None:
    for sql in (f"COPY orders TO '{tmp_path}/x.csv'", f"SELECT * FROM '{tmp_path}/orders.parquet'"):
        with pytest.raises(ValueError, match="disabled"):
            parquet.query(sql)
