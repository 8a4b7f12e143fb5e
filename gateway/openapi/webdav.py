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


_RESERVED: Final[Codes] = frozenset({"lock-store-full", "parent-missing", "scratch-full"})
_REMOVED: Final[Codes] = (
    DATABASE | CHANGING | _IF | {"not-empty", "constraint-violation", "data-file-delete", "scratch-full"}
)
_MADE: Final[Codes] = (
    _DOCUMENT
    | CHANGING
    | _IF
    | {"method-not-allowed", "mkcol-relation", "already-exists", "parent-missing", "scratch-full"}
)
_TRANSFERRED: Final[Codes] = (
    DATABASE
    | CHANGING
    | _IF
    | {
        "already-exists",
        "bad-destination",
        "constraint-violation",
        "incomplete-body",
        "invalid-parameter",
        "invalid-predicate",
        "malformed-body",
        "not-copied",
        "not-empty",
        "parent-missing",
        "schema-mismatch",
        "scratch-full",
        "spool-full",
        "value-out-of-range",
    }
)
_DELETES: Final = {
    "data": "Refused: the rows stay. An empty file that holds the place of rows is removed",
    "ddl": "Refused, but for an empty file at a name that is free",
    "relation": "Drops the relation",
    "schema": "Drops a schema without relations",
    "scratch": "Removes a file, or a collection with all in it",
}
_COPIES: Final = {
    "data": "Makes the rows, or some of them, all rows of another data file, or a scratch file",
    "ddl": "Refused, but for an empty file at a name that is free",
    "relation": "Makes another relation as this one is, with its rows",
    "scratch": "Copies a file or a collection; onto a data file, its bytes become the rows",
}
_MOVES: Final = {
    "data": "Refused, but for an empty file that holds the place of rows",
    "ddl": "Refused, but for an empty file at a name that is free",
    "relation": "Renames the relation, within its schema or into another",
    "schema": "Renames the schema, where the engine can",
    "scratch": "Renames a file or a collection; onto a data file, its bytes become the rows",
}


def webdav(kind: str) -> dict[str, Any]:
    """The fields of a path item: `options`, `delete`, and the methods that OpenAPI does not know.

    Args:
        kind: As `fsspec_db.Path.kind`; `database` for one of several, `scratch` for a file.
    """
    file = kind in {"data", "ddl", "definition", "item", "dependency", "scratch"}
    return {
        "options": _options(),
        "delete": _delete(kind),
        "x-oai-additionalOperations": {
            "PROPFIND": _propfind(directory=not file),
            "PROPPATCH": _proppatch(),
            "LOCK": _lock(),
            "UNLOCK": _unlock(),
            "MKCOL": _mkcol(kind),
            "COPY": _transfer(_COPIES.get(kind)),
            "MOVE": _transfer(_MOVES.get(kind)),
        },
    }


def _delete(kind: str) -> dict[str, Any]:
    if kind not in _DELETES:
        return _refused("Refused: it is part of the tree.", _REMOVED)
    good = {"204": {"description": "It is gone."}}
    return {
        "summary": _DELETES[kind],
        "parameters": [_in_header("If", {"type": "string"})],
        "responses": responses(good, _REMOVED),
    }


def _transfer(summary: str | None) -> dict[str, Any]:
    if summary is None:
        return _refused("Refused.", _TRANSFERRED)
    rows = {"Rows-Written": _header("integer")}
    good = {
        "201": {"description": "There was nothing at the destination.", "headers": rows},
        "204": {"description": "What was at the destination is replaced.", "headers": rows},
    }
    return {
        "summary": summary,
        "parameters": [
            _in_header("Destination", {"type": "string"}, required=True),
            _in_header("Overwrite", {"enum": ["T", "F"], "default": "T"}),
            _in_header("Depth", {"enum": ["0", "infinity"]}),
            _in_header("If", {"type": "string"}),
        ],
        "responses": responses(good, _TRANSFERRED),
    }


def _options() -> dict[str, Any]:
    headers = {name: _header("string") for name in ("Allow", "DAV", "MS-Author-Via")}
    good = {"200": {"description": "The methods and the WebDAV class.", "headers": headers}}
    return {"summary": "What can be done here", "responses": responses(good, TREE)}


def _propfind(*, directory: bool) -> dict[str, Any]:
    more: Codes = frozenset({"lock-store-unavailable"} | ({"propfind-finite-depth"} if directory else set()))
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
    good = {
        "200": granted,
        "201": {**granted, "description": "The lock, on an empty file that was made for it."},
        **_multistatus("Members are locked by somebody else."),
    }
    return {
        "summary": "Locks what exists, or the name of a file, or gives a lock more time",
        "parameters": [
            _in_header("Depth", {"enum": ["0", "infinity"]}),
            _in_header("Timeout", {"type": "string"}),
            _in_header("If", {"type": "string"}),
        ],
        "requestBody": _body("A `DAV:lockinfo`; without one, the lock in If is refreshed.", required=False),
        "responses": responses(good, _CHANGES | _IF | _RESERVED),
    }


def _unlock() -> dict[str, Any]:
    good = {"204": {"description": "The lock has ended."}}
    return {
        "summary": "Gives a lock up",
        "parameters": [_in_header("Lock-Token", {"type": "string"}, required=True)],
        "responses": responses(good, TREE | CHANGING | {"lock-token-mismatch"}),
    }


def _mkcol(kind: str) -> dict[str, Any]:
    if kind not in {"schema", "scratch"}:
        said = "a relation needs columns" if kind == "relation" else "no directory can be made here"
        return _refused(f"Refused: {said}.", _MADE)
    good = {"201": {"description": "It is there now."}}
    return {
        "summary": "Creates a schema" if kind == "schema" else "Makes a collection",
        "responses": responses(good, _MADE),
    }


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
