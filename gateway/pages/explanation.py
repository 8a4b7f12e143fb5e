"""The description of the service, and what its errors mean."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

from fsspec_db import FORMATS
from gateway.codes import TABLE
from gateway.openapi import operations
from gateway.pages.layout import closing, opening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.codes import Kind

_CODE: Final = re.compile(r"`([^`]+)`")
_HTTP: Final = frozenset({"GET", "PUT", "POST"})
"""Methods that are shown at once; what drives say to a server is folded away."""


def problem(kind: Kind) -> bytes:
    """What a code means, and the codes beside it."""
    text = opening(kind.title)
    text += "<nav aria-label='The way up'><a href=../docs>API</a> / problems</nav>"
    text += f"<main><h1>{escape(kind.title)}</h1>"
    text += f"<p class=k><code>{escape(kind.code)}</code>, status {kind.status}</p>"
    text += f"<p>{escape(kind.explanation)}</p><h2>All problems</h2>{_codes('', kind.code)}</main>\n"
    return (text + closing("../../")).encode()


def description(document: Mapping[str, Any]) -> bytes:
    """The OpenAPI document for people."""
    info = document["info"]
    text = opening(f"API — {info['title']}")
    text += "<nav aria-label='The way up'><a href=../>Database</a></nav><main><h1>API</h1>"
    text += f"<p>{escape(info['description'])}</p>"
    text += "".join(_path(path, item) for path, item in document["paths"].items() if _shown(path))
    text += f"<h2 id=problems>Problems</h2>{_codes('problems/')}"
    text += f"<p class=k>{escape(info['title'])} {escape(info['version'])}</p></main>\n"
    return (text + closing("../")).encode()


def _shown(path: str) -> bool:
    """Whether a path has a section; the data formats share that of `.arrow`."""
    extension = path.rpartition("{relation}.")[2]
    return extension == "arrow" or extension not in FORMATS


def _path(path: str, item: Mapping[str, Any]) -> str:
    plain, folded = "", ""
    for method, operation in operations(item):
        if method in _HTTP:
            plain += _operation(method, operation)
        else:
            folded += _operation(method, operation)
    others = ""
    if path.endswith("{relation}.arrow"):
        names = " ".join(f"<code>.{name}</code>" for name in FORMATS if name != "arrow")
        others = f"<p class=k>and in the same way {names}</p>"
    if folded:
        folded = f"<details><summary>WebDAV</summary><table class=m>{folded}</table></details>"
    return f"<h2><code>{escape(path)}</code></h2>{others}<table class=m>{plain}</table>{folded}"


def _operation(method: str, operation: Mapping[str, Any]) -> str:
    asked = [p for p in operation.get("parameters", ()) if p["in"] != "path" and "description" in p]
    parameters = "".join(
        f"<dt><code>{escape(p['name'])}</code> <dd>{_prose(p['description'])}" for p in asked
    )
    return (
        f"<tr><th scope=row>{escape(method)}<td>{_prose(operation['summary'])}"
        + (f"<dl>{parameters}</dl>" if parameters else "")
        + f"<small>{escape(' '.join(sorted(operation['responses'])))}</small></tr>\n"
    )


def _codes(directory: str, current: str = "") -> str:
    rows = "".join(
        f"<tr{' aria-current=page' if code == current else ''}><td class=n>{kind.status}"
        f"<td><a href={directory}{escape(code)}><code>{escape(code)}</code></a>"
        f"<td>{escape(kind.title)}</tr>\n"
        for code, kind in sorted(TABLE.items(), key=lambda item: item[1].status)
    )
    head = "<thead><tr><th scope=col class=n>Status<th scope=col>Code<th scope=col>Is</tr></thead>"
    return f"<table class=c>{head}<tbody>{rows}</tbody></table>"


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
