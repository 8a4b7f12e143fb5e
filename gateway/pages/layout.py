"""The frame of every page: one small document that needs nothing from anywhere else.

Links that are no members of a directory are written with an unquoted `href`. Browsers do not mind;
fsspec's HTTP filesystem lists what stands in quoted ones, and must not list the way up.
"""

from __future__ import annotations

from html import escape
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#667;--line:#e3e5e8;--paper:#fff;--raised:#f6f7f9;
--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--ink:#e4e6ea;--soft:#98a0ab;--line:#2c3036;--paper:#16181b;
--raised:#1e2125;--link:#8ab4f8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:2.5rem 1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
nav{color:var(--soft);margin-bottom:.25rem}nav a{color:inherit}
h1{font-size:1.6rem;font-weight:650;margin:0 0 1.25rem;overflow-wrap:anywhere}
p{color:var(--soft);max-width:44rem}
table{border-collapse:collapse;width:100%}
th{font-size:.8rem;font-weight:550;color:var(--soft);text-align:left}
th,td{padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:baseline}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:first-child{overflow-wrap:anywhere}tbody tr:hover{background:var(--raised)}
small{display:block;color:var(--soft)}
.f a{display:inline-block;border:1px solid var(--line);border-radius:.35rem;padding:0 .45rem;
margin:.05rem .3rem .05rem 0;font:12px/1.6 ui-monospace,Menlo,Consolas,monospace}
.k{color:var(--soft)}
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
