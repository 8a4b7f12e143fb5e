"""PROPPATCH: dead properties, all changes or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.dav import xml
from gateway.dav.multistatus import propstat
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from gateway.dav.properties import PropertyStore

MAX_CHANGES: Final = 256
"""Properties that one request may set and remove."""

FREE: Final = frozenset(map(xml.dav, ("displayname", "getcontentlanguage")))
"""The properties in the namespace `DAV:` that clients may set; the rest is protected."""


def changes(body: bytes) -> list[tuple[str, str | None]]:
    """Clark name and XML text (`None`: remove), in the order of the document.

    Raises:
        Problem: `malformed-body` for what is no `DAV:propertyupdate` with something to do.
    """
    root = xml.parse(body)
    found: list[tuple[Element, bool, str | None]] = []
    if root.tag == xml.dav("propertyupdate"):
        lang = xml.lang_of(root, None)
        for action in root:
            if action.tag in {xml.dav("set"), xml.dav("remove")}:
                sets = action.tag == xml.dav("set")
                for prop in action.findall(xml.dav("prop")):
                    inside = xml.lang_of(prop, xml.lang_of(action, lang))
                    found += [(child, sets, inside) for child in prop]
    if not found:
        raise Problem("malformed-body", "The body of PROPPATCH is a DAV:propertyupdate with properties.")
    if len(found) > MAX_CHANGES:
        raise Problem("malformed-body", f"More than {MAX_CHANGES} properties are set or removed.")
    return [(child.tag, xml.serialise(child, lang) if sets else None) for child, sets, lang in found]


async def apply(properties: PropertyStore, path: str, changes: list[tuple[str, str | None]]) -> bytes:
    """Makes the changes and returns the `DAV:multistatus` that tells of each."""
    names = dict.fromkeys(name for name, _ in changes)
    refused = [name for name in names if name.startswith("{DAV:}") and name not in FREE]
    if refused:
        forbidden = "<D:error><D:cannot-modify-protected-property/></D:error>"
        others = [name for name in names if name not in refused]
        return _answer(path, (refused, "403 Forbidden", forbidden), (others, "424 Failed Dependency", ""))
    try:
        await properties.update(path, changes)
    except Problem as problem:
        if problem.status != 507:
            raise
        return _answer(path, (names, f"{problem.status} Insufficient Storage", ""))
    return _answer(path, (names, "200 OK", ""))


def _answer(path: str, *outcomes: tuple[Iterable[str], str, str]) -> bytes:
    content = "".join(
        propstat("".join(map(xml.tag, names)), status, error) for names, status, error in outcomes if names
    )
    return xml.document(
        f'<D:multistatus xmlns:D="DAV:"><D:response><D:href>{quote(path)}</D:href>{content}'
        "</D:response></D:multistatus>\n"
    )
