"""LOCK and UNLOCK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.dav import activelock, xml
from gateway.dav.errors import Precondition
from gateway.dav.locks import timeout_of
from gateway.dav.message import Answer, document
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.dav.locks import Lock, Locks
    from gateway.dav.message import Request

MAX_OWNER: Final = 4096
"""Characters of the `owner` element, which every listing repeats."""


def lockinfo(body: bytes) -> tuple[str, bytes]:
    """The scope and the owner that a body asks for.

    Raises:
        Problem: `malformed-body` for what is no `DAV:lockinfo` of a write lock.
    """
    root = xml.parse(body)
    lockscope = root.find(xml.dav("lockscope"))
    scopes = [
        scope
        for scope in ("exclusive", "shared")
        if lockscope is not None and lockscope.find(xml.dav(scope)) is not None
    ]
    write = root.find("{DAV:}locktype/{DAV:}write")
    if root.tag != xml.dav("lockinfo") or len(scopes) != 1 or write is None:
        raise Problem(
            "malformed-body", "The body of LOCK is a DAV:lockinfo with one scope and the type write."
        )
    element = root.find(xml.dav("owner"))
    owner = "" if element is None else xml.serialise(element, xml.lang_of(root, None))
    if len(owner) > MAX_OWNER:
        raise Problem("body-too-large", f"The owner of a lock may have {MAX_OWNER} characters.")
    return scopes[0], owner.encode()


async def lock(request: Request, locks: Locks, *, directory: bool) -> Answer:
    """A new lock on an existing resource or, without a body, more time for one."""
    body = await request.body()
    conditions = [value for name, value in request.fields if name == b"if"]
    submitted = locks.condition(request.path, conditions)
    timeout = timeout_of(request.headers)
    if not body:
        tokens = submitted.tokens if submitted is not None else frozenset()
        held = locks.get(next(iter(tokens))) if len(tokens) == 1 else None
        if held is None or not locks.covers(held, request.path):
            raise Precondition(
                "precondition-failed",
                "A refresh names the one lock of this resource in its If header.",
                "lock-token-matches-request-uri",
            )
        return _granted(locks.refresh(held, timeout))
    depth = request.headers.get(b"depth", b"infinity").strip().lower().decode("latin-1")
    if depth not in {"0", "infinity"}:
        raise Problem("invalid-request", "The Depth of a lock is 0 or infinity.")
    scope, owner = lockinfo(body)
    if not directory:
        depth = "0"
    try:
        granted = locks.acquire(request.path, scope=scope, depth=depth, owner=owner, timeout=timeout)
    except Precondition as refusal:
        if locks.covering(request.path):
            raise
        return _members_locked(request.path, refusal.paths)
    return _granted(granted, (b"lock-token", f"<{granted['token']}>".encode()))


def unlock(request: Request, locks: Locks) -> Answer:
    """Gives up the lock whose token the request names."""
    token = request.headers.get(b"lock-token", b"").strip().decode("latin-1")
    if not (token.startswith("<") and token.endswith(">")):
        raise Problem("invalid-request", "UNLOCK names its lock in the header Lock-Token: <token>.")
    held = locks.get(token[1:-1])
    if held is None or not locks.covers(held, request.path):
        raise Precondition(
            "lock-token-mismatch",
            "No lock of this token covers the resource.",
            "lock-token-matches-request-uri",
        )
    locks.release(held)
    return Answer(204)


def _granted(held: Lock, *headers: tuple[bytes, bytes]) -> Answer:
    content = activelock.discovery([held])
    body = f'<D:prop xmlns:D="DAV:"><D:lockdiscovery>{content}</D:lockdiscovery></D:prop>\n'
    return document(200, iter((xml.document(body),)), *headers)


def _members_locked(path: str, members: Iterable[str]) -> Answer:
    """RFC 4918, section 9.10.6: the members in the way, and the request that failed for them."""
    outcomes = dict.fromkeys(members, "423 Locked") | {path: "424 Failed Dependency"}
    content = "".join(
        f"<D:response><D:href>{quote(href)}</D:href><D:status>HTTP/1.1 {status}</D:status></D:response>"
        for href, status in outcomes.items()
    )
    body = xml.document(f'<D:multistatus xmlns:D="DAV:">{content}</D:multistatus>\n')
    return document(207, iter((body,)))
