"""What is served where: HTTP paths to filesystems and their own paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from fsspec_db import Path, decode_name, encode_name
from gateway.pool import Pool
from gateway.problems import Problem, from_backend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from fsspec_db import AbstractDatabaseFileSystem
    from gateway.settings import Settings

DIRECTORIES: Final = frozenset({"root", "database", "schema", "relation", "facet"})

_MALFORMED: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LONGEST_REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True)
class Target:
    """A path of the tree, understood but not looked up in the database."""

    kind: str
    """As `fsspec_db.Path.kind`; `database` for one of several."""
    path: str
    """The path inside the filesystem."""
    fs: AbstractDatabaseFileSystem | None
    pool: Pool | None
    """Of the database; `None` at a root above several."""
    prefix: str
    """What precedes `path` in the served tree: empty, or `/name`."""
    extension: str | None
    """Of a data file."""

    @property
    def is_directory(self) -> bool:
        """Whether there are entries below."""
        return self.kind in DIRECTORIES

    @property
    def place(self) -> str:
        """The path in the served tree, in its one canonical spelling."""
        return self.prefix + self.path if self.path != "/" else self.prefix or "/"

    def database(self) -> tuple[AbstractDatabaseFileSystem, Pool]:
        """The filesystem and its pool.

        Raises:
            Problem: The path is the root above several databases.
        """
        if self.fs is None or self.pool is None:
            raise Problem("is-a-directory", "This is the root of several databases.")
        return self.fs, self.pool


class Tree:
    """All databases of a gateway as one tree.

    Paths are URL paths after one percent-decoding; that *is* the path of the grammar, which has
    escapes of its own: the relation `a/b` is `/main/a%2Fb` here and `/main/a%252Fb` in a URL.

    Args:
        filesystems: By name; one named `""` is the tree itself.
        settings: Bounds of the pools.
    """

    def __init__(self, filesystems: Mapping[str, AbstractDatabaseFileSystem], settings: Settings) -> None:
        self.filesystems = dict(filesystems)
        self.pools = {name: Pool(fs, settings) for name, fs in filesystems.items()}
        self._resolve = lru_cache(maxsize=4096)(self._parse)

    @property
    def several(self) -> bool:
        """Whether each database has a directory of its own at the root."""
        return "" not in self.filesystems

    def path_of(self, scope: Scope) -> str:
        """The request's path: `raw_path` percent-decoded exactly once.

        Raises:
            Problem: `invalid-path` for a malformed escape or what is not UTF-8.
        """
        raw: bytes | None = scope.get("raw_path")
        if raw is None:
            path: str = scope["path"]
        elif b"%" not in raw and raw.isascii():
            path = raw.decode("ascii")
        else:
            if _MALFORMED.search(raw):
                raise Problem("invalid-path", "The URL has a malformed percent escape.")
            try:
                path = unquote_to_bytes(raw).decode("utf-8")
            except UnicodeDecodeError:
                raise Problem("invalid-path", "The path is not UTF-8.") from None
        root: str = scope.get("root_path", "")
        return (path.removeprefix(root) or "/") if root else path

    def resolve(self, path: str) -> Target:
        """Where a path leads, by the grammar alone.

        Raises:
            Problem: `invalid-path`, or `not-found` where no such database is served.
        """
        return self._resolve(path) if len(path) <= _LONGEST_REMEMBERED else self._parse(path)

    def _parse(self, path: str) -> Target:
        if not path.startswith("/"):
            raise Problem("invalid-path", "A path starts with a slash.")
        name, prefix, inner = "", "", path
        if self.several:
            if path == "/":
                return Target("root", "/", None, None, "", None)
            segment, _, rest = path[1:].partition("/")
            prefix, inner = f"/{segment}", f"/{rest}"
            try:
                name = decode_name(segment)
            except Exception as error:
                raise from_backend(error) from error
            if name not in self.filesystems or encode_name(name, root=True) != segment:
                raise Problem("not-found", f"No database is served as {segment!r}.", members={"path": path})
        fs, pool = self.filesystems[name], self.pools[name]
        if inner == "/":
            return Target("database" if prefix else "root", "/", fs, pool, prefix, None)
        try:
            parsed = Path.parse(inner)
        except Exception as error:
            raise from_backend(error) from error
        extension = parsed.extension if parsed.kind == "data" else None
        return Target(parsed.kind, str(parsed), fs, pool, prefix, extension)

    def kind(self, path: str) -> str:
        """The kind of a path by the grammar alone; `database` for one of several."""
        return self.resolve(path).kind

    def access(self, path: str) -> str:
        """What clients may do at a path: `read`, `write` or `manage`.

        Above several databases it is what they may do in any, since clients ask there what to expect.
        """
        fs = self.resolve(path).fs
        levels = [fs.access] if fs is not None else [fs.access for fs in self.filesystems.values()]
        return max(levels, key=("read", "write", "manage").index)

    async def info(self, path: str) -> dict[str, Any]:
        """The fsspec entry of a path; its name is a path of this tree.

        Raises:
            Problem: As the database says, `not-found` above all.
        """
        target = self.resolve(path)
        if target.fs is None or target.pool is None:
            return {"name": "/", "size": None, "type": "directory", "kind": "root"}
        entry = await target.pool.call(target.fs.info, target.path)
        entry = _placed(entry, target.prefix)
        return {**entry, "kind": "database"} if target.kind == "database" else entry

    async def ls(self, path: str) -> list[dict[str, Any]]:
        """The entries of a directory, or the one entry of a file.

        Raises:
            Problem: As the database says, `not-found` above all.
        """
        target = self.resolve(path)
        if target.fs is None or target.pool is None:
            return [
                {
                    "name": f"/{encode_name(name, root=True)}",
                    "size": None,
                    "type": "directory",
                    "kind": "database",
                }
                for name in self.filesystems
            ]
        entries = await target.pool.call(target.fs.ls, target.path)
        return [_placed(entry, target.prefix) for entry in entries] if target.prefix else entries

    def close(self) -> None:
        """Closes every database."""
        for pool in self.pools.values():
            pool.close()


def _placed(entry: dict[str, Any], prefix: str) -> dict[str, Any]:
    if not prefix:
        return entry
    return {**entry, "name": prefix if entry["name"] == "/" else prefix + entry["name"]}
