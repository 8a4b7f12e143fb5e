"""Every setting, declared once: a flag, an `FSSPEC_DB_*` variable and a TOML key of the same name."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Access = Literal["read", "write", "manage"]

prefix: Final = "FSSPEC_DB_"


_IN_MEMORY: Final = re.compile(r"(sqlite|duckdb):/*(:memory:)?(\?.*)?").fullmatch


class SettingsError(ValueError):
    """A setting is unknown, or its value does not fit. The message never contains a secret."""


def _about(unit: str, text: str) -> dict[str, str]:
    return {"unit": unit, "help": text}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one gateway.

    A flag outranks a variable, a variable outranks the TOML file, and that outranks the default.
    Sizes are bytes and take the suffixes KiB, MiB, GiB; times are seconds.
    """

    databases: Mapping[str, str] = field(
        default_factory=dict,
        repr=False,  # URLs carry passwords
        metadata=_about("urls", "URLs of what is served, by name; one without a name is the tree itself"),
    )
    host: str = field(default="127.0.0.1", metadata=_about("text", "address to listen on"))
    port: int = field(default=8080, metadata=_about("number", "port to listen on; 0 picks a free one"))
    access: Access = field(
        default="read",
        metadata=_about("access", "what clients may do: read, write (rows) or manage (relations)"),
    )
    insecure: bool = field(
        default=False, metadata=_about("flag", "allow to listen beyond loopback although anybody may connect")
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(), metadata=_about("list", "names accepted in Host besides the usual; * is all")
    )
    formats: tuple[str, ...] = field(
        default=("arrow", "parquet", "csv"), metadata=_about("list", "formats that listings show")
    )
    threads: int = field(
        default=0, metadata=_about("number", "threads of one scan; 0 lets the engine choose")
    )
    pool_size: int = field(
        default=8, metadata=_about("number", "data transfers at a time, for each database")
    )
    pool_wait: float = field(
        default=5.0, metadata=_about("time", "time to wait for a place in the pool before 503")
    )
    metadata_threads: int = field(
        default=4, metadata=_about("number", "listings and look-ups at a time, for each database")
    )
    idle_check: float = field(
        default=30.0, metadata=_about("time", "ping a database that was not used for so long")
    )
    read_timeout: float = field(
        default=3600.0, metadata=_about("time", "time limit of reading a data file; 0 is none")
    )
    write_timeout: float = field(
        default=3600.0, metadata=_about("time", "time limit of a write's transaction; 0 is none")
    )
    query_timeout: float = field(
        default=60.0, metadata=_about("time", "time limit of a query or a look-up; 0 is none")
    )
    query_concurrency: int = field(
        default=4, metadata=_about("number", "queries at a time, for each database")
    )
    query_max_rows: int = field(
        default=0, metadata=_about("number", "rows of a query's result; 0 is no limit")
    )
    query_max_bytes: int = field(
        default=0, metadata=_about("size", "encoded bytes of a query's result; 0 is no limit")
    )
    max_body_bytes: int = field(
        default=8 << 30, metadata=_about("size", "bytes of a body, as sent and as inflated")
    )
    spool_memory_bytes: int = field(
        default=8 << 20, metadata=_about("size", "bytes of a body kept in memory before a file is used")
    )
    spool_dir: str = field(
        default="",
        metadata=_about(
            "text", "directory for bodies and snapshots; default is the system's temporary directory"
        ),
    )
    scratch_dir: str = field(
        default="",
        metadata=_about(
            "text", "directory for files that are no tables; default is one of this user's below spool_dir"
        ),
    )
    scratch_quota: int = field(
        default=1 << 30, metadata=_about("size", "bytes of scratch files, for each principal")
    )
    scratch_age: float = field(
        default=86400.0,
        metadata=_about("time", "time after which a scratch file that nobody uses is removed"),
    )
    snapshot_max_bytes: int = field(
        default=1 << 30,
        metadata=_about("size", "bytes of one snapshot; longer files have no length and no ranges"),
    )
    snapshot_total_bytes: int = field(default=4 << 30, metadata=_about("size", "bytes of all snapshots"))
    snapshot_age: float = field(
        default=600.0, metadata=_about("time", "time after which a snapshot that nobody reads is removed")
    )
    snapshot_lease: float = field(
        default=30.0,
        metadata=_about("time", "time between two range reads of one client that see one snapshot"),
    )
    listing_budget: float = field(
        default=2.0, metadata=_about("time", "time that a listing waits for sizes that are not known yet")
    )
    lock_store: str = field(
        default="memory",
        repr=False,  # its URL may carry a password
        metadata=_about(
            "store", "where locks and dead properties are kept: memory, or the redis:// URL of a shared store"
        ),
    )
    workers: int = field(
        default=1, metadata=_about("number", "processes; more than one share their locks by lock_store")
    )
    header_timeout: float = field(
        default=10.0, metadata=_about("time", "time for the head of a request to arrive")
    )
    stall_timeout: float = field(
        default=120.0, metadata=_about("time", "time without progress before a transfer is given up")
    )
    max_connections: int = field(default=1000, metadata=_about("number", "connections at a time"))
    grace: float = field(
        default=30.0, metadata=_about("time", "time for running transfers to finish after SIGTERM")
    )
    log_level: str = field(default="info", metadata=_about("level", "debug, info, warning or error"))
    access_log: bool = field(default=False, metadata=_about("flag", "log every request"))

    def __post_init__(self) -> None:
        """Checks what the types cannot say."""
        for name in (
            "pool_size",
            "metadata_threads",
            "query_concurrency",
            "max_connections",
            "max_body_bytes",
            "workers",
        ):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1")
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and value < 0:
                raise SettingsError(f"{item.name} must not be negative")
        if not 0 <= self.port <= 65535:
            raise SettingsError("port must be between 0 and 65535")
        if self.workers > 1 and self.access != "read" and self.lock_store == "memory":
            raise SettingsError(
                "several workers that write need shared locks: say --lock-store redis://…, or --workers 1"
            )
        if self.workers > 1 and any(map(_IN_MEMORY, self.databases.values())):
            raise SettingsError("a database in memory would be another one in each worker: say --workers 1")


def items() -> list[dataclasses.Field[Any]]:
    """The settings in order, for the command line, the documentation and the tests."""
    return list(dataclasses.fields(Settings))


def parse(name: str, value: Any) -> Any:
    """A setting's value from a flag's text, a variable's text or a TOML value.

    Raises:
        SettingsError: The setting is unknown or the value does not fit.
    """
    known = {item.name: item.metadata["unit"] for item in items()}
    if name not in known:
        raise SettingsError(f"unknown setting {name!r}")
    try:
        return _PARSERS[known[name]](value)
    except SettingsError:
        raise
    except (TypeError, ValueError):
        shown = "" if known[name] in ("store", "urls") else f", not {value!r}"
        raise SettingsError(f"{name} must be {_EXPECTED[known[name]]}{shown}") from None


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: str | None = None) -> Settings:
    """The settings from flags, environment variables and a TOML file.

    Raises:
        SettingsError: The file is unreadable, or a setting is unknown or does not fit.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values |= {
                key: parse(key, value) for key, value in tomllib.loads(Path(file).read_text("utf-8")).items()
            }
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file}: {error}") from error
    names = {item.name for item in items()}
    for variable, text in environ.items():
        name = variable.removeprefix(prefix).lower()
        if variable.startswith(prefix) and name in names:
            values[name] = parse(name, text)
    return Settings(**values | {key: parse(key, value) for key, value in flags.items()})


def database_urls(arguments: list[str]) -> dict[str, str]:
    """`[NAME=]URL …` by name; one URL without a name has the name `""`.

    Raises:
        SettingsError: A name is missing where there are several, or is there twice.
    """
    urls: dict[str, str] = {}
    for argument in arguments:
        # A name ends before any character that could belong to a scheme's end.
        named = re.fullmatch(r"([^=:?#]+)=(.+)", argument, re.DOTALL)
        name, url = named.groups() if named else ("", argument)
        if name in urls:
            raise SettingsError(
                f"two databases are called {name!r}" if name else "give each of several URLs a NAME="
            )
        urls[name] = url
    if "" in urls and len(urls) > 1:
        raise SettingsError("give each of several URLs a NAME=")
    return urls


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    return int(value)


_UNITS: Final = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def _size(value: Any) -> int:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+)\s*([a-zA-Z]*)\s*", value)
        if found is None or found[2].lower() not in _UNITS:
            raise ValueError
        return int(found[1]) * _UNITS[found[2].lower()]
    return _number(value)


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    seconds = float(value)
    if not seconds < float("inf"):
        raise ValueError
    return seconds


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise TypeError
    return tuple(part.strip() for part in parts if part.strip())


def _one_of(*words: str) -> Any:
    def choose(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return choose


def _store(value: Any) -> str:
    if value != "memory" and not _text(value).startswith(("redis://", "rediss://", "unix://")):
        raise ValueError
    return _text(value)


def _urls(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        if not all(isinstance(url, str) for url in value.values()):
            raise TypeError
        return database_urls([f"{name}={url}" if name else url for name, url in value.items()])
    return database_urls(value.split() if isinstance(value, str) else list(value))


_PARSERS: Final[Mapping[str, Any]] = {
    "access": _one_of("read", "write", "manage"),
    "flag": _flag,
    "level": _one_of("debug", "info", "warning", "error"),
    "list": _list,
    "number": _number,
    "size": _size,
    "store": _store,
    "text": _text,
    "time": _time,
    "urls": _urls,
}

_EXPECTED: Final[Mapping[str, str]] = {
    "access": "'read', 'write' or 'manage'",
    "flag": "true or false",
    "level": "'debug', 'info', 'warning' or 'error'",
    "list": "a list of words, or words with commas",
    "number": "a whole number",
    "size": "a number of bytes, such as 8388608 or '8MiB'",
    "store": "'memory' or a URL of redis:, rediss: or unix:",
    "text": "text",
    "time": "a number of seconds",
    "urls": "[NAME=]URL, or a table of them",
}
