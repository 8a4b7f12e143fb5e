"""What the tests write and read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from types import ModuleType

HERE = Path(__file__).parent

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score REAL);
CREATE INDEX by_name ON users (name);
CREATE TABLE empty (note TEXT, data BLOB);
CREATE VIEW grown AS SELECT id, name FROM users WHERE id > 1;
INSERT INTO users VALUES (1, 'ada', 1.5), (2, 'grace', NULL), (3, '', 3.0);
"""

USERS = pa.table(
    {"id": [1, 2, 3], "name": ["ada", "grace", ""], "score": [1.5, None, 3.0]},
    pa.schema([("id", pa.int64()), ("name", pa.string()), ("score", pa.float64())]),
)


def fresh_seed() -> ModuleType:
    """The seed's module, with a database and a filesystem of its own."""
    name = "seed_backend"
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def table_of(body: bytes) -> pa.Table:
    return pa.ipc.open_stream(body).read_all()


def plain(table: pa.Table) -> pa.Table:
    """Without metadata, which says what the engine calls a type."""
    fields = [pa.field(field.name, field.type) for field in table.schema]
    return table.cast(pa.schema(fields))
