"""A failure and the answer made from it, RFC 9457."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fsspec_db import code_of
from gateway.codes import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.codes import Kind

logger = logging.getLogger("gateway.problems")

type_prefix: Final = "/-/problems/"


_RETRY_AFTER: Final[Mapping[str, str]] = {"retry-after": "2"}


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818  (RFC 9457 calls it so)
    """A failure that is answered as `application/problem+json`.

    `members` are further facts of the case (`path`, `column`, `row`, `sqlstate` …), `headers`
    further response headers.
    """

    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @property
    def kind(self) -> Kind:
        """What the code means."""
        return TABLE[self.code]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document of the occurrence at `instance` (a URL path)."""
        return {
            "type": type_prefix + self.code,
            "title": self.kind.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            **self.members,
        }


def internal(error: BaseException) -> Problem:
    """A 500 that says an id and nothing else; the log has the id and the traceback."""
    identity = uuid.uuid4().hex
    logger.error("fault %s", identity, exc_info=error)
    return Problem("internal", f"See the log entry {identity}.", members={"id": identity})


def from_backend(error: Exception) -> Problem:
    """What an exception that came out of a filesystem means to a client."""
    if isinstance(error, Problem):
        return error
    code = code_of(error)
    if code == "internal" or code not in TABLE:
        return internal(error)
    facts = {name: getattr(error, name, None) for name in ("path", "column", "row", "sqlstate")}
    members = {name: fact for name, fact in facts.items() if fact is not None}
    headers = _RETRY_AFTER if TABLE[code].status == 503 else {}
    return Problem(code, str(error) or TABLE[code].title, headers, members)


def render(problem: Problem, instance: str, accept: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of the answer, as text for a client that accepts only text."""
    document = problem.document(instance)
    if _only_text(accept):
        media_type = b"text/plain; charset=utf-8"
        body = f"{problem.kind.title}\n{problem.detail}\n\n{problem.code}, see {document['type']}\n".encode()
    else:
        media_type = b"application/problem+json"
        body = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "replace")
    headers = [
        (b"content-type", media_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept"),
    ]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    return headers, body


def _only_text(accept: bytes) -> bool:
    ranges = [part.split(b";")[0].strip().lower() for part in accept.split(b",")]
    if any(r in (b"*/*", b"application/*", b"application/json", b"application/problem+json") for r in ranges):
        return False
    return any(r.startswith(b"text/") for r in ranges)
