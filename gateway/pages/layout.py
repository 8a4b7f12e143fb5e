"""The frame of every page: one small document that needs nothing from anywhere else.

Links that are no members of a directory are written with an unquoted `href`. Browsers do not mind;
fsspec's HTTP filesystem lists what stands in quoted ones, and must not list the way up.
"""

from __future__ import annotations

from html import escape
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#5b626c;--line:#e3e5e8;--paper:#fff;--raised:#f6f7f9;
--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--ink:#e4e6ea;--soft:#a2a9b4;--line:#2c3036;--paper:#16181b;
--raised:#1e2125;--link:#8ab4f8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:clamp(1rem,4vw,2.5rem);background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;text-size-adjust:100%}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
p a,td a,footer a,nav a{text-underline-offset:.2em}p a{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:.15rem}
nav{color:var(--soft);min-height:1.5em;overflow-wrap:anywhere}nav a{color:inherit}
h1{font-size:1.6rem;line-height:1.25;font-weight:650;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1rem;font-weight:600;margin:2rem 0 .4rem;overflow-wrap:anywhere}
p{margin:0 0 1rem;max-width:44rem}.k{color:var(--soft)}
code{font:.9em/1.5 ui-monospace,Menlo,Consolas,monospace}
table{border-collapse:collapse;width:100%}
th{font-weight:400;text-align:left}thead th{font-size:.8rem;font-weight:550;color:var(--soft)}
th,td{padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:baseline}
th:last-child,td:last-child{padding-right:0}
th[scope=row]{min-width:8rem;overflow-wrap:anywhere}tbody tr:hover{background:var(--raised)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
small{display:block;color:var(--soft)}
.f a{display:inline-block;border:1px solid var(--line);border-radius:.35rem;padding:0 .4rem;
margin:.1rem .3rem .1rem 0;font:12px/1.7 ui-monospace,Menlo,Consolas,monospace}
[aria-current]{font-weight:600}
.m th{width:6.5rem;min-width:6.5rem;font:.85em/1.5 ui-monospace,Menlo,Consolas,monospace}
.c td{white-space:nowrap}.c td:last-child{white-space:normal;width:100%}
summary{color:var(--soft);cursor:pointer;padding:.3rem 0}dl{margin:.2rem 0;color:var(--soft)}
dt{display:inline;color:var(--ink)}dd{display:inline;margin:0}dd:after{content:"";display:block}
footer{margin-top:2rem;color:var(--soft);font-size:.85rem}footer a{margin-right:1rem}
""".replace("\n", "")


def opening(title: str, *, base: str | None = None) -> str:
    """The document up to its content.

    Args:
        title: Of the window, as plain text.
        base: What relative links start from, if not from the document's own URL.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        + (f"<base href={base}>" if base else "")
        + f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
    )


def closing(root: str) -> str:
    """The document's end; `root` is the relative address of the tree."""
    return (
        f"<footer><a href={root}-/docs>API</a><a href={root}-/openapi.json>OpenAPI</a>"
        "fsspec-db-gateway</footer>\n</body></html>\n"
    )
