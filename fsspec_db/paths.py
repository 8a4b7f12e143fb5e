"""Paths as fsspec gives them: a protocol in front, a shape behind `?`."""

from __future__ import annotations

import os
import re

from fsspec_db._bridge import FORMATS

_SHAPED = re.compile(
    rf"[^?*]*\.(?:{'|'.join(sorted(FORMATS))})\?(?:columns|where|order|limit|offset)=", re.DOTALL
)


def strip_protocol(path: str | os.PathLike[str], protocols: tuple[str, ...]) -> str:
    """The path inside the tree: one leading slash, no trailing one, the shape untouched."""
    text = os.fspath(path)
    for protocol in protocols:
        for mark in ("://", "::"):
            text = text.removeprefix(protocol + mark)
    tree, mark, shape = text.partition("?")
    tree = tree.rstrip("/")
    return (tree if tree.startswith("/") else "/" + tree) + mark + shape


def split_shape(path: str) -> tuple[str, str]:
    """A path and what stands behind its first `?`; one inside a name is spelled `%3F`."""
    tree, _, shape = path.partition("?")
    return tree, shape


def is_shaped(path: str) -> bool:
    """Whether the `?` in a path starts a shape, where it might also be a wildcard."""
    return _SHAPED.match(path) is not None


def may_be_literal(path: str) -> bool:
    """Whether a path that looks like a pattern may name one thing: brackets stand for themselves."""
    return is_shaped(path) or ("[" in path and "*" not in path and "?" not in path)
