"""What one client sees: the tree, and among its directories the client's own scratch files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fsspec_db import FORMATS
from gateway.problems import Problem
from gateway.scratch import ROOT, certain, junk, segments

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.scratch import Folder, Scratch
    from gateway.tree import Target, Tree

ELSEWHERE: Final = frozenset({"not-found", "not-a-directory"})
"""What the tree says of paths that may be those of scratch files."""
_NOUNS: Final = {
    "data": "data file",
    "ddl": "statement",
    "definition": "statement",
    "dependency": "description",
    "item": "description",
    "facet": "list of descriptions",
    "scratch": "temporary file",
}
_NAMED_FREELY: Final = frozenset({"schema", "relation", "ddl"})
"""Kinds of names, of which there is none in the catalogue, that a file may have."""


def noun(kind: str) -> str:
    """What people call a kind of resource."""
    return _NOUNS.get(kind, kind)


@dataclass(frozen=True, slots=True)
class Resource:
    """What a path is, or would be."""

    path: str
    """Its one spelling, with a slash at the end of a directory that is there."""
    kind: str
    """As `fsspec_db.Path.kind`, `database`, or `scratch`: of a name that is free, what the grammar says."""
    entry: dict[str, Any] | None = field(repr=False, default=None)
    """As fsspec has it; `None` if there is nothing."""
    target: Target | None = field(repr=False, default=None)
    """In the tree."""

    @property
    def exists(self) -> bool:
        """Whether there is something."""
        return self.entry is not None

    @property
    def is_directory(self) -> bool:
        """Whether there are entries below."""
        return self.entry is not None and self.entry["type"] == "directory"

    @property
    def is_placeholder(self) -> bool:
        """Whether it is an empty file where the rows of a relation may be written."""
        if self.kind != "scratch" or self.target is None or self.target.kind != "data":
            return False
        return self.exists and not junk(self.path)

    @property
    def may_be_file(self) -> bool:
        """Whether a scratch file has its place here, were there nothing yet."""
        return self.kind == "scratch" or (not self.exists and self.kind in _NAMED_FREELY)

    @property
    def is_fixed(self) -> bool:
        """Whether it is always there."""
        return self.kind in ("root", "database") or self.path.rstrip("/") == ROOT


class Drive:
    """A tree with scratch files in it. A relation wins over a scratch file of its name.

    Args:
        tree: The databases.
        folder: The client's scratch files; `None` where nothing may be written.
    """

    def __init__(self, tree: Tree, folder: Folder | None) -> None:
        self.tree = tree
        self.folder = folder

    @classmethod
    def of(cls, tree: Tree, scratch: Scratch, exchange: Exchange) -> Drive:
        """What whoever sent a request sees."""
        return cls(tree, scratch.of(exchange) if tree.access("/") != "read" else None)

    async def find(self, path: str) -> Resource:
        """What there is at a path, or what its name says.

        Raises:
            Problem: `invalid-path`; `not-found` and `not-a-directory` for what nothing can be; what a
                database says.
        """
        if certain(path):
            segments(path)
            return self._scratch(path) or Resource(path, "scratch")
        target: Target | None = None
        try:
            target = self.tree.resolve(path)
            entry = await self.tree.info(path)
        except Problem as problem:
            if self.folder is None or problem.code not in ELSEWHERE:
                raise
            found = self._scratch(path, target)
            if found is not None:
                return found
            if target is not None and not junk(path):
                return Resource(target.place, target.kind, target=target)
            if problem.code != "not-found" and not junk(path):
                raise
            return Resource(path, "scratch", target=target)
        name: str = entry["name"]
        if entry["type"] == "directory" and name != "/":
            name += "/"
        return Resource(name, target.kind, entry, target)

    def _scratch(self, path: str, target: Target | None = None) -> Resource | None:
        if target is not None:
            path = target.place + ("/" if path.endswith("/") else "")
        entry = self.folder.find(path) if self.folder is not None else None
        if entry is None:
            return None
        slash = "/" if entry["type"] == "directory" else ""
        return Resource(entry["name"] + slash, "scratch", entry, target)

    async def info(self, path: str) -> dict[str, Any]:
        """The fsspec entry of a path.

        Raises:
            Problem: As the database says, `not-found` above all.
        """
        found = await self.find(path)
        if found.entry is None:
            raise Problem("not-found", f"There is no {path}.", members={"path": path})
        return found.entry

    async def own(self, path: str) -> list[dict[str, Any]]:
        """The entries of scratch files in a directory.

        Raises:
            Problem: `invalid-path`.
        """
        return [] if self.folder is None else await asyncio.to_thread(self.folder.members, path)

    async def ls(self, path: str, own: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        """The entries of a directory.

        Args:
            path: The directory.
            own: What `own` gives, if that was asked.

        Raises:
            Problem: As the database says, `not-found` above all.
        """
        if self.folder is None:
            return await self.tree.ls(path)
        own = await self.own(path) if own is None else own
        if certain(path):
            return own
        try:
            entries = await self.tree.ls(path)
        except Problem as problem:
            found = self.folder.find(path)
            if problem.code not in ELSEWHERE or found is None or found["type"] != "directory":
                raise
            return own
        if not own:
            return entries
        taken = {entry["name"] for entry in entries}
        return entries + [entry for entry in own if taken.isdisjoint((entry["name"], _stem(entry["name"])))]

    async def must_have_parent(self, path: str) -> None:
        """Refuses what would stand in no directory.

        Raises:
            Problem: `parent-missing`.
        """
        above = path.rstrip("/").rpartition("/")[0]
        if not above or above == ROOT:
            return
        try:
            parent = await self.find(above)
        except Problem as problem:
            if problem.code not in ELSEWHERE:
                raise
            parent = None
        if parent is None or not parent.is_directory:
            raise Problem("parent-missing", f"There is no directory {above}/.", members={"path": above})

    def kind(self, path: str) -> str:
        """What a path is, as far as no database is asked.

        Raises:
            Problem: `invalid-path`.
        """
        if certain(path):
            segments(path)
            return "scratch"
        if self.folder is not None and path != "/" and (self.folder.find(path) is not None or junk(path)):
            return "scratch"
        try:
            return self.tree.kind(path)
        except Problem as problem:
            if self.folder is None or problem.code != "not-found":
                raise
            return "scratch"

    def access(self, path: str) -> str:
        """`read`, `write` or `manage`."""
        try:
            return self.tree.access(path)
        except Problem:
            return self.tree.access("/")


def _stem(path: str) -> str:
    """The directory of the relation whose rows a path would be."""
    stem, _, extension = path.rpartition(".")
    return stem if extension in FORMATS or extension == "sql" else path
