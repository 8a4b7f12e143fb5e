"""The command `fsspec-db`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from fsspec_db import DatabaseError, __version__, connect
from gateway import settings as declared
from gateway.app import Gateway
from gateway.demo import demo_url, suggestions
from gateway.server import bind, serve
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.settings import Settings


def parser() -> argparse.ArgumentParser:
    """The command line; its options are the settings."""
    command = argparse.ArgumentParser(
        prog="fsspec-db", description="A database that you can mount, curl and open."
    )
    command.add_argument("--version", action="version", version=f"fsspec-db {__version__}")
    verbs = command.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    verb = verbs.add_parser(
        "serve",
        help="serve databases over HTTP and WebDAV",
        description="Serves databases over HTTP and WebDAV; without a URL, a demo database.",
        argument_default=argparse.SUPPRESS,
        epilog=f"Each setting can also be a variable {declared.prefix}NAME or a key of the TOML file.",
    )
    verb.add_argument(
        "databases",
        nargs="*",
        metavar="[NAME=]URL",
        help="sqlite:///file.db, postgresql://user@host/database, mysql://user@host, duckdb:///file, "
        "sqlalchemy:…, adbc:…, odbc:…, python:module:callable; several by name",
    )
    verb.add_argument("--config", metavar="FILE.toml", default=None, help="a file with settings")
    for item in declared.items():
        if item.name == "databases":
            continue
        flag = "--" + item.name.replace("_", "-")
        text = item.metadata["help"] + _default(item.default)
        if item.metadata["unit"] == "flag":
            verb.add_argument(flag, dest=item.name, action=argparse.BooleanOptionalAction, help=text)
        else:
            verb.add_argument(flag, dest=item.name, metavar=item.metadata["unit"].upper(), help=text)
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status: 0, or 2 with one line that says why."""
    arguments = vars(parser().parse_args(argv))
    del arguments["verb"]
    file = arguments.pop("config")
    if not arguments.get("databases"):
        arguments.pop("databases", None)
    try:
        settings = declared.load(arguments, os.environ, file)
        bound = bind(settings)
        app = Gateway(open_databases(settings), settings)
    except (SettingsError, DatabaseError, FileNotFoundError) as error:
        print(f"fsspec-db: {error}", file=sys.stderr)
        return 2
    serve(app, bound, None if settings.databases else _suggest(settings))
    return 0


def open_databases(settings: Settings) -> dict[str, AbstractDatabaseFileSystem]:
    """The filesystems of the configured URLs, or of the demo database.

    Raises:
        DatabaseError: One cannot be opened; those before it are closed.
    """
    urls = dict(settings.databases)
    if not urls:
        urls = {"": demo_url()}
    opened: dict[str, AbstractDatabaseFileSystem] = {}
    try:
        for name, url in urls.items():
            threads: dict[str, Any] = {"threads": settings.threads} if settings.threads else {}
            opened[name] = connect(url, access=settings.access, formats=settings.formats, **threads)
    except BaseException:
        for fs in opened.values():
            fs.close()
        raise
    return opened


def _suggest(settings: Settings) -> Callable[[str], None]:
    def suggest(address: str) -> None:
        print(suggestions(address, settings.access), file=sys.stderr)

    return suggest


def _default(value: Any) -> str:
    if value in ("", (), False):
        return ""
    shown = ",".join(value) if isinstance(value, tuple) else value
    return f" (default {shown})"


if __name__ == "__main__":
    sys.exit(main())
