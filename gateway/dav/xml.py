"""XML in and out: a bounded body parsed without entities, and the DAV vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError, register_namespace, tostring
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from starlette.types import Receive

MAX_BODY: Final = 64 * 1024
"""Bytes of a request body that carries XML; more is `body-too-large`."""
MAX_NESTING: Final = 64
"""Levels of elements. Serialising recurses, so the depth is not the client's to choose."""

DECLARATION: Final = b'<?xml version="1.0" encoding="utf-8"?>\n'
MEDIA_TYPE: Final = b"application/xml; charset=utf-8"

# What a client sent in DAV: comes back under the prefix that everybody uses for it.
register_namespace("D", "DAV:")

_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"


async def read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole request body, in either framing.

    Raises:
        Problem: `body-too-large` before or while it is read, `unsupported-media-type` for a coded
            body, `cancelled` when the client left before the end.
    """
    too_large = Problem("body-too-large", f"A body of XML may have {MAX_BODY} bytes.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem("unsupported-media-type", "A body of XML is sent without a content coding.")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > MAX_BODY:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem("cancelled", "The client left before the end of its request.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise too_large
        more = message.get("more_body", False)
    return bytes(body)


def parse(body: bytes) -> Element:
    """The root element of a request body.

    Raises:
        Problem: `malformed-body` for what is not well-formed, declares a document type or an
            entity, or nests deeper than `MAX_NESTING`.
    """
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Problem("malformed-body", "Document types and entities are not accepted.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise Problem("malformed-body", f"The body is not well-formed XML: {error}.") from error
    level, depth = [root], 1
    while level := [child for element in level for child in element]:
        depth += 1
        if depth > MAX_NESTING:
            raise Problem("malformed-body", f"Elements nest deeper than {MAX_NESTING} levels.")
    return root


def dav(name: str) -> str:
    """The Clark name of a DAV element, as ElementTree spells it."""
    return f"{{DAV:}}{name}"


def text(value: str) -> str:
    """Character data."""
    return escape(value)


def tag(name: str) -> str:
    """An empty element of a Clark name, which declares its own namespace."""
    if not name.startswith("{"):
        return f"<{name}/>"
    namespace, _, local = name[1:].rpartition("}")
    if namespace == "DAV:":
        return f"<D:{local}/>"
    return f"<x:{local} xmlns:x={quoteattr(namespace)}/>"


def serialise(element: Element, lang: str | None = None) -> str:
    """An element that stands alone: it declares the namespaces and the language it uses."""
    element.tail = None
    if lang is not None and element.get(_LANG) is None:
        element.set(_LANG, lang)
    return tostring(element, encoding="unicode")


def lang_of(element: Element, inherited: str | None) -> str | None:
    """The `xml:lang` in force inside an element."""
    return element.get(_LANG, inherited)


def document(content: str) -> bytes:
    """A whole XML document, encoded."""
    return DECLARATION + content.encode()
