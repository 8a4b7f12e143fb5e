"""What the suite must know of an engine to hold it to what all engines do."""

from __future__ import annotations

import importlib
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from fsspec_db import connect, encode_name
from fsspec_db.engines.quirks import QUIRKS, Quirks
from tests.fsspec_db.samples import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType
    from typing import Any

    from fsspec_db import Access, DatabaseFileSystem
    from tests.conformance.kinds import Kind

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(200) NOT NULL, score DOUBLE PRECISION DEFAULT 0.5);
CREATE TABLE blank (id INTEGER, note VARCHAR(200));
CREATE VIEW grown AS SELECT id, name FROM users WHERE id > 1;
INSERT INTO users VALUES (1, 'ada', 1.5), (2, 'grace', NULL), (3, '', 3.0);
"""
"""What `db` holds. All engines take this SQL."""

USERS = [
    {"id": 1, "name": "ada", "score": 1.5},
    {"id": 2, "name": "grace", "score": None},
    {"id": 3, "name": "", "score": 3.0},
]


class Server(Protocol):
    """What a harness of a server runs."""

    port: int

    def start(self) -> None:
        """Starts it again, with the same data on the same port, until it accepts connections."""

    def stop(self) -> None:
        """Ends it as its administrator would who does not wait for clients."""

    def kill(self) -> None:
        """Ends every process of it by SIGKILL."""


class Harness(ABC):
    """One engine: how to make databases of it, and its own client, which is the judge.

    A module of `engines/` defines one, as `HARNESS`. Where it stands is where its tests come from;
    nothing else names it.
    """

    name: ClassVar[str]
    """Its key in `QUIRKS`."""
    schema: ClassVar[str]
    """Where relations without a schema are made."""
    kinds: ClassVar[Sequence[Kind]]
    """Its types, with their edge values."""
    exact: ClassVar[str] = "{}"
    """SQL of a column: texts that differ wherever values differ."""
    endless: ClassVar[str]
    """A query that has no rows for a very long time."""
    many: ClassVar[str] = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    )
    """A query for so many rows, of a column `i`."""
    hostile: ClassVar[Sequence[str]]
    """Statements, each of which would write if the query endpoint ran it; there is a table `users`."""
    bait: ClassVar[str] = ""
    """What must be there for the hostile statements to catch."""
    caught: ClassVar[str] = "SELECT 1"
    """A query that shows whether one did."""
    breaking: ClassVar[str]
    """A query that fails after many rows."""
    unmade: ClassVar[AbstractSet[str]] = frozenset()
    """The columns of `test_structure` that no table can be made for: types or values that it has not."""
    sqlstates: ClassVar[Mapping[str, str]] = {}
    """What the engine says of: syntax, no relation, no column, unique, not null."""
    unreachable: ClassVar[str] = ""
    """The URL of no server, with the password `canary`; "" where there are no servers."""
    rests: ClassVar[str] = ""
    """SQL after which inserting the `id` 5000 into `users` does not end; "" where there is no server."""
    positional: ClassVar[str] = "SELECT id FROM users WHERE id >= ? AND name <> ? ORDER BY id"
    named: ClassVar[str] = "SELECT id FROM users WHERE id >= :least AND name <> :other ORDER BY id"
    comment: ClassVar[str] = "COMMENT ON TABLE users IS 'people'; COMMENT ON COLUMN users.name IS 'called';"
    """The comments `people` on `users` and `called` on its `name`; not used where there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        """Starts what the engine needs, once for all tests."""
        return self

    def __exit__(  # noqa: B027
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""

    @property
    def quirks(self) -> Quirks:
        return QUIRKS[self.name]

    @abstractmethod
    def create(self) -> str:
        """The URL of a new database without relations."""

    def discard(self, url: str) -> None:  # noqa: B027
        """Takes back what `create` gave; nothing is connected to it any more."""

    @abstractmethod
    def execute(self, url: str, statements: str) -> None:
        """Runs statements by the engine's own client, and commits them."""

    @abstractmethod
    def ask(self, url: str, query: str) -> list[tuple[str | None, ...]]:
        """The rows of a query, by the engine's own client: each value as text, `None` for NULL."""

    def home(self, url: str) -> str:  # noqa: ARG002
        """The schema where a database's relations are made."""
        return self.schema

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def secret(self, url: str) -> str:
        """`url` with a password that is not right, or not needed: `canary`. "" where none can be given."""
        return url.replace("@", ":canary@", 1) if "@" in url else ""

    @property
    def server(self) -> Server:
        """Where `rests` is not "": the server behind all databases of this harness."""
        raise NotImplementedError

    def guarded(self, url: str) -> str:
        """Where there is a server: `url` for who may do everything, with the password `canary`."""
        return self.secret(url)

    def resting(self, url: str) -> bool:
        """Where there is a server: whether an insertion has come to where it does not end."""
        raise NotImplementedError

    def disconnect(self, url: str) -> None:
        """Where there is a server: it ends all connections to a database, and they are gone."""
        raise NotImplementedError

    def busy(self, url: str) -> bool:  # noqa: ARG002
        """Whether the endless query runs; by the time that this process takes if nobody else knows."""
        before = time.process_time()
        time.sleep(0.1)
        return time.process_time() - before > 0.01


class Database:
    """A fresh database: the engine's own client to it, and filesystems over it."""

    def __init__(self, engine: Harness, url: str, stack: ExitStack) -> None:
        self.engine = engine
        self.url = url
        self.root = f"/{encode_name(engine.home(url))}"
        self._stack = stack
        self._fs: DatabaseFileSystem | None = None

    @property
    def quirks(self) -> Quirks:
        return self.engine.quirks

    @property
    def fs(self) -> DatabaseFileSystem:
        """One that may do everything."""
        if self._fs is None:
            self._fs = self.open("manage")
        return self._fs

    def open(self, access: Access = "manage", **options: Any) -> DatabaseFileSystem:
        """Another filesystem, for as long as the test runs."""
        fs = connect(self.url, access=access, **options)
        self._stack.callback(fs.close)
        return fs

    def path(self, relation: str, extension: str = "") -> str:
        """Its directory, or its rows in a format."""
        return f"{self.root}/{encode_name(relation)}" + (extension and f".{extension}")

    def execute(self, statements: str) -> None:
        self.engine.execute(self.url, statements)

    def ask(self, query: str) -> list[tuple[str | None, ...]]:
        return self.engine.ask(self.url, query)

    def count(self, relation: str) -> int:
        """How many rows there are, by the engine's own client."""
        return int(self.ask(f"SELECT count(*) FROM {relation}")[0][0] or 0)

    def rows(self, path: str = "users.arrow?order=id") -> list[dict[str, Any]]:
        """What is read as Arrow, from a path below the schema."""
        rows: list[dict[str, Any]] = table_of(self.fs.cat_file(f"{self.root}/{path}")).to_pylist()
        return rows


@contextmanager
def fresh(engine: Harness) -> Iterator[Database]:
    """A new database without relations, for the time of a block."""
    url = engine.create()
    with ExitStack() as stack:
        yield Database(engine, url, stack)
    engine.discard(url)


@cache
def harnesses() -> Mapping[str, type[Harness]]:
    """The harness of every engine, by its name."""
    stems = sorted(path.stem for path in Path(__file__).with_name("engines").glob("[a-z]*.py"))
    found = [importlib.import_module(f"tests.conformance.engines.{stem}").HARNESS for stem in stems]
    return {harness.name: harness for harness in found}
