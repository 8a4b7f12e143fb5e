"""The `If` header (RFC 4918, section 10.4): states that a resource must be in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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

    def asked(self, path: str) -> dict[str, frozenset[str]]:
        """The resources whose states matter, by decoded path, each with the entity tags asked for.

        Args:
            path: The request's own resource.
        """
        found: dict[str, frozenset[str]] = {}
        for states in self.lists:
            resource = _resource(states, path)
            if resource is not None:
                tags = frozenset(c.etag for c in states.conditions if c.etag is not None)
                found[resource] = found.get(resource, frozenset()) | tags
        return found

    def holds(self, path: str, states: Mapping[str, Collection[str]]) -> bool:
        """Whether some list is true.

        Args:
            path: The request's own resource.
            states: Of each resource that is asked for, the tokens of the locks that cover it, and its
                entity tags. A weak tag is none of them: the comparison is strong.
        """
        return any(self._true(conditions, path, states) for conditions in self.lists)

    @staticmethod
    def _true(conditions: StateList, path: str, states: Mapping[str, Collection[str]]) -> bool:
        resource = _resource(conditions, path)
        current = states.get(resource, ()) if resource is not None else ()
        return all(((c.etag or c.token) in current) is not c.negated for c in conditions.conditions)


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


def _resource(states: StateList, path: str) -> str | None:
    """The decoded path of what a list is about, whatever host a proxy made of its tag."""
    if states.resource is None:
        return path
    try:
        return unquote(urlsplit(states.resource).path, errors="strict")
    except ValueError:
        return None
