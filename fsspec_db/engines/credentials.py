"""What of a driver's options is secret, and texts without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN_NAME = "password|passwd|passphrase|pwd|secret|token|key|authorization|credential|call_header"
"""A pattern of the names whose values must not be shown; without regard to case."""

_NAMED = re.compile(HIDDEN_NAME, re.IGNORECASE)


def secrets_of(options: Mapping[str, str]) -> set[str]:
    """The values of options with such a name."""
    return {value for name, value in options.items() if _NAMED.search(name)}


def spellings(secrets: Iterable[str]) -> frozenset[str]:
    """`secrets` as they were given and as a driver may quote them: percent-encoded, or decoded.

    Those of one or two characters are left out: without them no error could be read.
    """
    found: set[str] = set()
    for word in secrets:
        found |= {word, unquote(word), quote(word), quote(word, safe=""), quote_plus(word)}
    return frozenset(word for word in found if len(word) > 2)


def redacted(text: str, secrets: frozenset[str]) -> str:
    """`text` without the secrets that a driver may have quoted."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
