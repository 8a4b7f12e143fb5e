"""Which engines there are, by the scheme of a URL."""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from fsspec_db._bridge import DatabaseFs
from fsspec_db.database import AbstractDatabase
from fsspec_db.errors import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fsspec_db.database import Access

    Opener: TypeAlias = Callable[[str, Access, int | None], DatabaseFs]


@dataclass(frozen=True)
class Engine:
    """What a scheme stands for.

    Attributes:
        name: The key of its record in `QUIRKS`.
        open: Makes the tree of a database from its URL, an access level and a number of threads.
    """

    name: str
    open: Opener


def open_native(url: str, access: Access, threads: int | None) -> DatabaseFs:
    """Opens an engine of the bridge."""
    return DatabaseFs.open(url, access=access, threads=threads)


def open_python(url: str, access: Access, threads: int | None) -> DatabaseFs:
    """Opens `python:module:callable`: the database that the callable returns, called without arguments.

    The module is looked up as `python -m` does, from the working directory on.

    Raises:
        InvalidParameterError: The URL names nothing that makes a database.
    """
    if threads is not None:
        raise InvalidParameterError("a Python database reads on one thread: `threads` says nothing")
    return DatabaseFs.wrap(_python_database(url), access=access)


def python_engine(name: str, place: str) -> Engine:
    """An engine in Python: `place` is `module:class`, imported when a URL asks for it.

    The class has `open(url, access, threads)`, which makes an `AbstractDatabase`. What it needs
    beyond this package is the extra of its name.
    """

    def open_engine(url: str, access: Access, threads: int | None) -> DatabaseFs:
        module, _, kind = place.partition(":")
        try:
            database = getattr(importlib.import_module(module), kind).open(url, access, threads)
        except ModuleNotFoundError as error:
            needed = f'{error.name} is not installed: pip install "fsspec-db-gateway[{name}]"'
            raise InvalidParameterError(needed) from error
        return DatabaseFs.wrap(database, access=access)

    return Engine(name, open_engine)


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "adbc": python_engine("adbc", "fsspec_db.engines.adbc:ADBC"),
        "duckdb": python_engine("duckdb", "fsspec_db.engines.duckdb:DuckDB"),
        "mariadb": Engine("mariadb", open_native),
        "mysql": Engine("mysql", open_native),
        "odbc": python_engine("odbc", "fsspec_db.engines.odbc:ODBC"),
        "postgres": Engine("postgresql", open_native),
        "postgresql": Engine("postgresql", open_native),
        "python": Engine("python", open_python),
        "sqlalchemy": python_engine("sqlalchemy", "fsspec_db.engines.sqlalchemy:SQLAlchemy"),
        "sqlite": Engine("sqlite", open_native),
    }
)
"""By the scheme of a URL; a new engine is one line here.

Another package adds its own by an entry point: group `fsspec_db.engines`, the scheme, `module:class`.
"""


def engine_of(url: str) -> Engine:
    """The engine of a database URL, by its scheme.

    Raises:
        InvalidParameterError: No engine has it.
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    scheme = match[1].lower() if match else ""
    if scheme in ENGINES:
        return ENGINES[scheme]
    others = {point.name: point.value for point in entry_points(group="fsspec_db.engines")}
    if scheme in others:
        return python_engine(scheme, others[scheme])
    known = ", ".join(f"{name}:" for name in sorted({*ENGINES, *others}))
    said = f"no engine for {scheme!r}" if scheme else "no scheme in the database URL"
    raise InvalidParameterError(f"{said}; there are {known}")


def open_engine(url: str, access: Access, threads: int | None) -> DatabaseFs:
    """The tree over the database that `url` names."""
    return engine_of(url).open(url, access, threads)


def _python_database(url: str) -> Any:
    name, _, attribute = url.partition(":")[2].partition(":")
    if not name or not attribute:
        raise InvalidParameterError(f"{url!r} is not of the form python:module:callable")
    directory = os.getcwd()  # noqa: PTH109
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise InvalidParameterError(f"{url!r}: there is no module {error.name!r}") from error
        raise
    try:
        found: Any = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise InvalidParameterError(f"{url!r}: module {name!r} has no {attribute!r}") from error
    database = found if isinstance(found, AbstractDatabase) or not callable(found) else found()
    missing = sorted(
        method
        for method in AbstractDatabase.__abstractmethods__
        if not callable(getattr(database, method, None))
    )
    if missing:
        kind = type(database).__name__
        raise InvalidParameterError(f"{url!r}: {kind} is no database, it lacks {', '.join(missing)}")
    return database
