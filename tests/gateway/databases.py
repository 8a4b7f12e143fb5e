# ruff: noqa: ARG002  (the contract has arguments that these have no use for)
"""Databases that misbehave on purpose, for `python:tests.gateway.databases:…`."""

from __future__ import annotations

import itertools
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fsspec_db import AbstractDatabase, ColumnInfo, RelationInfo, SchemaInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])
STREAMS = "python:tests.gateway.databases:streams"
NUMBERED = "python:tests.gateway.databases:numbered"
SECRET = "do-not-tell-4711"


def batch(start: int, rows: int = 10_000) -> pa.RecordBatch:
    """About 700 kB."""
    ids = range(start, start + rows)
    return pa.record_batch([pa.array(ids, pa.int64()), pa.array([f"{i:064d}" for i in ids])], schema=SCHEMA)


def say(word: str) -> None:
    """Tells the test through the pipe that it made."""
    if "TEST_PIPE" in os.environ:
        with open(os.environ["TEST_PIPE"], "w", encoding="ascii") as pipe:  # noqa: PTH123
            pipe.write(word)


def fail(error: Exception) -> list[pa.RecordBatch]:
    """Fails."""
    raise error


class Streams(AbstractDatabase):
    """Relations whose name says how their rows come."""

    concurrent = True
    relations: tuple[str, ...] = ("failing", "endless", "first", "rude", "denied")

    def dialect(self) -> str:
        return "generic"

    def list_schemas(self) -> list[SchemaInfo]:
        return [SchemaInfo("main")]

    def list_relations(self, schema: str) -> list[RelationInfo]:
        return [RelationInfo(name, "table") for name in self.relations]

    def list_columns(self, schema: str, relation: str) -> list[ColumnInfo]:
        return [ColumnInfo("id", "BIGINT", False, None, 1, True), ColumnInfo("text", "TEXT", True, None, 2)]

    def list_indexes(self, schema: str, relation: str) -> list[Any]:
        return []

    def list_constraints(self, schema: str, relation: str) -> list[Any]:
        return []

    def relation_info(self, schema: str, relation: str) -> RelationInfo:
        if relation not in self.relations:
            raise FileNotFoundError(relation)
        return RelationInfo(relation, "table")

    def view_definition(self, schema: str, view: str) -> str:
        raise FileNotFoundError(view)

    def query(self, sql: str, params: Any = None) -> Any:
        found = re.search(r"failing|endless|first|rude|denied", sql)
        assert found, sql
        if re.search(r"LIMIT\s+0", sql, re.IGNORECASE):
            return pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())})
        return pa.RecordBatchReader.from_batches(SCHEMA, getattr(self, found[0])())

    def insert(self, schema: str, relation: str, table: pa.Table, mode: str = "append") -> int:
        return int(table.num_rows)

    @staticmethod
    def failing() -> Iterator[pa.RecordBatch]:
        """A few batches, then an error."""
        yield from (batch(i * 10_000) for i in range(8))
        raise RuntimeError(SECRET)

    @staticmethod
    def first() -> Iterator[pa.RecordBatch]:
        """An error before any row."""
        yield from fail(RuntimeError(SECRET))

    @staticmethod
    def denied() -> Iterator[pa.RecordBatch]:
        """A denial before any row."""
        yield from fail(PermissionError("not for you"))

    @staticmethod
    def endless() -> Iterator[pa.RecordBatch]:
        """No end; says when it is stopped."""
        try:
            yield from (batch(i * 10_000) for i in itertools.count())
        finally:
            say("stopped")

    @staticmethod
    def rude() -> Iterator[pa.RecordBatch]:
        """One batch, and then nothing ever; says that it has begun."""
        yield batch(0)
        say("begun")
        threading.Event().wait()


def streams() -> Streams:
    """The factory."""
    return Streams()


class Gone(Streams):
    """A server that is away for as long as a file is there."""

    def ping(self) -> None:
        if Path(os.environ["TEST_GONE"]).exists():
            raise ConnectionError("no route")


def gone() -> Gone:
    """The factory."""
    return Gone()


class Numbered(Streams):
    """Tables whose rows all say which state they are of, which is the number in the file TEST_STATE.

    `known` has that as its version, `unknown` has none. Each scan adds its relation to the file TEST_SCANS,
    `batch` for each of its batches, and `stopped` if it is not read to its end.
    With a pipe TEST_GATE, each batch but the first waits for a byte of it.
    """

    relations: tuple[str, ...] = ("known", "unknown")
    batches = 8

    def data_version(self, schema: str, relation: str) -> str | None:
        return self.state() if relation == "known" else None

    def query(self, sql: str, params: Any = None) -> Any:
        found = re.search(r"unknown|known", sql)
        assert found, sql
        self.note(found[0])
        return pa.RecordBatchReader.from_batches(SCHEMA, self.rows(int(self.state())))

    def insert(self, schema: str, relation: str, table: pa.Table, mode: str = "append") -> int:
        Path(os.environ["TEST_STATE"]).write_text(str(table["id"][0]), encoding="ascii")
        return int(table.num_rows)

    @staticmethod
    def note(line: str) -> None:
        with Path(os.environ["TEST_SCANS"]).open("a", encoding="ascii") as scans:
            scans.write(line + "\n")

    @staticmethod
    def state() -> str:
        return Path(os.environ["TEST_STATE"]).read_text(encoding="ascii")

    @classmethod
    def rows(cls, state: int) -> Iterator[pa.RecordBatch]:
        gate = os.open(os.environ["TEST_GATE"], os.O_RDONLY) if "TEST_GATE" in os.environ else None
        try:
            for _ in range(cls.batches):
                cls.note("batch")
                yield batch(state).set_column(0, "id", pa.array([state] * 10_000, pa.int64()))
                if gate is not None:
                    os.read(gate, 1)
        except GeneratorExit:
            cls.note("stopped")
            raise
        finally:
            if gate is not None:
                os.close(gate)


def numbered() -> Numbered:
    """The factory."""
    return Numbered()
