"""Entity tags and dates of last change, RFC 9110 section 8.8."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.negotiation import Representation

MAX_DATES: Final = 10_000
"""Relations whose date is remembered."""

_RELEASE: Final = version_of("fsspec-db-gateway")


@dataclass(frozen=True)
class Reading:
    """What a request asks for: bytes that depend on the state of the database alone."""

    place: str
    """Of the file in the served tree."""
    path: str
    """Of the file in its database, where it may have the same name on another gateway."""
    chosen: Representation
    shape: str

    @cached_property
    def relation(self) -> str:
        """The place of the relation in the served tree."""
        return self.place.rpartition(".")[0]

    @cached_property
    def _hash(self) -> int:
        return hash((self.place, self.chosen, self.shape))

    def __hash__(self) -> int:
        return self._hash

    def tag(self, version: str) -> str:
        """The strong entity tag of one version: the same on every gateway of one release.

        What precedes the hyphen is of the state of the relation, whichever its representation.
        """
        return f'"{_state(self.path, version)}-{self._variant}"'

    def named(self, header: bytes) -> bool:
        """Whether a header has a tag of this representation, of whatever version."""
        return f'-{self._variant}"'.encode() in header

    @cached_property
    def _variant(self) -> str:
        chosen = self.chosen
        parts = (self.path, chosen.extension, chosen.codec or "", chosen.coding or "", self.shape)
        return _digest("\0".join(parts), 6)


def of_state(header: str, path: str, version: str) -> list[str]:
    """The tags in a header that are of this version of the relation behind a data path."""
    return re.findall(f'"{_state(path, version)}-[0-9a-f]*"', header)


def _state(path: str, version: str) -> str:
    return _digest("\0".join((_RELEASE, path.rpartition(".")[0], version)), 12)


def of_content(content: bytes | memoryview) -> str:
    """The strong entity tag of these bytes."""
    return f'"{blake2b(content, digest_size=16).hexdigest()}"'


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


class Dates:
    """When relations changed, as far as that was seen: a version is as old as its first sight.

    Two versions never have the same date, so that who asks with the date of one is not told that
    nothing changed; while they come faster than one a second, there is no date.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[object, tuple[str, int]] = OrderedDict()

    def modified(self, reading: Reading, version: str | None, tag: str) -> int | None:
        """Whole seconds since the epoch, never in the future; `None` if there is no such date yet.

        Where the relation has no version, the tag of the content is that of its representation.
        """
        since = self.since(reading, version, tag)
        return since if since <= time.time() else None

    def since(self, reading: Reading, version: str | None, tag: str) -> int:
        """As `modified`, or the second that the date will be, for listings: they have one always."""
        now = int(time.time())
        relation: object = reading
        if version is None:
            version = tag
        else:
            relation = reading.relation
        known = self._seen.get(relation)
        if known is None or known[0] != version:
            since = now if known is None else max(now, known[1] + 1)
            self._seen[relation] = known = (version, since)
            if len(self._seen) > MAX_DATES:
                self._seen.popitem(last=False)
        self._seen.move_to_end(relation)
        return known[1]
