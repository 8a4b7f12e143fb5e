"""What a store of locks is, and what the stores agree on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypedDict

from fsspec_db import FORMATS
from gateway.dav.errors import Precondition
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MAX_LOCKS: Final = 10_000
"""Locks alive at one time; the next one is refused."""
MAX_SHARED: Final = 32
"""Locks alive at one place: each is shown by every listing."""


class Lock(TypedDict):
    """One lock."""

    token: str
    root: str
    href: str
    """The path that the client locked; `root` is its place."""
    scope: str
    depth: str
    owner: str
    """The `owner` element as XML, empty if there was none."""
    expire: float
    """Seconds since the epoch, by the clock of this process."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a write does to the tree.

    Attributes:
        path: What is written.
        creates: The path is a name that does not exist yet.
        removes: The path goes, with everything below it.
    """

    path: str
    creates: bool = False
    removes: bool = False

    @property
    def member(self) -> bool:
        """Whether the directory above gets or loses a member, which its locks guard."""
        return self.creates or self.removes

    @property
    def parent(self) -> str:
        """The place of the directory above."""
        return chain(self.path)[1] if place(self.path) != "/" else "/"


class LockStore(Protocol):
    """Locks, and marks on what is being written. Every call is atomic, also among processes.

    Raises:
        Problem: `lock-store-unavailable`, of every call.
    """

    async def look(
        self, paths: Sequence[str], below: str | None = None
    ) -> tuple[list[list[Lock]], list[Lock]]:
        """For each path the locks that protect it: its own, and those of infinite depth above it.

        And those that are kept at the place of `below` and under it.
        """

    async def get(self, token: str) -> Lock | None:
        """The lock of a token while it lives."""

    async def acquire(self, lock: Lock, seconds: int) -> Lock:
        """Adds a lock that lives for so many seconds, which is returned with its end.

        Raises:
            Precondition: `no-conflicting-lock`.
            Problem: `lock-store-full`.
        """

    async def refresh(self, token: str, seconds: int) -> Lock | None:
        """The lock with its time started anew, or `None` if it has ended."""

    async def release(self, tokens: Collection[str]) -> None:
        """Ends locks."""

    async def begin(self, change: Change, submitted: Collection[str]) -> Mark:
        """Marks what is being written: nobody gets a lock on it.

        Raises:
            Precondition: `lock-token-submitted`, if a lock is in the way; nothing is marked.
        """

    async def end(self, mark: Mark) -> None:
        """Takes a mark away."""

    async def close(self) -> None:
        """Gives connections back."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One write under way.

    Attributes:
        identity: No other write has it.
        places: What is being written, each with whether everything below is, too.
    """

    identity: str
    places: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, change: Change) -> Mark:
        """A new mark for a change."""
        places = [(place(change.path), change.removes)]
        if change.member:
            places.append((change.parent, False))
        return cls(secrets.token_hex(8), tuple(places))


def place(path: str) -> str:
    """Where the locks of a path are kept: without a trailing slash and, for rows, a data extension.

    Below a name with a leading dot there are no rows, but files of which each is a thing by itself.
    """
    path = path.rstrip("/")
    stem, dot, extension = path.rpartition(".")
    return (stem if dot and extension in FORMATS and "/." not in path else path) or "/"


def chain(path: str) -> list[str]:
    """The place of a path, and those of the directories above it up to the root."""
    here = place(path)
    places = [here]
    while here != "/":
        here = place(here.rpartition("/")[0])
        places.append(here)
    return places


def new_token() -> str:
    """A token that nobody guesses."""
    return f"opaquelocktoken:{secrets.token_hex(16)}"


def missing(covering: Iterable[Lock], submitted: Collection[str]) -> list[Lock]:
    """The locks whose tokens are still asked for.

    Of several shared locks one token is enough: their holders trust each other.
    """
    locks = list(covering)
    found = [lock for lock in locks if lock["token"] not in submitted]
    if len(found) < len(locks):
        found = [lock for lock in found if lock["scope"] == "exclusive"]
    return found


def locked(path: str, hrefs: Iterable[str]) -> Precondition:
    """The refusal of a write."""
    return Precondition("locked", f"{path} is locked.", "lock-token-submitted", sorted(set(hrefs)))


def written(places: Iterable[str]) -> Precondition:
    """The refusal of a lock on rows that are about to change."""
    return Precondition("locked", "Rows are being written.", "no-conflicting-lock", sorted(set(places)))


def in_the_way(hrefs: Iterable[str]) -> Precondition:
    """The refusal of a lock beside another."""
    return Precondition("locked", "Another lock is in the way.", "no-conflicting-lock", sorted(set(hrefs)))


def full() -> Problem:
    """The refusal of one lock too many."""
    return Problem("lock-store-full", f"There are {MAX_LOCKS} locks already.")


def crowded() -> Problem:
    """The refusal of one more who shares a resource."""
    return Problem("lock-store-full", f"{MAX_SHARED} clients share this resource already.")
