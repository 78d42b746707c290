"""The HTTP interface as an OpenAPI document (https://spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

from typing import Any, Final

from headrace import __version__
from headrace.errors import QueryFault
from headrace.serve.asked import TIMEOUT_HEADER

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_FLAG: Final[Json] = {"type": "boolean"}


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: Json, optional: Json | None = None, *, closed: bool = True) -> Json:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": not closed,
    }


_LETTERS: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 1}
_ALL: Final[Json] = {"const": True}

_SCHEMAS: Final[Json] = {
    "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT})}),
    "Statement": _object(
        {"sql": _TEXT},
        {
            "parameters": {
                "type": "array",
                "items": {"type": ["string", "number", "boolean", "null"]},
                "description": "The values of ?, or of $1, $2 and so on.",
            }
        },
    ),
    "Rows": {"type": "array", "items": {"type": "object"}},
    "Listed": _object({"name": _TEXT, "from": _TEXT, "engine": _nullable(_TEXT)}),
    "Status": _object(
        {
            "name": _TEXT,
            "from": _TEXT,
            "engine": _nullable(_TEXT),
            "status": {"enum": ["Loading", "Ready", "Refreshing", "Error"]},
            "ready": _FLAG,
            "live": _FLAG,
            "fresh": _FLAG,
            "lag_ms": _nullable({"type": "number"}),
            "rows": _nullable(_COUNT),
            "reason": _nullable(_TEXT),
            "dead_letters": _COUNT,
            "columns": _nullable(_COUNT),
            "schema_changes": _COUNT,
            "last_schema_change": _nullable(_object({"text": _TEXT, "at": _TEXT})),
            "waiting_indexes": {"type": "array", "items": _TEXT},
            "snapshot": _nullable({"type": "object"}),
        },
    ),
    "RefreshAsked": _object(
        {},
        {
            "refresh_sql": _nullable(_TEXT),
            "refresh_mode": _nullable(_TEXT),
            "refresh_jitter_max": _nullable(_TEXT),
        },
    ),
    "RefreshBegun": _object({"message": _TEXT, "refresh": _COUNT}),
    "Refresh": _object(
        {
            "refresh": _COUNT,
            "state": _TEXT,
            "rows": _nullable(_COUNT),
            "seconds": _nullable({"type": "number"}),
            "reason": _nullable(_TEXT),
        }
    ),
    "Reselected": _object({"refresh_sql": _TEXT}),
    "Message": _object({"message": _TEXT}),
    "Snapshot": _object(
        {"id": _TEXT, "dataset": _TEXT, "table": _TEXT, "rows": _COUNT, "bytes": _COUNT}, closed=False
    ),
    "Stream": _object(
        {"dataset": _TEXT, "shards": {"type": "array", "items": {"type": "object"}}}, closed=False
    ),
    "KeyLife": _object({"dataset": _TEXT, "summary": {"type": "array", "items": _TEXT}}, closed=False),
    "RetryAsked": {"oneOf": [_object({"letters": _LETTERS}), _object({"all": _ALL})]},
    "DiscardAsked": {
        "oneOf": [_object({"letters": _LETTERS}), _object({"all": _ALL}), _object({"superseded": _ALL})]
    },
    "Retried": _object(
        {
            "retried": _COUNT,
            "failing": _COUNT,
            "superseded": _COUNT,
            "unknown": {"type": "array", "items": _TEXT},
        }
    ),
    "Discarded": _object({"discarded": _COUNT, "unknown": {"type": "array", "items": _TEXT}}),
}

_ERRORS: Final[dict[int, str]] = {
    400: "What was asked makes no sense, or cannot be done.",
    401: "A key is needed that the runtime knows.",
    403: "What was asked is refused.",
    404: "There is no such dataset, shard or refresh.",
    406: "None of the forms of rows is accepted.",
    408: "It took too long.",
    413: "The body or the statement is too large.",
    500: "Headrace failed; its log says at what.",
    503: "Not ready, or too many ask at once: come again after Retry-After seconds.",
}
_OF_ALL: Final = (400, 401, 403, 500, 503)


def _path(name: str, text: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT, "description": text}


def _query(name: str, schema: Json, text: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


_NAME: Final = _path("name", "The dataset.")


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": _ref(schema)}}


def _operation(
    summary: str,
    content: Json,
    *parameters: Json,
    status: int = 200,
    body: Json | None = None,
    errors: tuple[int, ...] = (),
    **more: Any,
) -> Json:
    responses: Json = {str(status): {"description": summary, "content": content}}
    for code in sorted({*_OF_ALL, *errors}):
        responses[str(code)] = {"description": _ERRORS[code], "content": _json("Error")}
    operation: Json = {"summary": summary, "responses": responses, **more}
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        operation["requestBody"] = body
        operation["responses"] |= {
            str(code): {"description": _ERRORS[code], "content": _json("Error")} for code in (408, 413)
        }
    return operation


def _body(schema: str, *, required: bool = True) -> Json:
    return {"required": required, "content": _json(schema)}


_TEXT_PLAIN: Final[Json] = {"text/plain": {"schema": _TEXT}}

_PATHS: Final[Json] = {
    "/health": {"get": _operation("The process answers.", _TEXT_PLAIN, security=[])},
    "/v1/ready": {
        "get": _operation("Every dataset may be queried, and what answers lives.", _TEXT_PLAIN, security=[])
    },
    "/v1/openapi.json": {
        "get": _operation("This document.", {"application/json": {"schema": {"type": "object"}}})
    },
    "/v1/sql": {
        "post": _operation(
            "The rows of a statement.",
            {
                **_json("Rows"),
                "text/csv": {"schema": _TEXT},
                "application/vnd.apache.arrow.stream": {"schema": {"type": "string", "format": "binary"}},
            },
            {
                "name": TIMEOUT_HEADER,
                "in": "header",
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "description": "Seconds that the engine may work on it, where that is less than the runtime allows.",
            },
            {
                "name": "cache-control",
                "in": "header",
                "schema": {"enum": ["no-cache", "no-store"]},
                "description": "no-cache: make the answer anew; no-store: and do not keep it.",
            },
            body={"required": True, "content": {"text/plain": {"schema": _TEXT}, **_json("Statement")}},
            errors=(406, 408, 413),
        )
    },
    "/v1/datasets": {
        "get": _operation(
            "Every dataset.",
            {
                "application/json": {
                    "schema": {"type": "array", "items": {"anyOf": [_ref("Listed"), _ref("Status")]}}
                }
            },
            _query("status", {"enum": ["true", "false"]}, "Whether its status is told too."),
        )
    },
    "/v1/datasets/{name}/shards": {
        "get": _operation("What is known of a dataset's shards.", _json("Stream"), _NAME, errors=(404,))
    },
    "/v1/datasets/{name}/shards/{shard}": {
        "get": _operation(
            "What is known of one shard's family.",
            _json("Stream"),
            _NAME,
            _path("shard", "The shard."),
            errors=(404,),
        )
    },
    "/v1/datasets/{name}/key": {
        "get": _operation(
            "The life of one key.",
            _json("KeyLife"),
            _NAME,
            _query("partition", _TEXT, "The partition key.", required=True),
            _query("sort", _TEXT, "The sort key, where the table has one."),
            errors=(404, 408),
        )
    },
    "/v1/datasets/{name}/acceleration/refresh": {
        "post": _operation(
            "A refresh has begun.",
            _json("RefreshBegun"),
            _NAME,
            status=201,
            body=_body("RefreshAsked", required=False),
            errors=(404,),
        )
    },
    "/v1/datasets/{name}/acceleration/refresh/{number}": {
        "get": _operation(
            "What became of a refresh.",
            _json("Refresh"),
            _NAME,
            _path("number", "The number of the refresh."),
            errors=(404,),
        )
    },
    "/v1/datasets/{name}/acceleration": {
        "patch": _operation(
            "Refreshes copy something else, until the process ends.",
            _json("Message"),
            _NAME,
            body=_body("Reselected"),
            errors=(404,),
        )
    },
    "/v1/datasets/{name}/acceleration/snapshots": {
        "post": _operation(
            "A snapshot is stored.", _json("Snapshot"), _NAME, status=201, errors=(404, 408, 413)
        )
    },
    "/v1/datasets/{name}/dead-letters/retry": {
        "post": _operation(
            "What became of dead letters that were tried again.",
            _json("Retried"),
            _NAME,
            body=_body("RetryAsked"),
            errors=(404,),
        )
    },
    "/v1/datasets/{name}/dead-letters/discard": {
        "post": _operation(
            "What became of dead letters that were to be forgotten.",
            _json("Discarded"),
            _NAME,
            body=_body("DiscardAsked"),
            errors=(404,),
        )
    },
}


def openapi(*, authenticates: bool) -> Json:
    """The document; ``authenticates`` says whether a key is asked for."""
    codes = ", ".join(QueryFault)
    components: Json = {"schemas": _SCHEMAS}
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Headrace",
            "version": __version__,
            "description": f"SQL over DynamoDB tables. Codes of errors: {codes}; unauthorized, not_found and alike.",
        },
        "paths": _PATHS,
        "components": components,
    }
    if authenticates:
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        document["security"] = [{"key": []}, {"bearer": []}]
    return document
