"""Content negotiation, RFC 9110 section 12: which representation, and which coding of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from fsspec_db import FORMATS
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Codec = Literal["zstd", "lz4"]
Coding = Literal["zstd", "gzip"]

TEXT_FORMATS: Final = frozenset({"csv", "jsonl", "json"})
"""Extensions that an HTTP coding pays for; the others compress by their own means."""

_ARROW: Final = frozenset({"arrow", "arrows", "feather"})
_CODECS: Final[tuple[Codec, ...]] = ("zstd", "lz4")
_CODINGS: Final[tuple[Coding, ...]] = ("zstd", "gzip")

# Possessive, and matching from wherever it is begun: anything else is quadratic in what a client sends.
_ITEM: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.?)*+"?)++')
_PARAMETER: Final = re.compile(
    r""";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[!#$%&'*+.^_`|~0-9A-Za-z-]*)\s*"""
)


@dataclass(frozen=True, slots=True)
class Weighted:
    """One item of a weighted list: `text/csv; header=present; q=0.5`."""

    value: str
    quality: float
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Representation:
    """What is sent: a format, the compression inside it and the coding around it."""

    extension: str
    media_type: str
    codec: Codec | None = None
    coding: Coding | None = None


def weighted(header: str) -> list[Weighted]:
    """The items of an `Accept` or `Accept-Encoding`. What cannot be understood is skipped."""
    found = []
    for item in _ITEM.findall(header):
        value = item.partition(";")[0].strip().lower()
        parameters: dict[str, str] = {}
        quality = 1.0
        for name, text in _PARAMETER.findall(item[item.find(";") :] if ";" in item else ""):
            plain = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
            if name.lower() == "q":
                try:
                    quality = min(1.0, max(0.0, float(plain)))
                except ValueError:
                    quality = 0.0
            else:
                parameters[name.lower()] = plain
        if value:
            found.append(Weighted(value, quality, parameters))
    return found


def accepts(items: Sequence[Weighted], media_type: str) -> tuple[float, Weighted | None]:
    """The quality of a media type, by the most specific range that fits it, and that range."""
    name, parameters = _parts(media_type)
    best: tuple[int, float, Weighted | None] = (-1, 0.0, None)
    for item in items:
        if item.value == "*/*":
            rank = 0
        elif item.value.endswith("/*") and name.startswith(item.value[:-1]):
            rank = 1
        elif item.value == name:
            asked = {key: value for key, value in item.parameters.items() if key != "codecs"}
            if any(parameters.get(key, "").lower() != value.lower() for key, value in asked.items()):
                continue
            rank = 2 + len(item.parameters)
        else:
            continue
        if rank > best[0]:
            best = (rank, item.quality, item)
    return best[1], best[2]


def choose(header: bytes | None, offers: Sequence[str]) -> str | None:
    """The media type of `offers` that a client prefers, the first among equals; `None` if none fits."""
    if not header:
        return offers[0]
    items = weighted(header.decode("latin-1"))
    ranked = [(accepts(items, offer)[0], -index) for index, offer in enumerate(offers)]
    quality, index = max(ranked)
    return offers[-index] if quality > 0 else None


@lru_cache(maxsize=1024)
def represent(
    extensions: tuple[str, ...], accept: bytes | None, accept_encoding: bytes | None
) -> Representation:
    """The representation that fits best, the first extension among equals.

    Arrow buffers are compressed only where `Accept` has `codecs`, text only where
    `Accept-Encoding` asks for it, and nothing twice.

    Raises:
        Problem: `not-acceptable`.
    """
    items = weighted(accept.decode("latin-1")) if accept else []
    best: tuple[float, str, Weighted | None] = (0.0, "", None)
    for extension in extensions:
        quality, item = accepts(items, FORMATS[extension]) if items else (1.0, None)
        if quality > best[0]:
            best = (quality, extension, item)
    quality, extension, item = best
    if not quality:
        offered = ", ".join(FORMATS[extension] for extension in extensions)
        raise Problem("not-acceptable", f"Available is {offered}.")
    media_type = FORMATS[extension]
    codec = _codec(item) if extension in _ARROW and item is not None else None
    if codec is not None:
        media_type = f'{media_type}; codecs="{codec}"'
    coding = content_coding(accept_encoding) if extension in TEXT_FORMATS else None
    return Representation(extension, media_type, codec, coding)


def for_data(extension: str, accept: bytes | None, accept_encoding: bytes | None) -> Representation:
    """The representation of a data file: its extension decides, but for `.arrow` beside the file format."""
    extensions = ("arrow", "feather") if extension == "arrow" else (extension,)
    if (accept is not None and len(accept) > 1024) or (
        accept_encoding is not None and len(accept_encoding) > 1024
    ):
        return represent.__wrapped__(extensions, accept, accept_encoding)
    return represent(extensions, accept, accept_encoding)


def content_coding(header: bytes | None) -> Coding | None:
    """The coding that `Accept-Encoding` asks for by name, zstd among equals; none by default."""
    if not header:
        return None
    asked = {item.value: item.quality for item in weighted(header.decode("latin-1"))}
    identity = asked.get("identity", 0.0)
    ranked = [(asked.get(coding, 0.0), -index) for index, coding in enumerate(_CODINGS)]
    quality, index = max(ranked)
    return _CODINGS[-index] if quality > 0 and quality >= identity else None


def _codec(item: Weighted) -> Codec | None:
    asked = [name.strip().lower() for name in item.parameters.get("codecs", "").split(",")]
    return next((codec for name in asked for codec in _CODECS if codec == name), None)


def _parts(media_type: str) -> tuple[str, dict[str, str]]:
    name, _, rest = media_type.partition(";")
    pairs = (part.partition("=") for part in rest.split(";") if part.strip())
    return name.strip().lower(), {key.strip().lower(): value.strip() for key, _, value in pairs}
