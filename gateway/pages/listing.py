"""A directory, rendered."""

from __future__ import annotations

import re
from html import escape
from json import dumps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from fsspec_db import FORMATS
from gateway.pages.layout import closing, opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH: Final = 256
"""Rows in a piece: about 64 KiB."""

_EXTENSION: Final = re.compile(r"\.[a-z]+\Z")
_DATA: Final = frozenset({"data", "ddl"})
_TELLING: Final = frozenset({"table", "view"})
"""Kinds worth a column; that a schema has the kind schema is no news."""
_OFFERED: Final = tuple(extension for extension in FORMATS if extension != "arrows")

_ABOUT: Final = (
    "<p>Every relation is a directory, and a file in each of several formats: add "
    + ", ".join(f"<code>.{extension}</code>" for extension in _OFFERED)
    + " to its name. A file takes parameters such as <code>?where=id&gt;7&amp;limit=10</code>; "
    "SQL goes to <code>/-/query</code>. <a href=-/docs>All that can be asked</a></p>\n"
)


def html(
    path: str,
    entries: Sequence[dict[str, Any]],
    *,
    kind: str = "",
    title: str = "Database",
    root_path: str = "",
) -> Iterator[bytes]:
    """A page whose links are relative, in pieces of about 64 KiB (`text/html; charset=utf-8`).

    Quoted links are exactly the entries, so that fsspec's HTTP filesystem lists and globs the page.

    Args:
        path: The directory's URL path after one percent-decoding (`/`, `/main/`, `/main`).
        entries: fsspec `info` dictionaries whose names are such paths.
        kind: What the directory is; a root says how the tree is used, a relation offers its rows.
        title: What the root is called.
        root_path: Where the tree is mounted, as in the ASGI scope.
    """
    segments = [segment for segment in path.split("/") if segment]
    labels = [title, *map(_shown, segments)]
    # Without the slash at its end the document's own URL is not the directory's.
    base = None if path.endswith("/") else f"{quote(segments[-1])}/"
    up = ["../" * above or "./" for above in range(len(segments), -1, -1)]
    crumbs = " / ".join(
        f"<a href={href}>{escape(label)}</a>" for href, label in zip(up[:-1], labels[:-1], strict=True)
    )
    rows = _rows(entries)
    columns = _Columns(rows)
    piece = opening(f"{labels[-1]} — {title}" if segments else title, base=base)
    piece += f'<nav aria-label="The way up">{crumbs}</nav>\n<main><h1>{escape(labels[-1])}</h1>\n'
    if kind == "root":
        piece += _ABOUT
    elif kind == "relation":
        piece += _offer(quote(segments[-1]), labels[-1])
    piece += columns.head() if rows else "<p class=k>Nothing here yet.</p>\n"
    link = _Links(quote(root_path) + quote("/" + "/".join(segments)).rstrip("/") + "/")
    for start in range(0, len(rows), BATCH):
        piece += "".join(columns.row(entry, files, link) for entry, files in rows[start : start + BATCH])
        if start + BATCH < len(rows):
            yield piece.encode()
            piece = ""
    yield (piece + ("</tbody></table>\n" if rows else "") + "</main>\n" + closing(up[0])).encode()


def json(entries: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """A JSON array of the entries, in pieces of about 64 KiB (`application/json`)."""
    lead = "["
    for start in range(0, len(entries), BATCH):
        batch = ",\n".join(dumps(entry, ensure_ascii=False) for entry in entries[start : start + BATCH])
        yield (lead + batch).encode()
        lead = ",\n"
    yield b"]\n" if entries else b"[]\n"


def _rows(entries: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each directory with the data files of its relation; files that have none stand alone."""
    rows: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        entry["name"]: (entry, []) for entry in entries if entry["type"] == "directory"
    }
    for entry in entries:
        if entry["type"] == "directory":
            continue
        relation = rows.get(_EXTENSION.sub("", entry["name"])) if entry.get("kind") in _DATA else None
        if relation is None:
            rows[entry["name"]] = (entry, [])
        else:
            relation[1].append(entry)
    return list(rows.values())


class _Columns:
    """The columns that have something to say."""

    def __init__(self, rows: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
        self._kind = any(entry.get("kind") in _TELLING for entry, _ in rows)
        self._count = any(entry.get("row_count") is not None for entry, _ in rows)
        self._files = any(files for _, files in rows)

    def head(self) -> str:
        """The table up to its first row."""
        return (
            "<table><thead><tr><th scope=col>Name"
            + ("<th scope=col>Kind" if self._kind else "")
            + ('<th scope=col class="n">Rows' if self._count else "")
            + ("<th scope=col>Files" if self._files else "")
            + "</tr></thead><tbody>\n"
        )

    def row(self, entry: dict[str, Any], files: Sequence[dict[str, Any]], link: _Links) -> str:
        """One entry."""
        name: str = entry["name"].rpartition("/")[2]
        slash = "/" if entry["type"] == "directory" else ""
        count = entry.get("row_count")
        comment = entry.get("comment")
        formats = "".join(
            f'<a href="{link(file["name"])}">{file["name"].rpartition(".")[2]}</a>' for file in files
        )
        return (
            f'<tr><th scope=row><a href="{link(entry["name"])}{slash}">{escape(_shown(name))}</a>'
            + (f"<small>{_text(comment)}</small>" if comment else "")
            + (f'<td class="k">{escape(entry.get("kind") or "")}' if self._kind else "")
            + (f'<td class="n">{"" if count is None else f"{count:,}"}' if self._count else "")
            + (f'<td class="f">{formats}' if self._files else "")
            + "</tr>\n"
        )


def _offer(name: str, label: str) -> str:
    """Links from a relation's directory to its rows, which are its siblings."""
    rows = "".join(f"<a href=../{name}.{extension}>{extension}</a>" for extension in _OFFERED)
    return (
        f'<p class="f" aria-label="Files of {escape(label)}">Rows as {rows} '
        f"<span class=k>·</span> statement as <a href=../{name}.sql>sql</a></p>\n"
    )


def _shown(segment: str) -> str:
    """The identifier as it is in the database, unless some of it cannot be seen."""
    name = unquote(segment)
    return name if name.isprintable() else segment


def _text(value: str) -> str:
    """Text that fsspec does not take for a link: it lists every URL it can see."""
    return escape(value).replace("://", ":&#47;/")


class _Links:
    """Addresses of members, relative to their directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def __call__(self, path: str) -> str:
        name = quote(path.rpartition("/")[2])
        # fsspec takes a link that starts with "http" for a whole URL.
        return self._directory + name if name.startswith("http") else name
