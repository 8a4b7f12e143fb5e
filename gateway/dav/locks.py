"""Write locks: who may change what, by token.

A relation and its data files are one thing to lock. They are views of the same rows, so a lock on
`/main/users.arrow` covers `/main/users.csv` and `/main/users/` as well: each lock is kept at its
*place*, the path without a data extension. wsgidav keeps the model and the storage.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from wsgidav.dav_error import DAVError
from wsgidav.lock_man.lock_manager import LockManager
from wsgidav.lock_man.lock_storage import LockStorageDict

from fsspec_db import FORMATS
from gateway.dav import conditions
from gateway.dav.errors import Precondition
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gateway.dav.conditions import IfHeader

MAX_LOCKS: Final = 10_000
"""Locks alive at one time; the next one is refused."""
MAX_SHARED: Final = 32
"""Locks alive at one place: each is shown by every listing."""
DEFAULT_TIMEOUT: Final = 3600
"""Seconds of a lock whose client asks for no time."""
MAX_TIMEOUT: Final = 24 * 3600
"""Seconds that a lock lives at most without a refresh."""

_ANYBODY: Final = ""


class Lock(TypedDict):
    """One lock, as it is stored."""

    token: str
    root: str
    href: str
    """The path that the client locked; `root` is its place."""
    scope: str
    depth: str
    owner: bytes
    """The `owner` element as XML, empty if there was none."""
    expire: float
    """Seconds since the epoch."""


def place(path: str) -> str:
    """Where the locks of a path are kept: without a trailing slash and a data extension."""
    path = path.rstrip("/")
    stem, dot, extension = path.rpartition(".")
    return (stem if dot and extension in FORMATS else path) or "/"


def _parent(path: str) -> str:
    return place(path).rpartition("/")[0] or "/"


class _Storage(LockStorageDict):  # type: ignore[misc]  # wsgidav has no types
    """Locks by place, in memory, bounded."""

    def create(self, path: str, lock: dict[str, Any]) -> dict[str, Any]:
        for token in [key for key, value in self._dict.items() if _expired(value)]:
            self.delete(token)
        if sum(isinstance(value, dict) for value in self._dict.values()) >= MAX_LOCKS:
            raise Problem("lock-store-full", f"There are {MAX_LOCKS} locks already.")
        if (
            len(self.get_lock_list(path, include_root=True, include_children=False, token_only=True))
            >= MAX_SHARED
        ):
            raise Problem("lock-store-full", f"{MAX_SHARED} clients share this resource already.")
        return cast(dict[str, Any], super().create(place(path), lock))

    def get(self, token: str) -> dict[str, Any] | None:
        # The inherited one deletes what has expired, while its callers iterate, and hands out its
        # index (a list, by a key that a client can guess) as if it were a lock.
        lock = self._dict.get(token)
        return lock if isinstance(lock, dict) and not _expired(lock) else None

    def get_lock_list(self, path: str, **options: bool) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], super().get_lock_list(place(path), **options))


def _expired(lock: dict[str, Any] | list[str]) -> bool:
    return isinstance(lock, dict) and lock["expire"] <= time.time()


class Locks:
    """The write locks of one gateway process. Called on the event loop's thread only; never waits."""

    def __init__(self) -> None:
        self._manager = LockManager(_Storage())
        self._writing: Counter[str] = Counter()

    def covering(self, path: str, *, creates: bool = False) -> list[Lock]:
        """The locks that protect a path: its own, and those of infinite depth above it.

        To a name that is to be created those of its directory belong too, whatever their depth:
        they guard which members there are (RFC 4918, section 7.4).
        """
        found = cast(list[Lock], self._manager.get_indirect_url_lock_list(path))
        if creates:
            found += [lock for lock in self.covering(_parent(path)) if lock["depth"] == "0"]
        return found

    def below(self, path: str) -> dict[str, list[Lock]]:
        """The locks kept at a place and under it, by place."""
        found: dict[str, list[Lock]] = {}
        for lock in cast(list[Lock], self._manager.get_url_lock_list(path, recursive=True)):
            found.setdefault(lock["root"], []).append(lock)
        return found

    def get(self, token: str) -> Lock | None:
        """The lock of a token while it lives."""
        return cast("Lock | None", self._manager.get_lock(token))

    def acquire(self, path: str, *, scope: str, depth: str, owner: bytes, timeout: int) -> Lock:
        """A new lock on `path`.

        Args:
            path: An existing resource; a directory's ends with a slash.
            scope: `exclusive` or `shared`.
            depth: `0` or `infinity`; a file has only `0`.
            owner: The `owner` element as XML.
            timeout: Seconds.

        Raises:
            Precondition: `no-conflicting-lock`, with the paths of the locks in the way.
            Problem: `lock-store-full`.
        """
        written = [busy for busy in self._writing if _covers(place(path), depth, busy)]
        if written:
            raise Precondition("locked", "Rows are being written.", "no-conflicting-lock", written)
        try:
            granted = self._manager.acquire(
                url=path,
                lock_type="write",
                lock_scope=scope,
                lock_depth=depth,
                lock_owner=owner,
                timeout=timeout,
                principal=_ANYBODY,
                token_list=[],
            )
        except DAVError:
            rivals = self.covering(path)
            if depth == "infinity":
                rivals += [lock for locks in self.below(path).values() for lock in locks]
            paths = sorted({lock["href"] for lock in rivals})
            raise Precondition(
                "locked", "Another lock is in the way.", "no-conflicting-lock", paths
            ) from None
        # The manager takes the slash off that a directory's address ends with.
        lock = cast(Lock, granted)
        lock["href"] = path
        return lock

    def refresh(self, lock: Lock, timeout: int) -> Lock:
        """The lock with its time started anew."""
        return cast(Lock, self._manager.refresh(lock["token"], timeout=timeout))

    def release(self, lock: Lock) -> None:
        """Gives a lock up."""
        self._manager.release(lock["token"])

    def covers(self, lock: Lock, path: str) -> bool:
        """Whether a lock is among those that protect a path."""
        return any(lock["token"] == other["token"] for other in self.covering(path))

    def conflict(
        self, path: str, headers: Iterable[tuple[bytes, bytes]], *, creates: bool = False
    ) -> Problem | None:
        """Why a write at `path` must not happen, or `None` if it may.

        Args:
            path: The URL path after one percent-decoding.
            headers: The request's headers as ASGI gives them.
            creates: Whether the path is a name that does not exist yet.

        Returns:
            `invalid-request` (400) for a malformed `If` header; `precondition-failed` (412) when it
            does not hold; `locked` (423) when a lock covers the path whose token it does not carry.
            Of several shared locks one token is enough: their holders trust each other.
        """
        values = [value for name, value in headers if name == b"if"]
        try:
            header = self.condition(path, values, creates=creates)
        except Problem as problem:
            return problem
        return self._missing(path, header.tokens if header is not None else frozenset(), creates=creates)

    @contextmanager
    def writing(
        self, path: str, headers: Iterable[tuple[bytes, bytes]], *, creates: bool = False
    ) -> Iterator[None]:
        """The time of a transaction: nobody gets a lock on what is being written.

        Nor on the directory that is getting a new member.

        Locks were asked before the body came (`conflict`). One that somebody else took meanwhile is
        respected; one of the client's own that has ended is not held against it.

        Raises:
            Precondition: `lock-token-submitted`.
        """
        values = [value for name, value in headers if name == b"if"]
        submitted = _parse(values).tokens if values else frozenset()
        problem = self._missing(path, submitted, creates=creates)
        if problem is not None:
            raise problem
        busy = [place(path), *([_parent(path)] if creates else [])]
        self._writing.update(busy)
        try:
            yield
        finally:
            self._writing -= Counter(busy)

    def _missing(self, path: str, submitted: frozenset[str], *, creates: bool) -> Problem | None:
        """The locks on a path whose tokens were not submitted."""
        covering = self.covering(path, creates=creates)
        missing = [lock for lock in covering if lock["token"] not in submitted]
        if len(missing) < len(covering):
            missing = [lock for lock in missing if lock["scope"] == "exclusive"]
        if not missing:
            return None
        paths = sorted({lock["href"] for lock in missing})
        return Precondition("locked", f"{path} is locked.", "lock-token-submitted", paths)

    def condition(self, path: str, values: list[bytes], *, creates: bool = False) -> IfHeader | None:
        """The request's `If` header, which holds, or `None` if there is none.

        The locks that guard a new name are states of that name, so that a list without a tag may
        give their tokens.

        Raises:
            Problem: `invalid-request` or `precondition-failed`.
        """
        if not values:
            return None
        header = _parse(values)

        def tokens(resource: str) -> list[str]:
            new = creates and place(resource) == place(path)
            return [lock["token"] for lock in self.covering(resource, creates=new)]

        if not header.holds(path, tokens):
            raise Problem("precondition-failed", "The If header does not hold.")
        return header


def _parse(values: list[bytes]) -> IfHeader:
    return conditions.parse(b" ".join(values).decode("latin-1"))


def _covers(root: str, depth: str, busy: str) -> bool:
    """Whether a lock would cover a place."""
    return busy == root or (depth == "infinity" and busy.startswith(f"{root.rstrip('/')}/"))


def timeout_of(headers: Mapping[bytes, bytes]) -> int:
    """Seconds from a `Timeout` header: the first choice that can be read, at most `MAX_TIMEOUT`."""
    for choice in headers.get(b"timeout", b"").split(b","):
        unit, _, seconds = choice.strip().lower().partition(b"-")
        if unit == b"infinite":
            return MAX_TIMEOUT
        if unit == b"second" and seconds.isdigit():
            return max(1, min(int(seconds[:12]), MAX_TIMEOUT))
    return DEFAULT_TIMEOUT
