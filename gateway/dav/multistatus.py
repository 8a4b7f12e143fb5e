"""The answer to PROPFIND, rendered in one pass.

Nearly everything about an entry is the same for all of its kind, so the element is made once for
each kind, with holes for the address, the name and the size: filling them costs about a microsecond
where wsgidav's machinery takes more than a hundred.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from gateway.dav import activelock, xml
from gateway.dav.locks import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.dav.dates import Dates
    from gateway.dav.locks import Lock
    from gateway.dav.properties import DeadProperties
    from gateway.dav.propfind import Asked

BATCH: Final = 256
"""Entries in a piece: 64 to 256 KiB of what clients ask for."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_HREF, _NAME, _SIZE = "\0href\0", "\0name\0", "\0size\0"
_HOLE: Final = re.compile("\0(?:href|name|size)\0")


class Traits(NamedTuple):
    """What entries have in common that look alike but for address, name and size."""

    directory: bool
    media_type: str | None
    sized: bool
    modified: float


class Template(NamedTuple):
    """A response element as a format, and which of name and size it has after the address."""

    format: str
    name: bool
    size: bool


class Multistatus:
    """Renders entries as `DAV:response` elements.

    Args:
        asked: The properties.
        dates: Of the resources.
        lockable: Whether clients may lock at this access level.
        above: The locks of infinite depth that cover every entry.
        locks: Those kept at the entries' own places.
        dead: The dead properties.
    """

    def __init__(
        self,
        asked: Asked,
        dates: Dates,
        *,
        lockable: bool,
        above: Sequence[Lock],
        locks: Mapping[str, Sequence[Lock]],
        dead: DeadProperties,
    ) -> None:
        self._asked = asked
        self._dates = dates
        self._supported = activelock.SUPPORTED if lockable else ""
        self._above = above
        self._locks = locks
        self._dead = dead
        self._templates: dict[Traits, Template] = {}
        self._inherited = activelock.discovery(above)

    def render(self, entries: Sequence[dict[str, Any]]) -> Iterator[bytes]:
        """The document in pieces; `entries` are fsspec dictionaries, the first the resource itself."""
        head = xml.DECLARATION + b'<D:multistatus xmlns:D="DAV:">\n'
        for end in range(BATCH, len(entries) + BATCH, BATCH):
            tail = b"</D:multistatus>\n" if end >= len(entries) else b""
            yield head + "".join(map(self._response, entries[end - BATCH : end])).encode() + tail
            head = b""

    def _response(self, entry: dict[str, Any]) -> str:
        path: str = entry["name"]
        directory = entry["type"] == "directory"
        size = None if directory else entry.get("size")
        traits = Traits(directory, entry.get("media_type"), size is not None, self._dates.modified(path))
        template = self._template(path, traits)
        if _PLAIN(path):
            href, name = path, path.rpartition("/")[2]
        else:
            href = quote(path)
            name = display_name(path)
        if directory and path != "/":
            href += "/"
        values: list[object] = [href]
        if template.name:
            values.append(name or "/")
        if template.size:
            values.append(size)
        return template.format % tuple(values)

    def _template(self, path: str, traits: Traits) -> Template:
        if self._locks or self._dead:
            own = self._locks.get(place(path), ())
            dead = self._dead.of(path)
            if own or dead:
                mine = activelock.discovery(lock for lock in own if lock not in self._above)
                return self._compile(traits, self._inherited + mine, dead)
        template = self._templates.get(traits)
        if template is None:
            template = self._templates[traits] = self._compile(traits, self._inherited, {})
        return template

    def _compile(self, traits: Traits, discovery: str, dead: Mapping[str, str]) -> Template:
        live = self._live(traits, discovery)
        have = {name: f"<D:{name[6:]}>{value}</D:{name[6:]}>" for name, value in live.items()}
        have.update(dead)
        if self._asked.form == "propname":
            found, missing = "".join(map(xml.tag, have)), ""
        else:
            everything = self._asked.form == "allprop"
            # In the order of `have`, which is the order in which the holes are filled.
            found = "".join(value for name, value in have.items() if everything or name in self._asked.names)
            missing = "".join(xml.tag(name) for name in self._asked.names if name not in have)
        content = f"<D:response><D:href>{_HREF}</D:href>"
        if found or not missing:
            content += propstat(found, "200 OK")
        if missing:
            content += propstat(missing, "404 Not Found")
        content += "</D:response>\n"
        return Template(
            _HOLE.sub("%s", content.replace("%", "%%")), name=_NAME in content, size=_SIZE in content
        )

    def _live(self, traits: Traits, discovery: str) -> dict[str, str]:
        """Clark name → content of the live properties, in the order of the holes' values."""
        live = {
            "resourcetype": "<D:collection/>" if traits.directory else "",
            "displayname": _NAME,
            "creationdate": f"{datetime.fromtimestamp(int(self._dates.created), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "getlastmodified": formatdate(traits.modified, usegmt=True),
            "supportedlock": self._supported,
            "lockdiscovery": discovery,
        }
        if traits.sized:
            live["getcontentlength"] = _SIZE
        if not traits.directory and traits.media_type is not None:
            live["getcontenttype"] = xml.text(traits.media_type)
        return {xml.dav(name): content for name, content in live.items()}


def propstat(content: str, status: str, error: str = "") -> str:
    """Properties that share a status, and the `DAV:error` that explains it."""
    return f"<D:propstat><D:prop>{content}</D:prop><D:status>HTTP/1.1 {status}</D:status>{error}</D:propstat>"


def display_name(path: str) -> str:
    """The last segment for people, escaped for XML: identifiers as they are in the database."""
    segment = path.rpartition("/")[2]
    name = unquote(segment)
    return quote(segment) if _NOT_XML(name) else xml.text(name)
