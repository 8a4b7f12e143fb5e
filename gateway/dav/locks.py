"""Write locks: who may change what, by token."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.problems import Problem


class Locks:
    """The write locks of one gateway process. Called on the event loop's thread only; never waits."""

    def conflict(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> "Problem | None":
        """Why a write at `path` must not happen, or `None` if it may.

        Args:
            path: The URL path after one percent-decoding.
            headers: The request's headers as ASGI gives them.

        Returns:
            `precondition-failed` (412) when the `If` header does not hold; `locked` (423) when a
            lock covers the path whose token `If` does not carry.
        """
        raise NotImplementedError
