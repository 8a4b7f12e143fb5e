"""Which engines there are, by the scheme of a URL."""

from __future__ import annotations

import importlib
import os
import re
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, unquote

from fsspec_db._bridge import DatabaseFs
from fsspec_db.database import AbstractDatabase
from fsspec_db.errors import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fsspec_db.database import Access

    Opener: TypeAlias = Callable[[str, Access, int | None], DatabaseFs]


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


ENGINES: Mapping[str, Opener] = MappingProxyType(
    {
        "postgres": open_native,
        "postgresql": open_native,
        "python": open_python,
        "sqlite": open_native,
    }
)
"""A new engine is one line here."""


def scheme_of(url: str) -> str:
    """The scheme of a database URL.

    Raises:
        InvalidParameterError: No engine has it.
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    scheme = match[1].lower() if match else ""
    if scheme not in ENGINES:
        known = ", ".join(f"{name}:" for name in sorted(ENGINES))
        said = f"no engine for {scheme!r}" if scheme else "no scheme in the database URL"
        raise InvalidParameterError(f"{said}; there are {known}")
    return scheme


def open_engine(url: str, access: Access, threads: int | None) -> DatabaseFs:
    """The tree over the database that `url` names."""
    return ENGINES[scheme_of(url)](url, access, threads)


def absolute(url: str) -> str:
    """`url` as it can be used from any working directory."""
    match = re.fullmatch(r"sqlite:///(?!/|:memory:)([^?]+)(\?.*)?", url, re.DOTALL | re.IGNORECASE)
    return sqlite_url(unquote(match[1])) + (match[2] or "") if match else url


def sqlite_url(path: str) -> str:
    """The URL of a SQLite file."""
    return "sqlite:///" + quote(os.path.abspath(path))  # noqa: PTH100  (resolve() follows links)


def is_in_memory(url: str) -> bool:
    """Whether the database exists only as long as it is open."""
    return re.fullmatch(r"sqlite://(/?|/:memory:)(\?.*)?", url, re.DOTALL | re.IGNORECASE) is not None


_USERINFO = re.compile(r"(?<=://)([^/?#@:]*)(:[^/?#]*)?@")
_SECRET = re.compile(r"(?i)([?&;])[^?&;=]*(?:password|passwd|pwd|secret|token|key)[^?&;=]*=[^&;]*")


def without_credentials(url: str) -> str:
    """`url` without passwords; the user's name stays."""
    shown = _SECRET.sub(r"\1", _USERINFO.sub(r"\1@", url))
    return re.sub(r"([?&;])[&;]+", r"\1", shown).rstrip("?&;")


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
