"""WebDAV's methods as operations.

OpenAPI 3.1 has no place for them but the registered extension `x-oai-additionalOperations`, which
3.2 calls `additionalOperations`.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.openapi.responses import CHANGING, DATABASE, TREE, Codes, responses

_XML: Final = "application/xml"
_DOCUMENT: Final[Codes] = DATABASE | {"malformed-body", "body-too-large", "unsupported-media-type"}
_CHANGES: Final[Codes] = _DOCUMENT | CHANGING
_IF: Final[Codes] = frozenset({"precondition-failed", "locked"})


def webdav(kind: str) -> dict[str, Any]:
    """The fields of a path item: `options`, `delete`, and the methods that OpenAPI does not know.

    Args:
        kind: As `fsspec_db.Path.kind`; `database` for one of several.
    """
    return {
        "options": _options(),
        "delete": _refused(
            "Refused: the rows stay." if kind == "data" else "Refused: dropping is not available yet.",
            TREE | CHANGING | {"data-file-delete" if kind == "data" else "forbidden"},
        ),
        "x-oai-additionalOperations": {
            "PROPFIND": _propfind(directory=kind not in {"data", "ddl", "definition", "item", "dependency"}),
            "PROPPATCH": _proppatch(),
            "LOCK": _lock(),
            "UNLOCK": _unlock(),
            "MKCOL": _mkcol(kind),
            **{
                method: _refused("Refused: not available yet.", TREE | CHANGING | {"forbidden"})
                for method in ("COPY", "MOVE")
            },
        },
    }


def _options() -> dict[str, Any]:
    headers = {name: _header("string") for name in ("Allow", "DAV", "MS-Author-Via")}
    good = {"200": {"description": "The methods and the WebDAV class.", "headers": headers}}
    return {"summary": "What can be done here", "responses": responses(good, TREE)}


def _propfind(*, directory: bool) -> dict[str, Any]:
    more: Codes = frozenset({"propfind-finite-depth"} if directory else ())
    return {
        "summary": "Properties of the resource, and of its members with Depth: 1",
        "parameters": [_in_header("Depth", {"enum": ["0", "1"]}, required=directory)],
        "requestBody": _body("A `DAV:propfind`; without one, all properties.", required=False),
        "responses": responses(_multistatus("Each resource with its properties."), _DOCUMENT | more),
    }


def _proppatch() -> dict[str, Any]:
    said = (
        "All changes or none, each property with a status of its own: 200, 403, 424, "
        "or 507 (property-store-full)."
    )
    return {
        "summary": "Sets and removes properties",
        "parameters": [_in_header("If", {"type": "string"})],
        "requestBody": _body("A `DAV:propertyupdate`.", required=True),
        "responses": responses(_multistatus(said), _CHANGES | _IF),
    }


def _lock() -> dict[str, Any]:
    granted = {
        "description": "The lock.",
        "headers": {"Lock-Token": _header("string")},
        "content": {_XML: {}},
    }
    good = {"200": granted, **_multistatus("Members are locked by somebody else.")}
    return {
        "summary": "Locks what exists, or gives a lock more time",
        "parameters": [
            _in_header("Depth", {"enum": ["0", "infinity"]}),
            _in_header("Timeout", {"type": "string"}),
            _in_header("If", {"type": "string"}),
        ],
        "requestBody": _body("A `DAV:lockinfo`; without one, the lock in If is refreshed.", required=False),
        "responses": responses(good, _CHANGES | _IF | {"lock-store-full"}),
    }


def _unlock() -> dict[str, Any]:
    good = {"204": {"description": "The lock has ended."}}
    return {
        "summary": "Gives a lock up",
        "parameters": [_in_header("Lock-Token", {"type": "string"}, required=True)],
        "responses": responses(good, TREE | CHANGING | {"lock-token-mismatch"}),
    }


def _mkcol(kind: str) -> dict[str, Any]:
    if kind == "data":
        return _refused("Refused: it is a file.", TREE | CHANGING | {"method-not-allowed"})
    if kind == "relation":
        return _refused(
            "Refused: a relation needs columns.",
            DATABASE | CHANGING | {"method-not-allowed", "mkcol-relation"},
        )
    if kind == "schema":
        return _refused("Refused: not available yet.", DATABASE | CHANGING | {"method-not-allowed"})
    return _refused("Refused.", TREE | CHANGING | {"forbidden"})


def _refused(summary: str, codes: Codes) -> dict[str, Any]:
    return {"summary": summary, "responses": responses({}, codes)}


def _multistatus(description: str) -> dict[str, Any]:
    return {"207": {"description": description, "content": {_XML: {}}}}


def _body(description: str, *, required: bool) -> dict[str, Any]:
    return {"description": description, "required": required, "content": {_XML: {}}}


def _header(kind: str) -> dict[str, Any]:
    return {"schema": {"type": kind}}


def _in_header(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": schema}
