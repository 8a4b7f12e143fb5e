"""The paths of the service, and the operations that are no WebDAV."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fsspec_db import FORMATS, __version__
from gateway import query
from gateway.codes import TABLE
from gateway.openapi.responses import ANYWHERE, CHANGING, DATABASE, components, ok, responses
from gateway.openapi.webdav import webdav
from gateway.reads import DOCUMENTS
from gateway.writes import ACCEPTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}

_SHAPE: Mapping[str, tuple[dict[str, Any], str]] = {
    "columns": (_TEXT, "Names with commas between them, in the order wanted."),
    "where": (_TEXT, "A predicate on the columns, such as `id > 7 and name like 'a%'`."),
    "order": (_TEXT, "Names with commas between them; a minus before one sorts downwards."),
    "limit": (_NUMBER, "At most so many rows."),
    "offset": (_NUMBER, "Leave out so many rows at the start."),
}

_QUERY: Mapping[str, tuple[dict[str, Any], str]] = {
    "sql": (_TEXT, "One statement that reads."),
    "params": ({"type": ["array", "object"]}, "Values to bind, in order or by name, as the engine can."),
    "database": (_TEXT, "Which of several databases."),
    "limit": (_NUMBER, "At most so many rows."),
    "timeout": ({"type": "number", "exclusiveMinimum": 0}, "Seconds until the statement is stopped."),
    "format": ({"type": "string", "enum": sorted(FORMATS)}, "The result's format; otherwise Accept decides."),
}


_CONDITIONS: Final = [
    {"name": name, "in": "header", "required": False, "schema": _TEXT, "description": text}
    for name, text in (
        ("If-Match", "Only in the state of one of these tags; `*`: only if the relation exists."),
        ("If-None-Match", "In none of these states; `*`: only if it does not exist."),
        ("If-Unmodified-Since", "Only if it has not changed since."),
        ("If", "The tokens of locks (RFC 4918)."),
    )
]
_VALIDATION: Final = [
    {"name": name, "in": "header", "required": False, "schema": _TEXT, "description": text}
    for name, text in (
        ("Range", "`bytes=0-99`, `bytes=-100` or several: of one state, with a 206."),
        ("If-Range", "The tag of the state that Range is of; in another, all of the new one."),
        ("If-None-Match", "The tags of what the client has: 304 if it is the same still."),
        ("If-Modified-Since", "304 if it has not changed since."),
        ("If-Match", "412 in another state."),
        ("If-Unmodified-Since", "412 if it has changed since."),
    )
]
_VALIDATED: Final = {
    "ETag": {"schema": _TEXT},
    "Last-Modified": {"schema": _TEXT},
    "Accept-Ranges": {"schema": {"enum": ["bytes", "none"]}},
}

_READ: Final = DATABASE | {"invalid-parameter", "not-acceptable"}
_RANGED: Final = frozenset({"precondition-failed", "range-not-satisfiable"})
_STREAMED: Final = frozenset({"is-a-directory", "http-version"})
_ROWS: Final = _READ | _STREAMED | {"invalid-predicate", "invalid-query", "value-out-of-range"}
_WRITE: Final = (
    DATABASE
    | CHANGING
    | {
        "invalid-parameter",
        "malformed-body",
        "incomplete-body",
        "digest-mismatch",
        "is-a-directory",
        "constraint-violation",
        "precondition-failed",
        "body-too-large",
        "unsupported-media-type",
        "schema-mismatch",
        "value-out-of-range",
        "locked",
        "spool-full",
    }
)
_RESULT: Final = (
    (_ROWS - {"invalid-path", "not-a-directory", "is-a-directory", "invalid-predicate"})
    | {"read-only", "result-too-large"}
)  # fmt: skip
_POSTED: Final = frozenset({"cross-origin", "body-too-large", "unsupported-media-type"})


@cache
def document(*, several: bool) -> dict[str, Any]:
    """The description of the service, for one database at the root or several below it."""
    prefix = "/{database}" if several else ""
    names = (["database"] if several else []) + ["schema", "relation"]
    relation = f"{prefix}/{{schema}}/{{relation}}"
    facets = ("columns", "indexes", "constraints", "depends_on")
    paths = {
        "/": _directory("root", "The databases." if several else "The schemas.", []),
        **({"/{database}/": _directory("database", "The schemas.", names[:1])} if several else {}),
        f"{prefix}/{{schema}}/": _directory("schema", "The relations and their data files.", names[:-1]),
        f"{relation}/": _directory("relation", "What describes a relation.", names),
        **{f"{relation}.{extension}": _data(extension, names) for extension in FORMATS},
        f"{relation}.sql": _file("ddl", "The statement that makes the relation.", names),
        f"{relation}/definition.sql": _file("definition", "The statement of a view.", names),
        f"{relation}/{{facet}}/": _directory("facet", "Columns, indexes …", names, facets),
        f"{relation}/{{facet}}/{{item}}": _file("item", "A document on one of them.", names, facets),
        "/.scratch/": _directory("scratch-root", "Files that are no tables.", []),
        "/.scratch/{name}": _scratch(),
        "/-/query": {"get": _query_get(), "post": _query_post()},
        "/-/health/live": {"get": _plain("The process runs.", "application/json")},
        "/-/health/ready": {"get": _ready()},
        "/-/openapi.json": {"get": _plain("This document.", "application/json")},
        "/-/docs": {"get": _plain("This document, as a page.", "text/html")},
        "/-/problems/{code}": {
            "parameters": [_parameter("code", "path", {"enum": list(TABLE)}, "")],
            "get": _plain(
                "What a code means.",
                "text/html",
                "application/json",
                "text/plain",
                codes={"invalid-path", "not-found"},
            ),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fsspec-db-gateway",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A database that you can mount, curl and open with fsspec. "
            "HEAD is answered wherever GET is. WebDAV's methods, for which OpenAPI 3.1 has no field, "
            "are in x-oai-additionalOperations. A method that a path does not have is 405 "
            "method-not-allowed, with Allow. Problems are plain text to clients that accept only text.",
        },
        "paths": paths,
        "components": {
            "responses": components(paths),
            "schemas": {
                "Problem": {
                    "type": "object",
                    "description": "RFC 9457",
                    "required": ["type", "title", "status", "detail", "instance"],
                    "properties": {
                        "type": {"enum": [f"/-/problems/{code}" for code in TABLE]},
                        "title": _TEXT,
                        "status": {"type": "integer"},
                        "detail": _TEXT,
                        "instance": _TEXT,
                        "path": _TEXT,
                        "column": _TEXT,
                        "row": {"type": "integer"},
                        "sqlstate": _TEXT,
                    },
                },
                "Query": {
                    "type": "object",
                    "required": ["sql"],
                    "additionalProperties": False,
                    "properties": {
                        key: {**_QUERY[key][0], "description": _QUERY[key][1]} for key in query.KEYS
                    },
                },
            },
        },
    }


def _directory(kind: str, summary: str, names: list[str], facets: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "parameters": _names(names, facets),
        "get": {
            "summary": summary,
            "responses": responses(ok("text/html", "application/json"), _READ),
        },
        **webdav(kind),
    }


def _file(kind: str, summary: str, names: list[str], facets: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "parameters": _names([*names, *(["item"] if facets else [])], facets),
        "get": {
            "summary": summary,
            "parameters": _VALIDATION,
            "responses": responses(_content(DOCUMENTS[kind]), _READ | _STREAMED | _RANGED),
        },
        **webdav(kind),
    }


def _data(extension: str, names: list[str]) -> dict[str, Any]:
    accepted: dict[str, Any] = {media_type: {} for media_type in sorted(ACCEPTED_TYPES[extension])}
    body = {"required": True, "content": {**accepted, "application/octet-stream": {}}}
    rows = {"Rows-Written": {"schema": {"type": "integer"}}}
    mode = _parameter(
        "mode", "query", {"enum": ["append", "upsert"], "default": "append"}, "upsert: by primary key"
    )
    media_types = [FORMATS[extension], *([FORMATS["feather"]] if extension == "arrow" else [])]
    put = {
        "201": {
            "description": "The relation was created; for an empty body, a file that holds its place.",
            "headers": rows,
        },
        "204": {"description": "The rows were replaced; by an empty body, nothing was.", "headers": rows},
    }
    post = ok("application/json", description="The rows were written.", headers=rows)
    return {
        "parameters": _names(names),
        "get": {
            "summary": f"The rows of a relation as .{extension}",
            "parameters": [*_in_query(_SHAPE), *_VALIDATION],
            "responses": responses(_content(*media_types), _ROWS | _RANGED | {"snapshot-gone"}),
        },
        "put": {
            "summary": "Replaces all rows, or creates the relation, in one transaction",
            "parameters": _CONDITIONS,
            "requestBody": body,
            "responses": responses(put, _WRITE | {"already-exists", "parent-missing", "scratch-full"}),
        },
        "post": {
            "summary": "Appends rows in one transaction",
            "parameters": [mode, *_CONDITIONS],
            "requestBody": body,
            "responses": responses(post, _WRITE),
        },
        **webdav("data"),
    }


def _scratch() -> dict[str, Any]:
    put = {
        "201": {"description": "There is a new file.", "headers": {"ETag": {"schema": _TEXT}}},
        "204": {"description": "The file is replaced.", "headers": {"ETag": {"schema": _TEXT}}},
    }
    any_type = "*/*"
    return {
        "parameters": _names(["name"]),
        "get": {
            "summary": "A file that is no table",
            "parameters": _VALIDATION,
            "responses": responses(_content(any_type), _READ | _RANGED),
        },
        "put": {
            "summary": "Keeps a file, here or under any name that is none of a data file",
            "parameters": _CONDITIONS,
            "requestBody": {"required": False, "content": {any_type: {}}},
            "responses": responses(put, _WRITE | {"parent-missing", "scratch-full", "method-not-allowed"}),
        },
        **webdav("scratch"),
    }


def _content(*media_types: str) -> dict[str, Any]:
    part: dict[str, Any] = {name: {} for name in (*media_types, "multipart/byteranges")}
    return {
        **ok(*media_types, headers=_VALIDATED),
        "206": {"description": "The ranges that were asked for.", "content": part, "headers": _VALIDATED},
        "304": {"description": "The client has it.", "headers": _VALIDATED},
    }


def _query_get() -> dict[str, Any]:
    return {
        "summary": "The result of a statement",
        "parameters": _in_query(_QUERY, required="sql"),
        "responses": responses(_result(), _RESULT),
    }


def _query_post() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Query"}}, "application/sql": {}}
    return {
        "summary": "The result of a statement",
        "requestBody": {"required": True, "content": content},
        "responses": responses(_result(), _RESULT | _POSTED),
    }


def _result() -> dict[str, Any]:
    said = {"Result-Truncated": {"schema": {"const": "true"}, "description": "The row limit cut the result."}}
    return ok(*dict.fromkeys(FORMATS.values()), headers=said)


def _ready() -> dict[str, Any]:
    away = {
        "503": {"description": "One does not, or the process drains.", "content": {"application/json": {}}}
    }
    return {
        "summary": "Every database answers.",
        "responses": responses(ok("application/json") | away, ANYWHERE),
    }


def _plain(summary: str, *media_types: str, codes: Iterable[str] = ()) -> dict[str, Any]:
    return {"summary": summary, "responses": responses(ok(*media_types), ANYWHERE | set(codes))}


def _names(names: Iterable[str], facets: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    found = [_parameter(name, "path", _TEXT, "") for name in names]
    return [*found, _parameter("facet", "path", {"enum": list(facets)}, "")] if facets else found


def _in_query(table: Mapping[str, tuple[dict[str, Any], str]], required: str = "") -> list[dict[str, Any]]:
    return [
        {**_parameter(name, "query", schema, text), "required": name == required}
        for name, (schema, text) in table.items()
    ]


def _parameter(name: str, where: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    parameter = {"name": name, "in": where, "required": where == "path", "schema": schema}
    return {**parameter, "description": text} if text else parameter
