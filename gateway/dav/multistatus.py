"""The answer to PROPFIND, rendered in one pass.

Nearly everything about an entry is the same for all of its kind, so the element is made once for
each kind, with holes for the address, the name and the size: filling them costs about a microsecond
where wsgidav's machinery takes more than a hundred.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from gateway.dav import activelock, xml
from gateway.dav.lock_store import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.dav.dates import Dates
    from gateway.dav.lock_store import Lock
    from gateway.dav.propfind import Asked

BATCH: Final = 256
"""Entries in a piece: 64 to 256 KiB of what clients ask for."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_NAME, _DATE, _SIZE, _TAG = "\0name\0", "\0date\0", "\0size\0", "\0etag\0"
_HOLES: Final = {_NAME: "%(name)s", _DATE: "%(date)s", _SIZE: "%(size)s", _TAG: "%(etag)s"}

Traits = tuple[bool, str | None, bool, bool, tuple[int, int] | None]
"""What entries share that look alike otherwise: directory, media type, has a size, has a tag, quota."""


class Multistatus:
    """Renders entries as `DAV:response` elements.

    Args:
        asked: The properties.
        dates: Of the resources.
        lockable: Whether clients may lock at this access level.
        above: The locks of infinite depth that cover every entry.
        locks: Those kept at the entries' own places.
        dead: The dead properties, by path.
    """

    def __init__(
        self,
        asked: Asked,
        dates: Dates,
        *,
        lockable: bool,
        above: Sequence[Lock],
        locks: Mapping[str, Sequence[Lock]],
        dead: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._asked = asked
        self._dates = dates
        self._supported = activelock.SUPPORTED if lockable else ""
        self._above = above
        self._locks = locks
        self._dead = dead
        self._plain = not locks and not dead
        self._formats: dict[Traits, str] = {}
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
        size = entry.get("size")
        tag, modified = entry.get("etag"), entry.get("mtime")
        if modified is None:
            modified = self._dates.modified(path)
        directory = entry["type"] == "directory"
        traits = directory, entry.get("media_type"), size is not None, tag is not None, entry.get("quota")
        form = (self._plain and self._formats.get(traits)) or self._form(path, traits)
        if _PLAIN(path):
            href, name = path, path[path.rindex("/") + 1 :] or "/"
        else:
            href, name = quote(path), display_name(path, entry["kind"])
        if directory and path != "/":
            href += "/"
        return form % {"href": href, "name": name, "date": _date(int(modified)), "size": size, "etag": tag}

    def _form(self, path: str, traits: Traits) -> str:
        """The format of an entry: its own if it has locks or dead properties, else the shared one."""
        own = [lock for lock in self._locks.get(place(path), ()) if lock not in self._above]
        dead = self._dead.get(path, {})
        if own or dead:
            return self._compile(traits, self._inherited + activelock.discovery(own), dead)
        if traits not in self._formats:
            self._formats[traits] = self._compile(traits, self._inherited, {})
        return self._formats[traits]

    def _compile(self, traits: Traits, discovery: str, dead: Mapping[str, str]) -> str:
        """A response element as a `%` format of what differs between entries."""
        live = self._live(traits, discovery)
        have = {name: f"<D:{name[6:]}>{value}</D:{name[6:]}>" for name, value in live.items()}
        have.update(dead)
        if self._asked.form == "propname":
            found, missing = "".join(map(xml.tag, have)), ""
        else:
            everything = self._asked.form == "allprop"
            found = "".join(value for name, value in have.items() if everything or name in self._asked.names)
            missing = "".join(xml.tag(name) for name in self._asked.names if name not in have)
        content = (propstat(found, "200 OK") if found or not missing else "") + (
            propstat(missing, "404 Not Found") if missing else ""
        )
        content = content.replace("%", "%%")
        for hole, format_ in _HOLES.items():
            content = content.replace(hole, format_)
        return f"<D:response><D:href>%(href)s</D:href>{content}</D:response>\n"

    def _live(self, traits: Traits, discovery: str) -> dict[str, str]:
        """Clark name → content of the live properties."""
        directory, media_type, sized, tagged, quota = traits
        live = {
            "resourcetype": "<D:collection/>" if directory else "",
            "displayname": _NAME,
            "creationdate": f"{datetime.fromtimestamp(int(self._dates.created), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "getlastmodified": _DATE,
            "supportedlock": self._supported,
            "lockdiscovery": discovery,
        }
        if sized and not directory:
            live["getcontentlength"] = _SIZE
        if not directory and media_type is not None:
            live["getcontenttype"] = xml.text(media_type)
        if tagged:
            live["getetag"] = _TAG
        if quota is not None:
            live["quota-used-bytes"], live["quota-available-bytes"] = map(str, quota)
        return {xml.dav(name): content for name, content in live.items()}


@lru_cache(maxsize=1024)
def _date(modified: int) -> str:
    return formatdate(modified, usegmt=True)


def propstat(content: str, status: str, error: str = "") -> str:
    """Properties that share a status, and the `DAV:error` that explains it."""
    return f"<D:propstat><D:prop>{content}</D:prop><D:status>HTTP/1.1 {status}</D:status>{error}</D:propstat>"


def display_name(path: str, kind: str) -> str:
    """The last segment for people, escaped for XML: identifiers as they are in the database."""
    segment = path.rpartition("/")[2]
    name = segment if kind == "scratch" else unquote(segment)
    return quote(segment, safe="%") if _NOT_XML(name) else xml.text(name)
