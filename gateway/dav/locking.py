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
    from collections.abc import Awaitable, Callable, Iterable

    from gateway.dav.conditions import IfHeader
    from gateway.dav.locks import Lock, Locks
    from gateway.dav.message import Request

MAX_OWNER: Final = 4096
"""Characters of the `owner` element, which every listing repeats."""


def lockinfo(body: bytes) -> tuple[str, str]:
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
    return scopes[0], owner


async def lock(
    request: Request,
    locks: Locks,
    *,
    directory: bool,
    create: Callable[[], Awaitable[None]] | None = None,
) -> Answer:
    """A new lock or, without a body, more time for one.

    Args:
        request: To the resource's canonical path.
        locks: Of the gateway.
        directory: Whether there may be something below.
        create: Makes the resource, if there is none yet: the answer is then 201. The locks on the
            directory above are asked before; if it fails, nothing is locked.
    """
    body = await request.body()
    conditions = [value for name, value in request.fields if name == b"if"]
    submitted = await locks.condition(request.path, conditions, creates=create is not None)
    seconds = timeout_of(request.headers)
    if not body:
        return _granted(await _refreshed(request, locks, submitted, seconds))
    depth = request.headers.get(b"depth", b"infinity").strip().lower().decode("latin-1")
    if depth not in {"0", "infinity"}:
        raise Problem("invalid-request", "The Depth of a lock is 0 or infinity.")
    scope, owner = lockinfo(body)
    if not directory:
        depth = "0"
    if create is not None:
        # As a member; who has locked the name itself is in the way of the lock.
        problem = await locks.locked(request.path, request.fields, creates=True)
        if problem is not None:
            raise problem
    try:
        granted = await locks.acquire(request.path, scope=scope, depth=depth, owner=owner, seconds=seconds)
    except Precondition as refusal:
        if depth == "0" or await locks.covering(request.path):
            raise
        return _members_locked(request.path, refusal.paths)
    if create is not None:
        try:
            await create()
        except BaseException:
            await locks.release(granted)
            raise
    token = (b"lock-token", f"<{granted['token']}>".encode())
    return _granted(granted, token, status=200 if create is None else 201)


async def _refreshed(request: Request, locks: Locks, submitted: IfHeader | None, seconds: int) -> Lock:
    tokens = submitted.tokens if submitted is not None else frozenset()
    held = await locks.get(next(iter(tokens))) if len(tokens) == 1 else None
    if held is not None and await locks.covers(held, request.path):
        held = await locks.refresh(held, seconds)
        if held is not None:
            return held
    raise Precondition(
        "precondition-failed",
        "A refresh names the one lock of this resource in its If header.",
        "lock-token-matches-request-uri",
    )


async def unlock(request: Request, locks: Locks) -> tuple[Answer, Lock]:
    """Gives up the lock whose token the request names."""
    token = request.headers.get(b"lock-token", b"").strip().decode("latin-1")
    if not (token.startswith("<") and token.endswith(">")):
        raise Problem("invalid-request", "UNLOCK names its lock in the header Lock-Token: <token>.")
    held = await locks.get(token[1:-1])
    if held is None or not await locks.covers(held, request.path):
        raise Precondition(
            "lock-token-mismatch",
            "No lock of this token covers the resource.",
            "lock-token-matches-request-uri",
        )
    await locks.release(held)
    return Answer(204), held


def _granted(held: Lock, *headers: tuple[bytes, bytes], status: int = 200) -> Answer:
    content = activelock.discovery([held])
    body = f'<D:prop xmlns:D="DAV:"><D:lockdiscovery>{content}</D:lockdiscovery></D:prop>\n'
    return document(status, iter((xml.document(body),)), *headers)


def _members_locked(path: str, members: Iterable[str]) -> Answer:
    """RFC 4918, section 9.10.6: the members in the way, and the request that failed for them."""
    outcomes = dict.fromkeys(members, "423 Locked") | {path: "424 Failed Dependency"}
    content = "".join(
        f"<D:response><D:href>{quote(href)}</D:href><D:status>HTTP/1.1 {status}</D:status></D:response>"
        for href, status in outcomes.items()
    )
    body = xml.document(f'<D:multistatus xmlns:D="DAV:">{content}</D:multistatus>\n')
    return document(207, iter((body,)))
