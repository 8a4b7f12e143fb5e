"""Preconditions that RFC 4918 names, which its clients read as an XML body."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway import problems
from gateway.dav import xml
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


class Precondition(Problem):
    """A problem with the XML element of a precondition (RFC 4918, section 16).

    Args:
        code: The code of the problem.
        detail: What happened, for people.
        condition: The local name of the element, such as `lock-token-submitted`.
        paths: The resources it is about, as decoded URL paths.
    """

    def __init__(self, code: str, detail: str, condition: str, paths: Iterable[str] = ()) -> None:
        self.condition = condition
        self.paths = tuple(paths)
        super().__init__(code, detail)

    def element(self) -> str:
        """`<D:condition>` with its hrefs."""
        if not self.paths:
            return f"<D:{self.condition}/>"
        hrefs = "".join(f"<D:href>{quote(path)}</D:href>" for path in self.paths)
        return f"<D:{self.condition}>{hrefs}</D:{self.condition}>"

    def body(self) -> bytes:
        """The `DAV:error` document."""
        return xml.document(f'<D:error xmlns:D="DAV:">{self.element()}</D:error>')


def render(problem: Problem, instance: str, accept: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the answer: XML for a precondition, else as everywhere."""
    if not isinstance(problem, Precondition):
        return problems.render(problem, instance, accept)
    body = problem.body()
    headers = [
        (b"content-type", xml.MEDIA_TYPE),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    return headers, body
