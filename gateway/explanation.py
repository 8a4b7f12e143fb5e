"""Self-contained pages that explain the service: no scripts, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from gateway.codes import TABLE
from gateway.openapi import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.codes import Kind

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin-bottom: .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
a { color: inherit; text-underline-offset: .2em; } code { font: .92em ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; } th { font-weight: 600; text-align: left; }
td, th { border-bottom: 1px solid var(--line); padding: .35rem .75rem .35rem 0; vertical-align: top; }
td.method { font: .85rem ui-monospace, monospace; text-transform: uppercase; width: 4rem; }
.quiet { opacity: .7; } section { border-top: 1px solid var(--line); }
"""


def page(title: str, body: str) -> bytes:
    """A whole HTML page; `body` is HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body>{body}</body></html>\n"
    ).encode()


def problem_page(kind: Kind) -> bytes:
    """What a code means, and the codes beside it."""
    others = " · ".join(
        f'<a href="{escape(code)}">{escape(code)}</a>' if code != kind.code else f"<b>{escape(code)}</b>"
        for code in TABLE
    )
    return page(
        kind.title,
        f"<h1>{escape(kind.title)}</h1>"
        f"<p class=quiet><code>{escape(kind.code)}</code>, status {kind.status}</p>"
        f"<p>{escape(kind.explanation)}</p><h2>All codes</h2><p>{others}</p>",
    )


def description_page(document: Mapping[str, Any]) -> bytes:
    """The OpenAPI document for people."""
    info = document["info"]
    sections = "".join(_path(path, item) for path, item in document["paths"].items())
    codes = "".join(
        f'<tr><td>{kind.status}<td><a href="problems/{escape(code)}"><code>{escape(code)}</code></a>'
        f"<td>{escape(kind.title)}"
        for code, kind in TABLE.items()
    )
    return page(
        info["title"],
        f"<h1>{escape(info['title'])}</h1><p class=quiet>version {escape(info['version'])} · "
        f'<a href="openapi.json">openapi.json</a> · <a href="../">the tree</a></p>'
        f"<p>{escape(info['description'])}</p>"
        f"{sections}<section><h2>Problems</h2><table>{codes}</table></section>",
    )


def _path(path: str, item: Mapping[str, Any]) -> str:
    rows = ""
    for method, operation in operations(item):
        asked = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
        parameters = "".join(
            f"<br><code>{escape(p['name'])}</code> "
            f"<span class=quiet>{escape(p.get('description', ''))}</span>"
            for p in asked
        )
        answers = ", ".join(operation["responses"])
        rows += (
            f"<tr><td class=method>{escape(method)}<td>{escape(operation['summary'])}{parameters}"
            f"<br><span class=quiet>answers {escape(answers)}</span>"
        )
    return f"<section><h2><code>{escape(path)}</code></h2><table>{rows}</table></section>"
