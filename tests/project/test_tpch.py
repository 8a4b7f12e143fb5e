"""All tables of the demo, over HTTP, through every format, and back."""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
import sqlite3
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fsspec_db import FORMATS
from fsspec_db.demo import TABLES
from tests.gateway.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CENT = Decimal("0.01")

READERS = {
    "arrow": lambda body: pa.ipc.open_stream(body).read_all(),
    "arrows": lambda body: pa.ipc.open_stream(body).read_all(),
    "feather": lambda body: pa.ipc.open_file(body).read_all(),
    "parquet": lambda body: pq.read_table(io.BytesIO(body)),
}


@pytest.fixture(scope="module")
def served(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The demo as `/full/`, and a copy of it without rows as `/empty/`."""
    folder = tmp_path_factory.mktemp("served")
    empty = Path(shutil.copy(demo, folder / "empty.db"))
    with closing(sqlite3.connect(empty)) as connection, connection:
        for table in reversed(TABLES):
            connection.execute(f"DELETE FROM {table}")
    with ExitStack() as stack:
        databases = (f"full=sqlite:///{demo}", f"empty=sqlite:///{empty}")
        server = stack.enter_context(serving(folder / "log", *databases, "--access", "write"))
        client = httpx.Client(base_url=server.url, timeout=60)
        client.headers["x-empty"] = str(empty)
        yield stack.enter_context(client)


def arrow_type(declared: str) -> pa.DataType:
    """What `docs/types.md` says about the types of TPC-H."""
    if found := re.fullmatch(r"DECIMAL\((\d+), (\d+)\)", declared):
        return pa.decimal128(int(found[1]), int(found[2]))
    return {"INTEGER": pa.int64(), "DATE": pa.date32()}.get(declared, pa.string())


def expected(database: Path, table: str) -> pa.Table:
    """The rows as Python's own SQLite reads them, with the types that they were declared to have."""
    with closing(sqlite3.connect(database)) as connection:
        columns = connection.execute(
            f"SELECT name, type, [notnull] FROM pragma_table_info('{table}')"
        ).fetchall()
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
    schema = pa.schema([pa.field(name, arrow_type(kind), not required) for name, kind, required in columns])
    arrays = [
        pa.array([value(row[at], field.type) for row in rows], field.type) for at, field in enumerate(schema)
    ]
    return pa.table(arrays, schema=schema)


def value(stored: Any, kind: pa.DataType) -> Any:
    """A stored value as the declared type means it."""
    if pa.types.is_decimal(kind):
        return Decimal(str(stored)).quantize(CENT)
    return dt.date.fromisoformat(stored) if pa.types.is_date(kind) else stored


@pytest.fixture(scope="module")
def tables(demo: Path) -> dict[str, pa.Table]:
    return {table: expected(demo, table) for table in TABLES}


def same(found: pa.Table, wanted: pa.Table) -> None:
    assert found.schema.equals(wanted.schema)  # names, types and NOT NULL
    assert found.equals(wanted)


@pytest.mark.parametrize("extension", READERS)
@pytest.mark.parametrize("table", TABLES)
def test_values_and_types_are_those_of_the_table(
    served: httpx.Client, tables: dict[str, pa.Table], table: str, extension: str
) -> None:
    answer = served.get(f"/full/main/{table}.{extension}")
    assert answer.status_code == 200
    same(READERS[extension](answer.content), tables[table])


@pytest.mark.parametrize("extension", FORMATS)
def test_every_table_comes_back_from_an_empty_copy(
    served: httpx.Client, tables: dict[str, pa.Table], extension: str
) -> None:
    for table in TABLES:  # those that are referred to come first
        body = served.get(f"/full/main/{table}.{extension}").content
        written = served.put(f"/empty/main/{table}.{extension}", content=body)
        assert written.status_code == 204, written.text
        assert written.headers["rows-written"] == str(tables[table].num_rows)
    for table in TABLES:
        same(READERS["arrow"](served.get(f"/empty/main/{table}.arrow").content), tables[table])
    empty = Path(served.headers["x-empty"])
    with closing(sqlite3.connect(empty)) as connection, connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in reversed(TABLES):
            connection.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("extension", FORMATS)
def test_a_put_replaces_the_rows_by_the_same_rows(
    served: httpx.Client, tables: dict[str, pa.Table], extension: str
) -> None:
    body = served.get(f"/full/main/lineitem.{extension}").content
    few = served.get(f"/full/main/lineitem.{extension}?limit=5").content
    assert served.put(f"/full/main/lineitem.{extension}", content=few).status_code == 204
    assert len(served.get("/full/main/lineitem.jsonl").content.splitlines()) == 5
    assert served.put(f"/full/main/lineitem.{extension}", content=body).status_code == 204
    same(READERS["arrow"](served.get("/full/main/lineitem.arrow").content), tables["lineitem"])


def test_the_view_reads_like_a_table(served: httpx.Client, tables: dict[str, pa.Table]) -> None:
    rows = READERS["arrow"](served.get("/full/main/customer_orders.arrow").content)
    assert rows.num_rows == tables["orders"].num_rows
    assert rows.schema.names == ["c_custkey", "c_name", "nation", "o_orderkey", "o_orderdate", "o_totalprice"]
    assert rows.schema.field("o_totalprice").type == pa.decimal128(15, 2)
    assert rows.schema.field("o_orderdate").type == pa.date32()
