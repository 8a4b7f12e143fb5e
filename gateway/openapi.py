"""The OpenAPI document, made from the tables that the code itself runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec_db import FORMATS, __version__
from gateway import query
from gateway.codes import TABLE
from gateway.data import ACCEPTED_TYPES

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
    "params": ({"type": ["array", "object"]}, "Values to bind, in order or by name."),
    "database": (_TEXT, "Which of several databases."),
    "limit": (_NUMBER, "At most so many rows."),
    "timeout": ({"type": "number", "exclusiveMinimum": 0}, "Seconds until the statement is stopped."),
    "format": ({"type": "string", "enum": sorted(FORMATS)}, "The result's format; otherwise Accept decides."),
}


def document(*, several: bool) -> dict[str, Any]:
    """The description of the service, for one database at the root or several below it."""
    prefix = "/{database}" if several else ""
    names = (["database"] if several else []) + ["schema", "relation"]
    data = {f"{prefix}/{{schema}}/{{relation}}.{extension}": _data(extension, names) for extension in FORMATS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fsspec-db-gateway",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "A database that you can mount, curl and open with fsspec. Directories and "
            "data files answer WebDAV's methods as well, which OpenAPI cannot describe.",
        },
        "paths": {
            "/": {"get": _listing("The databases." if several else "The schemas.", [])},
            **({"/{database}/": {"get": _listing("The schemas.", names[:1])}} if several else {}),
            f"{prefix}/{{schema}}/": {"get": _listing("The relations and their data files.", names[:-1])},
            f"{prefix}/{{schema}}/{{relation}}/": {"get": _listing("What describes a relation.", names)},
            **data,
            f"{prefix}/{{schema}}/{{relation}}.sql": {"get": _definition(names)},
            "/-/query": {"get": _query_get(), "post": _query_post()},
            "/-/health/live": {"get": _health("The process runs.")},
            "/-/health/ready": {"get": _health("Every database answers.")},
            "/-/openapi.json": {"get": _plain("This document.", "application/json")},
            "/-/docs": {"get": _plain("This document, as a page.", "text/html")},
            "/-/problems/{code}": {
                "get": {
                    **_plain("What a code means.", "text/html"),
                    "parameters": [_parameter("code", "path", {"enum": list(TABLE)}, "")],
                }
            },
        },
        "components": {
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
            }
        },
    }


def _data(extension: str, names: list[str]) -> dict[str, Any]:
    accepted: dict[str, Any] = {media_type: {} for media_type in sorted(ACCEPTED_TYPES[extension])}
    body = {"required": True, "content": {**accepted, "application/octet-stream": {}}}
    rows = {"Rows-Written": {"schema": {"type": "integer"}}}
    broken = (400, 403, 409, 412, 413, 415, 422, 423, 503, 504, 507)
    mode = _parameter(
        "mode", "query", {"enum": ["append", "upsert"], "default": "append"}, "upsert: by primary key"
    )
    return {
        "parameters": _names(names),
        "get": {
            "summary": f"The rows of a relation as .{extension}",
            "parameters": _in_query(_SHAPE),
            "responses": {**_ok(FORMATS[extension]), **_problems(400, 404, 406, 503, 504, 505)},
        },
        "put": {
            "summary": "Replaces all rows, or creates the relation, in one transaction",
            "requestBody": body,
            "responses": {
                "201": {"description": "The relation was created.", "headers": rows},
                "204": {"description": "The rows were replaced.", "headers": rows},
                **_problems(*broken),
            },
        },
        "post": {
            "summary": "Appends rows in one transaction",
            "parameters": [mode],
            "requestBody": body,
            "responses": {
                "200": {
                    "description": "The rows were written.",
                    "headers": rows,
                    "content": {"application/json": {}},
                },
                **_problems(404, *broken),
            },
        },
    }


def _definition(names: list[str]) -> dict[str, Any]:
    return {
        **_plain("The statement that makes the relation.", "application/sql"),
        "parameters": _names(names),
    }


def _listing(summary: str, names: list[str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": _names(names),
        "responses": {**_ok("text/html", "application/json"), **_problems(400, 404, 406, 503)},
    }


def _query_get() -> dict[str, Any]:
    return {
        "summary": "The result of a statement",
        "parameters": _in_query(_QUERY, required="sql"),
        "responses": _query_responses(),
    }


def _query_post() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Query"}}, "application/sql": {}}
    return {
        "summary": "The result of a statement",
        "requestBody": {"required": True, "content": content},
        "responses": _query_responses(),
    }


def _query_responses() -> dict[str, Any]:
    said = {"Result-Truncated": {"schema": {"const": "true"}, "description": "The row limit cut the result."}}
    ok = {"200": {**_ok(*dict.fromkeys(FORMATS.values()))["200"], "headers": said}}
    return {**ok, **_problems(400, 403, 404, 406, 413, 415, 422, 503, 504, 505)}


def _health(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {**_ok("application/json"), "503": {"description": "It does not."}},
    }


def _plain(summary: str, media_type: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {**_ok(media_type), **_problems(404)}}


def _ok(*media_types: str) -> dict[str, Any]:
    return {"200": {"description": "As asked.", "content": {media_type: {} for media_type in media_types}}}


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {
            "description": ", ".join(code for code, kind in TABLE.items() if kind.status == status),
            "content": content,
        }
        for status in sorted(set(statuses))
    }


def _names(names: Iterable[str]) -> list[dict[str, Any]]:
    return [_parameter(name, "path", _TEXT, "") for name in names]


def _in_query(table: Mapping[str, tuple[dict[str, Any], str]], required: str = "") -> list[dict[str, Any]]:
    return [
        {**_parameter(name, "query", schema, text), "required": name == required}
        for name, (schema, text) in table.items()
    ]


def _parameter(name: str, where: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    parameter = {"name": name, "in": where, "required": where == "path", "schema": schema}
    return {**parameter, "description": text} if text else parameter
