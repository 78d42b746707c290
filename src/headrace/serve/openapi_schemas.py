"""The forms of what the HTTP interface takes and answers, as JSON Schemas."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_FLAG: Final[Json] = {"type": "boolean"}


def nullable(schema: Json) -> Json:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(required: Json, optional: Json | None = None, *, closed: bool = True) -> Json:
    """An object with these members; ``closed``: and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": not closed,
    }


_LETTERS: Final[Json] = {"type": "array", "items": TEXT, "minItems": 1}
_ALL: Final[Json] = {"const": True}

_FAILURE: Final[Json] = {
    "id": TEXT,
    "mapping": TEXT,
    "consumer": TEXT,
    "condition": TEXT,
    "at": TEXT,
    "invoked": COUNT,
    "redriven": COUNT,
    "sent": _FLAG,
    "stream_arn": TEXT,
    "shard": TEXT,
    "start_sequence_number": nullable(TEXT),
    "end_sequence_number": nullable(TEXT),
    "batch_size": COUNT,
    "error_type": nullable(TEXT),
    "error_message": nullable(TEXT),
}

SCHEMAS: Final[Json] = {
    "Error": object_of({"error": object_of({"code": TEXT, "message": TEXT})}),
    "Statement": object_of(
        {"sql": TEXT},
        {
            "parameters": {
                "type": "array",
                "items": {"type": ["string", "number", "boolean", "null"]},
                "description": "The values of ?, or of $1, $2 and so on.",
            }
        },
    ),
    "Rows": {"type": "array", "items": {"type": "object"}},
    "Listed": object_of({"name": TEXT, "from": TEXT, "engine": nullable(TEXT)}),
    "Status": object_of(
        {
            "name": TEXT,
            "from": TEXT,
            "engine": nullable(TEXT),
            "status": {"enum": ["Loading", "Ready", "Refreshing", "Error"]},
            "ready": _FLAG,
            "live": _FLAG,
            "fresh": _FLAG,
            "lag_ms": nullable({"type": "number"}),
            "rows": nullable(COUNT),
            "reason": nullable(TEXT),
            "dead_letters": COUNT,
            "columns": nullable(COUNT),
            "schema_changes": COUNT,
            "last_schema_change": nullable(object_of({"text": TEXT, "at": TEXT})),
            "waiting_indexes": {"type": "array", "items": TEXT},
            "snapshot": nullable({"type": "object"}),
        },
    ),
    "RefreshAsked": object_of(
        {},
        {
            "refresh_sql": nullable(TEXT),
            "refresh_mode": nullable(TEXT),
            "refresh_jitter_max": nullable(TEXT),
        },
    ),
    "RefreshBegun": object_of({"message": TEXT, "refresh": COUNT}),
    "Refresh": object_of(
        {
            "refresh": COUNT,
            "state": TEXT,
            "rows": nullable(COUNT),
            "seconds": nullable({"type": "number"}),
            "reason": nullable(TEXT),
        }
    ),
    "Reselected": object_of({"refresh_sql": TEXT}),
    "Message": object_of({"message": TEXT}),
    "Snapshot": object_of(
        {"id": TEXT, "dataset": TEXT, "table": TEXT, "rows": COUNT, "bytes": COUNT}, closed=False
    ),
    "Stream": object_of(
        {"dataset": TEXT, "shards": {"type": "array", "items": {"type": "object"}}}, closed=False
    ),
    "KeyLife": object_of({"dataset": TEXT, "summary": {"type": "array", "items": TEXT}}, closed=False),
    "RetryAsked": {"oneOf": [object_of({"letters": _LETTERS}), object_of({"all": _ALL})]},
    "DiscardAsked": {
        "oneOf": [object_of({"letters": _LETTERS}), object_of({"all": _ALL}), object_of({"superseded": _ALL})]
    },
    "Retried": object_of(
        {
            "retried": COUNT,
            "failing": COUNT,
            "superseded": COUNT,
            "unknown": {"type": "array", "items": TEXT},
        }
    ),
    "Discarded": object_of({"discarded": COUNT, "unknown": {"type": "array", "items": TEXT}}),
    "Mapping": object_of(
        {
            "name": TEXT,
            "from": TEXT,
            "consumer": TEXT,
            "status": {"enum": ["Loading", "Ready", "Refreshing", "Error"]},
            "live": _FLAG,
            "iterator_age_ms": nullable(COUNT),
            "lag_ms": nullable(COUNT),
            "shards": {"type": "object", "additionalProperties": COUNT},
            **dict.fromkeys(
                (
                    *("invocations", "errors", "retries", "bisected", "delivered", "filtered"),
                    *("given_up", "parked", "failures", "filled"),
                ),
                COUNT,
            ),
            "filling": _FLAG,
            "reason": nullable(TEXT),
        }
    ),
    "Nothing": object_of({}),
    "FillAsked": object_of({"name": TEXT, "fill": TEXT}),
    "Verified": object_of(
        {
            "name": TEXT,
            "equal": _FLAG,
            **dict.fromkeys(("items", "rows", "differing", "moving", "broken"), COUNT),
            "differences": {
                "type": "array",
                "items": object_of(
                    {
                        "part": {"enum": ["state", "output"]},
                        "kind": {"enum": ["missing", "extra", "different"]},
                        "row": TEXT,
                        "expected": nullable(TEXT),
                        "found": nullable(TEXT),
                    }
                ),
            },
        }
    ),
    "Failure": object_of(_FAILURE),
    "WholeFailure": object_of(
        {
            **_FAILURE,
            "stack_trace": {"type": "array", "items": TEXT},
            "records": {"type": "array", "items": {"type": "object"}},
        }
    ),
    "Failures": object_of(
        {
            "failures": {"type": "array", "items": {"$ref": "#/components/schemas/Failure"}},
            "next": nullable(TEXT),
        }
    ),
    "Parked": object_of(
        {
            "parked": {
                "type": "array",
                "items": object_of({"mapping": TEXT, "key": TEXT, "records": COUNT, "oldest": TEXT}),
            },
            "next": nullable(TEXT),
        }
    ),
    "FailuresAsked": {"oneOf": [object_of({"failures": _LETTERS}), object_of({"all": _ALL})]},
    "Redriven": object_of(
        {
            "done": COUNT,
            "failing": COUNT,
            "released": COUNT,
            "left": COUNT,
            "unknown": {"type": "array", "items": TEXT},
        }
    ),
    "FailuresDiscarded": object_of(
        {"done": COUNT, "released": COUNT, "unknown": {"type": "array", "items": TEXT}}
    ),
}
"""By their names in the document."""
