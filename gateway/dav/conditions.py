"""The `If` header (RFC 4918, section 10.4): states that a resource must be in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_LENGTH: Final = 8192
"""Characters of the header. Each resource in it is looked up, so their number is bounded."""

_TOKEN: Final = re.compile(
    r"[ \t]*(?:(?P<open>\()|(?P<close>\))|(?P<negation>not)\b"
    r'|<(?P<uri>[^<>\s]+)>|\[(?P<etag>(?:W/)?"[^"]*")\])',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One state: a lock token (or another state token) or an entity tag."""

    negated: bool
    token: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class StateList:
    """Conditions that hold together, on the tagged resource or on the request's own (`None`)."""

    resource: str | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class IfHeader:
    """A parsed `If` header. It holds if any of its lists does."""

    lists: tuple[StateList, ...]

    @property
    def tokens(self) -> frozenset[str]:
        """Every token in the header. To appear is to be submitted, wherever it stands."""
        return frozenset(c.token for s in self.lists for c in s.conditions if c.token is not None)

    def holds(self, path: str, locked_by: Callable[[str], Iterable[str]]) -> bool:
        """Whether some list is true.

        Args:
            path: The request's own resource.
            locked_by: The tokens of the locks that cover a path. Resources have no entity tags
                yet, so a condition on one is false and its negation true.
        """
        return any(self._true(states, path, locked_by) for states in self.lists)

    @staticmethod
    def _true(states: StateList, path: str, locked_by: Callable[[str], Iterable[str]]) -> bool:
        resource = path if states.resource is None else _path(states.resource)
        tokens = frozenset(locked_by(resource)) if resource is not None else frozenset()
        return all((c.token in tokens) is not c.negated for c in states.conditions)


def parse(value: str) -> IfHeader:
    """Parses the header's value.

    Raises:
        Problem: `invalid-request` with the place where the grammar is left, or for the length.
    """
    if len(value) > MAX_LENGTH:
        raise Problem("invalid-request", f"The If header may have {MAX_LENGTH} characters.")
    lists: list[StateList] = []
    resource: str | None = None
    inside: list[Condition] | None = None
    negated = False
    position = 0
    value = value.rstrip(" \t")
    while position < len(value):
        match = _TOKEN.match(value, position)
        if match is None:
            raise _malformed(position)
        kind, found = match.lastgroup, match[match.lastgroup or 0]
        if inside is None:
            if kind == "open":
                inside = []
            elif kind == "uri" and (
                not lists if resource is None else lists and lists[-1].resource == resource
            ):
                resource = found
            else:
                raise _malformed(position)
        elif kind == "negation" and not negated:
            negated = True
        elif kind in {"uri", "etag"}:
            inside.append(
                Condition(negated, token=found) if kind == "uri" else Condition(negated, etag=found)
            )
            negated = False
        elif kind == "close" and inside and not negated:
            lists.append(StateList(resource, tuple(inside)))
            inside = None
        else:
            raise _malformed(position)
        position = match.end()
    if inside is not None or not lists or lists[-1].resource != resource:
        raise _malformed(position)
    return IfHeader(tuple(lists))


def _malformed(position: int) -> Problem:
    return Problem("invalid-request", f"The If header is malformed at character {position + 1}.")


def _path(resource: str) -> str | None:
    """The decoded path of a resource tag, whatever host a proxy made of it."""
    try:
        return unquote(urlsplit(resource).path, errors="strict")
    except ValueError:
        return None
