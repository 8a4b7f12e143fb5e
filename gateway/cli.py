"""The command `fsspec-db`."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from fsspec_db import DatabaseError, __version__
from gateway import settings as declared
from gateway.app import Gateway
from gateway.databases import open_databases
from gateway.demo import suggestions
from gateway.server import bind, serve
from gateway.settings import SettingsError
from gateway.workers import supervise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.settings import Access


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
        announce = _announce if settings.databases else partial(_announce, suggest=settings.access)
        bound = bind(settings)
        if settings.workers > 1:
            supervise(settings, bound, announce)
        else:
            serve(Gateway(open_databases(settings), settings), bound, announce)
    except (SettingsError, DatabaseError, FileNotFoundError) as error:
        print(f"fsspec-db: {error}", file=sys.stderr)
        return 2
    return 0


def _announce(address: str, suggest: Access | None = None) -> None:
    """Says that connections are accepted and, of the demo database, what to try on it."""
    print(f"serving {address}", flush=True)
    if suggest is not None:
        print(suggestions(address, suggest), file=sys.stderr)


def _default(value: Any) -> str:
    if value in ("", (), False):
        return ""
    shown = ",".join(value) if isinstance(value, tuple) else value
    return f" (default {shown})"


if __name__ == "__main__":
    sys.exit(main())
