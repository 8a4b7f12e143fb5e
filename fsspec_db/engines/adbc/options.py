"""The URL of an ADBC driver, `adbc:DRIVER?NAME=VALUE&…`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from urllib.parse import unquote

from fsspec_db.engines.credentials import secrets_of, spellings
from fsspec_db.engines.driven import vouched
from fsspec_db.errors import InvalidParameterError

_WITHIN = (r"://[^/?#@:]*:([^/?#]*)@", r"(?i)(?:password|token|secret)=([^&;\s]+)")
"""Secrets in the value of an option, which may be a URI."""


class Options:
    """What such a URL says.

    Attributes:
        driver: The `x` of a package `adbc_driver_x`, or what names the driver otherwise.
        dialect: Of the database's SQL, where the URL says it.
        catalog: The catalog whose schemas are shown, where one was chosen.
        vouched: Whether the account may not write.
        database: Options of the driver's database, `driver` among them.
        connection: Options of its connections.
        statement: Options of their statements.
        secrets: What must not be shown, as a driver may spell it.

    Raises:
        InvalidParameterError: The URL is not of that form.
    """

    def __init__(self, url: str) -> None:
        name, options = _parsed(url)
        within = (re.findall(pattern, value) for value in options.values() for pattern in _WITHIN)
        self.secrets = spellings(secrets_of(options).union(*within))
        self.dialect = options.pop("dialect", None)
        self.catalog = options.pop("catalog", None)
        self.vouched = vouched(options)
        self.connection = _taken(options, "conn.")
        self.statement = _taken(options, "stmt.")
        self.database = {**options, "driver": _found(name)}
        package = re.search(r"adbc_driver_([a-z]+)", self.database["driver"])
        self.driver = package[1] if package else name


def _parsed(url: str) -> tuple[str, dict[str, str]]:
    driver, _, rest = url.partition(":")[2].partition("?")
    options = {}
    for pair in filter(None, rest.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidParameterError(f"the option {unquote(name)!r} of an ADBC driver has no value")
        options[unquote(name)] = unquote(value)
    if not driver:
        raise InvalidParameterError("no driver: the form is adbc:DRIVER?uri=…")
    return unquote(driver), options


def _taken(options: dict[str, str], prefix: str) -> dict[str, str]:
    names = [name for name in options if name.startswith(prefix)]
    return {name.removeprefix(prefix): options.pop(name) for name in names}


def _found(driver: str) -> str:
    """The shared library of a driver that is a Python package; else what the driver manager looks up."""
    package = f"adbc_driver_{driver}"
    if re.fullmatch(r"\w+", driver) and importlib.util.find_spec(package):
        module = importlib.import_module(package)
        path = getattr(module, "driver_path", None) or getattr(module, "_driver_path", None)
        return os.fspath(path()) if path else driver
    return driver
