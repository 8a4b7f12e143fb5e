"""What an operation answers: statuses, what is in them, and the codes of its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.codes import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Codes = frozenset[str]

ANYWHERE: Final[Codes] = frozenset({"invalid-request", "misdirected-request", "internal"})
"""The gate refuses, or the gateway fails."""

TREE: Final[Codes] = ANYWHERE | {"invalid-path", "not-found", "not-a-directory"}
"""A path that is parsed."""

DATABASE: Final[Codes] = TREE | {
    "forbidden",
    "unsupported",
    "pool-exhausted",
    "database-unavailable",
    "query-timeout",
}
"""A path that is looked up: what any engine may say."""

CHANGING: Final[Codes] = frozenset({"cross-origin", "read-only", "lock-store-unavailable"})
"""Refused to other sites' pages, where nothing may be changed, and while nobody knows of locks."""

_IN_XML: Final[Codes] = frozenset(
    {"propfind-finite-depth", "locked", "lock-token-mismatch", "precondition-failed"}
)
_COMPONENTS: Final = "#/components/responses/"
_CROWDED: Final = "too-many-connections"


def responses(good: dict[str, Any], codes: Iterable[str]) -> dict[str, Any]:
    """The responses of an operation: the good ones, and a problem for each status of `codes`.

    Problems refer to `components`, under the names of their codes. Every operation has 503, which
    is also the answer to one connection too many.
    """
    by_status: dict[int, list[str]] = {503: []}
    for code in sorted(codes):
        by_status.setdefault(TABLE[code].status, []).append(code)
    problems = {
        str(status): {"$ref": _COMPONENTS + (".".join(by_status[status]) or _CROWDED)}
        for status in sorted(by_status)
    }
    return problems | good


def components(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The problems that the operations of `paths` refer to, by name."""
    names = {
        response["$ref"].removeprefix(_COMPONENTS)
        for item in paths.values()
        for _, operation in operations(item)
        for response in operation["responses"].values()
        if "$ref" in response
    }
    return {name: _problem([] if name == _CROWDED else name.split(".")) for name in sorted(names)}


def operations(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations of a path item, by method."""
    for method in ("get", "put", "post", "delete", "options"):
        if method in item:
            yield method.upper(), item[method]
    yield from item.get("x-oai-additionalOperations", {}).items()


def ok(*media_types: str, description: str = "As asked.", **more: Any) -> dict[str, Any]:
    """A 200 with a body."""
    return {"200": {"description": description, "content": {name: {} for name in media_types}, **more}}


def _problem(codes: list[str]) -> dict[str, Any]:
    crowded = not codes or TABLE[codes[0]].status == 503
    of_these = {"type": {"enum": [f"/-/problems/{code}" for code in codes]}}
    schema = {"$ref": "#/components/schemas/Problem", "properties": of_these}
    content: dict[str, Any] = {"application/problem+json": {"schema": schema}} if codes else {}
    if not _IN_XML.isdisjoint(codes):
        content["application/xml"] = {}
    said = [*codes, *(["more than max_connections (as text)"] if crowded else [])]
    return {"description": ", ".join(said), "content": {**content, "text/plain": {}}}
