"""The HTTP interface as an OpenAPI document (https://spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

from typing import Any, Final

from headrace import __version__
from headrace.errors import QueryFault
from headrace.serve.asked import TIMEOUT_HEADER
from headrace.serve.openapi_schemas import SCHEMAS, TEXT, Json

_ERRORS: Final[dict[int, str]] = {
    400: "What was asked makes no sense, or cannot be done.",
    401: "A key is needed that the runtime knows.",
    403: "What was asked is refused.",
    404: "There is no such dataset, shard, refresh, mapping or failure.",
    406: "None of the forms of rows is accepted.",
    408: "It took too long.",
    413: "The body or the statement is too large.",
    500: "Headrace failed; its log says at what.",
    503: "Not ready, or too many ask at once: come again after Retry-After seconds.",
}
_OF_ALL: Final = (400, 401, 403, 500, 503)


def _path(name: str, text: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": TEXT, "description": text}


def _query(name: str, schema: Json, text: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


_NAME: Final = _path("name", "The dataset.")
_MAPPING: Final = _path("name", "The event source mapping.")
_PAGE: Final = (
    _query("after", TEXT, "What the page before named as next."),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many at most; 100 unless said."),
)


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


_TEXT_PLAIN: Final[Json] = {"text/plain": {"schema": TEXT}}

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
                "text/csv": {"schema": TEXT},
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
            body={"required": True, "content": {"text/plain": {"schema": TEXT}, **_json("Statement")}},
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
            _query("partition", TEXT, "The partition key.", required=True),
            _query("sort", TEXT, "The sort key, where the table has one."),
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
    "/v1/event_source_mappings": {
        "get": _operation(
            "Every event source mapping.",
            {"application/json": {"schema": {"type": "array", "items": _ref("Mapping")}}},
        )
    },
    "/v1/event_source_mappings/{name}/failures": {
        "get": _operation(
            "Failures without their records, by id; a page without any is the last.",
            _json("Failures"),
            _MAPPING,
            *_PAGE,
            errors=(404,),
        )
    },
    "/v1/event_source_mappings/{name}/failures/{id}": {
        "get": _operation(
            "One failure, whole.", _json("WholeFailure"), _MAPPING, _path("id", "Its id."), errors=(404,)
        )
    },
    "/v1/event_source_mappings/{name}/failures/redrive": {
        "post": _operation(
            "What became of failures that were tried again.",
            _json("Redriven"),
            _MAPPING,
            body=_body("FailuresAsked"),
            errors=(404,),
        )
    },
    "/v1/event_source_mappings/{name}/failures/discard": {
        "post": _operation(
            "What became of failures that were to be forgotten.",
            _json("FailuresDiscarded"),
            _MAPPING,
            body=_body("FailuresAsked"),
            errors=(404,),
        )
    },
    "/v1/event_source_mappings/{name}/fill": {
        "post": _operation(
            "The mapping's target will be given all items of the table.",
            _json("FillAsked"),
            _MAPPING,
            status=202,
            body=_body("Nothing", required=False),
            errors=(404,),
        )
    },
    "/v1/event_source_mappings/{name}/verify": {
        "post": _operation(
            "What the mapping's target keeps, compared with its table: all of it, which may take long.",
            _json("Verified"),
            _MAPPING,
            body=_body("Nothing", required=False),
            errors=(404,),
        )
    },
    "/v1/event_source_mappings/{name}/parked": {
        "get": _operation(
            "Items of which records wait, by key; a page without any is the last.",
            _json("Parked"),
            _MAPPING,
            *_PAGE,
            errors=(404,),
        )
    },
}


def openapi(*, authenticates: bool) -> Json:
    """The document; ``authenticates`` says whether a key is asked for."""
    codes = ", ".join(QueryFault)
    components: Json = {"schemas": SCHEMAS}
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
